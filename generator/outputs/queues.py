"""Kueue: what a pool offers, who shares with whom, and what each tenant may hold of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from generator.model import Center, Share, Tenant
from generator.nodes import Pool
from generator.outputs.objects import QUEUES, labels, metadata, node_label, queue_name


def objects(center: Center, cluster: str) -> Iterator[dict[str, Any]]:
    """Flavors, cohorts, priorities and queues of a cluster, cluster-wide all of them."""
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
        "metadata": {**metadata(center, queue_name(tenant, share)), "labels": labels(center, tenant)},
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
