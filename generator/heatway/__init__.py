"""The way of the heat: from racks through loops and facility water to the air outside, with what is left at each step.

Sums are those of the rules, so that a page made of this never says anything else than validation does.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence

from generator import physics
from generator.heatway.chains import chain_of_loop, chain_of_water
from generator.heatway.findings import Findings
from generator.heatway.parts import AirWay, Budget, Coolers, Heated, Heatway, LoopWay, Rejection, Step, WaterWay
from generator.heatway.temperatures import TWO_PHASE, magnitude
from generator.model import Center
from generator.nodes import Racks
from generator.plant import CoolingLoop, CoolingUnit, HallAir, Machine, Water
from generator.problems import Problem
from generator.rules.survival import weakest


def heatway(center: Center, problems: Iterable[Problem] = ()) -> Heatway:
    """The way of the heat, with what validation refuses of it."""
    findings = Findings([each for each in problems if each.is_error and each.rule.startswith("cooling.")])
    waters = tuple(_water(center, water, findings) for water in center.waters.values())
    return Heatway(center, waters, findings.about(()))


def _water(center: Center, water: Water, findings: Findings) -> WaterWay:
    climate = center.spec.site.climate
    able = water.able(climate)
    rejections = []
    for rejecter in water.rejecters:
        sink, name = rejecter.sink(climate) if climate and rejecter.is_bound_by_weather else (None, "")
        coldest = rejecter.coldest(climate) if climate else None
        rejections.append(Rejection(rejecter, magnitude(sink), name, coldest, rejecter in able))
    machines = [machine for rejecter in able for machine in rejecter.machines(center.spec.power.feeds)]
    heat = center.heat_into(water)
    refused = findings.refuse("cooling.rejection-capacity", water.path)
    budget = _budget(center, "heat", heat / 1000, machines, water.spec.redundancy, refused)
    warming = water.spec.return_.magnitude - water.spec.supply.magnitude
    return WaterWay(
        water,
        tuple(rejections),
        tuple(chain_of_water(center, water, rejections, findings)),
        budget,
        physics.flow(heat / 1000, warming, *physics.WATER) if warming > 0 else None,
        tuple(_loop(center, loop, findings) for loop in center.loops.values() if loop.spec.from_ == water.name),
        tuple(_air(center, air, findings) for air in center.airs.values() if air.spec.from_ == water.name),
        findings.about(water.path),
    )


def _loop(center: Center, loop: CoolingLoop, findings: Findings) -> LoopWay:
    kw = center.heat_of(loop) / 1000
    heated = tuple(_heated(center, loop, racks, findings) for racks in center.racks if racks.loop == loop.name)
    machines = [unit.machine for unit in loop.units or loop.tanks]
    # Tanks carry the heat of their own racks, so none stands in for another.
    redundancy = loop.spec.redundancy if loop.units else "N"
    refused = findings.refuse("cooling.loop-capacity", loop.path) or any(
        each.own and each.own.refused for each in heated
    )
    flow, needed = None, loop.flow_per_kw
    if loop.spec.kind != TWO_PHASE:
        pumping = findings.refuse("cooling.flow", loop.path)
        litres = None if needed is None else kw * needed
        flow = _budget(center, "flow", litres, machines, redundancy, pumping, flow=True)
    kinds = {each.racks.hall: each.racks.kind for each in heated}
    paths = [("halls", hall, "rack-kinds", kind) for hall, kind in kinds.items()]
    return LoopWay(
        loop,
        (*_alike(loop.units), *_alike(loop.tanks)),
        heated,
        tuple(chain_of_loop(center, loop, [each.racks for each in heated], findings)),
        _budget(center, "heat", kw, machines, redundancy, refused),
        flow,
        findings.about(loop.path, *paths),
    )


def _heated(center: Center, loop: CoolingLoop, racks: Racks, findings: Findings) -> Heated:
    heat, flow, own = racks.total_liquid_heat * center.simultaneity / 1000, loop.flow_per_kw, None
    tank = next((tank for tank in loop.tanks if tank.name == racks.name(racks.first)), None)
    if tank:
        refused = findings.refuse("cooling.rack-capacity", tank.path)
        capacity = None if tank.capacity is None else tank.capacity / 1000
        own = Budget(f"fullest of {racks.span}", "kW", racks.liquid_heat / 1000, capacity, capacity, "", refused)
    litres = None if flow is None or loop.spec.kind == TWO_PHASE else heat * flow
    known = _is_known(racks)
    return Heated(racks, heat if known else None, litres if known else None, own)


def _is_known(racks: Racks) -> bool:
    """Whether somebody has said how much heat the racks give to their loop."""
    return all(
        pool.node_power is not None
        and (
            racks.type.immersion
            or racks.door
            or bool(pool.server.liquid_share and pool.server.liquid_share.value is not None)
        )
        for pool, _ in racks.contents
    )


def _air(center: Center, air: HallAir, findings: Findings) -> AirWay:
    kw, machines = center.air_heat_of(air.hall) / 1000, [handler.machine for handler in air.handlers]
    refused = findings.refuse("cooling.air-capacity", air.path)
    if air.spec.capacity:
        said = air.spec.capacity.magnitude / 1000
        budget = Budget("heat", "kW", kw, said, said, "", refused)
    else:
        budget = _budget(center, "heat", kw, machines, air.spec.redundancy, refused)
    water, supply = center.spec.cooling.facility[air.spec.from_ or ""].supply.magnitude, air.spec.supply.magnitude
    refused = findings.refuse("cooling.air-water", air.path)
    chain = (Step("facility water", water, water), Step("air supply", water, supply, supply - water, refused))
    racks = sum(racks.count for racks in center.racks if racks.hall == air.hall)
    return AirWay(air, racks, tuple(_handlers(air)), chain, budget, findings.about(air.path))


def _handlers(air: HallAir) -> Iterator[Coolers]:
    alike = itertools.groupby(air.handlers, key=lambda handler: (handler.device.name, handler.feeds, handler.ratings))
    for _, members in alike:
        same = tuple(members)
        yield Coolers(_ranged([handler.name for handler in same]), same)


def _alike(devices: tuple[CoolingUnit, ...]) -> Iterator[Coolers]:
    for _, members in itertools.groupby(devices, key=lambda device: (device.path, device.feeds)):
        same = tuple(members)
        yield Coolers(_ranged([device.name for device in same]), same)


def _ranged(names: list[str]) -> str:
    """Names as the spec writes them: ``cdu-1..2``; several ranges where numbers are left out."""
    ranges: list[tuple[str, str, str]] = []
    for name in names:
        stem = name.rstrip("0123456789")
        number = name[len(stem) :]
        if ranges and number:
            before, first, last = ranges[-1]
            if before == stem and last and int(number) == int(last) + 1 and len(number) >= len(last):
                ranges[-1] = (stem, first, number)
                continue
        ranges.append((stem, number, number))
    return ", ".join(f"{stem}{first}" if first == last else f"{stem}{first}..{last}" for stem, first, last in ranges)


def _budget(
    center: Center,
    title: str,
    needed: float | None,
    machines: Sequence[Machine],
    redundancy: str,
    accused: bool,
    *,
    flow: bool = False,
) -> Budget:
    """What machines carry in kW, or pump in L/min, against what is needed; unknown when one of them is."""
    unit, scale = ("L/min", 1.0) if flow else ("kW", 1000.0)
    values = [machine.flow if flow else machine.capacity for machine in machines]
    if not values or any(value is None for value in values):
        return Budget(title, unit, needed, None, None, "", accused)
    when, given = weakest(center, machines, redundancy, lambda each: (each.flow if flow else each.capacity) or 0.0)
    return Budget(
        title, unit, needed, given / scale, math.fsum(value or 0.0 for value in values) / scale, when, accused
    )
