"""Spec and catalogue become the centre: references resolved, ranges cut so that each holds identical racks."""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

from generator import services, spec
from generator.catalog import Catalog
from generator.catalog.models import (
    Accelerator,
    Coolant,
    CoolingDevice,
    Entry,
    OperatingSystem,
    RackType,
    Server,
    TenantClass,
    Vendor,
)
from generator.model import Block, Center, Device, Loop, NodeRange, Pool, Racks, ServiceUse, Share, Tenant, number_of
from generator.problems import Path, Problem, Refused, did_you_mean
from generator.source import Source
from generator.spec.common import NameRange
from generator.spec.halls import Hall, Place, RackKind, Row, Unit

Kind = TypeVar("Kind", bound=Entry)
_Kind = tuple[RackType | None, tuple[tuple[Pool, int], ...]]
_PORTS = {"modbus": 502, "redfish": 443}


def expand(words: spec.Center, source: Source, catalog: Catalog) -> tuple[Center, list[Problem]]:
    """Everything that can be resolved, and a finding for each name that cannot."""
    return _Expansion(words, source, catalog).center()


@dataclass(slots=True)
class _Expansion:
    words: spec.Center
    source: Source
    catalog: Catalog
    problems: list[Problem] = field(default_factory=list)

    def center(self) -> tuple[Center, list[Problem]]:
        pools = dict(self._pools())
        racks = tuple(self._racks(pools))
        tenants = dict(self._tenants(pools))
        center = Center(
            spec=self.words,
            racks=racks,
            pools=pools,
            blocks=_blocks(racks),
            loops=dict(self._loops(racks)),
            tenants=tenants,
            services=dict(self._services(pools, tenants)),
            public_files=dict(self._public_files()),
        )
        return center, self.problems

    # What a name stands for

    def _find(self, kind: type[Kind], name: str, path: Path) -> Kind | None:
        """A thing of the catalogue; unknown or faulty is a finding at the name."""
        try:
            found = self.catalog.get(kind, name)
        except Refused as refused:
            self.problems += refused.problems
            return None
        if found is None:
            words = re.sub("(?<=[a-z])(?=[A-Z])", " ", kind.__name__).lower()
            message = f'the catalogue has no {words} "{name}"'
            hint = did_you_mean(name, self.catalog.names(kind))
            self.problems.append(Problem("reference.catalog", message, path, hint))
        return found

    def _known(self, what: str, name: str, names: Iterable[str], path: Path) -> bool:
        """Whether the spec defines a name; if not, a finding where it is used."""
        names = list(names)
        if name in names:
            return True
        message = f'the spec defines no {what} "{name}"'
        hint = did_you_mean(name, names) or (f"defined: {', '.join(sorted(names)[:8])}" if names else None)
        self.problems.append(Problem("reference.unknown", message, path, hint))
        return False

    def _public_files(self) -> Iterator[tuple[str, str]]:
        """The files that hosts get as they are, such as public keys."""
        ssh, mirror = self.words.access.ssh, self.words.network.mirror
        references: list[tuple[str | None, Path]] = [
            (ssh.authority, ("access", "ssh", "authority")),
            (ssh.keys, ("access", "ssh", "keys")),
            (mirror.key if mirror else None, ("network", "mirror", "key")),
        ]
        for reference, path in references:
            if reference is None:
                continue
            try:
                yield reference, self.source.public_file(reference.removeprefix("path:"))
            except ValueError as error:
                self.problems.append(Problem("reference.file", str(error), path))

    # Pools

    def _pools(self) -> Iterator[tuple[str, Pool]]:
        for name, words in self.words.pools.items():
            path: Path = ("pools", name)
            server = self._find(Server, words.server, (*path, "server"))
            system = self._find(OperatingSystem, words.system, (*path, "system"))
            accelerator, vendor, plugin = None, None, None
            if words.accelerator:
                accelerator = self._find(Accelerator, words.accelerator, (*path, "accelerator"))
            if accelerator:
                vendor = self._find(Vendor, accelerator.vendor, (*path, "accelerator"))
            if vendor:
                chosen = words.plugin or (accelerator and accelerator.plugin) or next(iter(vendor.plugins))
                if self._known(f"plugin of vendor {vendor.name}", chosen, vendor.plugins, (*path, "plugin")):
                    plugin = vendor.plugins[chosen]
            elif words.plugin:
                message = f'pool "{name}" names a plugin but no accelerator'
                self.problems.append(Problem("reference.unknown", message, (*path, "plugin"), "name an accelerator"))
            named = [(words.cluster, (*path, "cluster"))] if words.cluster else []
            named += [(cluster, (*path, "clusters", index)) for index, cluster in enumerate(words.clusters)]
            clusters = [c for c, place in named if self._known("cluster", c, self.words.clusters, place)]
            if server and system:
                absent = frozenset(self._absent(words.absent))
                yield name, Pool(
                    name, words.role, server, system, accelerator, vendor, plugin, tuple(dict.fromkeys(clusters)),
                    words.slot, words.spares, absent,
                )  # fmt: skip

    def _absent(self, names: list[str]) -> Iterator[str]:
        for name in names:
            first, _, last = name.partition("..")
            prefix, _, number = first.rpartition("-")
            for n in range(int(number), int(last or number) + 1):
                yield f"{prefix}-{n}"

    # Racks and what stands in them

    def _racks(self, pools: dict[str, Pool]) -> Iterator[Racks]:
        placed: set[str] = set()
        by_place = [
            (pool, NameRange.parse(words.racks), words.per_rack or 1)
            for name, words in self.words.pools.items()
            if words.racks and (pool := pools.get(name))
        ]
        for hall_name, hall in self.words.halls.items():
            path: Path = ("halls", hall_name)
            for index, feed in enumerate(hall.feeds):
                self._known("feed", feed, self.words.power.feeds, (*path, "feeds", index))
            kinds = {
                kind: (self._kind(hall, kind, (*path, "rack-kinds", kind)), self._holds(hall, kind, path, pools))
                for kind in hall.rack_kinds
            }
            for row_name, row in hall.rows.items():
                for racks in self._row(hall_name, row_name, row, kinds):
                    for cut in _cut(racks, by_place):
                        placed |= {pool.name for pool, _ in cut.contents}
                        yield cut
        for name in self.words.pools:
            if name in pools and name not in placed:
                message = f'pool "{name}" stands in no rack'
                hint = "let a rack kind hold it, or give it racks and per-rack"
                self.problems.append(Problem("pool.nowhere", message, ("pools", name), hint))

    def _kind(self, hall: Hall, name: str, path: Path) -> RackType | None:
        kind = hall.rack_kinds[name]
        if kind.loop:
            self._known("loop", kind.loop, self.words.cooling.loops, (*path, "loop"))
        return self._find(RackType, kind.type, (*path, "type"))

    def _holds(self, hall: Hall, kind: str, path: Path, pools: dict[str, Pool]) -> tuple[tuple[Pool, int], ...]:
        held: list[tuple[Pool, int]] = []
        for pool, count in hall.rack_kinds[kind].holds.items():
            known = self._known("pool", pool, self.words.pools, (*path, "rack-kinds", kind, "holds", pool))
            if known and pool in pools:
                held.append((pools[pool], count))
        return tuple(held)

    def _row(self, hall: str, name: str, row: Row, kinds: dict[str, _Kind]) -> Iterator[Racks]:
        """The ranges of one row, each with its kind and what that holds."""
        rows = sum(len(other.rows) for other in self.words.halls.values())
        plan = ipaddress.IPv4Network(self.words.network.plans.nodes)
        base = number_of(row.base) if row.base else int(plan.network_address)
        if row.base is None and rows > 1:
            message = f'row "{name}" has no base address, and the centre has {rows} rows'
            hint = f'for example "base: {plan.network_address}"'
            self.problems.append(Problem("address.no-base", message, ("halls", hall, "rows", name), hint))
        for text, kind in row.racks.items():
            span = NameRange.parse(text)
            path: Path = ("halls", hall, "rows", name, "racks", text)
            if span.prefix != name:
                message = f'rack "{text}" stands in row "{name}"; its name must begin with "{name}"'
                self.problems.append(Problem("name.rack", message, path, f'for example "{name}01"', at_key=True))
                continue
            if not self._known("kind of rack", kind, kinds, path):
                continue
            type_, holds = kinds[kind]
            if type_:
                loop = self.words.halls[hall].rack_kinds[kind].loop
                yield Racks(
                    hall, name, span.first, span.last, span.width, kind, type_, loop, base, row.stride,
                    row.block or hall, path, holds,
                )  # fmt: skip

    # Loops and their devices

    def _loops(self, racks: tuple[Racks, ...]) -> Iterator[tuple[str, Loop]]:
        for name, words in self.words.cooling.loops.items():
            path: Path = ("cooling", "loops", name)
            self._known("facility water system", words.from_, self.words.cooling.facility, (*path, "from"))
            coolant = self._find(Coolant, words.coolant, (*path, "coolant"))
            units = [
                device
                for span, unit in words.units.items()
                for device in self._units(name, span, unit, (*path, "units", span))
            ]
            tanks = [device for group in _as_written(racks) if group.loop == name for device in self._tanks(group)]
            if coolant:
                yield name, Loop(name, words, coolant, tuple(units), tuple(tanks))

    def _units(self, loop: str, span: str, unit: Unit, path: Path) -> Iterator[Device]:
        for index, feed in enumerate(unit.feeds):
            self._known("feed", feed, self.words.power.feeds, (*path, "feeds", index))
        device = self._find(CoolingDevice, unit.device, (*path, "device"))
        if device:
            yield from self._devices(NameRange.parse(span), device, unit.at, loop, unit, unit.feeds, path)

    def _tanks(self, racks: Racks) -> Iterator[Device]:
        """The device of each rack, such as its tank; addresses count from the first rack of the range as written."""
        kind: RackKind = self.words.halls[racks.hall].rack_kinds[racks.kind]
        path: Path = ("halls", racks.hall, "rack-kinds", racks.kind)
        if kind.device is None or kind.at is None or racks.loop is None:
            return
        device = self._find(CoolingDevice, kind.device, (*path, "device"))
        if device:
            feeds = self.words.halls[racks.hall].feeds
            yield from self._devices(racks, device, kind.at, racks.loop, kind, feeds, path)

    def _devices(
        self,
        span: NameRange | Racks,
        device: CoolingDevice,
        at: str,
        loop: str,
        words: Unit | RackKind,
        feeds: list[str],
        path: Path,
    ) -> Iterator[Device]:
        place = Place.parse(at)
        if len(place.hosts) != span.count:
            message = f'"{at}" gives {len(place.hosts)} addresses for {span.count} devices'
            self.problems.append(Problem("cooling.addresses", message, (*path, "at")))
        if not device.protocol.startswith(place.scheme):
            message = f'device "{device.name}" speaks {device.protocol}, "{at}" says {place.scheme}'
            self.problems.append(Problem("cooling.protocol", message, (*path, "at")))
            return
        for name, host in zip(span.names(), place.hosts, strict=False):
            yield Device(
                name, loop, device, host, place.port or _PORTS[place.scheme], place.rest, words.credentials,
                tuple(feeds), path, words.ratings,
            )  # fmt: skip

    # Tenants and services

    def _tenants(self, pools: dict[str, Pool]) -> Iterator[tuple[str, Tenant]]:
        for organization, words in self.words.organizations.items():
            for name, tenant in words.tenants.items():
                path: Path = ("organizations", organization, "tenants", name)
                class_ = self._find(TenantClass, tenant.class_, (*path, "class"))
                quota = tuple(self._shares(tenant.quota, (*path, "quota"), pools))
                borrow = tuple(self._shares(tenant.borrow, (*path, "borrow"), pools))
                if class_:
                    yield name, Tenant(
                        name, organization, class_, tuple(tenant.admins), tuple(tenant.members),
                        tuple(dict.fromkeys(tenant.environments)), quota, borrow,
                    )  # fmt: skip

    def _shares(self, words: dict[str, str], path: Path, pools: dict[str, Pool]) -> Iterator[Share]:
        for pool, text in words.items():
            amount, _, unit = text.partition(" ")
            if self._known("pool", pool, self.words.pools, (*path, pool)) and pool in pools:
                yield Share(pools[pool], int(amount), unit.rstrip("s") + "s", (*path, pool))

    def _services(self, pools: dict[str, Pool], tenants: dict[str, Tenant]) -> Iterator[tuple[str, ServiceUse]]:
        kinds = services.kinds()
        for name, words in self.words.services.items():
            path: Path = ("services", name)
            known = self._known("kind of service", words.kind, kinds, (*path, "kind"))
            known &= self._known("pool", words.pool, self.words.pools, (*path, "pool"))
            names = [tenant for found in self.words.organizations.values() for tenant in found.tenants]
            known &= self._known("tenant", words.tenant, names, (*path, "tenant"))
            tenant, pool = tenants.get(words.tenant), pools.get(words.pool)
            if tenant:
                known &= self._known("environment", words.environment, tenant.environments, (*path, "environment"))
            if words.kind in kinds:
                inputs, problems = services.read_inputs(kinds[words.kind], words.inputs, (*path, "inputs"))
                self.problems += problems
                if known and tenant and pool and not problems:
                    yield name, ServiceUse(name, kinds[words.kind], tenant, words.environment, pool, inputs)


