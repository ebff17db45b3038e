"""Pumps, filters and pressures of loops: whether the coolant gets where the heat is."""

from __future__ import annotations

from collections.abc import Iterator

from generator import limits, physics
from generator.model import Center
from generator.plant import CoolingLoop, CoolingUnit, as_written, models
from generator.quantity import Pressure
from generator.rules import Finding, rule
from generator.rules.survival import exceeds, pair, weakest

USUAL_FLOW = (1.0, 2.0)
"""L/min for each kW between which guides of cold plates lie (OCP 1.25 to 2.0, a checklist 1.0 to 1.5, grade B)."""
FINEST = 25e-6
"""Metres that the filter before newer cold plates may let through (grade B and C); their own guide decides."""
USUAL_PRESSURE = 440e3
"""Pascals that the loop of a water-cooled server of the field bears at most (grade C)."""


@rule("cooling.flow")
def units_pump_enough(center: Center) -> Iterator[Finding]:
    """The flow that carries the heat at the loop's rise stays within what the units pump, also with one unit lost."""
    for loop in center.loops.values():
        flow, machines = loop.flow_per_kw, [unit.machine for unit in loop.units]
        if flow is None or not machines or any(machine.flow is None for machine in machines):
            continue
        needed = center.heat_of(loop) / 1000 * flow
        when, pumped = weakest(center, machines, loop.spec.redundancy, lambda machine: machine.flow or 0.0)
        if exceeds(needed, pumped):
            asked, given = pair(needed, pumped, "L/min", 1)
            message = (
                f'loop "{loop.name}" needs {asked} of {loop.coolant.name} for a rise of {loop.spec.rise}, '
                f"its units pump {given}{when}"
            )
            yield Finding((*loop.path, "rise"), message)
    yield from _own_flows(center)


def _own_flows(center: Center) -> Iterator[Finding]:
    """A tank or a door moves the coolant of its own rack alone."""
    for racks in center.racks:
        loop = center.loops.get(racks.loop or "")
        own = next((tank for tank in (loop.tanks if loop else ()) if tank.name == racks.name(racks.first)), None)
        if loop is None or own is None or own.flow is None or loop.flow_per_kw is None:
            continue
        if loop.spec.kind == "two-phase-immersion":
            continue  # its liquid boils and is not pumped
        needed = racks.liquid_heat / 1000 * loop.flow_per_kw
        if exceeds(needed, own.flow):
            asked, given = pair(needed, own.flow, "L/min", 1)
            message = (
                f"{racks.does('needs')} {asked} of {loop.coolant.name} for a rise of {loop.spec.rise}, "
                f"{'its own device' if racks.count == 1 else 'the device of each'} moves {given}"
            )
            yield Finding((*own.path, "ratings", "flow"), message)


@rule("cooling.flow-guidance", severity="warning")
def cold_plates_get_enough_flow(center: Center) -> Iterator[Finding]:
    """The warmer the coolant, the less chips may lie above it, and the more of it cold plates need for each kW."""
    for loop in center.loops.values():
        flow, supply = loop.flow_per_kw, loop.spec.supply
        if not _has_plates(center, loop) or supply is None or flow is None:
            continue
        least = physics.between(limits.LEAST_FLOW, supply.magnitude)
        if exceeds(least, flow):
            message = (
                f'loop "{loop.name}" moves {flow:.3f} L/min for each kW at a rise of {loop.spec.rise}; '
                f"cold plates are asked to have {least:.3f} L/min/kW at {supply}"
            )
            yield Finding((*loop.path, "rise"), message)


@rule("cooling.flow-unusual", severity="warning")
def flows_are_usual(center: Center) -> Iterator[Finding]:
    """Guides of cold plates ask for 1 to 2 L/min/kW: less leaves no margin, more is paid for in pipes and pumps."""
    low, high = USUAL_FLOW
    for loop in center.loops.values():
        flow = loop.flow_per_kw
        if flow is not None and _has_plates(center, loop) and not low - 1e-9 <= flow <= high + 1e-9:
            message = (
                f'loop "{loop.name}" moves {flow:.3f} L/min for each kW at a rise of {loop.spec.rise}; '
                f"guides of cold plates lie between {low:g} and {high:g}"
            )
            yield Finding((*loop.path, "rise"), message)


