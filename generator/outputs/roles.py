"""Who may do what: the roles of tenants, bound in their namespaces by the groups that the spec names.

Whoever may create pods may read every secret of the namespace, so members may read them too. Nobody may touch quotas,
namespaces, nodes or volumes, and nobody may hand out what he does not have: the API server sees to that, unless a role
has one of the verbs that no role here has.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from generator.model import Center
from generator.outputs.objects import metadata

_LOOK = ["get", "list", "watch"]
_CHANGE = [*_LOOK, "create", "delete", "patch", "update"]


def _may(group: str, resources: str, verbs: list[str]) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": resources.split(), "verbs": verbs}


_MEMBER = [
    _may("batch", "jobs", _CHANGE),
    _may("batch", "cronjobs", _LOOK),
    _may("apps", "deployments statefulsets", _CHANGE),
    _may("apps", "deployments/scale statefulsets/scale", ["get", "patch", "update"]),
    _may("apps", "replicasets", _LOOK),
    # A pod is never edited: that could take away the gate that holds it until its queue admits it.
    _may("", "pods", [*_LOOK, "create", "delete"]),
    _may("", "services configmaps secrets persistentvolumeclaims", _CHANGE),
    _may("", "pods/log events resourcequotas limitranges", _LOOK),
    # "get" is how newer clients open the connection.
    _may("", "pods/exec pods/portforward", ["get", "create"]),
    _may("kueue.x-k8s.io", "localqueues workloads", _LOOK),
    _may("gateway.networking.k8s.io", "httproutes", _LOOK),
    _may("networking.k8s.io", "networkpolicies", _LOOK),
    _may("resource.k8s.io", "resourceclaimtemplates", _CHANGE),
    _may("resource.k8s.io", "resourceclaims", _LOOK),
]
_ADMIN = [
    _may("autoscaling", "horizontalpodautoscalers", _CHANGE),
    _may("networking.k8s.io", "networkpolicies", _CHANGE),
    _may("rbac.authorization.k8s.io", "roles rolebindings", _CHANGE),
]


def tenant_roles(center: Center) -> Iterator[dict[str, Any]]:
    """What people of a tenant may do in its namespaces."""
    for name, rules in (("center-tenant-member", _MEMBER), ("center-tenant-admin", [*_MEMBER, *_ADMIN])):
        yield {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": metadata(center, name),
            "rules": rules,
        }
