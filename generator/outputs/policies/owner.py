"""Work that says it belongs to other work, which a queue would let pass as already counted."""

from __future__ import annotations

from generator.model import Center
from generator.outputs.policies import IS_TRUSTED, WORK, Policy

_OWNERS = "has(object.metadata.ownerReferences) ? object.metadata.ownerReferences : []"
_BEFORE = """\
oldObject != null && has(oldObject.metadata.ownerReferences) ? oldObject.metadata.ownerReferences : []"""
# A run that somebody starts from a job template belongs to that template, which no queue counts.
_IS_TEMPLATE = "request.resource.resource == 'jobs' && o.kind == 'CronJob' && o.apiVersion == 'batch/v1'"


def policy(center: Center, cluster: str) -> Policy:
    mine = (
        f"variables.owners.all(o, ({_IS_TEMPLATE}) || variables.before.exists(b, b.uid == o.uid && b.kind == o.kind))"
    )
    message = "only a controller makes work that belongs to other work"
    variables = {"owners": _OWNERS, "before": _BEFORE, "trusted": IS_TRUSTED}
    return Policy(WORK, ((f"{mine} || variables.trusted", message),), variables)
