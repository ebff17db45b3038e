"""Facility water: what cools it on the design day, and what it can cool."""

from __future__ import annotations

from collections.abc import Iterator

from generator.model import Center
from generator.plant import Machine, Rejecter, Water
from generator.rules import Finding, rule
from generator.rules.survival import exceeds, pair, stopped_by, weakest
from generator.spec.site import Climate

TOWER_APPROACH = 3.0
"""Kelvin above wet bulb that a good cooling tower reaches; component range 2.8 to 6.7 K (LBNL 2024)."""


@rule("cooling.facility-too-warm")
def facility_water_is_cold_enough(center: Center) -> Iterator[Finding]:
    """Coolant leaves a unit or a tank warmer than the facility water by at least its approach."""
    for loop in center.loops.values():
        water = center.spec.cooling.facility.get(loop.spec.from_)
        if water is None or loop.spec.supply is None:
            continue
        for unit in (*loop.units, *loop.tanks):
            reach = water.supply.magnitude + (unit.approach or 0.0)
            if loop.spec.supply.magnitude < reach - 1e-9:
                asked, reached = pair(loop.spec.supply.magnitude, reach, "°C", 1)
                message = (
                    f'loop "{loop.name}" asks for {asked}, unit "{unit.name}" reaches {reached} '
                    f"from water of {water.supply}"
                )
                yield Finding((*loop.path, "supply"), message)
                break


@rule("cooling.facility-return")
def facility_water_warms(center: Center) -> Iterator[Finding]:
    """Water that takes heat comes back warmer than it went."""
    for name, water in center.spec.cooling.facility.items():
        if water.return_.magnitude <= water.supply.magnitude:
            message = f'facility water "{name}" returns at {water.return_}, not warmer than the {water.supply} supplied'
            yield Finding(("cooling", "facility", name, "return"), message)


@rule("cooling.return-too-warm")
def facility_water_returns_below_the_coolant(center: Center) -> Iterator[Finding]:
    """Heat flows from warm to cold: water cannot come back warmer than the warmest coolant that gave it the heat."""
    for name, water in center.spec.cooling.facility.items():
        giving = [loop for loop in center.loops.values() if loop.spec.from_ == name]
        warmest = [loop.warmest for loop in giving]
        if not giving or None in warmest or any(air.spec.from_ == name for air in center.airs.values()):
            continue
        limit = max(value for value in warmest if value is not None)
        if water.return_.magnitude > limit + 1e-9:
            message = (
                f'facility water "{name}" returns at {water.return_}, the warmest coolant that heats it '
                f"has {limit:.1f} °C"
            )
            yield Finding(("cooling", "facility", name, "return"), message)


@rule("cooling.facility-climate")
def the_climate_allows_the_water(center: Center) -> Iterator[Finding]:
    """Where nobody says what cools the water: evaporation reaches wet bulb plus approach and no further."""
    climate = center.spec.site.climate
    for name, water in center.spec.cooling.facility.items():
        if water.rejection or climate is None:
            continue
        best = climate.wet_bulb.magnitude + TOWER_APPROACH
        if water.supply.magnitude < best - 1e-9:
            message = (
                f'facility water "{name}" of {water.supply} cannot be reached by evaporation on a design day of '
                f"{climate.wet_bulb} wet bulb: {best:.1f} °C at best"
            )
            yield Finding(
                ("cooling", "facility", name, "supply"), message, "colder water needs a chiller: say it below rejection"
            )


@rule("cooling.rejection-temperature")
def something_cools_the_water_on_the_design_day(center: Center) -> Iterator[Finding]:
    """A dry cooler ends at dry bulb plus approach, a tower at wet bulb plus approach; a chiller has no such end."""
    for water, message in too_warm(center):
        yield Finding((*water.path, "supply"), message)


def too_warm(center: Center) -> Iterator[tuple[Water, str]]:
    """Every water system that nothing cools enough on the design day, and the sentence that says so."""
    climate = center.spec.site.climate
    for water in center.waters.values():
        if climate is None or not water.rejecters or water.able(climate):
            continue
        reached = [(rejecter, rejecter.coldest(climate)) for rejecter in water.rejecters]
        if any(coldest is None for _, coldest in reached):
            continue
        best, coldest = min(reached, key=lambda entry: entry[1] or 0.0)
        source, what = best.sink(climate)
        asked, end = pair(water.spec.supply.magnitude, coldest or 0.0, "°C", 1)
        yield (
            water,
            f'facility water "{water.name}" of {asked} cannot be reached on a design day of {source} '
            f'{what}: "{best.name}" ends at {end}',
        )


