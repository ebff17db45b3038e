"""Power, cooling and fabrics of a spec with everything that they name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from generator import physics
from generator.catalog.models import AirHandler, Coolant, CoolingDevice, HeatRejection, Switch, Ups
from generator.expand.names import Names
from generator.nodes import Racks
from generator.plant import CoolingLoop, CoolingUnit, Device, HallAir, Handler, Net, Rejecter, Supply, Water
from generator.problems import Path
from generator.spec.common import NameRange
from generator.spec.cooling import Loop, Place, Rejection, Unit
from generator.spec.halls import Hall, RackKind

_PORTS = {"modbus": 502, "redfish": 443, "snmp": 161}
_RESTS = {"snmp": "3"}
"""What follows an address that says nothing more: of SNMP the version that is authenticated and encrypted."""


def supplies(names: Names) -> Iterator[tuple[str, Supply]]:
    """The uninterruptible supplies; feeds name the one behind them."""
    power = names.words.power
    for feed, words in power.feeds.items():
        if words.ups:
            names.known("uninterruptible supply", words.ups, power.ups, ("power", "feeds", feed, "ups"))
    for name, ups in power.ups.items():
        device = names.find(Ups, ups.device, ("power", "ups", name, "device"))
        if device:
            yield name, Supply(name, ups, device)


def nets(names: Names) -> Iterator[tuple[str, Net]]:
    """The fabrics with their switches."""
    for name, words in names.words.fabrics.items():
        path: Path = ("fabrics", name)
        leaf = names.find(Switch, words.leaf, (*path, "leaf"))
        spine = names.find(Switch, words.spine.switch, (*path, "spine", "switch")) if words.spine else None
        if leaf and (spine or not words.spine):
            yield name, Net(name, words, leaf, spine)


def waters(names: Names) -> Iterator[tuple[str, Water]]:
    """The facility water systems with what cools them."""
    for name, words in names.words.cooling.facility.items():
        rejecters = []
        for part, rejection in words.rejection.items():
            path: Path = ("cooling", "facility", name, "rejection", part)
            names.all_known("feed", rejection.feeds, names.words.power.feeds, (*path, "feeds"))
            device = names.find(HeatRejection, rejection.device, (*path, "device"))
            if device:
                read = tuple(_read_rejection(names, part, rejection, device, path))
                rejecters.append(Rejecter(part, rejection, device, path, read))
        coolant = names.find(Coolant, words.coolant, ("cooling", "facility", name, "coolant"))
        if coolant:
            yield name, Water(name, words, coolant, tuple(rejecters))


def _read_rejection(names: Names, part: str, words: Rejection, device: HeatRejection, path: Path) -> Iterator[Device]:
    """The units of rejection that monitoring reads, numbered from 1."""
    if words.at is None:
        return
    titles = [f"{part}-{number}" for number in range(1, words.count + 1)]
    feeds = tuple(words.feeds)
    for name, place in _places(names, titles, device, words.at, path):
        yield Device(name, "", device, *place, words.credentials, feeds, path)


def meters(names: Names) -> Iterator[Device]:
    """The meters that monitoring reads."""
    for span, words in names.words.power.meters.items():
        path: Path = ("power", "meters", span)
        names.all_known("feed", words.feeds, names.words.power.feeds, (*path, "feeds"))
        device = names.find(CoolingDevice, words.device, (*path, "device"))
        if device is None:
            continue
        if device.form != "meter":
            names.report(
                "power.meter-form", f'"{device.name}" is no meter, its form is {device.form}', (*path, "device")
            )
        titles = list(NameRange.parse(span).names())
        feeds = tuple(words.feeds)
        for name, place in _places(names, titles, device, words.at, path):
            yield Device(name, "", device, *place, words.credentials, feeds, path, words.measures)


def airs(names: Names) -> Iterator[tuple[str, HallAir]]:
    """The air of each hall that says some, with its handlers."""
    for name, hall in names.words.halls.items():
        if hall.air is None:
            continue
        path: Path = ("halls", name, "air")
        if hall.air.from_:
            names.known("facility water system", hall.air.from_, names.words.cooling.facility, (*path, "from"))
        yield name, HallAir(name, hall.air, tuple(_handlers(names, hall, path)))


def _handlers(names: Names, hall: Hall, path: Path) -> Iterator[Handler]:
    for span, unit in hall.air.units.items() if hall.air else ():
        here: Path = (*path, "units", span)
        names.all_known("feed", unit.feeds, names.words.power.feeds, (*here, "feeds"))
        device = names.find(AirHandler, unit.device, (*here, "device"))
        if device:
            feeds = tuple(unit.feeds or hall.feeds)
            yield from (Handler(name, device, feeds, unit.ratings) for name in NameRange.parse(span).names())


def loops(names: Names, racks: tuple[Racks, ...]) -> Iterator[tuple[str, CoolingLoop]]:
    """The technology loops with their units, and with the tanks that stand in racks."""
    altitude = names.words.site.altitude
    air = physics.atmosphere(altitude.magnitude if altitude else 0.0)
    for name, words in names.words.cooling.loops.items():
        path: Path = ("cooling", "loops", name)
        names.known("facility water system", words.from_, names.words.cooling.facility, (*path, "from"))
        coolant = names.find(Coolant, words.coolant, (*path, "coolant"))
        units = [
            device
            for span, unit in words.units.items()
            for device in _units(names, name, span, unit, (*path, "units", span))
        ]
        tanks = [device for group in _as_written(racks) if group.loop == name for device in _tanks(names, group)]
        trays = names.find(CoolingDevice, words.trays.device, (*path, "trays", "device")) if words.trays else None
        if coolant:
            yield name, CoolingLoop(name, words, coolant, tuple(units), tuple(tanks), trays, air)


def _units(names: Names, loop: str, span: str, unit: Unit, path: Path) -> Iterator[CoolingUnit]:
    names.all_known("feed", unit.feeds, names.words.power.feeds, (*path, "feeds"))
    device = names.find(CoolingDevice, unit.device, (*path, "device"))
    if device:
        yield from _devices(names, NameRange.parse(span), device, unit.at, loop, unit, tuple(unit.feeds), path)


def _tanks(names: Names, racks: Racks) -> Iterator[CoolingUnit]:
    """The device of each rack, such as its tank; addresses count from the first rack of the range as written."""
    kind: RackKind = names.words.halls[racks.hall].rack_kinds[racks.kind]
    path: Path = ("halls", racks.hall, "rack-kinds", racks.kind)
    if kind.device is None or racks.loop is None:
        return
    device = names.find(CoolingDevice, kind.device, (*path, "device"))
    # A device that could be read and has no place is a finding of its own.
    if device and (kind.at or device.protocol == "none"):
        yield from _devices(names, racks, device, kind.at, racks.loop, kind, racks.feeds, path)


def _devices(
    names: Names,
    span: NameRange | Racks,
    device: CoolingDevice,
    at: str | None,
    loop: str,
    words: Unit | RackKind,
    feeds: tuple[str, ...],
    path: Path,
) -> Iterator[CoolingUnit]:
    approach = _approach(names, names.words.cooling.loops.get(loop))
    for name, place in _places(names, list(span.names()), device, at, path):
        yield CoolingUnit(
            name, loop, device, *place, words.credentials, feeds, path, ratings=words.ratings, real_approach=approach
        )


def _approach(names: Names, loop: Loop | None) -> float | None:
    """Kelvin that a loop leaves between facility water and its coolant."""
    water = names.words.cooling.facility.get(loop.from_) if loop else None
    if loop is None or water is None or loop.supply is None:
        return None
    return loop.supply.magnitude - water.supply.magnitude


def _places(
    names: Names, titles: list[str], device: CoolingDevice | HeatRejection, at: str | None, path: Path
) -> Iterator[tuple[str, tuple[str, int, str]]]:
    """Each device by name with its host, its port and the rest of its place; what nobody can read has none."""
    if at is None:
        yield from ((title, ("", 0, "")) for title in titles)
        return
    place = Place.parse(at)
    if len(place.hosts) != len(titles):
        message = f'"{at}" gives {len(place.hosts)} addresses for {len(titles)} devices'
        names.report("cooling.addresses", message, (*path, "at"))
    if not device.protocol.startswith(place.scheme):
        speaks = "no protocol that is known" if device.protocol == "none" else device.protocol
        message = f'device "{device.name}" speaks {speaks}, "{at}" says {place.scheme}'
        names.report("cooling.protocol", message, (*path, "at"))
        return
    for title, host in zip(titles, place.hosts, strict=False):
        yield title, (host, place.port or _PORTS[place.scheme], place.rest or _RESTS.get(place.scheme, ""))


def _as_written(racks: tuple[Racks, ...]) -> Iterable[Racks]:
    """The ranges before they were cut: a pool that moves in moves no device."""
    whole: dict[Path, Racks] = {}
    for group in racks:
        whole[group.path] = replace(whole.get(group.path, group), last=group.last)
    return whole.values()
