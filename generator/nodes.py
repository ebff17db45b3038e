"""Nodes as facts: pools, the racks that hold them, ranges instead of node objects; addresses are arithmetic."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from generator.catalog.models import Accelerator, OperatingSystem, Plugin, RackType, Server, Switch, Vendor
from generator.plant import Net
from generator.problems import Path
from generator.quantity import RackFeed
from generator.spec.pools import Role


@dataclass(frozen=True, slots=True)
class Node:
    """One machine."""

    name: str
    rack: str
    address: str

    def shifted(self, offset: int) -> str:
        """The address that lies so far from the node's own, as its management controller's does."""
        a, b, c, d = self.address.split(".")
        return _dotted((int(a) << 24 | int(b) << 16 | int(c) << 8 | int(d)) + offset)


@dataclass(frozen=True, eq=False)
class Pool:
    """Identical nodes; power and accelerators follow from the catalogue."""

    name: str
    role: Role
    server: Server
    system: OperatingSystem
    accelerator: Accelerator | None
    vendor: Vendor | None
    plugin: Plugin | None
    clusters: tuple[str, ...]
    slot: int
    spares: int
    absent: frozenset[str]
    ports: tuple[tuple[str, int], ...] = ()
    """Ports of each node on each fabric."""
    batch: float = 0.2
    unreachable: float = 0.1
    """Shares of the pool that change at a time, and that may not answer."""
    containers: bool = False
    """Whether a kubelet will run containers there."""
    rdma: tuple[str, ...] = ()
    """Kinds of the fabrics with remote memory access that its nodes have ports on, in order."""

    @property
    def path(self) -> Path:
        return ("pools", self.name)

    @property
    def accelerators_per_node(self) -> int:
        return self.server.accelerators if self.accelerator else 0

    @property
    def node_power(self) -> float | None:
        """Watts that a node draws at most; None when the catalogue does not know."""
        power = self.server.base_power.value
        if power is None:
            return None
        if self.accelerator is None:
            return power.magnitude
        each = self.accelerator.power.value
        return None if each is None else power.magnitude + self.server.accelerators * each.magnitude

    @property
    def node_peak(self) -> float | None:
        """Watts that a node draws for moments, which is what breakers and power supplies see."""
        peak = self.server.peak.value if self.server.peak else None
        return None if self.node_power is None else self.node_power * (peak or 1.0)

    @property
    def cpu_milli(self) -> int:
        """Thousandths of a core that a node offers to work; 5 % stay with the system."""
        return self.server.cores * 950

    @property
    def memory_mib(self) -> int:
        """MiB that a node offers to work; 10 % stay with the system."""
        return int(self.server.memory.magnitude * 1e9 * 0.9) >> 20

    def resources(self, accelerators: int | None = None) -> dict[str, str]:
        """Kubernetes resources of whole nodes' shares: an accelerator brings its part of cores and memory with it."""
        per_node = self.accelerators_per_node
        if per_node == 0 or self.plugin is None:
            return {"cpu": f"{self.cpu_milli}m", "memory": f"{self.memory_mib}Mi"}
        count = per_node if accelerators is None else accelerators
        return {
            "cpu": f"{self.cpu_milli // per_node * count}m",
            "memory": f"{self.memory_mib // per_node * count}Mi",
            self.plugin.resource: str(count),
        }


Contents = tuple[tuple[Pool, int], ...]
"""Pools and how many nodes of each stand in one rack."""


