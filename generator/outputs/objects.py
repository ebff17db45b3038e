"""What Kubernetes objects of every family have in common."""

from __future__ import annotations

from typing import Any

from generator.model import Center, Share, Tenant

QUEUES = {"apiVersion": "kueue.x-k8s.io/v1beta2"}

POD_SECURITY: dict[str, Any] = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "runAsGroup": 1000,
    "fsGroup": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY: dict[str, Any] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def labels(center: Center, tenant: Tenant | None = None, environment: str | None = None) -> dict[str, str]:
    """Who owns an object; every object of ours has them."""
    found = {"app.kubernetes.io/managed-by": "center", "center.internal/center": center.name}
    if tenant:
        found |= {"center.internal/tenant": tenant.name, "center.internal/organization": tenant.organization}
    if environment:
        found["center.internal/environment"] = environment
    return found


def metadata(center: Center, name: str) -> dict[str, Any]:
    return {"name": name, "labels": labels(center)}


def node_label(what: str) -> str:
    """A label that a kubelet may not give itself (the NodeRestriction plugin guards the prefix)."""
    return f"center.node-restriction.kubernetes.io/{what}"


def millicores(cores: float) -> str:
    return f"{round(cores * 1000)}m"


def megabytes(gigabytes: float) -> str:
    return f"{round(gigabytes * 1000)}M"


def queue_name(tenant: Tenant, share: Share) -> str:
    """The cluster-wide queue of a tenant on a pool; in its namespaces the queue has the name of the pool."""
    return f"{tenant.name}.{share.pool.name}"
