"""The catalogue behind the spec: figures that the design stands on are known, and somebody answers for them."""

from __future__ import annotations

from collections.abc import Iterator

from generator.catalog.models import Entry, Fact
from generator.model import Center
from generator.nodes import Racks
from generator.problems import Path
from generator.quantity import Mass, Power
from generator.rules import Finding, rule

WEAK = {"C", "D"}
"""Grades of sources that repeat what others say; an assumption says "own" of itself and is none of them."""


def _used(center: Center) -> Iterator[tuple[Entry, Path]]:
    """Every thing of the catalogue that the spec uses, with where it says so."""
    for pool in center.pools.values():
        yield pool.server, (*pool.path, "server")
        yield pool.system, (*pool.path, "system")
        for entry in (pool.accelerator, pool.vendor):
            if entry:
                yield entry, (*pool.path, "accelerator")
    for racks in center.racks:
        yield racks.type, (*_kind(racks), "type")
    for net in center.nets.values():
        yield net.leaf, (*net.path, "leaf")
        if net.spine:
            yield net.spine, (*net.path, "spine", "switch")
    for supply in center.supplies.values():
        yield supply.device, (*supply.path, "device")
    for water in center.waters.values():
        yield water.coolant, (*water.path, "coolant")
        yield from ((rejecter.device, (*rejecter.path, "device")) for rejecter in water.rejecters)
    for air in center.airs.values():
        yield from ((handler.device, (*air.path, "units")) for handler in air.handlers)
    for loop in center.loops.values():
        yield loop.coolant, (*loop.path, "coolant")
    for device in (*center.equipment(), *center.meters):
        yield device.device, (*device.path, "device")
    for tenant in center.tenants.values():
        yield tenant.class_, (*tenant.path, "class")
    if center.prices:
        yield center.prices, ("prices", "plan")


def _kind(racks: Racks) -> Path:
    return ("halls", racks.hall, "rack-kinds", racks.kind)


@rule("catalog.deprecated", severity="warning")
def nothing_old_is_planned(center: Center) -> Iterator[Finding]:
    """What is no longer made cannot be replaced when it breaks; the catalogue says what takes its place."""
    told = set()
    for entry, path in _used(center):
        if entry.deprecated and (entry.kind, entry.name) not in told:
            told.add((entry.kind, entry.name))
            yield Finding(path, f'"{entry.name}" should not be planned any more: {entry.deprecated}')


@rule("catalog.unverified", severity="warning")
def power_is_vouched_for(center: Center) -> Iterator[Finding]:
    """Feeds, cooling and bills rest on the power of a node; a figure that nobody answers for carries none of them."""
    for pool in center.pools.values():
        parts: list[tuple[str, Entry, Fact[Power]]] = [("server", pool.server, pool.server.base_power)]
        if pool.accelerator:
            parts.append(("accelerator", pool.accelerator, pool.accelerator.power))
        for field, entry, power in parts:
            if power.value is not None and _is_weak(entry, power):
                message = (
                    f'the power of "{entry.name}" ({power.value.show("W")}), on which pool "{pool.name}" stands, '
                    "has no source that vouches for it"
                )
                hint = (
                    f'take it from the data sheet: "center new {field} {entry.name} --like {entry.name} '
                    f'--in {center.name}" writes a file of your own for it'
                )
                yield Finding((*pool.path, field), message, hint)


def _is_weak(entry: Entry, fact: Fact[Power]) -> bool:
    grades = {entry.sources[source].grade for source in fact.sources if source in entry.sources}
    return bool(grades) and grades <= WEAK


@rule("catalog.unknown", severity="warning")
def checks_have_their_figures(center: Center) -> Iterator[Finding]:
    """A check without its figure passes; better to know that it did not check."""
    told = set()
    for racks in center.racks:
        for what, name, check, path in _missing(center, racks):
            if (what, name, check) not in told:
                told.add((what, name, check))
                hint = f'copy the file of "{name}" into catalog/ beside the spec and give its {what} with a source'
                message = f'{check} is judged without the {what} of "{name}", which nobody has published'
                yield Finding(path, message, hint)


def _missing(center: Center, racks: Racks) -> Iterator[tuple[str, str, str, Path]]:
    """What is unknown, of which thing, and which check therefore says less."""
    floor = center.spec.halls[racks.hall].floor
    kind = _kind(racks)
    load = f'the floor of hall "{racks.hall}"'
    if floor and (floor.per_rack or floor.limit):
        parts: list[tuple[Entry, Fact[Mass]]] = [(racks.type, racks.type.mass)]
        parts += [(pool.server, pool.server.mass) for pool, _ in racks.contents]
        parts += [(net.leaf, net.leaf.mass) for net, _ in racks.leaves]
        yield from (("mass", entry.name, load, kind) for entry, mass in parts if mass.value is None)
    if floor and floor.limit:
        sides = {"width": racks.type.width, "depth": racks.type.depth}
        for side, fact in sides.items():
            if fact is None or fact.value is None:
                yield side, racks.type.name, load, (*kind, "type")
    if racks.loop and not racks.type.immersion:
        for pool, _ in racks.contents:
            if pool.server.liquid_share.value is None:
                yield "liquid share", pool.server.name, f'loop "{racks.loop}"', (*pool.path, "server")
    if center.spec.power.redundancy == "2N":
        for pool, _ in racks.contents:
            if pool.server.supplies is None:
                yield "power supplies", pool.server.name, "2N", (*pool.path, "server")
    for net, _ in racks.leaves:
        if net.leaf.power.value is None:
            yield "power", net.leaf.name, f'the power of rack kind "{racks.kind}"', (*net.path, "leaf")
