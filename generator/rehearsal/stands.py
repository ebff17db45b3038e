"""Fake nodes that stand for a pool: all of it where the machine carries that, else fewer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from generator.model import Center
from generator.nodes import Pool

PODS_OF_A_NODE = 110


@dataclass(frozen=True, slots=True)
class Stand:
    """The nodes that stand for a pool, by their own names."""

    pool: Pool
    real: int
    nodes: tuple[str, ...]

    def announced(self) -> dict[str, str]:
        """What the kubelet and the device plugin of one of these nodes would announce."""
        pool = self.pool
        found = {"cpu": str(pool.server.cores), "memory": f"{pool.server.memory.magnitude:g}G"}
        if pool.plugin and pool.accelerators_per_node:
            found[pool.plugin.resource] = str(pool.accelerators_per_node)
        return {**found, "pods": str(PODS_OF_A_NODE)}

    def manifests(self) -> Iterator[dict[str, Any]]:
        """The nodes as they register; what apply adds to them is left to it."""
        has = self.announced()
        for name in self.nodes:
            yield {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
                "status": {"capacity": has, "allocatable": has},
            }


def stands(center: Center, cluster: str, most: int, needed: Mapping[str, int]) -> list[Stand]:
    """Nodes for each pool of workers, together at most so many, shared by the sizes of pools.

    A pool has at least one node, and as many as it is `needed` to have, whatever the most is.
    """
    pools = [pool for pool in center.pools_of(cluster, "worker") if center.counts[pool.name]]
    whole = sum(center.counts[pool.name] for pool in pools)
    found = []
    for pool in pools:
        real = center.counts[pool.name]
        fair = real if whole <= most else most * real // whole
        count = min(real, max(1, needed.get(pool.name, 0), fair))
        names = tuple(node.name for node in islice(center.nodes_of([pool]), count))
        found.append(Stand(pool, real, names))
    return found
