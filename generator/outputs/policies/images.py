"""Images from elsewhere, and images that a node takes from what others have left there."""

from __future__ import annotations

from generator.model import Center
from generator.outputs.policies import CONTAINERS, POD, WORK, Policy


def policy(center: Center, cluster: str) -> Policy:
    # A node does not ask the registry again for an image that it has, whoever was allowed to pull it.
    fresh = "has(c.imagePullPolicy) && c.imagePullPolicy == 'Always' || c.image.contains('@sha256:')"
    validations = [
        (
            f"variables.containers.all(c, {fresh})",
            "images of tenants are pulled with imagePullPolicy Always, or named by digest",
        )
    ]
    if sources := center.registries_of(cluster):
        places = ", ".join(f"'{source}/'" for source in sources)
        known = f"variables.containers.all(c, [{places}].exists(p, c.image.startsWith(p)))"
        validations.append((known, f"images of tenants come from {', '.join(sources)}"))
    return Policy(WORK, tuple(validations), {"pod": POD, "containers": CONTAINERS})
