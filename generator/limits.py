"""The limits of a centre's loops as numbers: the catalogue's, the design's, and what the spec says instead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from generator import energy, physics
from generator.catalog.alarm_models import BASE, LEVELS, Basis, Level, Limit
from generator.model import Center
from generator.plant import CoolingLoop

LEAST_FLOW = ((25.0, 0.4), (30.0, 0.5), (35.0, 0.7), (40.0, 0.9), (45.0, 1.3))
"""L/min for each kW that cold plates need at least, by supply in °C; from a self-qualification of CDUs (grade C)."""
_NUMBER = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?) ?(\S*)")


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit of one loop, or of one of its devices, in the unit of the catalogue."""

    limit: Limit
    level: Level
    value: float
    loop: str
    device: str | None = None

    @property
    def base(self) -> float:
        """The number in the unit of the metric."""
        return self.value * BASE[self.limit.unit]


def bounds(center: Center, loop: CoolingLoop) -> Iterator[Bound]:
    """Every limit that a loop has: what depends on a value that nobody knows is left out."""
    for limit in center.alarms.limits:
        if limit.kinds and loop.spec.kind not in limit.kinds:
            continue
        for level in LEVELS:
            fact = limit.at(level)
            said = override(loop, limit, level)
            if said is not None:
                yield Bound(limit, level, said, loop.name)
            elif fact is not None and fact.value is not None:
                for device, basis in _bases(center, loop, limit.basis):
                    yield Bound(limit, level, _counted(limit, fact.value, basis), loop.name, device)


def of(center: Center) -> list[Bound]:
    """The limits of all loops, and those that belong to none."""
    return [*(bound for loop in center.loops.values() for bound in bounds(center, loop)), *everywhere(center)]


def everywhere(center: Center) -> Iterator[Bound]:
    """The limits that belong to no loop: of what is read beside the loops, and of the whole centre."""
    for limit in center.alarms.limits:
        if limit.kinds or limit.basis not in (None, "design-pue"):
            continue
        for level in LEVELS:
            fact = limit.at(level)
            basis = design_pue(center) if limit.basis else 0.0
            if fact is not None and fact.value is not None and basis is not None:
                yield Bound(limit, level, _counted(limit, fact.value, basis), "")


def by_name(limits: Iterable[Limit]) -> dict[str, Limit]:
    """What a spec may override, under the names that it says: ``supply-too-warm-critical``."""
    return {f"{limit.name}-{level}": limit for limit in limits for level in LEVELS if limit.at(level) is not None}


def override(loop: CoolingLoop, limit: Limit, level: Level) -> float | None:
    """What the spec says instead; None if it says nothing, or nothing in the unit of the limit."""
    said = loop.spec.limits.get(f"{limit.name}-{level}")
    return None if said is None else read(said, limit)


def read(text: str, limit: Limit) -> float | None:
    """A number in the unit of a limit, such as ``50 °C``; None for anything else."""
    match = _NUMBER.fullmatch(text.strip())
    unit = "" if limit.unit in ("x", "pH") else limit.unit
    return float(match[1]) if match and match[2] == unit else None


def _counted(limit: Limit, number: float, basis: float) -> float:
    match limit.how:
        case "plus":
            return basis + number
        case "minus":
            return basis - number
        case "times":
            return basis * number
    return number


def _bases(center: Center, loop: CoolingLoop, basis: Basis | None) -> Iterator[tuple[str | None, float]]:
    """The device that a basis belongs to, if it is not that of the whole loop, and its value."""
    if basis is None:
        yield None, 0.0
    elif basis == "approach":
        yield from ((unit.name, unit.approach) for unit in loop.units if unit.approach is not None)
    elif basis != "design-pue":
        value = _of_the_loop(center, loop, basis)
        if value is not None:
            yield None, value


def _of_the_loop(center: Center, loop: CoolingLoop, basis: Basis) -> float | None:
    coolant, supply = loop.coolant, loop.spec.supply
    match basis:
        case "supply":
            return supply.magnitude if supply else None
        case "rise":
            return loop.spec.rise.magnitude if loop.spec.rise else None
        case "least-flow":
            return physics.between(LEAST_FLOW, supply.magnitude) if supply else None
        case "boiling-point":
            return loop.boiling
        case "exposure-limit":
            return coolant.exposure_limit.value if coolant.exposure_limit else None
        case "water-supply":
            water = center.spec.cooling.facility.get(loop.spec.from_)
            return water.supply.magnitude if water else None
    return _quality(loop, basis)


def _quality(loop: CoolingLoop, basis: Basis) -> float | None:
    """An end of the window that the maker of the coolant gives."""
    what, _, side = basis.partition("-")
    window = next((quality for name, quality in loop.coolant.quality.items() if name == what), None)
    ends = window.normal.value if window else None
    return None if ends is None else ends[0 if side == "low" else 1]


def design_pue(center: Center) -> float | None:
    """The design PUE, when all of it is known."""
    design = energy.design(center)
    return None if design.unknown else design.pue


def example(limit: Limit) -> str:
    """A value of it as a spec would write it."""
    number = next(fact.value for fact in (limit.critical, limit.warning) if fact and fact.value is not None)
    return f"{number:.4g} {limit.unit}"
