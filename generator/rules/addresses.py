"""Addresses: inside their plans, nothing has two owners; what plans are big enough for is in ``plans.py``."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterator
from urllib.parse import urlsplit

from generator.model import Center
from generator.nodes import NodeRange, number_of
from generator.problems import Path
from generator.rules import Finding, rule
from generator.rules.plans import usable


def _extent(nodes: NodeRange) -> tuple[int, int]:
    """The first and the last address of a range of nodes."""
    racks, slot = nodes.racks, nodes.pool.slot
    return (
        racks.base + racks.first * racks.stride + slot,
        racks.base + racks.last * racks.stride + slot + nodes.per_rack - 1,
    )


@rule("address.outside-plan")
def nodes_are_inside_the_plan(center: Center) -> Iterator[Finding]:
    """Every node's address (row base + rack number x stride + slot) is a usable one of the plan."""
    plan = ipaddress.IPv4Network(center.spec.network.plans.nodes)
    low, high = usable(plan)
    for nodes in center.ranges():
        first, last = _extent(nodes)
        if first < low or last > high:
            wrong = ipaddress.IPv4Address(first if first < low else min(last, 2**32 - 1))
            message = f'pool "{nodes.pool.name}" in {nodes.racks.title} reaches {wrong}, outside {plan}'
            yield Finding(("halls", nodes.racks.hall, "rows", nodes.racks.row), message, "change the base or the plan")


@rule("address.stride")
def racks_fit_into_the_stride(center: Center) -> Iterator[Finding]:
    """The slots of a rack end before the addresses of the next rack begin."""
    for nodes in center.ranges():
        last = nodes.pool.slot + nodes.per_rack - 1
        if last >= nodes.racks.stride:
            where = f"{nodes.racks.title}, where the stride is {nodes.racks.stride}"
            message = f'pool "{nodes.pool.name}" takes slot {last} in {where}'
            yield Finding(("halls", nodes.racks.hall, "rows", nodes.racks.row), message, "give the row a larger stride")


@rule("address.slot-shared")
def slots_have_one_owner(center: Center) -> Iterator[Finding]:
    """Pools that stand in the same rack take different slots, so that no address depends on the order of the file."""
    for racks in center.racks:
        ordered = sorted(racks.contents, key=lambda entry: (entry[0].slot, entry[0].name))
        for (before, count), (pool, _) in itertools.pairwise(ordered):
            end = before.slot + count
            if pool.slot < end:
                message = f'pools "{before.name}" and "{pool.name}" both take slot {pool.slot} of {racks.title}'
                yield Finding((*pool.path, "slot"), message, f'say "slot: {end}" in pool "{pool.name}"')


@rule("address.rows-overlap")
def rows_do_not_overlap(center: Center) -> Iterator[Finding]:
    """The addresses of one row end before those of the next begin."""
    extents = sorted(
        ((r.base + r.first * r.stride, r.base + (r.last + 1) * r.stride - 1, r) for r in center.racks if r.contents),
        key=lambda extent: (extent[0], extent[2].row, extent[2].first),
    )
    for (_, end, before), (start, _, racks) in itertools.pairwise(extents):
        if start <= end and before.row != racks.row:
            shared = ipaddress.IPv4Address(min(start, 2**32 - 1))
            message = f"{racks.title} and {before.title} share addresses from {shared} on"
            yield Finding(("halls", racks.hall, "rows", racks.row), message, "move the base of one row")


@rule("address.device")
def devices_have_addresses_of_their_own(center: Center) -> Iterator[Finding]:
    """Cooling devices are inside the facility plan, and no two answer at the same place."""
    plan = center.spec.network.plans.facility
    low, high = usable(ipaddress.IPv4Network(plan or "0.0.0.0/0"))
    seen: dict[tuple[str, int, str], str] = {}
    for device in center.devices():
        place = (device.host, device.port, device.rest)
        if plan and not low <= number_of(device.host) <= high:
            message = f'device "{device.name}" is at {device.host}, outside plan facility ({plan})'
            yield Finding((*device.path, "at"), message)
        if place in seen:
            message = f'devices "{seen[place]}" and "{device.name}" are both at {device.host}:{device.port}'
            yield Finding((*device.path, "at"), message)
        seen.setdefault(place, device.name)


@rule("address.taken")
def servers_have_addresses_of_their_own(center: Center) -> Iterator[Finding]:
    """What every host asks is no worker, which a job may fill and a repair takes away, and no whole network."""
    workers = [nodes for nodes in center.ranges() if nodes.pool.role == "worker"]
    whole = dict(_whole_networks(center))
    for what, path, host in _servers(center):
        try:
            number = number_of(host)
        except ValueError:  # a name, which is for others to resolve
            continue
        found = (_node_at(nodes, number) for nodes in workers)
        taken = whole.get(number) or next((node for node in found if node), None)
        if taken:
            yield Finding(path, f"{what} {host} is the address of {taken}")


def _servers(center: Center) -> Iterator[tuple[str, Path, str]]:
    """What hosts are told to ask: what it is, where the spec says so, and its name or address."""
    network = center.spec.network
    for key, what, hosts in (("dns", "name server", network.dns), ("ntp", "time server", network.ntp)):
        yield from ((what, ("network", key, index), host) for index, host in enumerate(hosts))
    if network.mirror:
        yield "mirror", ("network", "mirror", "url"), urlsplit(network.mirror.url).hostname or ""
    for name, words in center.spec.storage.items():
        what = f'server of file system "{name}"'
        yield from ((what, ("storage", name, "servers", index), host) for index, host in enumerate(words.servers))


def _whole_networks(center: Center) -> Iterator[tuple[int, str]]:
    """The two addresses of each plan that no machine can have."""
    plans = center.spec.network.plans
    for name, plan in (("nodes", plans.nodes), ("bmc", plans.bmc), ("facility", plans.facility)):
        if plan:
            network = ipaddress.IPv4Network(plan)
            yield int(network.network_address), f"plan {name} ({plan}) as a whole"
            yield int(network.broadcast_address), f"everybody in plan {name} ({plan})"


def _node_at(nodes: NodeRange, number: int) -> str | None:
    """The node of a range that has an address; found by arithmetic, since a range may be long."""
    racks = nodes.racks
    rack, place = divmod(number - racks.base - nodes.pool.slot, racks.stride)
    if not racks.first <= rack <= racks.last or place >= nodes.per_rack:
        return None
    name = f"{nodes.pool.name}-{racks.name(rack)}-{place + 1}"
    return f'node "{name}"' if nodes.holds(name) else None
