"""A tenant's namespaces: isolation, limits, people, queues."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from generator.artifact import Artifact, Yaml
from generator.catalog.models import Size
from generator.devices import device_class
from generator.model import Center, Tenant
from generator.nodes import Pool
from generator.outputs.objects import QUEUES, labels, megabytes, millicores, pod_security, queue_name
from generator.outputs.policies import CLASS, SANDBOX, TENANT
from generator.problems import dotted

_DNS = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}


# What each count of a class limits, by the names that a ResourceQuota has for them.
_COUNTED = {
    "jobs": ["count/jobs.batch", "count/resourceclaimtemplates.resource.k8s.io"],
    "deployments": ["count/deployments.apps", "count/statefulsets.apps"],
    "services": ["services"],
    "configmaps": ["configmaps"],
    "secrets": ["secrets"],
    "claims": ["persistentvolumeclaims"],
    "autoscalers": ["count/horizontalpodautoscalers.autoscaling"],
    "policies": ["count/networkpolicies.networking.k8s.io"],
    "roles": ["count/roles.rbac.authorization.k8s.io", "count/rolebindings.rbac.authorization.k8s.io"],
}
_NEVER = ("services.nodeports", "services.loadbalancers", "replicationcontrollers")


def artifacts_of(center: Center, cluster: str) -> Iterator[Artifact]:
    for tenant in center.tenants_of(cluster):
        for environment, namespace in zip(tenant.environments, tenant.namespaces(), strict=True):
            objects = tuple(_objects(center, cluster, tenant, environment, namespace))
            causes = (dotted(tenant.path), "pools", f"clusters.{cluster}", "metadata.name")
            yield Artifact(f"clusters/{cluster}/namespaces/{namespace}.yaml", Yaml(objects), causes)


def _objects(
    center: Center, cluster: str, tenant: Tenant, environment: str, namespace: str
) -> Iterator[dict[str, Any]]:
    owned = labels(center, tenant, environment)

    def named(name: str) -> dict[str, Any]:
        return {"name": name, "namespace": namespace, "labels": owned}

    yield _namespace(center, cluster, tenant, namespace, owned)
    own = list(_policies(named, tenant))
    bindings = list(_bindings(named, tenant))
    hard = _counts(tenant, cluster, {"policies": len(own), "roles": len(bindings)})
    yield {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": named("objects"), "spec": {"hard": hard}}
    hard = _most(center, cluster, tenant)
    yield {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": named("work"), "spec": {"hard": hard}}
    unsaid = {"defaultRequest": _size(tenant.class_.request), "default": _size(tenant.class_.limit)}
    limits = [{"type": "Container", **unsaid}]
    yield {"apiVersion": "v1", "kind": "LimitRange", "metadata": named("defaults"), "spec": {"limits": limits}}
    yield from own
    yield from bindings
    for share in tenant.quota:
        if cluster in share.pool.clusters:
            queue = {"clusterQueue": queue_name(tenant, share)}
            yield {**QUEUES, "kind": "LocalQueue", "metadata": named(share.pool.name), "spec": queue}


def _namespace(center: Center, cluster: str, tenant: Tenant, namespace: str, owned: dict[str, str]) -> dict[str, Any]:
    """What policies must know of a tenant is on its namespaces, which nobody of it may change."""
    enforced = pod_security(center, cluster, "restricted")
    known = {CLASS: tenant.class_.name}
    if sandbox := center.sandbox_of(tenant, cluster):
        known[SANDBOX] = sandbox.name
    metadata = {"name": namespace, "labels": {**owned, **enforced, **known}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def _counts(tenant: Tenant, cluster: str, own: dict[str, int]) -> dict[str, str]:
    """Most objects of each kind; those that the centre puts there itself leave the tenant what its class says."""
    counts = tenant.class_.counts
    hard = {
        "pods": str(most_pods(tenant, cluster)),
        "requests.storage": megabytes(tenant.class_.storage.magnitude),
    }
    for what, names in _COUNTED.items():
        hard |= dict.fromkeys(names, str(getattr(counts, what) + own.get(what, 0)))
    # Only operators make any: two are here, others limit what the spec has no words for.
    return {**hard, **dict.fromkeys(_NEVER, "0"), "resourcequotas": "10"}


def most_pods(tenant: Tenant, cluster: str) -> int:
    """Pods of one environment: what the class says, and one for each accelerator that the tenant may hold."""
    return tenant.class_.counts.pods + sum(share.accelerators for share in tenant.shares(cluster))


def _most(center: Center, cluster: str, tenant: Tenant) -> dict[str, str]:
    """The wall behind the queue, never tighter than what it may admit; nothing of pools that are not the tenant's."""
    devices = {_device(center, cluster, pool): 0 for pool in center.pools_of(cluster) if pool.plugin}
    cpu, memory = 0, 0
    for share in tenant.shares(cluster):
        asked = share.resources()
        cpu += int(asked["cpu"].removesuffix("m"))
        memory += int(asked["memory"].removesuffix("Mi"))
        if share.pool.plugin:
            devices[_device(center, cluster, share.pool)] += share.accelerators
    counted = {name: str(count) for name, count in devices.items()}
    return {"requests.cpu": f"{cpu}m", "requests.memory": f"{memory}Mi", **counted}


def _device(center: Center, cluster: str, pool: Pool) -> str:
    """What a quota of a namespace calls the accelerators of a pool: those that are claimed by their class."""
    if claimed := device_class(center, pool, cluster):
        return f"{claimed}.deviceclass.resource.k8s.io/devices"
    return f"requests.{pool.plugin.resource if pool.plugin else ''}"


def _size(size: Size) -> dict[str, str]:
    return {"cpu": millicores(size.cores), "memory": megabytes(size.memory.magnitude)}


def _bindings(named: Any, tenant: Tenant) -> Iterator[dict[str, Any]]:
    group = "rbac.authorization.k8s.io"
    for who, role in ((tenant.admins, "center-tenant-admin"), (tenant.members, "center-tenant-member")):
        if who:
            yield {
                "apiVersion": f"{group}/v1",
                "kind": "RoleBinding",
                "metadata": named(role),
                "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
                "subjects": [{"apiGroup": group, "kind": "Group", "name": name} for name in sorted(set(who))],
            }


def _policies(named: Any, tenant: Tenant) -> Iterator[dict[str, Any]]:
    """Nothing in or out, except names, the tenant's own pods, and the outside world by way of nobody's pods."""
    same = {"namespaceSelector": {"matchLabels": {TENANT: tenant.name}}}
    dns = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
    gateway = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "center-system"}}}
    policies: dict[str, dict[str, Any]] = {
        "default-deny": {"policyTypes": ["Ingress", "Egress"]},
        "allow-dns": {"policyTypes": ["Egress"], "egress": [{"to": [dns], **_DNS}]},
        "allow-same-tenant": {
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [same]}],
            "egress": [{"to": [same]}],
        },
        "allow-gateway": {"policyTypes": ["Ingress"], "ingress": [{"from": [gateway]}]},
    }
    for name, spec in policies.items():
        yield {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": named(name),
            "spec": {"podSelector": {}, **spec},
        }
