"""Pools, and the racks that hold them: ranges cut so that each holds identical racks."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from generator.catalog.models import (
    Accelerator,
    CoolingDevice,
    NetworkPlugin,
    OperatingSystem,
    RackType,
    Release,
    Sandbox,
    Server,
    Vendor,
)
from generator.expand.names import Kind, Names
from generator.nodes import Block, Contents, NodeRange, Pool, Racks, number_of
from generator.plant import Net
from generator.problems import Path, one_of
from generator.spec.common import NameRange
from generator.spec.halls import Hall, Row

Thing = TypeVar("Thing")
Leaves = tuple[tuple[Net, int], ...]
RDMA = {"infiniband", "roce"}
"""Kinds of fabrics whose adapters read and write the memory of other nodes."""
_Kind = tuple[RackType | None, Contents, Leaves]


def pools(names: Names) -> Iterator[tuple[str, Pool]]:
    """Every pool whose server and system are known."""
    for name, words in names.words.pools.items():
        path: Path = ("pools", name)
        server = names.find(Server, words.server, (*path, "server"))
        system = names.find(OperatingSystem, words.system, (*path, "system"))
        accelerator, vendor, plugin = None, None, None
        if words.accelerator:
            accelerator = names.find(Accelerator, words.accelerator, (*path, "accelerator"))
        if accelerator:
            vendor = names.optional(Vendor, accelerator.vendor)  # a wrong one is told in the file of the accelerator
        if vendor:
            chosen = words.plugin or (accelerator and accelerator.plugin) or next(iter(vendor.plugins))
            plugin = vendor.plugins.get(chosen)
            if words.plugin and plugin is None:
                message = f'vendor "{vendor.name}" has no plugin "{chosen}"'
                names.report("reference.unknown", message, (*path, "plugin"), one_of(chosen, vendor.plugins))
        elif words.plugin:
            message = f'pool "{name}" names a plugin but no accelerator'
            names.report("reference.unknown", message, (*path, "plugin"), "name an accelerator")
        named = [(words.cluster, (*path, "cluster"))] if words.cluster else []
        named += [(cluster, (*path, "clusters", index)) for index, cluster in enumerate(words.clusters)]
        clusters = [c for c, place in named if names.known("cluster", c, names.words.clusters, place)]
        for fabric in words.fabrics:
            names.known("fabric", fabric, names.words.fabrics, (*path, "fabrics", fabric), at_key=True)
        if server and system:
            yield name, Pool(
                name, words.role, server, system, accelerator, vendor, plugin, tuple(dict.fromkeys(clusters)),
                words.slot, words.spares, frozenset(_absent(words.absent)), tuple(words.fabrics.items()),
                words.rollout.batch.magnitude, words.rollout.unreachable.magnitude,
                containers=words.role == "worker" and any(
                    names.words.clusters[cluster].kind == "kubernetes" for cluster in clusters
                ),
                rdma=tuple(sorted(_kinds(names, words.fabrics) & RDMA)),
            )  # fmt: skip


def _kinds(names: Names, fabrics: Iterable[str]) -> set[str]:
    """The kinds of the fabrics among these that the spec has."""
    return {names.words.fabrics[fabric].kind for fabric in fabrics if fabric in names.words.fabrics}


def _absent(names: list[str]) -> Iterator[str]:
    for name in names:
        first, _, last = name.partition("..")
        prefix, _, number = first.rpartition("-")
        for n in range(int(number), int(last or number) + 1):
            yield f"{prefix}-{n}"


def racks(names: Names, pools: dict[str, Pool], nets: dict[str, Net]) -> Iterator[Racks]:
    """Every range of racks with what stands in it; a pool without any is a finding."""
    placed: set[str] = set()
    by_place = [
        (pool, NameRange.parse(words.racks), words.per_rack or 1)
        for name, words in names.words.pools.items()
        if words.racks and (pool := pools.get(name))
    ]
    for hall_name, hall in names.words.halls.items():
        path: Path = ("halls", hall_name)
        names.all_known("feed", hall.feeds, names.words.power.feeds, (*path, "feeds"))
        kinds = {kind: _kind(names, hall, kind, path, pools, nets) for kind in hall.rack_kinds}
        for row_name, row in hall.rows.items():
            for group in _row(names, hall_name, row_name, row, kinds):
                for cut in _cut(group, by_place):
                    placed |= {pool.name for pool, _ in cut.contents}
                    yield cut
    for name in names.words.pools:
        if name in pools and name not in placed:
            message = f'pool "{name}" stands in no rack'
            hint = "let a rack kind hold it, or give it racks and per-rack"
            names.report("pool.nowhere", message, ("pools", name), hint)
    for pool, span, _ in by_place:
        missing = _missing(names, span)
        if pool.name in placed and missing is not None:
            message = f'pool "{pool.name}" names rack "{span.prefix}{missing:0{span.width}d}", which is in no row'
            names.report("pool.racks-unknown", message, ("pools", pool.name, "racks"))


def _missing(names: Names, span: NameRange) -> int | None:
    """The number of the first rack of a range that no row has."""
    rows = [row for hall in names.words.halls.values() for name, row in hall.rows.items() if name == span.prefix]
    known = sorted((found.first, found.last) for row in rows for found in map(NameRange.parse, row.racks))
    number = span.first
    for first, last in known:
        if first <= number <= last:
            number = last + 1
    return number if number <= span.last else None


def _kind(names: Names, hall: Hall, name: str, path: Path, pools: dict[str, Pool], nets: dict[str, Net]) -> _Kind:
    kind, here = hall.rack_kinds[name], (*path, "rack-kinds", name)
    if kind.loop:
        names.known("loop", kind.loop, names.words.cooling.loops, (*here, "loop"))
    type_ = names.find(RackType, kind.type, (*here, "type"))
    for pool in kind.holds:
        names.known("pool", pool, names.words.pools, (*here, "holds", pool), at_key=True)
    for fabric in kind.leaves:
        names.known("fabric", fabric, names.words.fabrics, (*here, "leaves", fabric), at_key=True)
    return type_, _counted(kind.holds, pools), _counted(kind.leaves, nets)


def _counted(words: Mapping[str, int], things: dict[str, Thing]) -> tuple[tuple[Thing, int], ...]:
    return tuple((things[name], count) for name, count in words.items() if name in things)


def _row(names: Names, hall: str, name: str, row: Row, kinds: dict[str, _Kind]) -> Iterator[Racks]:
    """The ranges of one row, each with its kind and what that holds."""
    words = names.words.halls[hall]
    here: Path = ("halls", hall, "rows", name)
    rows = sum(len(other.rows) for other in names.words.halls.values())
    plan = ipaddress.IPv4Network(names.words.network.plans.nodes)
    base = number_of(row.base) if row.base else int(plan.network_address)
    if row.base is None and rows > 1:
        message = f'row "{name}" has no base address, and the centre has {rows} rows'
        names.report("address.no-base", message, here, f'for example "base: {_free_base(names, row, plan)}"')
    names.all_known("feed", row.feeds, names.words.power.feeds, (*here, "feeds"))
    for text, kind in row.racks.items():
        span = NameRange.parse(text)
        path: Path = (*here, "racks", text)
        if span.prefix != name:
            message = f'rack "{text}" stands in row "{name}"; its name must begin with "{name}"'
            names.report("name.rack", message, path, f'for example "{name}01"', at_key=True)
            continue
        if not names.known("kind of rack", kind, kinds, path):
            continue
        type_, holds, leaves = kinds[kind]
        if type_:
            said = words.rack_kinds[kind]
            device = names.optional(CoolingDevice, said.device) if said.device else None
            yield Racks(
                hall, name, span.first, span.last, span.width, kind, type_, said.loop, base, row.stride,
                row.block or hall, path, tuple(row.feeds or words.feeds), said.power, holds, leaves,
                device is not None and device.form == "rear-door",
            )  # fmt: skip


def _free_base(names: Names, row: Row, plan: ipaddress.IPv4Network) -> ipaddress.IPv4Address:
    """The first multiple of 256 behind all rows that say their base, so that this row takes no address of theirs."""
    ends = [int(plan.network_address)]
    for other in (other for hall in names.words.halls.values() for other in hall.rows.values()):
        if other.base:
            last = max(NameRange.parse(text).last for text in other.racks)
            ends.append(number_of(other.base) + (last + 1) * other.stride)
    first = min(NameRange.parse(text).first for text in row.racks) * row.stride
    step = 256
    base = -(-max(ends[0], max(ends) - first) // step) * step
    return ipaddress.IPv4Address(min(base, 2**32 - 1))


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


def releases(names: Names) -> Iterator[tuple[str, Release]]:
    """What the catalogue knows of the versions of clusters; an unknown version is no error."""
    clusters = names.words.clusters.items()
    return _known_releases(names, {name: f"{cluster.kind}-{cluster.version}" for name, cluster in clusters})


def queue_releases(names: Names) -> Iterator[tuple[str, Release]]:
    """What the catalogue knows of the versions of queues."""
    clusters = names.words.clusters.items()
    versions = {name: f"kueue-{cluster.queues}" for name, cluster in clusters if cluster.kind == "kubernetes"}
    return _known_releases(names, versions)


def _known_releases(names: Names, versions: Mapping[str, str]) -> Iterator[tuple[str, Release]]:
    for name, version in versions.items():
        release = names.optional(Release, version.replace(".", "-"))
        if release:
            yield name, release


def networks(names: Names) -> Iterator[tuple[str, NetworkPlugin]]:
    """What connects the pods of each cluster that says so."""
    return _named_by_clusters(names, NetworkPlugin, "cni")


def sandboxes(names: Names) -> Iterator[tuple[str, Sandbox]]:
    """The sandbox of each cluster that has one."""
    return _named_by_clusters(names, Sandbox, "sandbox")


def _named_by_clusters(names: Names, kind: type[Kind], field: str) -> Iterator[tuple[str, Kind]]:
    """The entry of the catalogue that each cluster of Kubernetes names in a field, if it names one."""
    for name, cluster in names.words.clusters.items():
        word = getattr(cluster, field) if cluster.kind == "kubernetes" else None
        entry = names.find(kind, word, ("clusters", name, field)) if word else None
        if entry:
            yield name, entry


def check_devices(names: Names) -> None:
    """Vendors that offers of accelerators and ports of exporters name, and parts that bring programs."""
    for name, cluster in names.words.clusters.items():
        for vendor, words in cluster.devices.items() if cluster.kind == "kubernetes" else ():
            path: Path = ("clusters", name, "devices", vendor)
            names.find(Vendor, vendor, path)
            if words.part and cluster.kind == "kubernetes":
                names.known("part of this cluster", words.part, cluster.parts, (*path, "part"))
    for vendor in names.words.network.ports:
        names.find(Vendor, vendor, ("network", "ports", vendor))


def blocks(racks: tuple[Racks, ...]) -> dict[str, Block]:
    """The nodes of all racks by block."""
    ranges: dict[str, list[NodeRange]] = {}
    paths: dict[str, Path] = {}
    for group in racks:
        paths.setdefault(group.block, ("halls", group.hall, "rows", group.row))
        found = ranges.setdefault(group.block, [])
        found += group.ranges
    return {name: Block(name, tuple(ranges[name]), paths[name]) for name in sorted(ranges)}
