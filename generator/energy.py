"""Energy: what cooling and the power chain take on the design day at full load, which the design PUE adds up.

Loads are those of all racks at their declared simultaneity. A unit takes electricity in proportion to the heat that it
carries: exact at full load, too high for fans and pumps that slow down, too low for pumps that never do. What fans and
pumps take is not added to the heat again (about 1 % of it), and chillers and coolers are not charged with the losses
of the chain, as in the usual decomposition PUE = 1 + power losses + cooling + other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from generator.model import Center
from generator.plant import CoolingUnit, HallAir, Handler, Machine, Rejecter, Water


@dataclass(frozen=True, slots=True)
class Carrier:
    """Machines that share a heat load in watts; without machines, nobody has said what carries it."""

    name: str
    heat: float
    machines: tuple[Machine, ...]

    @property
    def power(self) -> float | None:
        """Watts of electricity for the heat; None when a rating is missing."""
        shares = self.shares()
        return None if shares is None else sum(watts for _, watts in shares)

    def shares(self) -> list[tuple[Machine, float]] | None:
        """Watts of electricity of each machine: all are loaded alike, as parts of their capacities."""
        if self.heat <= 0:
            return [(machine, 0.0) for machine in self.machines]
        capacity = sum(machine.capacity or 0.0 for machine in self.machines)
        known = all(machine.capacity is not None and machine.power is not None for machine in self.machines)
        if not known or not capacity:
            return None
        return [(machine, (machine.power or 0.0) * self.heat / capacity) for machine in self.machines]


@dataclass(frozen=True, slots=True)
class Term:
    """A part of the design PUE: its share of the power of the racks, and the arithmetic behind it."""

    kind: Literal["losses", "cooling", "other"]
    name: str
    share: float
    text: str


@dataclass(frozen=True, slots=True)
class Design:
    """The design PUE as far as it is known: watts of the racks, terms over 1, names of what is not known."""

    racks: float
    terms: tuple[Term, ...]
    unknown: tuple[str, ...]

    @property
    def pue(self) -> float:
        """The least that the PUE can be; the design value when nothing is unknown."""
        return 1 + sum(term.share for term in self.terms)

    @property
    def total(self) -> float:
        """Watts from the utility."""
        return self.racks * self.pue

    @property
    def cooling_pue(self) -> float:
        """The partial PUE of cooling alone: what racks and cooling take over what racks take."""
        return 1 + sum(term.share for term in self.terms if term.kind == "cooling")

    def watts(self, kind: Literal["losses", "cooling", "other"]) -> float:
        """Watts of all terms of a kind."""
        return self.racks * sum(term.share for term in self.terms if term.kind == kind)

    @property
    def sums(self) -> str:
        """The sum by kind: ``1.0957 = 1 + 0.0306 losses + 0.0631 cooling + 0.0020 other``."""
        kinds = dict.fromkeys(term.kind for term in self.terms)
        shares = {kind: sum(term.share for term in self.terms if term.kind == kind) for kind in kinds}
        return f"{self.pue:.4f} = 1" + "".join(f" + {share:.4f} {kind}" for kind, share in shares.items())


def design(center: Center) -> Design:
    """What the design adds up to on its hottest day at full load."""
    racks = center.power * center.simultaneity
    terms, unknown = [], [f'power of pool "{pool.name}"' for pool in center.pools.values() if pool.node_power is None]
    chain, other = center.spec.power.chain, center.spec.power.other
    if chain:
        text = f"1 / ({chain.transformer} x {chain.ups} x {chain.distribution}) - 1"
        terms.append(Term("losses", "power chain", 1 / chain.efficiency - 1, text))
    else:
        unknown.append("losses of the power chain")
    for carrier in carriers(center):
        power = carrier.power
        if power is None:
            unknown.append(f"power of {carrier.name}")
        elif power and racks:
            terms.append(Term("cooling", carrier.name, power / racks, _text(carrier, racks)))
    if other.magnitude:
        terms.append(Term("other", "other", other.magnitude, str(other)))
    return Design(racks, tuple(terms), tuple(unknown))


@dataclass(frozen=True, slots=True)
class Comparison:
    """The design beside the same machines cooled by air, in watts; `compute` is what they take without their fans.

    Servers cooled by air have fans inside their own power, so a PUE falls less than the bill does: the design's PUE has
    lost these fans below the line, the baseline's has not. Energy over what computes (TUE) shows both alike.
    """

    compute: float
    racks: float
    total: float
    design: Design

    @property
    def pue(self) -> float:
        """Of the baseline."""
        return self.total / self.racks

    @property
    def tues(self) -> tuple[float, float]:
        """What comes from the utility over what computes: of the design, of the baseline."""
        return self.design.total / self.compute, self.total / self.compute

    @property
    def saving(self) -> float:
        """Share of the baseline's power from the utility that the design does without."""
        return 1 - self.design.total / self.total