def _cut(racks: Racks, by_place: list[tuple[Pool, NameRange, int]]) -> Iterator[Racks]:
    """Split a range where a pool that names its racks begins or ends, so that contents are the same within each."""
    here = [entry for entry in by_place if entry[1].prefix == racks.row]
    inside = [entry for entry in here if entry[1].first <= racks.last and racks.first <= entry[1].last]
    edges = {racks.first, racks.last + 1}
    for _, span, _ in inside:
        edges |= {max(span.first, racks.first), min(span.last, racks.last) + 1}
    steps = sorted(edges)
    for first, end in itertools.pairwise(steps):
        more = tuple((pool, count) for pool, span, count in inside if span.first <= first <= span.last)
        yield replace(racks, first=first, last=end - 1, contents=racks.contents + more)


def _as_written(racks: tuple[Racks, ...]) -> Iterable[Racks]:
    """The ranges before they were cut: a pool that moves in moves no device."""
    whole: dict[Path, Racks] = {}
    for group in racks:
        whole[group.path] = replace(whole.get(group.path, group), last=group.last)
    return whole.values()


def _blocks(racks: tuple[Racks, ...]) -> dict[str, Block]:
    ranges: dict[str, list[NodeRange]] = {}
    paths: dict[str, Path] = {}
    for group in racks:
        paths.setdefault(group.block, ("halls", group.hall, "rows", group.row))
        found = ranges.setdefault(group.block, [])
        found += [NodeRange(pool, group, per_rack) for pool, per_rack in group.contents]
    return {name: Block(name, tuple(ranges[name]), paths[name]) for name in sorted(ranges)}
