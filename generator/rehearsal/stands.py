"""Fake nodes that stand for a pool: all of it where the machine carries that, else fewer; and devices as drivers do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from generator.model import Center
from generator.nodes import Pool
from generator.rehearsal.drivers import Device

PODS_OF_A_NODE = 110


@dataclass(frozen=True, slots=True)
class Stand:
    """The nodes that stand for a pool, by their own names."""

    pool: Pool
    real: int
    nodes: tuple[str, ...]
    device: Device | None = None
    """What a driver publishes of each accelerator; None where a device plugin announces them with the node."""

    def announced(self) -> dict[str, str]:
        """What the kubelet and the device plugin of one of these nodes would announce."""
        pool = self.pool
        found = {"cpu": str(pool.server.cores), "memory": f"{pool.server.memory.magnitude:g}G"}
        if pool.plugin and pool.accelerators_per_node and self.device is None:
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

    def devices(self) -> Iterator[dict[str, Any]]:
        """What the driver on each of these nodes would publish."""
        if self.device is None:
            return
        attributes = {name: {"string": value} for name, value in self.device.attributes.items()}
        for name in self.nodes:
            yield {
                "apiVersion": "resource.k8s.io/v1",
                "kind": "ResourceSlice",
                "metadata": {"name": f"{name}-devices"},
                "spec": {
                    "driver": self.device.driver,
                    "nodeName": name,
                    "pool": {"name": name, "generation": 1, "resourceSliceCount": 1},
                    "devices": [
                        {"name": f"device-{number}", "attributes": attributes}
                        for number in range(self.pool.accelerators_per_node)
                    ],
                },
            }


def stands(
    center: Center, cluster: str, most: int, needed: Mapping[str, int], devices: Mapping[str, Device]
) -> list[Stand]:
    """Nodes for each pool of workers, together at most so many, shared by the sizes of pools.

    A pool has at least one node, and as many as it is `needed` to have, whatever the most is. Some pools have `devices`
    that a driver publishes.
    """
    pools = [pool for pool in center.pools_of(cluster, "worker") if center.counts[pool.name]]
    whole = sum(center.counts[pool.name] for pool in pools)
    found = []
    for pool in pools:
        real = center.counts[pool.name]
        fair = real if whole <= most else most * real // whole
        count = min(real, max(1, needed.get(pool.name, 0), fair))
        names = tuple(node.name for node in islice(center.nodes_of([pool]), count))
        found.append(Stand(pool, real, names, devices.get(pool.name)))
    return found
