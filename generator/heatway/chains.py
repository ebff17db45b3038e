"""Chains of temperatures: from the air outside to the water and back, from the water to the racks and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from generator import physics
from generator.heatway.findings import Findings
from generator.heatway.parts import Rejection, Step
from generator.heatway.temperatures import TWO_PHASE, boiling, kelvin, magnitude, warmest
from generator.model import Center
from generator.nodes import Racks
from generator.plant import CoolingLoop, Water
from generator.rules.cooling import BOILING_MARGIN, DEW_POINT_MARGIN
from generator.rules.water import TOWER_APPROACH


def chain_of_water(center: Center, water: Water, rejections: Sequence[Rejection], findings: Findings) -> Iterator[Step]:
    """From the air outside to the water and back; a chiller asks for no air of its own."""
    climate, supply = center.spec.site.climate, water.spec.supply.magnitude
    refused = findings.refuse("cooling.rejection-temperature", water.path)
    for each in (each for each in rejections if each.rejecter.is_bound_by_weather):
        yield Step(each.sink_name or "design day", each.sink, each.sink)
        # One that ends too warm does not count, so it spares nothing; without any that counts, that is a finding.
        spare = None if each.coldest is None or not (each.counts or refused) else supply - each.coldest
        title = f"+ {kelvin(each.rejecter.approach)} {each.rejecter.name}"
        yield Step(title, each.sink, each.coldest, spare, refused and not each.counts)
    if not water.rejecters and climate:
        best = climate.wet_bulb.magnitude + TOWER_APPROACH
        refused = findings.refuse("cooling.facility-climate", water.path)
        yield Step("wet bulb", climate.wet_bulb.magnitude, climate.wet_bulb.magnitude)
        yield Step(f"+ {kelvin(TOWER_APPROACH)} evaporation", climate.wet_bulb.magnitude, best, supply - best, refused)
    yield Step("water supply", supply, supply)
    back = water.spec.return_.magnitude
    refused = findings.refuse("cooling.facility-return", water.path)
    yield Step(f"+ {kelvin(back - supply)} water return", supply, back, refused=refused, is_judged=True)
    coolants = [warmest(loop) for loop in center.loops.values() if loop.spec.from_ == water.name]
    known = [value for value in coolants if value is not None]
    if (
        coolants
        and len(known) == len(coolants)
        and not any(air.spec.from_ == water.name for air in center.airs.values())
    ):
        refused = findings.refuse("cooling.return-too-warm", water.path)
        yield Step("warmest coolant", max(known), max(known), max(known) - back, refused, "hot")


def chain_of_loop(center: Center, loop: CoolingLoop, joined: Sequence[Racks], findings: Findings) -> Iterator[Step]:
    """From facility water to what the racks get and give back, then the limits on either side."""
    water = center.spec.cooling.facility[loop.spec.from_].supply.magnitude
    supply, boils = magnitude(loop.spec.supply), loop.spec.kind == TWO_PHASE
    yield Step("facility water", water, water, is_judged=boils)
    known = [device.approach for device in (*loop.units, *loop.tanks)]
    farthest = None if None in known else max((value for value in known if value is not None), default=None)
    reached = None if farthest is None else water + farthest
    refused = findings.refuse("cooling.facility-too-warm", loop.path)
    # Validation takes an approach that nobody knows for none.
    judged = water + max((value or 0.0 for value in known), default=0.0) if refused else reached
    spare = None if supply is None or judged is None else supply - judged
    if known:
        whose = "units" if loop.units else loop.in_racks
        if supply is not None and all(device.curve for device in (*loop.units, *loop.tanks)):
            # They carry what their curve gives at the kelvin that the loop leaves: it asks for no fewer.
            yield Step(f"+ {kelvin(supply - water)} on the curve of {whose}", water, supply)
        else:
            yield Step(f"+ {kelvin(farthest)} approach of {whose}", water, reached, spare, refused)
    if supply is not None or not boils:
        yield Step("supply to the racks", supply, supply, is_judged=not boils)
    if boils:
        boils_at = boiling(loop)
        yield Step("boiling point", boils_at, boils_at)
        refused = findings.refuse("cooling.boiling-margin", loop.path)
        most = None if boils_at is None else boils_at - BOILING_MARGIN
        title = f"water {kelvin(BOILING_MARGIN)} below boiling"
        yield Step(title, most, most, None if most is None else most - water, refused, "hot")
    else:
        yield Step(f"+ {kelvin(magnitude(loop.spec.rise))} return", supply, warmest(loop))
    yield from _limits(center, loop, joined, findings)


def _limits(center: Center, loop: CoolingLoop, joined: Sequence[Racks], findings: Findings) -> Iterator[Step]:
    """What the coolant must stay above, and below."""
    supply = magnitude(loop.spec.supply)
    for hall in dict.fromkeys(racks.hall for racks in joined):
        air = center.spec.halls[hall].air
        if supply is None or air is None:
            continue
        dew = physics.dew_point(air.supply.magnitude, air.humidity.magnitude)
        spare = supply - dew - DEW_POINT_MARGIN
        refused = findings.refuse("cooling.dew-point", loop.path) and spare < 0
        title = f"dew point + {kelvin(DEW_POINT_MARGIN)}, {hall}"
        yield Step(title, dew, dew + DEW_POINT_MARGIN, spare, refused, "cold")
    servers = {pool.server.name: pool.server for racks in joined for pool, _ in racks.contents}
    if supply is None or loop.spec.kind != "cold-plate":
        return
    for server in servers.values():
        warmest = server.liquid_inlet.value if server.liquid_inlet else None
        if warmest:
            spare = warmest.magnitude - supply
            refused = findings.refuse("cooling.liquid-inlet", loop.path) and spare < 0
            title = f"{server.name} bears"
            yield Step(title, warmest.magnitude, warmest.magnitude, spare, refused, "hot")