@dataclass(frozen=True)
class Racks:
    """Neighbouring racks of one row with the same kind and the same contents."""

    hall: str
    row: str
    first: int
    last: int
    width: int
    kind: str
    type: RackType
    loop: str | None
    base: int
    stride: int
    block: str
    path: Path
    feeds: tuple[str, ...] = ()
    feed: RackFeed | None = None
    contents: Contents = ()
    leaves: tuple[tuple[Net, int], ...] = ()
    door: bool = False
    """Whether a rear door gives the heat that its servers leave to the air to the loop."""

    @property
    def count(self) -> int:
        return self.last - self.first + 1

    def name(self, number: int) -> str:
        return f"{self.row}{number:0{self.width}d}"

    def names(self) -> Iterator[str]:
        return (self.name(number) for number in range(self.first, self.last + 1))

    @property
    def span(self) -> str:
        """As a spec names them: ``a01`` or ``a01..24``."""
        first = self.name(self.first)
        return first if self.count == 1 else f"{first}..{self.last:0{self.width}d}"

    @property
    def title(self) -> str:
        """How a finding speaks of them: ``rack "a01"`` or ``racks "a01..24"``."""
        return f'{"rack" if self.count == 1 else "racks"} "{self.span}"'

    def does(self, verb: str) -> str:
        """The title with a verb, which is given for one rack: ``rack "a01" needs`` or ``racks "a01..24" need``."""
        several = {"has": "have", "is": "are"}.get(verb, verb.removesuffix("s"))
        return f"{self.title} {verb if self.count == 1 else several}"

    @cached_property
    def ranges(self) -> tuple[NodeRange, ...]:
        """The nodes of each pool in these racks."""
        return tuple(NodeRange(pool, self, per_rack) for pool, per_rack in self.contents)

    @cached_property
    def fillings(self) -> dict[Contents, int]:
        """What stands in a rack without the nodes that are absent, and in how many of these racks; the fullest first.

        Only racks with an absent node are looked at one by one, since a range may be long.
        """
        holes: dict[str, Counter[Pool]] = {}
        for nodes in self.ranges:
            for name in nodes.absent:
                rack = name.removeprefix(f"{nodes.pool.name}-").rpartition("-")[0]
                holes.setdefault(rack, Counter())[nodes.pool] += 1
        found = Counter[Contents]({self.contents: self.count - len(holes)} if len(holes) < self.count else {})
        for gone in holes.values():
            found[tuple((pool, per_rack - gone[pool]) for pool, per_rack in self.contents)] += 1
        return found

    def most(self, measure: Callable[[Contents], float]) -> float:
        """The largest of a measure among these racks."""
        return max(measure(standing) for standing in self.fillings)

    def total(self, measure: Callable[[Contents], float]) -> float:
        """A measure of all of these racks together."""
        return sum(measure(standing) * racks for standing, racks in self.fillings.items())

    @cached_property
    def power(self) -> float:
        """Watts that the fullest of these racks draws under sustained load, as far as the catalogue knows."""
        return self.most(self._power)

    @cached_property
    def total_power(self) -> float:
        """Watts that all of these racks draw under sustained load."""
        return self.total(self._power)

    @cached_property
    def peak(self) -> float:
        """Watts that the fullest of these racks draws for moments."""
        return self.most(lambda standing: _sum(standing, lambda pool: pool.node_peak or 0.0)) + self._switches

    @cached_property
    def liquid_heat(self) -> float:
        """Watts that the loop takes from the fullest of these racks; a tank takes all of it."""
        return self.most(self._liquid_heat)

    @cached_property
    def total_liquid_heat(self) -> float:
        """Watts that the loop takes from all of these racks."""
        return self.total(self._liquid_heat)

    @cached_property
    def fanless_heat(self) -> float:
        """Watts that leave the servers of all of these racks without a fan: through cold plates, or into a tank."""
        return self.total(self._fanless_heat)

    @cached_property
    def air_heat(self) -> float:
        """Watts that one of these racks leaves at most to the air of the hall."""
        return self.most(lambda standing: self._power(standing) - self._liquid_heat(standing))

    @cached_property
    def _switches(self) -> float:
        return sum(_watts(net) * count for net, count in self.leaves)

    def _power(self, standing: Contents) -> float:
        return _sum(standing, lambda pool: pool.node_power or 0.0) + self._switches

    def _liquid_heat(self, standing: Contents) -> float:
        return self._power(standing) if self.loop and self.door else self._fanless_heat(standing)

    def _fanless_heat(self, standing: Contents) -> float:
        if self.loop is None:
            return 0.0
        if self.type.immersion:
            return self._power(standing)
        nodes = _sum(standing, lambda pool: (pool.node_power or 0.0) * share_to_liquid(pool.server))
        return nodes + sum(_watts(net) * count * share_to_liquid(net.leaf) for net, count in self.leaves)


def _sum(standing: Contents, each: Callable[[Pool], float]) -> float:
    """A measure of a node, added up over all that stands in a rack."""
    return sum(each(pool) * count for pool, count in standing)


def share_to_liquid(machine: Server | Switch) -> float:
    """Part of the heat of a machine that cold plates take; 0 where nobody says."""
    return machine.liquid_share.value.magnitude if machine.liquid_share and machine.liquid_share.value else 0.0


def _watts(net: Net) -> float:
    """What a leaf switch draws, as far as the catalogue knows."""
    return net.leaf.power.value.magnitude if net.leaf.power.value else 0.0


@dataclass(frozen=True)
class NodeRange:
    """The nodes of one pool in neighbouring racks: ``train-h-a[01:24]-[1:4]``."""

    pool: Pool
    racks: Racks
    per_rack: int

    @cached_property
    def absent(self) -> frozenset[str]:
        """Names of this range that do not exist; looked up by arithmetic, since a range may be long."""
        return frozenset(name for name in self.pool.absent if self._has_place(name))

    @property
    def count(self) -> int:
        return self.racks.count * self.per_rack - len(self.absent)

    def holds(self, name: str) -> bool:
        """Whether a node of that name exists here."""
        return self._has_place(name) and name not in self.absent

    def _has_place(self, name: str) -> bool:
        rack, _, number = name.removeprefix(f"{self.pool.name}-").rpartition("-")
        digits = rack.removeprefix(self.racks.row)
        # A table may say anything, and Python refuses to read numbers of very many digits.
        if not digits.isdecimal() or not number.isdecimal() or len(name) > 63:
            return False
        if not self.racks.first <= int(digits) <= self.racks.last:
            return False
        written = f"{self.pool.name}-{self.racks.name(int(digits))}-{int(number)}"
        return name == written and 1 <= int(number) <= self.per_rack

    def nodes(self) -> Iterator[Node]:
        """Every existing node, in order of rack and number."""
        absent = self.absent
        for rack in range(self.racks.first, self.racks.last + 1):
            rack_name = self.racks.name(rack)
            place = self.racks.base + rack * self.racks.stride + self.pool.slot
            for number in range(self.per_rack):
                name = f"{self.pool.name}-{rack_name}-{number + 1}"
                if name not in absent:
                    yield Node(name, rack_name, _dotted(place + number))


@dataclass(frozen=True)
class Block:
    """Nodes that one inventory and one Ansible run serve."""

    name: str
    ranges: tuple[NodeRange, ...]
    path: Path

    @cached_property
    def count(self) -> int:
        return sum(nodes.count for nodes in self.ranges)

    def nodes(self) -> Iterator[tuple[Node, NodeRange]]:
        for nodes in self.ranges:
            for node in nodes.nodes():
                yield node, nodes


def _dotted(address: int) -> str:
    return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"


def number_of(address: str) -> int:
    """An IPv4 address as a number."""
    return int(ipaddress.IPv4Address(address))
