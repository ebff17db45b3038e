"""Clusters: a control plane that can be lost in part, workers, and resources that do not collide."""

from __future__ import annotations

from collections.abc import Iterator

from generator.model import Center
from generator.rules import Finding, rule

NODE_LIMIT = 5000
OLDEST_QUEUES = 17
"""Minor version of Kueue 0 since which an owner takes back what is its own whatever the fair shares are."""
OLDEST_KUBERNETES = 34
"""Minor version of Kubernetes 1 below which the queues are neither supported nor tested (Kueue's own floor)."""


@rule("cluster.no-control")
def clusters_have_a_control_plane(center: Center) -> Iterator[Finding]:
    """Every cluster needs at least one control node."""
    for name in center.clusters:
        if not any(center.counts[pool.name] for pool in center.pools_of(name, "control")):
            message = f'cluster "{name}" has no control node'
            yield Finding(("clusters", name), message, 'give a pool "role: control" and this cluster')


@rule("cluster.even-control")
def control_planes_have_a_majority(center: Center) -> Iterator[Finding]:
    """Two or four members of etcd survive no more losses than one or three, and lose their majority sooner."""
    for name, cluster in center.clusters.items():
        count = sum(center.counts[pool.name] for pool in center.pools_of(name, "control"))
        if cluster.kind == "kubernetes" and count and count % 2 == 0:
            message = f'cluster "{name}" has {count} control nodes; an odd number keeps a majority'
            yield Finding(("clusters", name), message, f"use {count - 1} or {count + 1}")


@rule("cluster.single-control", severity="warning")
def control_planes_survive_a_loss(center: Center) -> Iterator[Finding]:
    """One control node is one broken disk away from a cluster that nobody can change; right for a trial only."""
    for name, cluster in center.clusters.items():
        count = sum(center.counts[pool.name] for pool in center.pools_of(name, "control"))
        workers = sum(center.counts[pool.name] for pool in center.pools_of(name, "worker"))
        if cluster.kind == "kubernetes" and count == 1 and workers > 16:
            yield Finding(("clusters", name), f'cluster "{name}" of {workers} workers hangs on one control node')


@rule("cluster.kubernetes-version")
def kubernetes_is_new_enough(center: Center) -> Iterator[Finding]:
    """The queues that bind quota are supported on recent versions only."""
    for name, cluster in center.clusters.items():
        if cluster.kind == "kubernetes" and int(cluster.version.partition(".")[2]) < OLDEST_KUBERNETES:
            message = (
                f'cluster "{name}" runs Kubernetes {cluster.version}; its queues need 1.{OLDEST_KUBERNETES} or newer'
            )
            yield Finding(("clusters", name, "version"), message)


@rule("cluster.queues-version")
def queues_are_new_enough(center: Center) -> Iterator[Finding]:
    """A guarantee holds only where its owner gets it back however little the borrower has."""
    for name, cluster in center.clusters.items():
        if cluster.kind == "kubernetes" and int(cluster.queues.partition(".")[2]) < OLDEST_QUEUES:
            message = (
                f'cluster "{name}" has queues of Kueue {cluster.queues}; guarantees need 0.{OLDEST_QUEUES} or newer'
            )
            yield Finding(("clusters", name, "queues"), message)


@rule("cluster.slurm-version")
def slurm_is_what_the_system_packages(center: Center) -> Iterator[Finding]:
    """Slurm comes from the packages of the nodes' operating system; another release would not be installed."""
    for name, cluster in center.clusters.items():
        if cluster.kind != "slurm":
            continue
        for pool in center.pools_of(name):
            packaged = pool.system.versions.get("slurm")
            if packaged and packaged != cluster.version:
                message = f'cluster "{name}" asks for Slurm {cluster.version}, {pool.system.title} packages {packaged}'
                yield Finding(("clusters", name, "version"), message, f'say "version: "{packaged}""')
                break


@rule("cluster.slurm-controllers")
def slurm_has_one_controller(center: Center) -> Iterator[Finding]:
    """A second slurmctld takes over only from a state folder that both can write; without one it loses the jobs."""
    for name, cluster in center.clusters.items():
        count = sum(center.counts[pool.name] for pool in center.pools_of(name, "control"))
        if cluster.kind == "slurm" and count > 1:
            message = f'cluster "{name}" has {count} controllers and no state folder that they share'
            yield Finding(("clusters", name), message, "give the cluster one control node of its own")


@rule("cluster.no-worker")
def clusters_have_workers(center: Center) -> Iterator[Finding]:
    """A cluster without workers serves nobody."""
    for name in center.clusters:
        if not any(center.counts[pool.name] for pool in center.pools_of(name, "worker")):
            yield Finding(("clusters", name), f'cluster "{name}" has no worker')


@rule("cluster.size")
def clusters_stay_in_their_envelope(center: Center) -> Iterator[Finding]:
    """Kubernetes is built and tested for 5,000 nodes a cluster."""
    for name, cluster in center.clusters.items():
        count = sum(center.counts[pool.name] for pool in center.pools_of(name))
        if cluster.kind == "kubernetes" and count > NODE_LIMIT:
            message = f'cluster "{name}" has {count} nodes; Kubernetes bears {NODE_LIMIT}'
            yield Finding(("clusters", name), message, "divide the pools among several clusters")


@rule("cluster.resource-clash")
def vendors_do_not_share_a_resource(center: Center) -> Iterator[Finding]:
    """Two vendors behind one resource name: the scheduler would place a job on devices that its image cannot use."""
    for name, cluster in center.clusters.items():
        owners: dict[str, str] = {}
        for pool in center.pools_of(name) if cluster.kind == "kubernetes" else []:
            if pool.plugin is None or pool.vendor is None:
                continue
            owner = owners.setdefault(pool.plugin.resource, pool.vendor.name)
            if owner != pool.vendor.name:
                message = f'"{owner}" and "{pool.vendor.name}" both offer "{pool.plugin.resource}" in cluster "{name}"'
                yield Finding(pool.path, message, "put one of the pools into another cluster")


@rule("cluster.shared-worker")
def workers_have_one_cluster(center: Center) -> Iterator[Finding]:
    """Two schedulers on one worker would each sell it in full."""
    for pool in center.pools.values():
        if pool.role == "worker" and len(pool.clusters) > 1:
            message = f'workers of pool "{pool.name}" belong to {len(pool.clusters)} clusters'
            yield Finding(pool.path, message, "divide the pool")
