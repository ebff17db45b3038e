"""The plant as facts: what powers, cools and connects the racks. Capacities in watts, flows in litres a minute."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from generator import physics
from generator.catalog.cooling_model import WITHOUT_EXCHANGER
from generator.catalog.entries import Fact
from generator.catalog.models import AirHandler, Coolant, CoolingDevice, HeatRejection, Switch, Ups
from generator.problems import Path
from generator.quantity import Quantity, Temperature, TemperatureRise
from generator.spec.cooling import FacilityWater, Loop, Rejection, UnitRatings
from generator.spec.fabrics import Fabric
from generator.spec.halls import Air, AirRatings
from generator.spec.power import Ups as UpsWords
from generator.spec.site import Climate

Amount = TypeVar("Amount")


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
    """Whatever monitoring reads: cooling units and tanks of a loop, meters, units of heat rejection."""

    name: str
    loop: str
    device: CoolingDevice | HeatRejection
    host: str
    port: int
    rest: str
    credentials: str | None
    feeds: tuple[str, ...]
    path: Path
    measures: str = ""

    @property
    def is_read(self) -> bool:
        """Whether monitoring can read it: somebody knows what it says, and the spec where."""
        return self.device.protocol != "none" and bool(self.host)


@dataclass(frozen=True, slots=True)
class CoolingUnit(Device):
    """A cooling unit or tank: what it carries, pumps and takes, by its data sheet before the catalogue.

    `real_approach` is what the loop leaves between facility water and coolant, in K; None where it sets none.
    """

    device: CoolingDevice
    ratings: UnitRatings = field(default_factory=UnitRatings)
    real_approach: float | None = None

    @property
    def curve(self) -> list[tuple[float, float]]:
        """Watts that it carries at each approach in K that somebody has said, rising, from nothing at none on."""
        said = {_kelvin(text): power.magnitude for text, power in self.ratings.at_approach.items()}
        known = self.device.ratings.at_approach.items()
        told = {_kelvin(text): fact.value.magnitude for text, fact in known if fact.value}
        points = said or told
        if not points:
            return []
        rated, capacity = self._rated_approach, self._rated_capacity
        if rated is not None and capacity is not None:
            points[rated] = capacity
        return sorted({0.0: 0.0, **points}.items())

    @property
    def capacity(self) -> float | None:
        """Watts that it carries at the approach of its loop; without a curve, its rating."""
        curve = self.curve
        if not curve:
            return self._rated_capacity
        return curve[-1][1] if self.real_approach is None else physics.between(curve, max(self.real_approach, 0.0))

    @property
    def approach(self) -> float | None:
        """Kelvin between facility water and coolant supply at its rating; less is possible where a curve says so."""
        return None if self.curve else self._rated_approach

    @property
    def flow(self) -> float | None:
        """Litres a minute that it pumps."""
        return _first(self.ratings.flow, self.device.ratings.flow.value)

    @property
    def head(self) -> float | None:
        """Pascals that its pumps leave for the loop at that flow."""
        return _first(self.ratings.head, _value(self.device.ratings.head))

    @property
    def filter_resistance(self) -> float | None:
        """Pascals over the square of m3/s that its clean filter takes."""
        drop = _first(self.ratings.filter_drop, _value(self.device.ratings.filter_drop))
        return drop / (self.flow / 60_000) ** 2 if drop is not None and self.flow else None

    @property
    def power(self) -> float | None:
        """Watts of electricity that it takes at its capacity."""
        return _first(self.ratings.power, _value(self.device.ratings.power))

    @property
    def loss(self) -> float | None:
        """Share of its charge that a tank loses in a year."""
        return _first(self.ratings.loss, _value(self.device.ratings.loss))

    @property
    def machine(self) -> Machine:
        return Machine(f'unit "{self.name}"', self.capacity, self._power_here, self.feeds, self.flow)

    @property
    def _power_here(self) -> float | None:
        """Watts of electricity at what it carries in its loop: at one rise, flow and pumps follow the heat."""
        here, rated = self.capacity, self._rated_capacity
        return self.power * here / rated if self.power is not None and here is not None and rated else self.power

    @property
    def _rated_capacity(self) -> float | None:
        return _first(self.ratings.capacity, self.device.ratings.capacity.value)

    @property
    def _rated_approach(self) -> float | None:
        """Coolant that passes no exchanger is as warm as it comes."""
        said = _first(self.ratings.approach, self.device.ratings.approach.value)
        return 0.0 if said is None and self.device.form in WITHOUT_EXCHANGER else said


def as_written(units: Iterable[CoolingUnit]) -> list[CoolingUnit]:
    """The first unit of each range of the spec."""
    return _firsts(units, lambda unit: unit.path)


def models(units: Iterable[CoolingUnit]) -> list[CoolingUnit]:
    """The first unit of each model."""
    return _firsts(units, lambda unit: unit.device.name)


def _firsts(units: Iterable[CoolingUnit], key: Callable[[CoolingUnit], Hashable]) -> list[CoolingUnit]:
    found: dict[Hashable, CoolingUnit] = {}
    for unit in units:
        found.setdefault(key(unit), unit)
    return list(found.values())


def _value(fact: Fact[Amount] | None) -> Amount | None:
    return fact.value if fact else None


def _kelvin(text: str) -> float:
    return TemperatureRise.parse(text).magnitude


@dataclass(frozen=True, slots=True)
class CoolingLoop:
    """A technology loop with what cools it and what it cools."""

    name: str
    spec: Loop
    coolant: Coolant
    units: tuple[CoolingUnit, ...]
    tanks: tuple[CoolingUnit, ...]
    trays: CoolingDevice | None = None
    """How the management controllers of its servers tell of leaks."""
    air: float = physics.ATMOSPHERE
    """kPa of the air at the site, under which its tanks boil."""

    @property
    def path(self) -> Path:
        return ("cooling", "loops", self.name)

    @property
    def in_racks(self) -> str:
        """What the devices are called that stand in its racks."""
        return "rear doors" if {tank.device.form for tank in self.tanks} == {"rear-door"} else "tanks"

    @property
    def boiling(self) -> float | None:
        """Boiling point of its coolant at the site in °C; that of sea level where nobody knows a vapour curve."""
        known, curve = self.coolant.boiling_point.value, self.coolant.saturation
        if curve and curve.value and self.air != physics.ATMOSPHERE:
            return physics.saturation_temperature(curve.value, self.air)
        return known.magnitude if known else None

    @property
    def flow_per_kw(self) -> float | None:
        """L/min that carry one kW at the loop's rise; None where rise or coolant do not say."""
        density, heat_capacity = self.coolant.density.value, self.coolant.heat_capacity.value
        if self.spec.rise is None or not density or not heat_capacity:
            return None
        return physics.flow(1.0, self.spec.rise.magnitude, density, heat_capacity)

    @property
    def warmest(self) -> float | None:
        """Coolant back from the racks in °C; vapour of a two-phase tank is at the boiling point."""
        if self.spec.kind == "two-phase-immersion":
            return self.boiling
        supply, rise = self.spec.supply, self.spec.rise
        return supply.magnitude + rise.magnitude if supply and rise else None

    def condenser(self, water: float) -> float:
        """Water in the coils of a two-phase tank in °C: facility water, or that of the units before the tanks."""
        return water + max((unit.approach or 0.0 for unit in self.units), default=0.0)


@dataclass(frozen=True, slots=True)
class Rejecter:
    """Units alike that give the heat of facility water to the outside air."""

    name: str
    spec: Rejection
    device: HeatRejection
    path: Path
    read: tuple[Device, ...] = ()
    """Its units one by one, where monitoring reads them."""

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

    def makeup(self, heat: float, temperature: float) -> float | None:
        """L/h of fresh water for a heat in kW given away by water of a temperature in °C; None when unknown."""
        evaporates = _value(self.device.evaporates)
        if evaporates is None:
            return None if self.device.form in ("cooling-tower", "adiabatic-cooler") else 0.0
        evaporated = physics.evaporation(heat, temperature, evaporates.magnitude)
        cycles = _value(self.device.cycles)
        return physics.makeup(evaporated, cycles) if cycles else None

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
    coolant: Coolant
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
