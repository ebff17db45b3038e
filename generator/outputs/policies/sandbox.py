"""Pods that stand on the kernel of a node although their tenant is kept off it."""

from __future__ import annotations

from generator.model import Center
from generator.outputs.policies import NAMESPACE_LABELS, POD, SANDBOX, WORK, Policy


def policy(center: Center, cluster: str) -> Policy | None:
    if not any(center.sandbox_of(tenant, cluster) for tenant in center.tenants_of(cluster)):
        return None
    inside = (
        f"!('{SANDBOX}' in {NAMESPACE_LABELS}) || (has(variables.pod.runtimeClassName) "
        f"&& variables.pod.runtimeClassName == {NAMESPACE_LABELS}['{SANDBOX}'])"
    )
    message = f"pods of this tenant say the runtimeClassName that the label {SANDBOX} of its namespace names"
    return Policy(WORK, ((inside, message),), {"pod": POD})
