"""Pods that take accelerators past the queue: vendors' runtimes hand out whatever a variable of the container names.

Images bring that variable with the value "all". Where a container asks for accelerators, the device plugin overrules
the image; nothing overrules what the container says itself.
"""

from __future__ import annotations

from generator.devices import offers
from generator.model import Center
from generator.outputs.policies import CONTAINERS, POD, WORK, Policy


def policy(center: Center, cluster: str) -> Policy | None:
    ours = [offer for offer in offers(center, cluster) if offer.words]
    runtimes = {offer.runtime: offer.resources for offer in ours if offer.runtime}
    names = sorted({name for offer in ours if (name := offer.selecting_variable)})
    claimed = any(offer.device_class for offer in ours)
    if not (runtimes or names or claimed):
        return None
    known = ", ".join(f"'{runtime}': [{_quoted(resources)}]" for runtime, resources in runtimes.items())
    is_in_one = "has(variables.pod.runtimeClassName) && variables.pod.runtimeClassName in variables.runtimes"
    asks = (
        "has(c.resources) && has(c.resources.limits) && r in c.resources.limits "
        "&& quantity(string(c.resources.limits[r])).isGreaterThan(quantity('0'))"
    )
    resources = "variables.runtimes[variables.pod.runtimeClassName]"
    # The queues count what templates ask for, and nothing of a claim that another pod has made.
    by_template = (
        "!has(variables.pod.resourceClaims) || variables.pod.resourceClaims.all(c, has(c.resourceClaimTemplateName))"
    )
    return Policy(
        WORK,
        (
            (by_template, "pods of tenants claim devices by templates"),
            (
                f"!({is_in_one}) || variables.containers.all(c, {resources}.exists(r, {asks}))",
                "every container in the runtime of accelerators asks for accelerators",
            ),
            (
                f"!({is_in_one}) || variables.containers.all(c, !has(c.envFrom))",
                "containers in the runtime of accelerators name their variables one by one",
            ),
            (
                f"variables.containers.all(c, !has(c.env) || c.env.all(e, !(e.name in [{_quoted(names)}])))",
                "the device plugin says which accelerators a container sees",
            ),
        ),
        {"pod": POD, "containers": CONTAINERS, "runtimes": f"{{{known}}}"},
    )


def _quoted(words: list[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)
