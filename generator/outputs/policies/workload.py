"""Pods that join the workload of others by its name, and so run on what was admitted for them."""

from __future__ import annotations

from generator.model import Center
from generator.outputs.policies import PODS, Policy, rule

_GROUP = "kueue.x-k8s.io/pod-group-name"
_BY_A_CONTROLLER = "request.userInfo.groups.exists(g, g == 'system:serviceaccounts:kube-system')"


def policy(center: Center, cluster: str) -> Policy:
    # Stateful sets get the label from their queue, so a controller may bring it.
    plain = f"(has(object.metadata.labels) && '{_GROUP}' in object.metadata.labels)"
    below = (
        "(has(dyn(object).spec.template) && has(dyn(object).spec.template.metadata.labels) "
        f"&& '{_GROUP}' in dyn(object).spec.template.metadata.labels)"
    )
    message = f"the label {_GROUP} is set by controllers only"
    rules = (PODS, rule("batch", "jobs"), rule("apps", "deployments"))
    return Policy(rules, ((f"!({plain} || {below}) || {_BY_A_CONTROLLER}", message),))