def _has_plates(center: Center, loop: CoolingLoop) -> bool:
    """Whether guides of cold plates speak of a loop; one that only feeds rear doors has none."""
    joined = [racks for racks in center.racks if racks.loop == loop.name]
    doors = bool(joined) and all(racks.door and not racks.fanless_heat for racks in joined)
    return loop.spec.kind == "cold-plate" and not doors


@rule("cooling.unproven", severity="warning")
def flows_can_be_proven(center: Center) -> Iterator[Finding]:
    """What pumps say they move proves nothing while nobody knows how much heat the coolant carries."""
    for loop in center.loops.values():
        facts = {"density": loop.coolant.density, "heat capacity": loop.coolant.heat_capacity}
        unknown = [name for name, fact in facts.items() if not fact.value]
        flows = loop.units and all(unit.flow is not None for unit in loop.units)
        if flows and loop.spec.rise is not None and unknown:
            message = (
                f'the flow of loop "{loop.name}" cannot be checked: the {" and the ".join(unknown)} of '
                f'"{loop.coolant.name}" {"is" if len(unknown) == 1 else "are"} unknown'
            )
            yield Finding((*loop.path, "coolant"), message)


@rule("cooling.head")
def pumps_reach_the_last_rack(center: Center) -> Iterator[Finding]:
    """Pumps that give less pressure than racks and pipes take move less, and the farthest rack gets least."""
    for loop in center.loops.values():
        known = [unit for unit in loop.units if unit.head is not None]
        if loop.spec.drop is None or not known:
            continue
        unit = min(known, key=lambda unit: unit.head or 0.0)
        if exceeds(loop.spec.drop.magnitude, unit.head or 0.0):
            needed, given = pair(loop.spec.drop.magnitude, unit.head or 0.0, "kPa")
            message = f'loop "{loop.name}" takes {needed} at full flow, unit "{unit.name}" leaves {given} for it'
            yield Finding((*loop.path, "drop"), message)


@rule("cooling.pump-power", severity="warning")
def ratings_of_pumps_are_possible(center: Center) -> Iterator[Finding]:
    """Flow times pressure is power: a unit whose rating is below that says less than it takes, and the PUE with it."""
    for loop in center.loops.values():
        for unit in as_written(loop.units):
            head = loop.spec.drop.magnitude if loop.spec.drop else unit.head
            if head is None or unit.flow is None or unit.power is None:
                continue
            needed = physics.pump_power(unit.flow, head)
            if exceeds(needed, unit.power):
                takes, rated = pair(needed, unit.power)
                message = (
                    f'unit "{unit.name}" pumps {unit.flow:g} L/min over {head / 1000:g} kPa, which takes {takes} at an '
                    f"efficiency of {physics.PUMP_EFFICIENCY * 100:.0f} %; its power is given as {rated}"
                )
                yield Finding((*unit.path, "ratings"), message)


@rule("cooling.filter", severity="warning")
def filters_are_fine_enough(center: Center) -> Iterator[Finding]:
    """The channels of cold plates are tenths of a millimetre wide; what a filter lets through stays in them."""
    for loop in center.loops.values():
        asked = _filter_of(center, loop)
        for unit in models(loop.units):
            known = unit.device.ratings.filter
            if asked and known and known.value and exceeds(known.value.magnitude, asked[0]):
                message = (
                    f'the filter of "{unit.device.name}" lets through {known.value.magnitude * 1e6:.0f} µm, '
                    f'{asked[1]} of loop "{loop.name}" ask for {asked[0] * 1e6:.0f} µm'
                )
                yield Finding((*unit.path, "device"), message, "order a finer filter and say so in a file of your own")


