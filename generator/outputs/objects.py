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
_DECIMAL = ("m", "", "k", "M", "G", "T", "P", "E")
_BINARY = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
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


def pod_security(center: Center, cluster: str, level: str) -> dict[str, str]:
    """Labels of a namespace with the standard that its pods must meet.

    Pinned: with "latest", an upgrade of the cluster would refuse what ran the day before.
    """
    version = f"v{center.clusters[cluster].version}"
    standards = {f"pod-security.kubernetes.io/{mode}": level for mode in ("enforce", "audit", "warn")}
    return standards | {f"{name}-version": version for name in standards}


def namespace(center: Center, cluster: str, name: str, level: str) -> dict[str, Any]:
    """A namespace of the centre's own, which no tenant gets into."""
    named = metadata(center, name)
    named["labels"] |= pod_security(center, cluster, level)
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": named}


def node_label(what: str) -> str:
    """A label that a kubelet may not give itself (the NodeRestriction plugin guards the prefix)."""
    return f"center.node-restriction.kubernetes.io/{what}"


def millicores(cores: float) -> str:
    return f"{round(cores * 1000)}m"


def megabytes(gigabytes: float) -> str:
    return f"{round(gigabytes * 1000)}M"


def written_back(quantity: str) -> str:
    """A quantity as Kubernetes spells it.

    Kueue reads its objects and writes them back: what it spelled otherwise would differ from ours for ever.
    """
    unit = quantity.lstrip("0123456789")
    number = int(quantity.removesuffix(unit))
    units, step = (_BINARY, 1024) if unit in _BINARY else (_DECIMAL, 1000)
    while number and number % step == 0 and unit != units[-1]:
        number, unit = number // step, units[units.index(unit) + 1]
    return f"{number}{unit}" if number else "0"


def queue_name(tenant: Tenant, share: Share) -> str:
    """The cluster-wide queue of a tenant on a pool; in its namespaces the queue has the name of the pool."""
    return f"{tenant.name}.{share.pool.name}"
