"""Cooling loops: the heat of racks against what their units and tanks carry and pump."""

from __future__ import annotations

from collections.abc import Iterator

from generator import physics
from generator.model import Center
from generator.plant import CoolingLoop, models
from generator.rules import Finding, rule
from generator.rules.survival import exceeds, pair, stopped_by, weakest

BOILING_MARGIN = 10.0
"""Kelvin between condenser water and the coolant's boiling point; general engineering practice, to be reviewed."""
DEW_POINT_MARGIN = 2.0
"""Kelvin between coolant and dew point below which a CDU of the field raises its critical alarm."""
DEW_POINT_WARNING = 5.0
"""Kelvin below which it warns."""


@rule("cooling.loop-capacity")
def loops_carry_their_heat(center: Center) -> Iterator[Finding]:
    """The units of a loop carry its heat, also with one unit lost (N+1) and with one feed lost (2N)."""
    for loop in center.loops.values():
        heat, machines = center.heat_of(loop), [unit.machine for unit in loop.units]
        if not machines or any(machine.capacity is None for machine in machines):
            continue
        when, carried = weakest(center, machines, loop.spec.redundancy)
        if exceeds(heat, carried):
            needed, given = pair(heat, carried)
            message = f'loop "{loop.name}" must carry {needed}, its units carry {given}{when}'
            yield Finding((*loop.path, "units"), message)


@rule("cooling.pump-feeds")
def pumps_survive_a_lost_feed(center: Center) -> Iterator[Finding]:
    """Liquid that stands still heats by about 1 K a second: under 2N, no single feed may stop all pumps of a loop."""
    for loop in center.loops.values():
        cause = stopped_by(center, [unit.machine for unit in loop.units])
        if cause:
            message = f'{cause} alone powers all units of loop "{loop.name}"; redundancy 2N needs another'
            yield Finding((*loop.path, "units"), message)


@rule("cooling.no-spare")
def redundancy_has_a_spare(center: Center) -> Iterator[Finding]:
    """N+1 means that one unit may be lost: it takes two, whatever their capacity."""
    feeds = center.spec.power.feeds
    groups = [
        (f'loop "{loop.name}"', loop.path, loop.spec.redundancy, len(loop.units)) for loop in center.loops.values()
    ]
    for water in center.waters.values():
        able = water.able(center.spec.site.climate) or water.rejecters
        count = sum(len(rejecter.machines(feeds)) for rejecter in able)
        groups.append((f'facility water "{water.name}"', water.path, water.spec.redundancy, count))
    for air in center.airs.values():
        groups.append((f'air of hall "{air.hall}"', air.path, air.spec.redundancy, len(air.handlers)))
    for name, path, redundancy, count in groups:
        if redundancy == "N+1" and count < 2:
            has = "names no unit" if count == 0 else "has one unit"
            yield Finding((*path, "redundancy"), f"{name} says N+1 and {has}")


@rule("cooling.rack-capacity")
def racks_carry_their_own_heat(center: Center) -> Iterator[Finding]:
    """A tank, or another unit that stands in each rack, carries the heat of its own rack and of no other."""
    for racks in center.racks:
        loop = center.loops.get(racks.loop or "")
        own = next((tank for tank in (loop.tanks if loop else ()) if tank.name == racks.name(racks.first)), None)
        if own and own.capacity is not None and exceeds(racks.liquid_heat, own.capacity):
            heat, capacity = pair(racks.liquid_heat, own.capacity)
            whose = "its own device" if racks.count == 1 else "the device of each"
            message = f"{racks.title} must carry {heat}{_vapour(loop, racks.liquid_heat)}, {whose} carries {capacity}"
            yield Finding((*own.path, "ratings", "capacity"), message)


def _vapour(loop: CoolingLoop | None, heat: float) -> str:
    """What a heat in watts boils of the coolant, where tanks boil it and somebody knows how much it takes."""
    latent = loop.coolant.latent_heat.value if loop and loop.coolant.latent_heat else None
    if loop is None or latent is None or loop.spec.kind != "two-phase-immersion":
        return ""
    return f", which boils {heat / 1000 * physics.vapour_rate(latent):.0f} kg/h"


