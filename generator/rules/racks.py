"""Racks: each stands once, and what it holds fits."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from generator.model import Center
from generator.nodes import Racks
from generator.quantity import Mass
from generator.rules import Finding, rule
from generator.rules.survival import exceeds, pair

BLOCK_LIMIT = 1024


@rule("rack.overlap")
def ranges_do_not_overlap(center: Center) -> Iterator[Finding]:
    """A rack is said once in the whole centre."""
    ordered = sorted(center.racks, key=lambda racks: (racks.row, racks.first))
    for before, racks in itertools.pairwise(ordered):
        if before.row == racks.row and racks.first <= before.last:
            message = f'{racks.title} and {before.title} of hall "{before.hall}" overlap'
            yield Finding(racks.path, message, at_key=True)


@rule("rack.unused-kind", severity="warning")
def kinds_stand_somewhere(center: Center) -> Iterator[Finding]:
    """A kind of rack that no row uses was forgotten in a row, or was left behind; what it holds is counted nowhere."""
    for name, hall in center.spec.halls.items():
        used = {kind for row in hall.rows.values() for kind in row.racks.values()}
        for kind in hall.rack_kinds:
            if kind not in used:
                message = f'no row of hall "{name}" has a rack of kind "{kind}"'
                yield Finding(("halls", name, "rack-kinds", kind), message, at_key=True)


@rule("rack.space")
def servers_fit_into_racks(center: Center) -> Iterator[Finding]:
    """The heights of all servers and switches in a rack add up to at most its rack units."""
    for racks in center.racks:
        needed = sum((pool.server.height or 0) * count for pool, count in racks.contents)
        needed += sum(net.leaf.height * count for net, count in racks.leaves)
        if needed > racks.type.units:
            message = f"{racks.title} must hold {needed} rack units, a {racks.type.name} has {racks.type.units}"
            yield Finding(_contents_path(racks), message)


@rule("rack.slots")
def blades_have_slots(center: Center) -> Iterator[Finding]:
    """A blade goes into a slot of its own kind, and a cabinet has only so many."""
    for racks in center.racks:
        needed: dict[str, int] = {}
        for pool, count in racks.contents:
            if pool.server.blade:
                blades = -(-count // pool.server.per_blade)
                needed[pool.server.blade] = needed.get(pool.server.blade, 0) + blades
        for blade, count in needed.items():
            slots = racks.type.slots.get(blade, 0)
            if count > slots:
                message = f'{racks.title} must hold {count} blades of kind "{blade}", a {racks.type.name} takes {slots}'
                yield Finding(_contents_path(racks), message)


@rule("rack.mass")
def floors_carry_racks(center: Center) -> Iterator[Finding]:
    """Rack, servers, switches and liquid together weigh at most what the floor carries, a place or a square metre."""
    for racks in center.racks:
        floor, mass = center.spec.halls[racks.hall].floor, rack_mass(center, racks)
        if floor is None or mass is None:
            continue
        path = ("halls", racks.hall, "floor")
        if floor.per_rack and exceeds(mass, floor.per_rack.magnitude):
            weight, limit = pair(mass, floor.per_rack.magnitude, "kg", 1)
            message = f"{racks.does('weighs')} {weight}, the floor carries {limit}"
            yield Finding((*path, "per-rack"), message)
        area = footprint(racks)
        if floor.limit and area and exceeds(mass / area, floor.limit.magnitude):
            load, limit = pair(mass / area, floor.limit.magnitude, "kg/m2", 1)
            message = (
                f"{racks.does('weighs')} {mass:.0f} kg on {area:.2f} m2, which is {load}; the floor carries {limit}"
            )
            yield Finding((*path, "limit"), message)


def rack_mass(center: Center, racks: Racks) -> float | None:
    """Kilograms of one of these racks with all that is in it, as far as is known; None when the rack's own is not."""
    own = racks.type.mass.value
    if own is None:
        return None
    servers = racks.most(lambda standing: _mass((pool.server.mass.value, count) for pool, count in standing))
    switches = _mass((net.leaf.mass.value, count) for net, count in racks.leaves)
    return own.magnitude + servers + switches + _liquid_mass(center, racks)


def _mass(parts: Iterable[tuple[Mass | None, int]]) -> float:
    return sum(part.magnitude * count for part, count in parts if part)


def _liquid_mass(center: Center, racks: Racks) -> float:
    """Kilograms of the liquid in a tank."""
    charge = racks.type.charge.value if racks.type.charge else None
    loop = center.loops.get(racks.loop or "")
    density = loop.coolant.density.value if loop else None
    return charge.magnitude / 1000 * density if charge and density else 0.0


def footprint(racks: Racks) -> float | None:
    """Square metres below one of these racks."""
    width = racks.type.width.value if racks.type.width else None
    depth = racks.type.depth.value if racks.type.depth else None
    return width.magnitude * depth.magnitude if width and depth else None