@rule("cooling.rejection-capacity")
def heat_leaves_the_building(center: Center) -> Iterator[Finding]:
    """What can reach the temperature of the water carries all its heat, also with a unit (N+1) or a feed (2N) lost."""
    for water in center.waters.values():
        able = water.able(center.spec.site.climate)
        machines = _machines(center, able)
        if not machines or any(machine.capacity is None for machine in machines):
            continue
        heat, (when, carried) = center.heat_into(water), weakest(center, machines, water.spec.redundancy)
        if exceeds(heat, carried):
            idle = [rejecter.name for rejecter in water.rejecters if rejecter not in able]
            without = f', "{idle[0]}" not counted: it ends above {water.spec.supply}' if idle else ""
            needed, given = pair(heat, carried)
            message = (
                f'facility water "{water.name}" must give away {needed}, its rejection carries {given}{when}{without}'
            )
            yield Finding((*water.path, "rejection"), message)


@rule("cooling.rejection-climate", severity="warning")
def the_design_day_is_known(center: Center) -> Iterator[Finding]:
    """Without the design day nobody knows whether towers and dry coolers reach the temperature of the water."""
    for water in center.waters.values():
        climate = center.spec.site.climate
        bound = [rejecter.name for rejecter in water.rejecters if _lacks_its_day(rejecter, climate)]
        if bound:
            message = (
                f'whether "{bound[0]}" cools facility water "{water.name}" to {water.spec.supply} cannot be judged'
            )
            hint = 'say the design day, for example "climate: {dry-bulb: 35 °C, wet-bulb: 24 °C}" below site'
            yield Finding((*water.path, "rejection"), message, hint)


def _lacks_its_day(rejecter: Rejecter, climate: Climate | None) -> bool:
    """Whether what it cools towards is not said: the air outside, or the lake."""
    return rejecter.is_bound_by_weather and (climate is None or rejecter.sink(climate)[0] is None)


@rule("cooling.freezing")
def water_outside_does_not_freeze(center: Center) -> Iterator[Finding]:
    """The pipes of dry coolers stand in the air of winter; a night without load takes their water there."""
    climate = center.spec.site.climate
    winter = climate.winter if climate else None
    for water in center.waters.values():
        outside = [
            rejecter for rejecter in water.rejecters if rejecter.device.form in ("dry-cooler", "adiabatic-cooler")
        ]
        freezing = water.coolant.freezing_point.value if water.coolant.freezing_point else None
        if winter and freezing and outside and winter.magnitude < freezing.magnitude - 1e-9:
            message = (
                f'"{water.coolant.name}" in facility water "{water.name}" freezes at {freezing}, '
                f'"{outside[0].name}" stands outside in {winter} on the coldest design day'
            )
            path = (*water.path, "rejection", outside[0].name)
            yield Finding(path, message, 'say its "coolant", such as water with glycol', at_key=True)


@rule("cooling.rejection-unknown", severity="warning")
def ratings_of_rejection_are_known(center: Center) -> Iterator[Finding]:
    """Rejection is only proven against a capacity and an approach that somebody has published or measured."""
    for water in center.waters.values():
        for rejecter in water.rejecters:
            missing = _missing(rejecter)
            if missing:
                message = (
                    f'facility water "{water.name}" cannot be checked: the {missing} of "{rejecter.name}" is unknown'
                )
                hint = 'say what its data sheet says, for example "ratings: {capacity: 600 kW, approach: 6 K}"'
                yield Finding((*rejecter.path, "device"), message, hint)


def _missing(rejecter: Rejecter) -> str | None:
    if rejecter.capacity is None:
        return "capacity"
    return "approach" if rejecter.is_bound_by_weather and rejecter.approach is None else None


@rule("cooling.rejection-feeds")
def rejection_survives_a_lost_feed(center: Center) -> Iterator[Finding]:
    """Warm water follows warm coolant within minutes: under 2N, no single feed may stop all heat rejection."""
    for water in center.waters.values():
        cause = stopped_by(center, _machines(center, water.able(center.spec.site.climate) or water.rejecters))
        if cause:
            message = (
                f'{cause} alone powers all rejection of facility water "{water.name}"; redundancy 2N needs another'
            )
            yield Finding((*water.path, "rejection"), message)


def _machines(center: Center, rejecters: tuple[Rejecter, ...] | list[Rejecter]) -> list[Machine]:
    return [machine for rejecter in rejecters for machine in rejecter.machines(center.spec.power.feeds)]