@rule("cooling.no-units")
def loops_have_something_that_cools(center: Center) -> Iterator[Finding]:
    """Heat leaves racks through the units of their loop or a device of their own: a tank's, or a unit in each rack."""
    for loop in center.loops.values():
        if not loop.units and not loop.tanks and any(racks.loop == loop.name for racks in center.racks):
            yield Finding(loop.path, f'loop "{loop.name}" has no cooling unit')


@rule("cooling.unused", severity="warning")
def everything_cools_something(center: Center) -> Iterator[Finding]:
    """A loop without racks, or water without a loop, was paid for nothing; usually a rack kind names another one."""
    joined = {racks.loop for racks in center.racks}
    for loop in center.loops.values():
        if loop.name not in joined:
            yield Finding(loop.path, f'no rack is on loop "{loop.name}"', at_key=True)
    fed = {loop.spec.from_ for loop in center.loops.values()} | {air.spec.from_ for air in center.airs.values()}
    for water in center.waters.values():
        if water.name not in fed:
            message = f'no loop and no air is cooled by facility water "{water.name}"'
            yield Finding(water.path, message, at_key=True)


@rule("cooling.no-set-point")
def loops_have_a_set_point(center: Center) -> Iterator[Finding]:
    """Without supply and rise nobody can say whether the water is cold enough, or how much a loop must pump."""
    for loop in center.loops.values():
        if loop.spec.kind == "two-phase-immersion":
            continue
        said = {"supply": loop.spec.supply, "rise": loop.spec.rise}
        missing = [name for name, value in said.items() if value is None]
        if missing:
            message = f'loop "{loop.name}" is a {loop.spec.kind} loop and says no {" and no ".join(missing)}'
            yield Finding(loop.path, message, 'for example "supply: 36 °C" and "rise: 10 K"')


@rule("cooling.no-protection")
def loops_name_their_protection(center: Center) -> Iterator[Finding]:
    """Loss of flow heats the coolant by about 1 K a second; monitoring is too slow to protect, so a device must."""
    for loop in center.loops.values():
        if not loop.spec.protection:
            hint = 'for example "protection: [cdu-interlock]"'
            yield Finding(loop.path, f'loop "{loop.name}" names nobody who acts within seconds', hint)


@rule("cooling.boiling-margin")
def condensers_stay_below_boiling(center: Center) -> Iterator[Finding]:
    """A two-phase tank condenses its vapour only while the water is well below the coolant's boiling point."""
    for loop in center.loops.values():
        water, boiling = center.spec.cooling.facility.get(loop.spec.from_), loop.boiling
        if loop.spec.kind != "two-phase-immersion" or water is None:
            continue
        condenser = loop.condenser(water.supply.magnitude)
        if boiling is None:
            yield Finding((*loop.path, "coolant"), f'coolant "{loop.coolant.name}" has no known boiling point')
        elif boiling - condenser < BOILING_MARGIN - 1e-9:
            needed, margin = pair(BOILING_MARGIN, boiling - condenser, "K", 1)
            what = f"{water.supply}" if condenser == water.supply.magnitude else f"{condenser:.1f} °C behind the units"
            message = (
                f'water of {what} is {margin} below the boiling point of "{loop.coolant.name}"; {needed} are needed'
            )
            yield Finding((*loop.path, "from"), message)


@rule("cooling.liquid-inlet")
def cold_plates_bear_their_coolant(center: Center) -> Iterator[Finding]:
    """A server is sold for coolant up to a temperature; warmer coolant throttles its chips or voids its warranty."""
    told: set[tuple[str, str]] = set()
    for racks in center.racks:
        loop = center.loops.get(racks.loop or "")
        if loop is None or loop.spec.supply is None or loop.spec.kind != "cold-plate":
            continue
        for pool, _ in racks.contents:
            warmest = pool.server.liquid_inlet.value if pool.server.liquid_inlet else None
            too_warm = warmest and loop.spec.supply.magnitude > warmest.magnitude + 1e-9
            if too_warm and (loop.name, pool.name) not in told:
                told.add((loop.name, pool.name))
                message = (
                    f'loop "{loop.name}" supplies {loop.spec.supply}, the cold plates of "{pool.server.name}" in pool '
                    f'"{pool.name}" bear {warmest}'
                )
                yield Finding((*loop.path, "supply"), message)


