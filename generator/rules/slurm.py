"""Slurm: its nodes know each other by one key, and a node has one cluster."""

from __future__ import annotations

from collections.abc import Iterator

from generator.model import Center
from generator.rules import Finding, rule


@rule("slurm.munge-key")
def clusters_have_a_key(center: Center) -> Iterator[Finding]:
    """Slurm believes whoever shows the cluster's key, and nobody else; without one, no node can join."""
    for name, cluster in center.clusters.items():
        if cluster.kind == "slurm" and cluster.munge is None:
            message = f'Slurm cluster "{name}" has no key by which its nodes know each other'
            yield Finding(("clusters", name), message, f'say "munge: vault:{name}#munge"', at_key=True)


@rule("slurm.one-cluster")
def nodes_have_one_slurm(center: Center) -> Iterator[Finding]:
    """A node has one configuration of Slurm and one key; of two clusters it would know the one that came last."""
    for pool in center.pools.values():
        names = [name for name in pool.clusters if center.clusters[name].kind == "slurm"]
        if len(names) > 1 and pool.role != "worker":
            message = f'pool "{pool.name}" is in the Slurm clusters "{names[0]}" and "{names[1]}"'
            yield Finding(pool.path, message, "give each of them nodes of its own")
