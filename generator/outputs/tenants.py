"""A tenant's namespaces: isolation, limits, people, queues."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from generator.artifact import Artifact, Yaml
from generator.model import Center, Share, Tenant
from generator.outputs.objects import QUEUES, labels, queue_name
from generator.problems import dotted

_DNS = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
_SAME_TENANT = "center.internal/tenant"


def artifacts_of(center: Center, cluster: str) -> Iterator[Artifact]:
    for tenant in center.tenants_of(cluster):
        shares = [share for share in tenant.quota if cluster in share.pool.clusters]
        for environment, namespace in zip(tenant.environments, tenant.namespaces(), strict=True):
            devices = _devices(center, cluster, tenant)
            objects = tuple(_objects(center, tenant, environment, namespace, shares, devices))
            causes = (dotted(tenant.path), "pools", f"clusters.{cluster}", "metadata.name")
            yield Artifact(f"clusters/{cluster}/namespaces/{namespace}.yaml", Yaml(objects), causes)


def _devices(center: Center, cluster: str, tenant: Tenant) -> dict[str, int]:
    """The most accelerators of each kind that a queue may ever admit; none of pools that are not the tenant's."""
    devices = {pool.plugin.resource: 0 for pool in center.pools_of(cluster) if pool.plugin}
    for share in (*tenant.quota, *tenant.borrow):
        if share.pool.plugin and cluster in share.pool.clusters:
            devices[share.pool.plugin.resource] += share.accelerators
    return devices


def _objects(
    center: Center,
    tenant: Tenant,
    environment: str,
    namespace: str,
    shares: list[Share],
    devices: dict[str, int],
) -> Iterator[dict[str, Any]]:
    owned = labels(center, tenant, environment)

    def named(name: str) -> dict[str, Any]:
        return {"name": name, "namespace": namespace, "labels": owned}

    enforced = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {**owned, **enforced}}}
    yield {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": named("objects"),
        "spec": {
            "hard": {
                "pods": str(tenant.class_.pods),
                "services": str(tenant.class_.services),
                "services.nodeports": "0",
                "services.loadbalancers": "0",
                "configmaps": "200",
                "secrets": "200",
                "persistentvolumeclaims": "50",
                "count/jobs.batch": str(tenant.class_.pods),
            }
        },
    }
    if devices:
        # The queue is the quota; this is the wall behind it, never tighter than what the queue may admit.
        hard = {f"requests.{resource}": str(count) for resource, count in devices.items()}
        yield {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": named("accelerators"), "spec": {"hard": hard}}
    yield {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": named("defaults"),
        "spec": {
            "limits": [
                {
                    "type": "Container",
                    "defaultRequest": {"cpu": "100m", "memory": "128Mi"},
                    "default": {"cpu": "1", "memory": "1Gi"},
                }
            ]
        },
    }
    yield from _policies(named, tenant)
    for who, role in ((tenant.admins, "center-tenant-admin"), (tenant.members, "center-tenant-member")):
        subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group"}
        if who:
            yield {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": named(role),
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                "subjects": [{**subject, "name": group} for group in sorted(set(who))],
            }
    for share in shares:
        queue = {"clusterQueue": queue_name(tenant, share)}
        yield {**QUEUES, "kind": "LocalQueue", "metadata": named(share.pool.name), "spec": queue}


def _policies(named: Any, tenant: Tenant) -> Iterator[dict[str, Any]]:
    """Nothing in or out, except names, the tenant's own pods, and the outside world by way of nobody's pods."""
    same = {"namespaceSelector": {"matchLabels": {_SAME_TENANT: tenant.name}}}
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
