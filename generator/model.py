"""The centre as facts: frozen, everything resolved, sums computed from ranges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil
from typing import Any

from generator import spec
from generator.assets import Asset
from generator.catalog.alarms import Alarms
from generator.catalog.check import Check
from generator.catalog.models import AirBaseline, Entry, NetworkPlugin, PricePlan, Release, Sandbox, TenantClass
from generator.known_hosts import HostKey
from generator.nodes import Block, Node, NodeRange, Pool, Racks, number_of
from generator.plant import CoolingLoop, CoolingUnit, Device, HallAir, Net, Supply, Water
from generator.problems import Path
from generator.services import ServiceKind
from generator.spec.common import Isolation
from generator.spec.pools import Cluster, Role
from generator.text import counted


@dataclass(frozen=True, slots=True)
class Share:
    """Part of a pool, in whole nodes or in accelerators."""

    pool: Pool
    amount: int
    unit: str
    path: Path

    @property
    def text(self) -> str:
        """As a person says it: ``1 node``."""
        return counted(self.amount, self.unit.removesuffix("s"))

    @property
    def accelerators(self) -> int:
        return self.amount if self.unit == "accelerators" else self.amount * self.pool.accelerators_per_node

    @property
    def size(self) -> int:
        """The share in the unit of its pool, however it is written."""
        return self.accelerators if self.pool.accelerators_per_node else self.amount

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
    until: str | None = None
    isolation: Isolation = "shared"

    @property
    def path(self) -> Path:
        return ("organizations", self.organization, "tenants", self.name)

    def namespaces(self) -> list[str]:
        return [f"{self.name}--{environment}" for environment in self.environments]

    def shares(self, cluster: str) -> Iterator[Share]:
        """What its work may hold in a cluster at most: its own, and what it may borrow."""
        return (share for share in (*self.quota, *self.borrow) if cluster in share.pool.clusters)


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
    nets: dict[str, Net] = field(default_factory=dict)
    supplies: dict[str, Supply] = field(default_factory=dict)
    waters: dict[str, Water] = field(default_factory=dict)
    airs: dict[str, HallAir] = field(default_factory=dict)
    loops: dict[str, CoolingLoop] = field(default_factory=dict)
    meters: tuple[Device, ...] = ()
    baseline: AirBaseline | None = None
    """The centre cooled by air against which savings are counted."""
    tenants: dict[str, Tenant] = field(default_factory=dict)
    guarantees: dict[str, tuple[Share, ...]] = field(default_factory=dict)
    services: dict[str, ServiceUse] = field(default_factory=dict)
    prices: PricePlan | None = None
    releases: dict[str, Release] = field(default_factory=dict)
    """The release of each cluster whose version the catalogue knows."""
    networks: dict[str, NetworkPlugin] = field(default_factory=dict)
    """The network plugin of each cluster that names one."""
    sandboxes: dict[str, Sandbox] = field(default_factory=dict)
    """The sandbox of each cluster that has one."""
    queue_releases: dict[str, Release] = field(default_factory=dict)
    """The release of the queues of each cluster, where the catalogue knows it."""
    assets: tuple[Asset, ...] = ()
    public_files: dict[str, str] = field(default_factory=dict)
    """Contents of the files that ``path:`` references name."""
    known_hosts: dict[str, tuple[HostKey, ...]] = field(default_factory=dict)
    """The recorded host keys of each node that has some."""
    checks: tuple[Check, ...] = ()
    """Acceptance checks, the catalogue's and the centre's own."""
    alarms: Alarms = field(default_factory=Alarms)
    as_of: str | None = None
    """The day to judge dates by, in ISO 8601; without one, no date has passed."""

    @property
    def ssh_authorities(self) -> list[str]:
        """Keys that vouch for hosts, one a line of their file: a new one stands beside the old one for a while."""
        reference = self.spec.access.ssh.authority
        lines = self.public_files[reference].splitlines() if reference else []
        return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]

    def is_past(self, day: str | None) -> bool:
        """Whether the last day of something lies before the day to judge by."""
        return day is not None and self.as_of is not None and day < self.as_of

    @property
    def name(self) -> str:
        return self.spec.metadata.name

    @property
    def clusters(self) -> dict[str, Cluster]:
        return self.spec.clusters

    @property
    def power(self) -> float:
        """Watts of all racks under sustained load at once, as far as the catalogue knows."""
        return sum(racks.total_power for racks in self.racks)

    @property
    def simultaneity(self) -> float:
        """Share of that maximum which supplies, cooling and the utility see at the same time."""
        return self.spec.power.simultaneity.magnitude

    def heat_of(self, loop: CoolingLoop) -> float:
        """Watts that a loop takes from all of its racks at the same time."""
        heat = sum(racks.total_liquid_heat for racks in self.racks if racks.loop == loop.name)
        return heat * self.simultaneity

    def air_heat_of(self, hall: str) -> float:
        """Watts that the racks of a hall leave to its air at the same time."""
        heat = sum(racks.total_power - racks.total_liquid_heat for racks in self.racks if racks.hall == hall)
        return heat * self.simultaneity

    def heat_into(self, water: Water) -> float:
        """Watts that loops and the air of halls give to a facility water system."""
        liquid = sum(self.heat_of(loop) for loop in self.loops.values() if loop.spec.from_ == water.name)
        air = sum(self.air_heat_of(air.hall) for air in self.airs.values() if air.spec.from_ == water.name)
        return liquid + air

    def entries(self) -> Iterator[Entry]:
        """Everything of the catalogue that the centre stands on, each once, by kind and name."""
        found: list[Entry | None] = [racks.type for racks in self.racks]
        for pool in self.pools.values():
            found += [pool.server, pool.accelerator, pool.vendor]
        for net in self.nets.values():
            found += [net.leaf, net.spine]
        found += [supply.device for supply in self.supplies.values()]
        found += [loop.coolant for loop in self.loops.values()]
        found += [unit.device for unit in self.equipment()]
        found += [meter.device for meter in self.meters]
        found += [water.coolant for water in self.waters.values()]
        found += [rejecter.device for water in self.waters.values() for rejecter in water.rejecters]
        found += [handler.device for air in self.airs.values() for handler in air.handlers]
        once = {(entry.folder, entry.name): entry for entry in found if entry}
        return iter(once[key] for key in sorted(once))

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

    @cached_property
    def owners(self) -> dict[str, Pool]:
        """The pool of each node that the table of machines names and that the centre has.

        Found by arithmetic: ranges may hold far more nodes than anybody could list.
        """
        ranges: dict[tuple[str, str], list[NodeRange]] = {}
        for nodes in self.ranges():
            ranges.setdefault((nodes.pool.name, nodes.racks.row), []).append(nodes)
        owners = {}
        for node in (asset.node for asset in self.assets):
            pool, _, place = node.rpartition("-")[0].rpartition("-")
            for nodes in ranges.get((pool, place.rstrip("0123456789")), ()):
                if nodes.holds(node):
                    owners[node] = nodes.pool
        return owners

    def capacity(self, pool: Pool) -> int:
        """What a pool has for tenants, in its unit: its nodes less the spares, which stand in for those in repair."""
        nodes = max(0, self.counts[pool.name] - max(pool.spares, self.out_of_service(pool)))
        return nodes * max(1, pool.accelerators_per_node)

    def promised(self, pool: Pool, organization: str | None = None) -> int:
        """What tenants have as quota of a pool, in its unit: all of them, or those of one organization."""
        return sum(
            share.size
            for tenant in self.tenants.values()
            for share in tenant.quota
            if share.pool is pool and organization in (None, tenant.organization)
        )

    def kept(self, pool: Pool, organization: str) -> int:
        """What an organization never lends of a pool, in its unit."""
        return sum(share.size for share in self.guarantees.get(organization, ()) if share.pool is pool)

    def out_of_service(self, pool: Pool) -> int:
        """Nodes of a pool that have their place in a rack but are in repair, as the table of machines says."""
        return self._in_repair[pool.name]

    @cached_property
    def _in_repair(self) -> Counter[str]:
        broken = [asset.node for asset in self.assets if asset.state == "repair"]
        return Counter(self.owners[node].name for node in broken if node in self.owners)

    @cached_property
    def bmc_offset(self) -> int | None:
        """How far the address of a management controller is from that of its node; None without a plan for them."""
        plans = self.spec.network.plans
        if plans.bmc is None:
            return None
        nodes, controllers = (number_of(plan.partition("/")[0]) for plan in (plans.nodes, plans.bmc))
        return controllers - nodes

    def pools_of(self, cluster: str, role: Role | None = None) -> list[Pool]:
        return [
            pool for pool in self.pools.values() if cluster in pool.clusters and (role is None or pool.role == role)
        ]

    def nodes_of(self, pools: list[Pool]) -> Iterator[Node]:
        for pool in pools:
            for nodes in self.ranges_of(pool):
                yield from nodes.nodes()

    def has_people(self, pool: Pool) -> bool:
        """Whether people work on a pool's nodes under accounts of the directory: they log in there, or their batch
        jobs and files are there."""
        identity = self.spec.access.identity
        slurm = any(self.clusters[name].kind == "slurm" for name in pool.clusters)
        works = slurm and pool.role in ("worker", "storage")
        return bool(identity and identity.ldap) and (works or pool.role == "login")

    def has_shared_homes(self, pool: Pool) -> bool:
        """Whether a file system of homes is mounted on a pool's nodes."""
        homes = [words for words in self.spec.storage.values() if words.purpose == "home"]
        return pool.role != "storage" and any(set(pool.clusters) & set(words.clusters) for words in homes)

    def equipment(self) -> Iterator[CoolingUnit]:
        """The units and tanks of all loops, also those that nobody can read."""
        for loop in self.loops.values():
            yield from loop.units
            yield from loop.tanks

    def devices(self) -> Iterator[Device]:
        """Whatever monitoring reads."""
        yield from (unit for unit in self.equipment() if unit.is_read)
        yield from (unit for water in self.waters.values() for part in water.rejecters for unit in part.read)
        yield from self.meters

    @property
    def has_cooling_devices(self) -> bool:
        """Whether some loop has units or tanks, which alarms are about."""
        return any(loop.units or loop.tanks for loop in self.loops.values())

    def trays(self) -> Iterator[Device]:
        """The management controllers that tell of leaks inside the servers of loops."""
        offset = self.bmc_offset
        if offset is None:
            return
        for nodes in self.ranges():
            loop = self.loops.get(nodes.racks.loop or "")
            if loop and loop.trays and loop.spec.trays:
                path = (*loop.path, "trays")
                login, feeds = loop.spec.trays.credentials, nodes.racks.feeds
                for node in nodes.nodes():
                    yield Device(node.name, loop.name, loop.trays, node.shifted(offset), 443, "", login, feeds, path)

    def registries_of(self, cluster: str) -> list[str]:
        """Where images of tenants may come from; empty where nobody says so."""
        words = self.clusters[cluster]
        return words.images if words.kind == "kubernetes" else []

    def sandbox_of(self, tenant: Tenant, cluster: str) -> Sandbox | None:
        """What the pods of a tenant run in, where they must."""
        return self.sandboxes.get(cluster) if tenant.isolation == "sandbox" else None

    def beside_sandbox(self, tenant: Tenant, cluster: str, resources: dict[str, str]) -> dict[str, str]:
        """What its sandbox leaves of these resources to the containers of a pod: queues count both."""
        sandbox = self.sandbox_of(tenant, cluster)
        if sandbox is None:
            return resources
        cpu = int(resources["cpu"].removesuffix("m")) - sandbox.millicores
        memory = int(resources["memory"].removesuffix("Mi")) - ceil(sandbox.megabytes * 1e6 / 2**20)
        return {**resources, "cpu": f"{cpu}m", "memory": f"{memory}Mi"}

    def tenants_of(self, cluster: str) -> list[Tenant]:
        """Tenants that have a share of some pool of the cluster."""
        return [
            tenant for tenant in self.tenants.values() if any(cluster in share.pool.clusters for share in tenant.quota)
        ]
