"""Kueue: what a pool offers, who shares with whom, and what each tenant may hold of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from generator.devices import offers
from generator.emit import emit_yaml
from generator.model import Center, Share, Tenant
from generator.nodes import Node, NodeRange, Pool
from generator.outputs.objects import QUEUES, labels, metadata, node_label, queue_name, written_back
from generator.plant import Net
from generator.spec.pools import Kubernetes

_HOST = "kubernetes.io/hostname"
_PATIENCE = (0, 19)
"""Since this version Kueue ends a job whose pods are not ready in time."""
_AT_ONCE = {
    **dict.fromkeys(("Job.batch", "Pod", "Workload.kueue.x-k8s.io"), 5),
    **{f"{kind}.kueue.x-k8s.io": 1 for kind in ("ClusterQueue", "Cohort", "LocalQueue", "ResourceFlavor")},
}
"""How many objects of a kind Kueue looks at at a time."""


def objects(center: Center, name: str, cluster: Kubernetes) -> Iterator[dict[str, Any]]:
    """Topologies, flavors, cohorts, priorities and queues of a cluster, cluster-wide all of them."""
    members, pools = center.tenants_of(name), center.pools_of(name, "worker")
    for levels in sorted({levels for pool in pools if (levels := _levels(center, cluster, pool))}):
        labels_of_levels = [*map(node_label, levels), _HOST]
        yield {
            **QUEUES,
            "kind": "Topology",
            "metadata": metadata(center, _topology_name(levels)),
            "spec": {"levels": [{"nodeLabel": label} for label in labels_of_levels]},
        }
    for pool in pools:
        yield _flavor(center, cluster, pool)
    yield _cohort(center, center.name, _unpromised(center, pools))
    for each in sorted({tenant.organization for tenant in members}):
        weight = str(center.spec.organizations[each].weight)
        groups = _kept(center, pools, each)
        yield _cohort(center, f"org-{each}", groups, fairSharing={"weight": weight}, parentName=center.name)
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
            if name in share.pool.clusters:
                yield _cluster_queue(center, tenant, share)


def manager(center: Center, name: str, cluster: Kubernetes) -> Iterator[dict[str, Any]]:
    """Kueue's own configuration, in the namespace that comes with Kueue; it is read when Kueue starts."""
    own = {**labels(center), "app.kubernetes.io/version": cluster.queues}
    yield {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "kueue-manager-config", "namespace": "kueue-system", "labels": own},
        "data": {"controller_manager_config.yaml": emit_yaml([_configuration(center, name, cluster.queues)]).decode()},
    }


def _configuration(center: Center, cluster: str, version: str) -> dict[str, Any]:
    """What Kueue's own defaults leave open or differently: fairness, the kinds that pass through queues, and where."""
    major, _, minor = version.partition(".")
    waits = (int(major), int(minor)) >= _PATIENCE
    # What pods claim counts as the resource that they would ask for elsewhere.
    claimed = [
        {"name": resource, "deviceClassNames": [offer.device_class]}
        for offer in offers(center, cluster)
        for resource in offer.resources[: 1 if offer.device_class else 0]
    ]
    return {
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "namespace": "kueue-system",
        "health": {"healthProbeBindAddress": ":8081"},
        "metrics": {"bindAddress": ":8443", "enableClusterQueueResources": True},
        "webhook": {"port": 9443},
        "leaderElection": {"leaderElect": True, "resourceName": "c1f6bfd2.kueue.x-k8s.io"},
        # As Kueue's makers publish them; without these words it falls back on less than half the pace.
        "controller": {"groupKindConcurrency": _AT_ONCE},
        "clientConnection": {"qps": 50, "burst": 100},
        # The admission policies refuse work of tenants without a queue; work of nobody's tenant is left alone.
        "manageJobsWithoutQueueName": False,
        "managedJobsNamespaceSelector": {"matchExpressions": [{"key": "center.internal/tenant", "operator": "Exists"}]},
        "integrations": {"frameworks": ["batch/job", "deployment", "pod", "statefulset"]},
        "fairSharing": {"preemptionStrategies": ["LessThanOrEqualToFinalShare", "LessThanInitialShare"]},
        # Nobody is promised a part of it, and a job that asks for a resource without quota would wait for ever.
        "resources": {
            "excludeResourcePrefixes": ["ephemeral-storage"],
            **({"deviceClassMappings": claimed} if claimed else {}),
        },
        **({"waitForPodsReady": {"timeout": "2h"}} if waits else {}),
    }