def _filter_of(center: Center, loop: CoolingLoop) -> tuple[float, str] | None:
    """The finest filter in metres that the cold plates of a loop ask for, and whose they are."""
    if not _has_plates(center, loop):
        return None
    pools = [pool for racks in center.racks if racks.loop == loop.name for pool, _ in racks.contents]
    told = [
        (pool.server.filter.value.magnitude, pool) for pool in pools if pool.server.filter and pool.server.filter.value
    ]
    if not told:
        return FINEST, "newer cold plates such as those"
    finest, pool = min(told, key=lambda each: each[0])
    return finest, f'the cold plates of "{pool.server.name}"'


@rule("cooling.pressure")
def pressures_are_borne(center: Center) -> Iterator[Finding]:
    """Hoses and cold plates burst above the pressure that they are sold for; pumps draw air below theirs."""
    for loop in center.loops.values():
        pressure, path = loop.spec.pressure, (*loop.path, "pressure")
        if pressure is None:
            continue
        for unit in models((*loop.units, *loop.tanks)):
            ratings = unit.device.ratings
            least, most = (fact.value if fact else None for fact in (ratings.pressure_least, ratings.pressure_most))
            if (most and exceeds(pressure.magnitude, most.magnitude)) or (
                least and exceeds(least.magnitude, pressure.magnitude)
            ):
                window = f"{least or 'any pressure'} to {most}" if most else f"{least} or more"
                yield Finding(path, f'loop "{loop.name}" is at {pressure}, "{unit.device.name}" works at {window}')
        for name, most in _borne(center, loop):
            if exceeds(pressure.magnitude, most.magnitude):
                message = f'loop "{loop.name}" is at {pressure}, the cold plates of "{name}" bear {most}'
                yield Finding(path, message)


@rule("cooling.pressure-unknown", severity="warning")
def pressures_are_known_to_be_borne(center: Center) -> Iterator[Finding]:
    """Water-cooled servers of the field bear 4.4 bar; above that, somebody has to say what these ones bear."""
    for loop in center.loops.values():
        pressure, asked = loop.spec.pressure, _filter_of(center, loop)
        if pressure and asked and exceeds(pressure.magnitude, USUAL_PRESSURE) and not dict(_borne(center, loop)):
            message = (
                f'loop "{loop.name}" is at {pressure}, above the {USUAL_PRESSURE / 1e5:g} bar that servers of the '
                "field bear; nobody says what these bear"
            )
            hint = "say liquid-pressure in a file of your own for the server"
            yield Finding((*loop.path, "pressure"), message, hint)


def _borne(center: Center, loop: CoolingLoop) -> Iterator[tuple[str, Pressure]]:
    """Servers on a loop with the pressure that their cold plates bear, each once, where it is known."""
    pools = [pool for racks in center.racks if racks.loop == loop.name for pool, _ in racks.contents]
    for server in {pool.server.name: pool.server for pool in pools}.values():
        if server.liquid_pressure and server.liquid_pressure.value:
            yield server.name, server.liquid_pressure.value


@rule("cooling.water-pressure")
def heat_exchangers_bear_their_water(center: Center) -> Iterator[Finding]:
    """Facility water stands under the height of the building; the heat exchanger of a unit bears only so much."""
    for water in center.waters.values():
        pressure = water.spec.pressure
        for unit in _on(center, water.name) if pressure else ():
            most = unit.device.ratings.water_pressure_most
            if pressure and most and most.value and exceeds(pressure.magnitude, most.value.magnitude):
                message = f'facility water "{water.name}" is at {pressure}, "{unit.device.name}" bears {most.value}'
                yield Finding((*water.path, "pressure"), message)


def _on(center: Center, water: str) -> list[CoolingUnit]:
    """One unit of each model that a facility water system passes through."""
    loops = [loop for loop in center.loops.values() if loop.spec.from_ == water]
    return models(unit for loop in loops for unit in (*loop.units, *loop.tanks))
