"""The plant as facts: what powers, cools and connects the racks. Capacities in watts, flows in litres a minute."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from generator.catalog.models import AirHandler, Coolant, CoolingDevice, HeatRejection, Switch, Ups
from generator.problems import Path
from generator.quantity import Quantity, Temperature
from generator.spec.cooling import FacilityWater, Loop, Rejection, UnitRatings
from generator.spec.fabrics import Fabric
from generator.spec.halls import Air, AirRatings
from generator.spec.power import Ups as UpsWords
from generator.spec.site import Climate


def _first(*values: Quantity | None) -> float | None:
    """The magnitude of the first value that is known: the data sheet before the catalogue."""
    return next((value.magnitude for value in values if value), None)


@dataclass(frozen=True, slots=True)
class Machine:
    """One unit of whatever cools, as far as losing it goes: what it carries, what it takes, what powers it."""

    title: str
    capacity: float | None
    power: float | None
    feeds: tuple[str, ...]
    flow: float | None = None


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
        """Watts that the device carries."""
        return _first(self.ratings.capacity, self.device.ratings.capacity.value)

    @property
    def approach(self) -> float | None:
        """Kelvin between facility water and coolant supply."""
        return _first(self.ratings.approach, self.device.ratings.approach.value)

    @property
    def flow(self) -> float | None:
        """Litres a minute that the device pumps."""
        return _first(self.ratings.flow, self.device.ratings.flow.value)

    @property
    def power(self) -> float | None:
        """Watts of electricity that the device takes at its capacity."""
        known = self.device.ratings.power
        return _first(self.ratings.power, known.value if known else None)

    @property
    def machine(self) -> Machine:
        return Machine(f'unit "{self.name}"', self.capacity, self.power, self.feeds, self.flow)


@dataclass(frozen=True, slots=True)
class CoolingLoop:
    """A technology loop with what cools it and what it cools."""

    name: str
    spec: Loop
    coolant: Coolant
    units: tuple[Device, ...]
    tanks: tuple[Device, ...]

    @property
    def path(self) -> Path:
        return ("cooling", "loops", self.name)


@dataclass(frozen=True, slots=True)
class Rejecter:
    """Units alike that give the heat of facility water to the outside air."""

    name: str
    spec: Rejection
    device: HeatRejection
    path: Path

    @property
    def capacity(self) -> float | None:
        """Watts that one unit gives away on the design day."""
        return _first(self.spec.ratings.capacity, self.device.capacity.value)

    @property
    def power(self) -> float | None:
        """Watts of electricity that one unit takes at its capacity."""
        return _first(self.spec.ratings.power, self.device.power.value)

    @property
    def is_bound_by_weather(self) -> bool:
        """A chiller pumps heat uphill; everything else cools towards the air outside."""
        return self.device.form != "chiller"

    @property
    def approach(self) -> float | None:
        """Kelvin between the air that cools (dry or wet bulb) and the water."""
        return _first(self.spec.ratings.approach, self.device.approach.value)

    def machines(self, feeds: Iterable[str]) -> list[Machine]:
        """The units one by one; they hang on all feeds of the centre unless the spec names some."""
        powered = tuple(self.spec.feeds or feeds)
        return [Machine(f'a unit of "{self.name}"', self.capacity, self.power, powered)] * self.spec.count

    def coldest(self, climate: Climate) -> float | None:
        """The coldest water on the design day in °C: no limit for a chiller; None when something is unknown."""
        if not self.is_bound_by_weather:
            return -math.inf
        source, _ = self.sink(climate)
        return None if self.approach is None or source is None else source.magnitude + self.approach

    def sink(self, climate: Climate) -> tuple[Temperature | None, str]:
        """What of the design day it cools towards, and what that is called."""
        match self.device.form:
            case "dry-cooler":
                return climate.dry_bulb, "dry bulb"
            case "open-water":
                return climate.water, "open water"
            case _:
                return climate.wet_bulb, "wet bulb"


@dataclass(frozen=True, slots=True)
class Water:
    """A facility water system and what cools it."""

    name: str
    spec: FacilityWater
    rejecters: tuple[Rejecter, ...]

    @property
    def path(self) -> Path:
        return ("cooling", "facility", self.name)

    def able(self, climate: Climate | None) -> list[Rejecter]:
        """What cools the water to its supply temperature on the design day; all of it where no climate is said."""
        if climate is None:
            return list(self.rejecters)
        reached = ((rejecter, rejecter.coldest(climate)) for rejecter in self.rejecters)
        limit = self.spec.supply.magnitude + 1e-9
        return [rejecter for rejecter, coldest in reached if coldest is not None and coldest <= limit]


@dataclass(frozen=True, slots=True)
class Handler:
    """One air handler of a hall."""

    name: str
    device: AirHandler
    feeds: tuple[str, ...]
    ratings: AirRatings

    @property
    def capacity(self) -> float | None:
        """Watts that it takes from the air."""
        return _first(self.ratings.capacity, self.device.capacity.value)

    @property
    def power(self) -> float | None:
        """Watts of electricity that it takes at its capacity."""
        return _first(self.ratings.power, self.device.power.value)

    @property
    def machine(self) -> Machine:
        return Machine(f'"{self.name}"', self.capacity, self.power, self.feeds)


@dataclass(frozen=True, slots=True)
class HallAir:
    """The air of a hall and what cools it; without handlers, the spec says the capacity."""

    hall: str
    spec: Air
    handlers: tuple[Handler, ...]

    @property
    def path(self) -> Path:
        return ("halls", self.hall, "air")


@dataclass(frozen=True, slots=True)
class Supply:
    """Uninterruptible supplies in parallel."""

    name: str
    spec: UpsWords
    device: Ups

    @property
    def path(self) -> Path:
        return ("power", "ups", self.name)

    @property
    def capacity(self) -> float | None:
        """Watts that one unit gives."""
        return _first(self.spec.ratings.capacity, self.device.capacity.value)


@dataclass(frozen=True, slots=True)
class Net:
    """A fabric with its switches."""

    name: str
    spec: Fabric
    leaf: Switch
    spine: Switch | None

    @property
    def path(self) -> Path:
        return ("fabrics", self.name)

    @property
    def down(self) -> int:
        """Ports of a leaf towards nodes, when the rest keeps the promised oversubscription."""
        if self.leaf.node_ports:
            return self.leaf.node_ports
        over = self.spec.oversubscription
        return math.floor(self.leaf.ports * over / (1 + over) + 1e-9)

    @property
    def up(self) -> int:
        """Ports of a leaf towards spines."""
        return self.leaf.ports - self.down
