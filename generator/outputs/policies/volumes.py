"""Claims that take a volume which is there already, and perhaps the data of somebody else on it."""

from __future__ import annotations

from generator.model import Center
from generator.outputs.policies import IS_TRUSTED, Policy, rule

_VOLUME = "(has({0}.spec.volumeName) ? {0}.spec.volumeName : '')"


def policy(center: Center, cluster: str) -> Policy:
    # Without a class a claim would take any volume that has none.
    new = (
        f"{_VOLUME.format('object')} == '' && !has(object.spec.selector) "
        "&& has(object.spec.storageClassName) && object.spec.storageClassName != ''"
    )
    same = f"{_VOLUME.format('object')} == {_VOLUME.format('oldObject')}"
    foreign = "!has(object.spec.dataSourceRef) || !has(object.spec.dataSourceRef.namespace)"
    message = "claims of tenants get new volumes: a storageClassName, no volumeName, no selector"
    return Policy(
        (rule("", "persistentvolumeclaims"),),
        (
            (f"(oldObject == null ? ({new}) : ({same})) || variables.trusted", message),
            (f"{foreign} || variables.trusted", "claims of tenants take no data of another namespace"),
        ),
        {"trusted": IS_TRUSTED},
    )
