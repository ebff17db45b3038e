"""Power, cooling and fabrics of a spec with everything that they name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from generator.catalog.models import AirHandler, Coolant, CoolingDevice, HeatRejection, Switch, Ups
from generator.expand.names import Names
from generator.nodes import Racks
from generator.plant import CoolingLoop, Device, HallAir, Handler, Net, Rejecter, Supply, Water
from generator.problems import Path
from generator.spec.common import NameRange
from generator.spec.cooling import Place, Unit
from generator.spec.halls import Hall, RackKind

_PORTS = {"modbus": 502, "redfish": 443}


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
                rejecters.append(Rejecter(part, rejection, device, path))
        yield name, Water(name, words, tuple(rejecters))


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
        if coolant:
            yield name, CoolingLoop(name, words, coolant, tuple(units), tuple(tanks))


def _units(names: Names, loop: str, span: str, unit: Unit, path: Path) -> Iterator[Device]:
    names.all_known("feed", unit.feeds, names.words.power.feeds, (*path, "feeds"))
    device = names.find(CoolingDevice, unit.device, (*path, "device"))
    if device:
        yield from _devices(names, NameRange.parse(span), device, unit.at, loop, unit, tuple(unit.feeds), path)


def _tanks(names: Names, racks: Racks) -> Iterator[Device]:
    """The device of each rack, such as its tank; addresses count from the first rack of the range as written."""
    kind: RackKind = names.words.halls[racks.hall].rack_kinds[racks.kind]
    path: Path = ("halls", racks.hall, "rack-kinds", racks.kind)
    if kind.device is None or kind.at is None or racks.loop is None:
        return
    device = names.find(CoolingDevice, kind.device, (*path, "device"))
    if device:
        yield from _devices(names, racks, device, kind.at, racks.loop, kind, racks.feeds, path)


def _devices(
    names: Names,
    span: NameRange | Racks,
    device: CoolingDevice,
    at: str,
    loop: str,
    words: Unit | RackKind,
    feeds: tuple[str, ...],
    path: Path,
) -> Iterator[Device]:
    place = Place.parse(at)
    if len(place.hosts) != span.count:
        message = f'"{at}" gives {len(place.hosts)} addresses for {span.count} devices'
        names.report("cooling.addresses", message, (*path, "at"))
    if not device.protocol.startswith(place.scheme):
        message = f'device "{device.name}" speaks {device.protocol}, "{at}" says {place.scheme}'
        names.report("cooling.protocol", message, (*path, "at"))
        return
    for name, host in zip(span.names(), place.hosts, strict=False):
        yield Device(
            name, loop, device, host, place.port or _PORTS[place.scheme], place.rest, words.credentials, feeds, path,
            words.ratings,
        )  # fmt: skip


def _as_written(racks: tuple[Racks, ...]) -> Iterable[Racks]:
    """The ranges before they were cut: a pool that moves in moves no device."""
    whole: dict[Path, Racks] = {}
    for group in racks:
        whole[group.path] = replace(whole.get(group.path, group), last=group.last)
    return whole.values()
