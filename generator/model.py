"""The centre as facts: frozen, ranges instead of node objects; names, addresses, sums are arithmetic of the place."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from generator import spec
from generator.catalog.models import (
    Accelerator,
    Coolant,
    CoolingDevice,
    OperatingSystem,
    Plugin,
    RackType,
    Server,
    TenantClass,
    Vendor,
)
from generator.problems import Path
from generator.services import ServiceKind
from generator.spec.halls import Loop as LoopSpec
from generator.spec.halls import UnitRatings
from generator.spec.pools import Cluster, Role


@dataclass(frozen=True, slots=True)
class Node:
    """One machine."""

    name: str
    rack: str
    address: str


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
    contents: tuple[tuple[Pool, int], ...] = ()

    @property
    def count(self) -> int:
        return self.last - self.first + 1

    def name(self, number: int) -> str:
        return f"{self.row}{number:0{self.width}d}"

    def names(self) -> Iterator[str]:
        return (self.name(number) for number in range(self.first, self.last + 1))

    @property
    def title(self) -> str:
        """How a finding speaks of them: ``rack "a01"`` or ``racks "a01..24"``."""
        if self.count == 1:
            return f'rack "{self.name(self.first)}"'
        return f'racks "{self.name(self.first)}..{self.last:0{self.width}d}"'

    @cached_property
    def power(self) -> float:
        """Watts that one of these racks draws at most, as far as the catalogue knows."""
        return sum((pool.node_power or 0.0) * per_rack for pool, per_rack in self.contents)

    @cached_property
    def liquid_heat(self) -> float:
        """Watts that the loop takes from one of these racks; a tank takes all of it."""
        if self.loop is None:
            return 0.0
        heat = 0.0
        for pool, per_rack in self.contents:
            share = pool.server.liquid_share.value
            ratio = 1.0 if self.type.immersion else (share.magnitude if share else 0.0)
            heat += (pool.node_power or 0.0) * per_rack * ratio
        return heat


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

    def _has_place(self, name: str) -> bool:
        rack, _, number = name.removeprefix(f"{self.pool.name}-").rpartition("-")
        digits = rack.removeprefix(self.racks.row)
        if not digits.isdecimal() or not self.racks.first <= int(digits) <= self.racks.last:
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


@dataclass(frozen=True, slots=True)
class Device:
    """A cooling unit or tank that monitoring reads."""

    name: str
    loop: str
    device: CoolingDevice
    host: str
    port: int
    rest: str
    credentials: str | None
    feeds: tuple[str, ...]
    path: Path
    ratings: UnitRatings

    @property
    def capacity(self) -> float | None:
        """Watts that the device carries, from its data sheet or the catalogue."""
        value = self.ratings.capacity or self.device.ratings.capacity.value
        return value.magnitude if value else None

    @property
    def approach(self) -> float | None:
        """Kelvin between facility water and coolant supply."""
        value = self.ratings.approach or self.device.ratings.approach.value
        return value.magnitude if value else None

    @property
    def flow(self) -> float | None:
        """Litres a minute that the device pumps."""
        value = self.ratings.flow or self.device.ratings.flow.value
        return value.magnitude if value else None


@dataclass(frozen=True, slots=True)
class Loop:
    """A technology loop with what cools it and what it cools."""

    name: str
    spec: LoopSpec
    coolant: Coolant
    units: tuple[Device, ...]
    tanks: tuple[Device, ...]

    @property
    def path(self) -> Path:
        return ("cooling", "loops", self.name)


@dataclass(frozen=True, slots=True)
class Share:
    """Part of a pool, in whole nodes or in accelerators."""

    pool: Pool
    amount: int
    unit: str
    path: Path

    @property
    def accelerators(self) -> int:
        return self.amount if self.unit == "accelerators" else self.amount * self.pool.accelerators_per_node

    def resources(self) -> dict[str, str]:
        """Kubernetes resources of the share."""
        per_node = self.pool.accelerators_per_node
        if per_node:
            return self.pool.resources(self.accelerators)
        return {"cpu": f"{self.pool.cpu_milli * self.amount}m", "memory": f"{self.pool.memory_mib * self.amount}Mi"}

    @property
    def nodes(self) -> float:
        """Whole and part nodes; accelerators bring their share of a node with them."""
        per_node = max(1, self.pool.accelerators_per_node)
        return self.amount / per_node if self.unit == "accelerators" else self.amount


@dataclass(frozen=True, slots=True)
class Tenant:
    """People with environments and quota of their own."""

    name: str
    organization: str
    class_: TenantClass
    admins: tuple[str, ...]
    members: tuple[str, ...]
    environments: tuple[str, ...]
    quota: tuple[Share, ...]
    borrow: tuple[Share, ...]

    @property
    def path(self) -> Path:
        return ("organizations", self.organization, "tenants", self.name)

    def namespaces(self) -> list[str]:
        return [f"{self.name}--{environment}" for environment in self.environments]


@dataclass(frozen=True, slots=True)
class ServiceUse:
    """A service that a tenant runs on a pool, with its inputs read and its defaults filled in."""

    name: str
    kind: ServiceKind
    tenant: Tenant
    environment: str
    pool: Pool
    inputs: dict[str, Any]

    @property
    def path(self) -> Path:
        return ("services", self.name)

    @property
    def namespace(self) -> str:
        return f"{self.tenant.name}--{self.environment}"


@dataclass(frozen=True)
class Center:
    """Everything that rules judge and outputs say."""

    spec: spec.Center
    racks: tuple[Racks, ...] = ()
    pools: dict[str, Pool] = field(default_factory=dict)
    blocks: dict[str, Block] = field(default_factory=dict)
    loops: dict[str, Loop] = field(default_factory=dict)
    tenants: dict[str, Tenant] = field(default_factory=dict)
    services: dict[str, ServiceUse] = field(default_factory=dict)
    public_files: dict[str, str] = field(default_factory=dict)
    """Contents of the files that ``path:`` references name."""

    @property
    def name(self) -> str:
        return self.spec.metadata.name

    @property
    def clusters(self) -> dict[str, Cluster]:
        return self.spec.clusters

    @property
    def power(self) -> float:
        """Watts at the peak of all racks, as far as the catalogue knows."""
        return sum(racks.power * racks.count for racks in self.racks)

    def heat_of(self, loop: Loop) -> float:
        """Watts that a loop takes from all of its racks."""
        return sum(racks.liquid_heat * racks.count for racks in self.racks if racks.loop == loop.name)

    def ranges(self) -> Iterator[NodeRange]:
        for block in self.blocks.values():
            yield from block.ranges

    def ranges_of(self, pool: Pool) -> list[NodeRange]:
        return [nodes for nodes in self.ranges() if nodes.pool is pool]

    @cached_property
    def counts(self) -> dict[str, int]:
        """Nodes of each pool."""
        counts = dict.fromkeys(self.pools, 0)
        for nodes in self.ranges():
            counts[nodes.pool.name] += nodes.count
        return counts

    def pools_of(self, cluster: str, role: Role | None = None) -> list[Pool]:
        return [
            pool for pool in self.pools.values() if cluster in pool.clusters and (role is None or pool.role == role)
        ]

    def nodes_of(self, pools: list[Pool]) -> Iterator[Node]:
        for pool in pools:
            for nodes in self.ranges_of(pool):
                yield from nodes.nodes()

    def devices(self) -> Iterator[Device]:
        for loop in self.loops.values():
            yield from loop.units
            yield from loop.tanks

    def tenants_of(self, cluster: str) -> list[Tenant]:
        """Tenants that have a share of some pool of the cluster."""
        return [
            tenant for tenant in self.tenants.values() if any(cluster in share.pool.clusters for share in tenant.quota)
        ]


def _dotted(address: int) -> str:
    return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"


def number_of(address: str) -> int:
    """An IPv4 address as a number."""
    return int(ipaddress.IPv4Address(address))
