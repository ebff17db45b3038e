"""The parts of the page: chains of temperatures, budgets of kW and L/min, and what they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from generator.heatway.temperatures import TWO_PHASE, boiling, magnitude, warmest
from generator.model import Center
from generator.nodes import Racks
from generator.plant import CoolingLoop, CoolingUnit, HallAir, Handler, Rejecter, Water


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a chain of temperatures in °C: from where to where, and the kelvin that are left to what must not be.

    A step that goes nowhere is a point. Limits have a side: what must stay warmer than a "cold" one and colder than a
    "hot" one is the step before them that `is_judged`. A `spare` below zero is what validation refuses.
    """

    title: str
    start: float | None
    end: float | None
    spare: float | None = None
    refused: bool = False
    side: Literal["", "cold", "hot"] = ""
    is_judged: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """What is needed of something and what is there for it: all of it, and with the loss that the design must bear."""

    title: str
    unit: str
    needed: float | None
    given: float | None
    installed: float | None
    when: str = ""
    accused: bool = False
    """Whether validation refuses some budget of this kind there."""

    @property
    def spare(self) -> float | None:
        return None if self.needed is None or self.given is None else self.given - self.needed

    @property
    def refused(self) -> bool:
        """Whether it is this one that validation refuses."""
        return self.accused and self.spare is not None and self.spare < 0


@dataclass(frozen=True, slots=True)
class Coolers:
    """Units, tanks or air handlers that the spec says at once, hence alike."""

    names: str
    members: tuple[CoolingUnit, ...] | tuple[Handler, ...]

    @property
    def first(self) -> CoolingUnit | Handler:
        return self.members[0]


@dataclass(frozen=True, slots=True)
class Heated:
    """Racks of a loop: the kW that they give to it at once and the L/min that carry them; None for what is unknown."""

    racks: Racks
    heat: float | None
    flow: float | None
    own: Budget | None
    """The fullest of these racks against the device of its own."""


@dataclass(frozen=True, slots=True)
class LoopWay:
    """A technology loop from facility water to its racks."""

    loop: CoolingLoop
    coolers: tuple[Coolers, ...]
    heated: tuple[Heated, ...]
    chain: tuple[Step, ...]
    heat: Budget
    flow: Budget | None
    """Nothing pumps the coolant of a tank that boils."""
    refusals: tuple[str, ...]

    @property
    def boils(self) -> bool:
        return self.loop.spec.kind == TWO_PHASE

    @property
    def supply(self) -> float | None:
        """°C of what reaches the racks; a tank that boils condenses at its boiling point."""
        return boiling(self.loop) if self.boils else magnitude(self.loop.spec.supply)

    @property
    def back(self) -> float | None:
        """°C of what comes back from the racks."""
        return warmest(self.loop)


@dataclass(frozen=True, slots=True)
class AirWay:
    """The air of a hall, where facility water cools it."""

    air: HallAir
    racks: int
    coolers: tuple[Coolers, ...]
    chain: tuple[Step, ...]
    heat: Budget
    refusals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rejection:
    """What gives the heat of facility water away: what it cools towards, where it ends, and whether it counts."""

    rejecter: Rejecter
    sink: float | None
    sink_name: str
    coldest: float | None
    counts: bool


@dataclass(frozen=True, slots=True)
class WaterWay:
    """A facility water system with what cools it and all that it cools."""

    water: Water
    rejections: tuple[Rejection, ...]
    chain: tuple[Step, ...]
    heat: Budget
    flow: float | None
    """L/min that carry the heat from supply to return, were it plain water."""
    loops: tuple[LoopWay, ...]
    airs: tuple[AirWay, ...]
    refusals: tuple[str, ...]

    @property
    def parts(self) -> tuple[WaterWay | LoopWay | AirWay, ...]:
        """Itself and what it cools."""
        return (self, *self.loops, *self.airs)


@dataclass(frozen=True, slots=True)
class Heatway:
    """The whole page."""

    center: Center
    waters: tuple[WaterWay, ...]
    refusals: tuple[str, ...]
    """What validation refuses about cooling beside what the parts of the page say themselves."""

    @property
    def is_refused(self) -> bool:
        return bool(self.refusals or any(part.refusals for way in self.waters for part in way.parts))
