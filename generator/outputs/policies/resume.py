"""Jobs that run before their queue has admitted them."""

from __future__ import annotations

from generator.model import Center
from generator.outputs.policies import IS_TRUSTED, QUEUE, Policy, rule

_SUSPENDED = "(has(object.spec.suspend) && object.spec.suspend)"
_RAN = "(oldObject != null && !(has(oldObject.spec.suspend) && oldObject.spec.suspend))"


def policy(center: Center, cluster: str) -> Policy:
    message = "only its queue starts a job"
    # One without a queue is refused for that.
    queued = f"(has(object.metadata.labels) && '{QUEUE}' in object.metadata.labels)"
    holds = f"!{queued} || {_SUSPENDED} || {_RAN} || variables.trusted"
    return Policy((rule("batch", "jobs"),), ((holds, message),), {"trusted": IS_TRUSTED})