@rule("cooling.dew-point")
def coolant_stays_above_the_dew_point(center: Center) -> Iterator[Finding]:
    """Coolant colder than the dew point of the hall's air makes water run down the hoses."""
    for loop, hall, dew, margin in _above_dew_points(center):
        if margin < DEW_POINT_MARGIN - 1e-9:
            side = "above" if margin >= 0 else "below"
            needed, left = pair(DEW_POINT_MARGIN, abs(margin), "K", 1)
            message = (
                f"coolant of {loop.spec.supply} is {left} {side} the dew point "
                f'{dew:.1f} °C of hall "{hall}"; {needed} are needed'
            )
            yield Finding((*loop.path, "supply"), message)


@rule("cooling.dew-point-close", severity="warning")
def coolant_stays_well_above_the_dew_point(center: Center) -> Iterator[Finding]:
    """Humidity drifts by some per cent in a day; units of the field warn when the dew point comes within 5 K."""
    for loop, hall, dew, margin in _above_dew_points(center):
        if DEW_POINT_MARGIN - 1e-9 <= margin < DEW_POINT_WARNING - 1e-9:
            warned, left = pair(DEW_POINT_WARNING, margin, "K", 1)
            message = (
                f'coolant of {loop.spec.supply} is {left} above the dew point {dew:.1f} °C of hall "{hall}"; '
                f"units warn below {warned}"
            )
            yield Finding((*loop.path, "supply"), message)


def _above_dew_points(center: Center) -> Iterator[tuple[CoolingLoop, str, float, float]]:
    """Each loop and hall that meet, with the dew point in °C and how far the coolant is above it in K."""
    for name, hall in dict.fromkeys((racks.loop or "", racks.hall) for racks in center.racks):
        loop, air = center.loops.get(name), center.spec.halls[hall].air
        if loop and air and loop.spec.supply:
            dew = physics.dew_point(air.supply.magnitude, air.humidity.magnitude)
            yield loop, hall, dew, loop.spec.supply.magnitude - dew


@rule("cooling.supply-range")
def units_reach_the_supply(center: Center) -> Iterator[Finding]:
    """A unit is built for coolant of some temperatures; seals, sensors and its controller give up beyond them."""
    for loop in center.loops.values():
        supply = loop.spec.supply
        for unit in models((*loop.units, *loop.tanks)) if supply else ():
            ratings = unit.device.ratings
            coldest, warmest = (fact.value if fact else None for fact in (ratings.supply_least, ratings.supply_most))
            if supply and coldest and supply.magnitude < coldest.magnitude - 1e-9:
                message = f'"{unit.device.name}" supplies {coldest} or more'
            elif supply and warmest and supply.magnitude > warmest.magnitude + 1e-9:
                message = f'"{unit.device.name}" supplies {warmest} at most'
            else:
                continue
            yield Finding((*loop.path, "supply"), f'loop "{loop.name}" asks for {supply}, {message}')


@rule("cooling.unknown-capacity", severity="warning")
def capacities_are_known(center: Center) -> Iterator[Finding]:
    """A loop is only proven against capacities that somebody has published or measured."""
    for loop in center.loops.values():
        unknown = sorted({unit.device.name for unit in (*loop.units, *loop.tanks) if unit.capacity is None})
        if unknown:
            message = f'loop "{loop.name}" cannot be checked: the capacity of "{unknown[0]}" is unknown'
            hint = 'say what its data sheet says, for example "ratings: {capacity: 80 kW}"'
            yield Finding((*loop.path, "units") if loop.units else loop.path, message, hint)