@rule("rack.wrong-loop")
def racks_match_their_loops(center: Center) -> Iterator[Finding]:
    """A tank needs an immersion loop, a rack a cold-plate loop."""
    for racks in center.racks:
        loop = center.spec.cooling.loops.get(racks.loop or "")
        if racks.type.immersion and loop is None:
            yield Finding(_kind_path(racks), f"{racks.does('is')} {_form(racks)} without a loop", "say its loop")
        if loop and racks.type.immersion != loop.kind.endswith("immersion"):
            message = f'{racks.does("is")} {_form(racks)}, loop "{racks.loop}" is a {loop.kind} loop'
            yield Finding((*_kind_path(racks), "loop"), message)


def _form(racks: Racks) -> str:
    form = "tank" if racks.type.immersion else "rack"
    return f"a {form}" if racks.count == 1 else f"{form}s"


@rule("rack.no-loop", severity="warning")
def cold_plates_have_liquid(center: Center) -> Iterator[Finding]:
    """A server with cold plates in a rack without a loop has nothing in its plates: all its heat goes nowhere."""
    told: set[tuple[str, str, str]] = set()
    for racks in center.racks:
        for pool, _ in racks.contents if racks.loop is None and not racks.type.immersion else ():
            share = pool.server.liquid_share.value if pool.server.liquid_share else None
            if share and share.magnitude > 0 and (racks.hall, racks.kind, pool.name) not in told:
                told.add((racks.hall, racks.kind, pool.name))
                message = (
                    f'pool "{pool.name}" stands in {racks.title} without a loop, and its server "{pool.server.name}" '
                    f"leaves {share} of its heat to liquid"
                )
                yield Finding(_kind_path(racks), message, "say its loop, or take a server that air cools", at_key=True)


@rule("rack.block-size")
def blocks_stay_small(center: Center) -> Iterator[Finding]:
    """One Ansible run serves one block; beyond 1,024 nodes its memory and time grow too large."""
    for block in center.blocks.values():
        if block.count > BLOCK_LIMIT:
            message = f'block "{block.name}" has {block.count} nodes; {BLOCK_LIMIT} are allowed'
            yield Finding(block.path, message, f'give rows blocks of their own, for example "block: {block.name}-1"')


@rule("pool.counted-twice")
def pools_are_counted_once(center: Center) -> Iterator[Finding]:
    """Either a rack kind holds a pool, or the pool names its racks; both would count its nodes twice."""
    held = {pool for hall in center.spec.halls.values() for kind in hall.rack_kinds.values() for pool in kind.holds}
    for name, pool in center.spec.pools.items():
        if pool.racks and name in held:
            yield Finding(("pools", name, "racks"), f'pool "{name}" names racks and is held by a rack kind as well')
        if (pool.racks is None) != (pool.per_rack is None):
            said, missing = ("racks", "per-rack") if pool.racks else ("per-rack", "racks")
            yield Finding(("pools", name), f'pool "{name}" says {said} without {missing}')


@rule("pool.no-cluster", severity="warning")
def nodes_work_in_a_cluster(center: Center) -> Iterator[Finding]:
    """Workers, login and control nodes are there for a cluster; without one they are powered and nobody gets them."""
    for pool in center.pools.values():
        if pool.role in ("worker", "login", "control") and not pool.clusters:
            message = f'pool "{pool.name}" of role {pool.role} is in no cluster'
            yield Finding(pool.path, message, "say its cluster", at_key=True)


@rule("pool.no-places")
def accelerators_have_places(center: Center) -> Iterator[Finding]:
    """An accelerator goes into a place of the server; a server without places would count none."""
    for pool in center.pools.values():
        if pool.accelerator and pool.server.accelerators == 0:
            message = f'server "{pool.server.name}" of pool "{pool.name}" has no place for an accelerator'
            yield Finding((*pool.path, "accelerator"), message)


@rule("pool.absent-unknown")
def absent_nodes_have_a_place(center: Center) -> Iterator[Finding]:
    """A hole is a node that the racks would otherwise hold."""
    for pool in center.pools.values():
        left = set(pool.absent)
        for nodes in center.ranges_of(pool):
            left -= nodes.absent
        for name in sorted(left):
            message = f'pool "{pool.name}" has no place for node "{name}", so it cannot be absent'
            yield Finding((*pool.path, "absent"), message)


def _kind_path(racks: Racks) -> tuple[str | int, ...]:
    return ("halls", racks.hall, "rack-kinds", racks.kind)


def _contents_path(racks: Racks) -> tuple[str | int, ...]:
    """Where the contents were said: by the rack kind, else where the racks are."""
    return (*_kind_path(racks), "holds") if racks.contents else racks.path
