"""The page that a reviewer of a pull request reads: what the centre is, in a few tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import get_args

from generator import energy
from generator.artifact import Artifact, TextTemplate
from generator.catalog.models import Entry, Precision, facts
from generator.devices import Offer, metrics_port, offers
from generator.model import Center
from generator.nodes import Pool
from generator.plant import CoolingLoop, Net, Water
from generator.spec.halls import Hall
from generator.vapour import Charge, charges, temperature_of

PRECISIONS = get_args(Precision)


@dataclass(frozen=True, slots=True)
class PoolLine:
    """A pool as the summary shows it; power is the maximum in kW, or None when the catalogue does not know."""

    pool: Pool
    nodes: int
    accelerators: int
    power: float | None


@dataclass(frozen=True, slots=True)
class Speeds:
    """Peak dense throughput by precision in PFLOPS (POPS for INT8); None where nobody has said."""

    name: str
    figures: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class LoopLine:
    """A loop with its heat and what its units carry in kW, one of them lost where N+1 is said; flows in L/min."""

    loop: CoolingLoop
    heat: float
    capacity: float | None
    flow: float | None
    pumped: float | None

    @property
    def head(self) -> float | None:
        """kPa that the weakest unit leaves for the loop, as far as known."""
        known = [unit.head for unit in self.loop.units if unit.head is not None]
        return round(min(known) / 1000, 1) if known else None

    @property
    def kelvin(self) -> float | None:
        """What the loop leaves between facility water and coolant."""
        return next((unit.real_approach for unit in (*self.loop.units, *self.loop.tanks)), None)


@dataclass(frozen=True, slots=True)
class WaterLine:
    """A facility water system with the heat that it takes out of the building, in kW."""

    water: Water
    heat: float


@dataclass(frozen=True, slots=True)
class TankLine:
    """The tanks of one kind in one hall, with the fresh air in m3/h that keeps their vapour below its limit."""

    charge: Charge
    air: float | None
    hall: Hall


@dataclass(frozen=True, slots=True)
class HallLine:
    """A hall with the power of its racks and the heat that they leave to the air, in kW."""

    name: str
    racks: int
    power: float
    air: float


@dataclass(frozen=True, slots=True)
class ClusterLine:
    """A cluster and the number of its nodes."""

    name: str
    kind: str
    version: str
    nodes: int


@dataclass(frozen=True, slots=True)
class OfferLine:
    """Who offers the accelerators of a vendor in a cluster, and the port where its nodes tell how they are, if any."""

    offer: Offer
    port: int | None
    silent: tuple[str, ...]
    """Pools whose nodes tell nothing."""


@dataclass(frozen=True, slots=True)
class NetLine:
    """A fabric with its leaves and the ports that nodes need."""

    net: Net
    leaves: int
    ports: int


@dataclass(frozen=True, slots=True)
class Unproven:
    """A thing of the catalogue that the centre stands on, and its values that no vendor has vouched for."""

    entry: Entry
    unknown: tuple[str, ...]
    second_hand: tuple[str, ...]
    assumed: tuple[str, ...]


def artifacts(center: Center) -> Iterator[Artifact]:
    context = {
        "center": center,
        "spec": center.spec,
        "pools": [_pool(center, pool) for pool in center.pools.values()],
        "precisions": [name.upper().replace("-", " ") for name in PRECISIONS],
        "speeds": list(_speeds(center)),
        "clusters": [_cluster(center, name) for name in center.clusters],
        "offers": [_offer(center, offer) for name in center.clusters for offer in offers(center, name)],
        "halls": [_hall(center, name) for name in center.spec.halls],
        "nets": [_net(center, net) for net in center.nets.values()],
        "loops": [_loop(center, loop) for loop in center.loops.values()],
        "tanks": [_tanks(center, charge) for charge in charges(center)],
        "makeups": [makeup for makeup in energy.makeups(center) if makeup.litres != 0.0],
        "water_usage": energy.water_usage(center),
        "comparison": energy.comparison(center),
        "waters": [WaterLine(water, _kw(center.heat_into(water))) for water in center.waters.values()],
        "racks": sum(racks.count for racks in center.racks),
        "nodes": sum(center.counts.values()),
        "accelerators": sum(pool.accelerators_per_node * center.counts[pool.name] for pool in center.pools.values()),
        "power": _kw(center.power),
        "power_is_known": all(pool.node_power is not None for pool in center.pools.values()),
        "spines": _spines(center),
        "design": energy.design(center),
        "assets": Counter(asset.state for asset in center.assets),
        "unproven": list(_unproven(center)),
    }
    yield Artifact("summary.md", TextTemplate("summary.md", context, "markdown"), ("",))


def _kw(watts: float) -> float:
    return round(watts / 1000, 1)


def _pool(center: Center, pool: Pool) -> PoolLine:
    nodes = center.counts[pool.name]
    power = None if pool.node_power is None else _kw(pool.node_power * nodes)
    return PoolLine(pool, nodes, nodes * pool.accelerators_per_node, power)


def _speeds(center: Center) -> Iterator[Speeds]:
    """Each pool of workers that has figures, and the sum of what is known."""
    lines = [
        Speeds(pool.name, tuple(_speed(pool, name, center.counts[pool.name]) for name in PRECISIONS))
        for pool in center.pools.values()
        if pool.role == "worker"
    ]
    lines = [line for line in lines if any(figure is not None for figure in line.figures)]
    yield from lines
    if len(lines) > 1:
        columns = zip(*(line.figures for line in lines), strict=True)
        sums = ([figure for figure in column if figure is not None] for column in columns)
        yield Speeds("together, as far as known", tuple(round(sum(known), 3) if known else None for known in sums))


def _speed(pool: Pool, precision: Precision, nodes: int) -> float | None:
    """What all nodes of a pool reach: accelerators and processors, as far as either is known."""
    told = [(pool.server.performance.get(precision), 1)]
    if pool.accelerator:
        told.append((pool.accelerator.performance.get(precision), pool.accelerators_per_node))
    known = [fact.value.magnitude * each for fact, each in told if fact and fact.value]
    return round(sum(known) * nodes / 1000, 3) if known else None


def _cluster(center: Center, name: str) -> ClusterLine:
    cluster = center.clusters[name]
    nodes = sum(center.counts[pool.name] for pool in center.pools_of(name))
    return ClusterLine(name, cluster.kind, cluster.version, nodes)


def _offer(center: Center, offer: Offer) -> OfferLine:
    ports = {pool.name: metrics_port(center, pool) for pool in offer.pools}
    told = next((port for port in ports.values() if port), None)
    return OfferLine(offer, told, tuple(name for name, port in ports.items() if port is None))


def _hall(center: Center, name: str) -> HallLine:
    racks = [racks for racks in center.racks if racks.hall == name]
    power = sum(group.total_power for group in racks)
    return HallLine(name, sum(group.count for group in racks), _kw(power), _kw(center.air_heat_of(name)))


def _net(center: Center, net: Net) -> NetLine:
    leaves = sum(count * racks.count for racks in center.racks for other, count in racks.leaves if other is net)
    ports = sum(dict(pool.ports).get(net.name, 0) * center.counts[pool.name] for pool in center.pools.values())
    return NetLine(net, leaves, ports)


def _spines(center: Center) -> tuple[int, float]:
    """How many spine switches there are, and the kW that they draw together as far as is known."""
    told = [
        (net.spec.spine.count, net.spine.power.value) for net in center.nets.values() if net.spec.spine and net.spine
    ]
    return sum(count for count, _ in told), _kw(sum(count * power.magnitude for count, power in told if power))


def _loop(center: Center, loop: CoolingLoop) -> LoopLine:
    known = [unit.capacity for unit in loop.units or loop.tanks]
    figures = sorted(value for value in known if value is not None)
    lost = 1 if loop.units and loop.spec.redundancy == "N+1" else 0
    capacity = None if not known or None in known else _kw(sum(figures[: len(figures) - lost]))
    flows = [unit.flow for unit in loop.units]
    pumps = sorted(flow for flow in flows if flow is not None)
    pumped = None if not flows or None in flows else round(sum(pumps[: len(pumps) - lost]), 1)
    needed = None if loop.flow_per_kw is None else round(loop.flow_per_kw * center.heat_of(loop) / 1000, 1)
    return LoopLine(loop, _kw(center.heat_of(loop)), capacity, needed, pumped)


def _tanks(center: Center, charge: Charge) -> TankLine:
    air = charge.fresh_air(temperature_of(center, charge.racks.hall))
    return TankLine(charge, air, center.spec.halls[charge.racks.hall])


def _unproven(center: Center) -> Iterator[Unproven]:
    """What a reviewer has to ask for: values without a vendor's word, of everything that the centre uses."""
    for entry in center.entries():
        told = [(_subject(name), fact) for name, fact in facts(entry)]
        unknown = _names((name, fact.value is None) for name, fact in told)
        second_hand = _names((name, fact.value is not None and fact.status in "IS") for name, fact in told)
        assumed = _names((name, fact.value is not None and fact.status in "XU") for name, fact in told)
        if unknown or second_hand or assumed:
            yield Unproven(entry, unknown, second_hand, assumed)


def _subject(name: str) -> str:
    """What a value is about: the first word of its name; of what hosts need, the first two."""
    words = name.split(".")
    return ".".join(words[: 2 if words[0] == "host" else 1])


def _names(values: Iterable[tuple[str, bool]]) -> tuple[str, ...]:
    """Names of the values that are meant, each once."""
    return tuple(dict.fromkeys(name for name, meant in values if meant))
