"""The air of halls: the heat that no liquid takes, and what carries it away."""

from __future__ import annotations

from collections.abc import Iterator

from generator.model import Center
from generator.rules import Finding, rule
from generator.rules.survival import exceeds, kw, pair, stopped_by, weakest


@rule("cooling.air-capacity")
def halls_carry_the_rest(center: Center) -> Iterator[Finding]:
    """Heat that no liquid takes stays in the air; its handlers carry it, also with one (N+1) or a feed (2N) lost."""
    for name, air in center.airs.items():
        when, machines = "", [handler.machine for handler in air.handlers]
        if air.spec.capacity:
            carried = air.spec.capacity.magnitude
        elif machines and all(machine.capacity is not None for machine in machines):
            when, carried = weakest(center, machines, air.spec.redundancy)
        else:
            continue
        heat = center.air_heat_of(name)
        if exceeds(heat, carried):
            left, given = pair(heat, carried)
            message = f'hall "{name}" leaves {left} to its air, which carries {given}{when}'
            yield Finding((*air.path, "capacity" if air.spec.capacity else "units"), message)


@rule("cooling.rack-air")
def racks_get_enough_air(center: Center) -> Iterator[Finding]:
    """Air that a hall has in total does not reach every rack: perforated floors and doors limit each of them."""
    for racks in center.racks:
        air = center.airs.get(racks.hall)
        if air and air.spec.per_rack and exceeds(racks.air_heat, air.spec.per_rack.magnitude):
            left, given = pair(racks.air_heat, air.spec.per_rack.magnitude)
            message = f"{racks.does('leaves')} {left} to the air, which takes {given} from one rack"
            yield Finding(racks.path, message, at_key=True)


@rule("cooling.no-air", severity="warning")
def heat_in_the_air_goes_somewhere(center: Center) -> Iterator[Finding]:
    """Cold plates never take all heat: a hall of which no air is said leaves the rest to chance."""
    for name in center.spec.halls:
        heat = center.air_heat_of(name)
        if name not in center.airs and heat > 0:
            message = f'hall "{name}" leaves {kw(heat)} to air of which nothing is said'
            hint = 'for example "air: {supply: 24 °C, humidity: 45 %, capacity: 50 kW}"'
            yield Finding(("halls", name), message, hint, at_key=True)


@rule("cooling.air-unknown", severity="warning")
def capacities_of_air_handlers_are_known(center: Center) -> Iterator[Finding]:
    """The air of a hall is only proven against capacities that somebody has published or measured."""
    for name, air in center.airs.items():
        unknown = sorted({handler.device.name for handler in air.handlers if handler.capacity is None})
        if unknown:
            message = f'the air of hall "{name}" cannot be checked: the capacity of "{unknown[0]}" is unknown'
            hint = 'say what its data sheet says, for example "ratings: {capacity: 100 kW}"'
            yield Finding((*air.path, "units"), message, hint)


@rule("cooling.air-inlet")
def servers_bear_their_air(center: Center) -> Iterator[Finding]:
    """A server is sold for air up to a temperature; warmer air throttles it, or ends its warranty."""
    told: set[tuple[str, str]] = set()
    for racks in center.racks:
        air = center.airs.get(racks.hall)
        if air is None or racks.type.immersion:
            continue
        for pool, _ in racks.contents:
            warmest = pool.server.air_inlet.value if pool.server.air_inlet else None
            too_warm = warmest and air.spec.supply.magnitude > warmest.magnitude + 1e-9
            if too_warm and (racks.hall, pool.name) not in told:
                told.add((racks.hall, pool.name))
                message = (
                    f'hall "{racks.hall}" supplies air of {air.spec.supply}, "{pool.server.name}" in pool '
                    f'"{pool.name}" bears {warmest}'
                )
                yield Finding((*air.path, "supply"), message)


@rule("cooling.air-feeds")
def air_survives_a_lost_feed(center: Center) -> Iterator[Finding]:
    """Fans stop at once with their feed: under 2N, no single feed may stop all air handlers of a hall."""
    for air in center.airs.values():
        cause = stopped_by(center, [handler.machine for handler in air.handlers])
        if cause:
            message = f'{cause} alone powers all air handlers of hall "{air.hall}"; redundancy 2N needs another'
            yield Finding((*air.path, "units"), message)


@rule("cooling.air-water")
def air_is_warmer_than_its_water(center: Center) -> Iterator[Finding]:
    """Heat flows from warm to cold: air cannot leave a coil colder than the water in it."""
    for air in center.airs.values():
        water = center.spec.cooling.facility.get(air.spec.from_ or "")
        if water and air.spec.supply.magnitude < water.supply.magnitude - 1e-9:
            message = f'air of {air.spec.supply} cannot be cooled by water of {water.supply} from "{air.spec.from_}"'
            yield Finding((*air.path, "supply"), message)
    for racks in center.racks:
        loop, hall = center.loops.get(racks.loop or ""), center.airs.get(racks.hall)
        supply = loop.spec.supply if loop else None
        if racks.door and hall and supply and supply.magnitude > hall.spec.supply.magnitude + 1e-9:
            message = (
                f"air of {hall.spec.supply} cannot be kept by the rear doors of {racks.title}: "
                f'loop "{racks.loop}" supplies {supply}'
            )
            yield Finding(racks.path, message, at_key=True)
