"""Kubernetes clusters: what exists once a cluster. Object counts follow pools and tenants, never nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from generator.artifact import Artifact, Json, Yaml
from generator.model import Center, Share, Tenant
from generator.nodes import Pool
from generator.outputs import policies, services, tenants
from generator.outputs.objects import QUEUES, labels, metadata, node_label


def artifacts(center: Center) -> Iterator[Artifact]:
    for name, cluster in center.clusters.items():
        if cluster.kind != "kubernetes":
            continue
        folder = f"clusters/{name}"
        files = [
            Artifact(
                f"{folder}/cluster.yaml",
                Yaml(tuple(_objects(center, name))),
                (f"clusters.{name}", "organizations", "pools", "halls", "metadata.name"),
            ),
            *tenants.artifacts_of(center, name),
            *services.artifacts_of(center, name),
        ]
        yield from files
        yield Artifact(f"{folder}/nodes.json", Json(_node_labels(center, name)), ("pools", "halls", f"clusters.{name}"))
        entries = [file.path.removeprefix(f"{folder}/") for file in files]
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": entries,
        }
        causes = (f"clusters.{name}", "organizations", "services", "pools")
        yield Artifact(f"{folder}/kustomization.yaml", Yaml((kustomization,)), causes)


def _objects(center: Center, cluster: str) -> Iterator[dict[str, Any]]:
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata(center, "center-system")}
    yield from _tenant_roles(center)
    yield from policies.policies(center)
    members = center.tenants_of(cluster)
    for pool in center.pools_of(cluster, "worker"):
        yield _flavor(center, pool)
    for name in sorted({tenant.organization for tenant in members}):
        weight = center.spec.organizations[name].weight
        yield {
            **QUEUES,
            "kind": "Cohort",
            "metadata": metadata(center, f"org-{name}"),
            "spec": {"fairSharing": {"weight": str(weight)}, "parentName": center.name},
        }
    for class_ in sorted({tenant.class_.name for tenant in members}):
        found = next(tenant.class_ for tenant in members if tenant.class_.name == class_)
        yield {
            **QUEUES,
            "kind": "WorkloadPriorityClass",
            "metadata": metadata(center, class_),
            "value": found.priority,
            "description": found.title,
        }
    for tenant in members:
        for share in tenant.quota:
            if cluster in share.pool.clusters:
                yield _cluster_queue(center, tenant, share)


def _flavor(center: Center, pool: Pool) -> dict[str, Any]:
    return {
        **QUEUES,
        "kind": "ResourceFlavor",
        "metadata": metadata(center, pool.name),
        "spec": {"nodeLabels": {node_label("pool"): pool.name}},
    }


def _cluster_queue(center: Center, tenant: Tenant, share: Share) -> dict[str, Any]:
    """A queue for each tenant and pool: its quota is certain, what it borrows goes back to the owner on demand."""
    borrowed = next((other.resources() for other in tenant.borrow if other.pool is share.pool), {})
    quota = [
        {"name": name, "nominalQuota": amount, "borrowingLimit": borrowed.get(name, "0")}
        for name, amount in share.resources().items()
    ]
    return {
        **QUEUES,
        "kind": "ClusterQueue",
        "metadata": {**metadata(center, tenants.queue_name(tenant, share)), "labels": labels(center, tenant)},
        "spec": {
            "cohortName": f"org-{tenant.organization}",
            "namespaceSelector": {"matchLabels": {"center.internal/tenant": tenant.name}},
            "queueingStrategy": "BestEffortFIFO",
            "preemption": {
                "reclaimWithinCohort": "Any",
                "withinClusterQueue": tenant.class_.preempt if tenant.class_.preempt != "Any" else "LowerPriority",
            },
            "resourceGroups": [
                {
                    "coveredResources": [entry["name"] for entry in quota],
                    "flavors": [{"name": share.pool.name, "resources": quota}],
                }
            ],
        },
    }


def _tenant_roles(center: Center) -> Iterator[dict[str, Any]]:
    """What people of a tenant may do in its namespaces; no secret of another, no quota, no policy, no role."""
    work: list[dict[str, Any]] = [
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["*"]},
        {"apiGroups": ["batch"], "resources": ["cronjobs"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["apps"], "resources": ["deployments", "statefulsets"], "verbs": ["*"]},
        {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": ["get", "list", "watch"]},
        # A pod is never edited: that could take away the gate that holds it until its queue admits it.
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "create", "delete"]},
        {
            "apiGroups": [""],
            "resources": ["services", "configmaps", "secrets", "persistentvolumeclaims"],
            "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
        },
        {"apiGroups": [""], "resources": ["pods/log", "events"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["pods/exec", "pods/portforward"], "verbs": ["create"]},
        {"apiGroups": ["kueue.x-k8s.io"], "resources": ["localqueues", "workloads"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["gateway.networking.k8s.io"], "resources": ["httproutes"], "verbs": ["get", "list", "watch"]},
    ]
    look = [{"apiGroups": [""], "resources": ["resourcequotas", "limitranges"], "verbs": ["get", "list", "watch"]}]
    policies = {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": ["get", "list", "watch"]}
    admin = [{"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"], "verbs": ["*"]}, policies]
    for name, rules in (("center-tenant-member", [*work, *look]), ("center-tenant-admin", [*work, *look, *admin])):
        yield {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": metadata(center, name),
            "rules": rules,
        }


def _node_labels(center: Center, cluster: str) -> dict[str, dict[str, str]]:
    """Labels that apply sets on nodes; a kubelet may not change them."""
    return {
        node.name: {node_label("pool"): nodes.pool.name, node_label("rack"): node.rack}
        for nodes in center.ranges()
        if cluster in nodes.pool.clusters
        for node in nodes.nodes()
    }
