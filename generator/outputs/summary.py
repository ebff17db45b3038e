"""The page that a reviewer of a pull request reads: what the centre is, in a few tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from generator.artifact import Artifact, TextTemplate
from generator.model import Center
from generator.nodes import Pool
from generator.plant import CoolingLoop


@dataclass(frozen=True, slots=True)
class PoolLine:
    """A pool as the summary shows it; power is the peak in kW, or None when the catalogue does not know."""

    pool: Pool
    nodes: int
    accelerators: int
    power: float | None


@dataclass(frozen=True, slots=True)
class LoopLine:
    """A loop with its heat and its capacity in kW."""

    loop: CoolingLoop
    heat: float
    capacity: float | None


@dataclass(frozen=True, slots=True)
class ClusterLine:
    """A cluster and the number of its nodes."""

    name: str
    kind: str
    version: str
    nodes: int


def artifacts(center: Center) -> Iterator[Artifact]:
    context = {
        "center": center,
        "spec": center.spec,
        "pools": [_pool(center, pool) for pool in center.pools.values()],
        "clusters": [_cluster(center, name) for name in center.clusters],
        "loops": [_loop(center, loop) for loop in center.loops.values()],
        "racks": sum(racks.count for racks in center.racks),
        "nodes": sum(center.counts.values()),
        "power": round(center.power / 1000, 1),
        "least_pue": _least_pue(center),
    }
    yield Artifact("summary.md", TextTemplate("summary.md", context, "markdown"), ("",))


def _pool(center: Center, pool: Pool) -> PoolLine:
    nodes = center.counts[pool.name]
    power = None if pool.node_power is None else round(pool.node_power * nodes / 1000, 1)
    return PoolLine(pool, nodes, nodes * pool.accelerators_per_node, power)


def _cluster(center: Center, name: str) -> ClusterLine:
    cluster = center.clusters[name]
    nodes = sum(center.counts[pool.name] for pool in center.pools_of(name))
    return ClusterLine(name, cluster.kind, cluster.version, nodes)


def _loop(center: Center, loop: CoolingLoop) -> LoopLine:
    known = [unit.capacity for unit in loop.units or loop.tanks]
    capacity = None if not known or None in known else round(sum(value for value in known if value) / 1000, 1)
    return LoopLine(loop, round(center.heat_of(loop) / 1000, 1), capacity)


def _least_pue(center: Center) -> float | None:
    """What the power chain alone makes of the PUE: 1 over the product of its efficiencies."""
    chain = center.spec.power.chain
    return round(1 / chain.efficiency, 4) if chain else None