def leaf_label(center: Center, nodes: NodeRange, node: Node) -> dict[str, str]:
    """The place that the leaves of a node's fabric serve; nothing for a node that is on no fabric."""
    net = _net(center, nodes.pool)
    if net is None:
        return {}
    hall, row = nodes.racks.hall, nodes.racks.row
    place = {"rack": node.rack, "row": f"{hall}.{row}", "hall": hall, "center": center.name}[net.spec.serves]
    return {node_label("leaf"): place}


def _net(center: Center, pool: Pool) -> Net | None:
    """The fabric on which the jobs of a pool talk: one with remote memory access before any other."""
    nets = [center.nets[name] for name, _ in pool.ports]
    return min(nets, key=lambda net: net.spec.kind == "ethernet", default=None)


def _levels(center: Center, cluster: Kubernetes, pool: Pool) -> tuple[str, ...]:
    """What a pool's jobs may ask to stay within, the widest first."""
    there = [level for level in ("leaf", "rack") if level in cluster.topology]
    return tuple(level for level in there if level != "leaf" or _net(center, pool))


def _topology_name(levels: tuple[str, ...]) -> str:
    return "-".join(levels)


def _flavor(center: Center, cluster: Kubernetes, pool: Pool) -> dict[str, Any]:
    levels = _levels(center, cluster, pool)
    topology = {"topologyName": _topology_name(levels)} if levels else {}
    return {
        **QUEUES,
        "kind": "ResourceFlavor",
        "metadata": metadata(center, pool.name),
        "spec": {"nodeLabels": {node_label("pool"): pool.name}, **topology},
    }


def _cohort(center: Center, name: str, groups: list[dict[str, Any]], **rest: Any) -> dict[str, Any]:
    spec = {**rest, **({"resourceGroups": groups} if groups else {})}
    return {**QUEUES, "kind": "Cohort", "metadata": metadata(center, name), "spec": spec}


def _unpromised(center: Center, pools: list[Pool]) -> list[dict[str, Any]]:
    """What pools have beyond all promises belongs to the root: everybody who may borrow can borrow it."""
    left = {pool: center.capacity(pool) - center.promised(pool) for pool in pools}
    return _group({pool: _limits(pool, "nominalQuota", amount) for pool, amount in left.items() if amount > 0})


def _kept(center: Center, pools: list[Pool], organization: str) -> list[dict[str, Any]]:
    """An organization lends at most what its tenants have beyond its guarantee; what they have is in their queues."""
    lent = {}
    for pool in pools:
        if kept := center.kept(pool, organization):
            lent[pool] = _limits(pool, "lendingLimit", center.promised(pool, organization) - kept)
    return _group(lent)


def _limits(pool: Pool, limit: str, amount: int) -> dict[str, dict[str, str]]:
    """A limit for each resource that an amount of a pool has."""
    resources = Share(pool, amount, "accelerators" if pool.accelerators_per_node else "nodes", pool.path).resources()
    return {resource: {"nominalQuota": "0", limit: written_back(each)} for resource, each in resources.items()}


def _group(pools: dict[Pool, dict[str, dict[str, str]]]) -> list[dict[str, Any]]:
    """One group of all pools, since a resource may be in one group only: each pool says something of each resource."""
    covered = sorted({resource for limits in pools.values() for resource in limits})
    flavors = [
        {
            "name": pool.name,
            "resources": [{"nominalQuota": "0", **limits.get(name, {}), "name": name} for name in covered],
        }
        for pool, limits in pools.items()
    ]
    return [{"coveredResources": covered, "flavors": flavors}] if flavors else []


def _cluster_queue(center: Center, tenant: Tenant, share: Share) -> dict[str, Any]:
    """A queue for each tenant and pool: its quota is certain, what it borrows goes back to the owner on demand."""
    borrowed = next((other.resources() for other in tenant.borrow if other.pool is share.pool), {})
    quota = [
        {
            "name": name,
            "nominalQuota": written_back(amount),
            "borrowingLimit": written_back(borrowed.get(name, "0")),
        }
        for name, amount in share.resources().items()
    ]
    within = tenant.class_.preempt if tenant.class_.preempt != "Any" else "LowerPriority"
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
                # Borrowers get at each other by their shares, which the weights decide, and never by priority.
                "borrowWithinCohort": {"policy": "Never"},
                "withinClusterQueue": within,
            },
            "resourceGroups": [
                {
                    "coveredResources": [entry["name"] for entry in quota],
                    "flavors": [{"name": share.pool.name, "resources": quota}],
                }
            ],
        },
    }