def comparison(center: Center) -> Comparison | None:
    """The design beside its baseline; None where nothing draws power or the baseline is not known."""
    known = center.baseline
    fans, cooling = (known.fans.value, known.cooling.value) if known else (None, None)
    made = design(center)
    if fans is None or cooling is None or not made.racks:
        return None
    # Fans move the heat that no liquid takes, so liquid takes its share of their power; before a rear door they blow.
    racks = sum(_cooled_by_air(group.total_power, group.fanless_heat, fans.magnitude) for group in center.racks)
    racks *= center.simultaneity
    losses = made.watts("losses") / made.racks * racks
    total = racks * (1 + cooling.magnitude) + losses + made.watts("other")
    return Comparison(racks * (1 - fans.magnitude), racks, total, made)


def _cooled_by_air(power: float, fanless: float, fans: float) -> float:
    """Watts of machines that draw some power here if all of their heat left by air and fans took their full share."""
    return power / (1 - fans * fanless / power) if power else 0.0


@dataclass(frozen=True, slots=True)
class Makeup:
    """Fresh water of one kind of heat rejection in L/h; None where nobody has said how much evaporates."""

    name: str
    litres: float | None


def makeups(center: Center) -> Iterator[Makeup]:
    """Water that evaporates on the design day at full load, and what is blown down with it."""
    for water in center.waters.values():
        able = water.able(center.spec.site.climate)
        whole = sum((rejecter.capacity or 0.0) * rejecter.spec.count for rejecter in able)
        mean = (water.spec.supply.magnitude + water.spec.return_.magnitude) / 2
        for rejecter in able:
            name = f'"{rejecter.name}" of facility water "{water.name}"'
            yield Makeup(name, _makeup(rejecter, center.heat_into(water) / 1000, whole, mean))


def _makeup(rejecter: Rejecter, heat: float, whole: float, temperature: float) -> float | None:
    if rejecter.makeup(1.0, temperature) == 0.0:
        return 0.0
    share = (rejecter.capacity or 0.0) * rejecter.spec.count / whole if whole else None
    return None if share is None else rejecter.makeup(heat * share, temperature)


def water_usage(center: Center) -> float | None:
    """Litres of fresh water for each kWh of the racks on the design day; None when something is unknown."""
    litres = [makeup.litres for makeup in makeups(center)]
    racks = center.power * center.simultaneity / 1000
    is_said = center.waters and all(water.able(center.spec.site.climate) for water in center.waters.values())
    if not racks or not is_said or any(each is None for each in litres):
        return None
    return sum(each or 0.0 for each in litres) / racks


def carriers(center: Center) -> Iterator[Carrier]:
    """Everything that takes heat from one place to the next, from the racks to the air outside."""
    for loop in center.loops.values():
        heat, units, tanks = center.heat_of(loop), _machines(loop.units), _machines(loop.tanks)
        if units or not tanks:
            yield Carrier(f'cooling units of loop "{loop.name}"', heat, units)
        if tanks:
            yield Carrier(f'{loop.in_racks} of loop "{loop.name}"', heat, tanks)
    for water in center.waters.values():
        able = water.able(center.spec.site.climate)
        machines = [machine for rejecter in able for machine in rejecter.machines(center.spec.power.feeds)]
        yield Carrier(rejection_of(water), center.heat_into(water), tuple(machines))
    for hall in center.spec.halls:
        air, heat = center.airs.get(hall), center.air_heat_of(hall)
        yield Carrier(f'air handlers of hall "{hall}"', heat, _machines(air.handlers) if air else ())
        if air and air.spec.from_ is None and _needs_water(air):
            yield Carrier(f'cold water for the air of hall "{hall}"', heat, ())


def rejection_of(water: Water) -> str:
    """What the heat rejection of a water system is called."""
    return f'heat rejection of facility water "{water.name}"'


def drawn(cooling: Iterable[Carrier], lost: frozenset[str]) -> dict[str, float]:
    """Watts of cooling on each feed while some are lost; a machine draws evenly from the feeds that it has left."""
    watts: dict[str, float] = {}
    for carrier in cooling:
        for machine, power in carrier.shares() or ():
            left = set(machine.feeds) - lost
            for feed in left:
                watts[feed] = watts.get(feed, 0.0) + power / len(left)
    return watts


def _machines(things: Iterable[CoolingUnit | Handler]) -> tuple[Machine, ...]:
    return tuple(thing.machine for thing in things)


def _needs_water(air: HallAir) -> bool:
    return any(handler.device.water for handler in air.handlers)


def _text(carrier: Carrier, racks: float) -> str:
    """How a share of cooling came about: heat, times power over capacity, over the power of the racks."""
    power = sum(machine.power or 0.0 for machine in carrier.machines)
    capacity = sum(machine.capacity or 0.0 for machine in carrier.machines)
    heat, racks = carrier.heat / 1000, racks / 1000
    return f"{heat:.1f} kW x {power / 1000:.1f} kW / {capacity / 1000:.1f} kW / {racks:.1f} kW"
