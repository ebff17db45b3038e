"""Cooling: the heat of racks against what loops, water and air carry away."""

from __future__ import annotations

import math
from collections.abc import Iterator

from generator.model import Center
from generator.plant import Device
from generator.rules import Finding, rule

BOILING_MARGIN = 10.0
"""Kelvin between condenser water and the coolant's boiling point; general engineering practice, to be reviewed."""
DEW_POINT_MARGIN = 2.0
"""Kelvin between coolant and dew point below which a CDU of the field raises its critical alarm."""
TOWER_APPROACH = 3.0
"""Kelvin above wet bulb that a good cooling tower reaches; component range 2.8 to 6.7 K (LBNL 2024)."""


def _capacity(units: list[Device]) -> float:
    return sum(unit.capacity or 0.0 for unit in units)


@rule("cooling.loop-capacity")
def loops_carry_their_heat(center: Center) -> Iterator[Finding]:
    """The units of a loop carry its heat, also with one unit lost (N+1) and with one feed lost (2N)."""
    for loop in center.loops.values():
        heat, units = center.heat_of(loop), list(loop.units)
        if not units or any(unit.capacity is None for unit in units):
            continue
        situations = [("", units)]
        if loop.spec.redundancy == "N+1":
            largest = max(units, key=lambda unit: _capacity([unit]))
            situations.append((f' with unit "{largest.name}" lost', [unit for unit in units if unit is not largest]))
        if center.spec.power.redundancy == "2N":
            for feed in center.spec.power.feeds:
                left = [unit for unit in units if set(unit.feeds) != {feed}]
                situations.append((f' with feed "{feed}" lost', left))
        when, left = min(situations, key=lambda situation: _capacity(situation[1]))
        if heat > _capacity(left) * (1 + 1e-9):
            message = (
                f'loop "{loop.name}" must carry {heat / 1000:.1f} kW, '
                f"its units carry {_capacity(left) / 1000:.1f} kW{when}"
            )
            yield Finding((*loop.path, "units"), message)


@rule("cooling.rack-capacity")
def racks_carry_their_own_heat(center: Center) -> Iterator[Finding]:
    """A tank, or another unit that stands in each rack, carries the heat of its own rack and of no other."""
    for racks in center.racks:
        loop = center.loops.get(racks.loop or "")
        own = next((tank for tank in (loop.tanks if loop else ()) if tank.name == racks.name(racks.first)), None)
        if own and own.capacity is not None and racks.liquid_heat > own.capacity * (1 + 1e-9):
            heat, capacity = racks.liquid_heat / 1000, own.capacity / 1000
            message = f"{racks.title} must carry {heat:.2f} kW, its own device carries {capacity:.2f} kW"
            yield Finding((*own.path, "ratings", "capacity"), message)


@rule("cooling.no-units")
def loops_have_something_that_cools(center: Center) -> Iterator[Finding]:
    """A cold-plate loop moves its liquid with cooling units; a tank condenses its own vapour."""
    for loop in center.loops.values():
        if loop.spec.kind == "cold-plate" and not loop.units:
            yield Finding(loop.path, f'loop "{loop.name}" has no cooling unit')


@rule("cooling.no-protection")
def loops_name_their_protection(center: Center) -> Iterator[Finding]:
    """Loss of flow heats the coolant by about 1 K a second; monitoring is too slow to protect, so a device must."""
    for loop in center.loops.values():
        if not loop.spec.protection:
            hint = 'for example "protection: [cdu-interlock]"'
            yield Finding(loop.path, f'loop "{loop.name}" names nobody who acts within seconds', hint)


@rule("cooling.facility-too-warm")
def facility_water_is_cold_enough(center: Center) -> Iterator[Finding]:
    """Coolant leaves a unit warmer than the facility water by at least the unit's approach."""
    for loop in center.loops.values():
        water = center.spec.cooling.facility.get(loop.spec.from_)
        if water is None or loop.spec.supply is None:
            continue
        for unit in loop.units:
            reach = water.supply.magnitude + (unit.approach or 0.0)
            if loop.spec.supply.magnitude < reach - 1e-9:
                message = (
                    f'loop "{loop.name}" asks for {loop.spec.supply}, unit "{unit.name}" reaches {reach:.1f} °C '
                    f"from water of {water.supply}"
                )
                yield Finding((*loop.path, "supply"), message)
                break


@rule("cooling.boiling-margin")
def condensers_stay_below_boiling(center: Center) -> Iterator[Finding]:
    """A two-phase tank condenses its vapour only while the water is well below the coolant's boiling point."""
    for loop in center.loops.values():
        water, boiling = center.spec.cooling.facility.get(loop.spec.from_), loop.coolant.boiling_point.value
        if loop.spec.kind != "two-phase-immersion" or water is None:
            continue
        if boiling is None:
            yield Finding((*loop.path, "coolant"), f'coolant "{loop.coolant.name}" has no known boiling point')
        elif boiling.magnitude - water.supply.magnitude < BOILING_MARGIN - 1e-9:
            margin = boiling.magnitude - water.supply.magnitude
            message = (
                f'water of {water.supply} is {margin:.1f} K below the boiling point of "{loop.coolant.name}"; '
                f"{BOILING_MARGIN:.1f} K are needed"
            )
            yield Finding((*loop.path, "from"), message)


@rule("cooling.facility-climate")
def the_climate_allows_the_water(center: Center) -> Iterator[Finding]:
    """Evaporation cools water to wet bulb plus approach and no further; colder water needs a chiller."""
    climate = center.spec.site.climate
    for name, water in center.spec.cooling.facility.items():
        if climate and water.supply.magnitude < climate.wet_bulb.magnitude + TOWER_APPROACH - 1e-9:
            message = (
                f'facility water "{name}" of {water.supply} cannot be reached by evaporation on a design day of '
                f"{climate.wet_bulb} wet bulb: {climate.wet_bulb.magnitude + TOWER_APPROACH:.1f} °C at best"
            )
            yield Finding(("cooling", "facility", name, "supply"), message)


@rule("cooling.facility-return")
def facility_water_warms(center: Center) -> Iterator[Finding]:
    """Water that takes heat comes back warmer than it went."""
    for name, water in center.spec.cooling.facility.items():
        if water.return_.magnitude <= water.supply.magnitude:
            message = f'facility water "{name}" returns at {water.return_}, not warmer than the {water.supply} supplied'
            yield Finding(("cooling", "facility", name, "return"), message)


@rule("cooling.flow")
def units_pump_enough(center: Center) -> Iterator[Finding]:
    """The flow that carries the heat at the loop's rise (Q = rho cp V dT) stays within what the units pump."""
    for loop in center.loops.values():
        density, heat_capacity = loop.coolant.density.value, loop.coolant.heat_capacity.value
        rated = [unit.flow for unit in loop.units]
        if loop.spec.rise is None or density is None or heat_capacity is None or not rated or None in rated:
            continue
        per_kelvin = density * heat_capacity / 60_000  # kW for each L/min and K
        needed = center.heat_of(loop) / 1000 / (per_kelvin * loop.spec.rise.magnitude)
        given = sum(flow for flow in rated if flow)
        if needed > given * (1 + 1e-9):
            message = (
                f'loop "{loop.name}" needs {needed:.1f} L/min of {loop.coolant.name} for a rise of {loop.spec.rise}, '
                f"its units pump {given:.1f} L/min"
            )
            yield Finding((*loop.path, "rise"), message)


@rule("cooling.air-capacity")
def halls_carry_the_rest(center: Center) -> Iterator[Finding]:
    """Heat that no liquid takes stays in the air of the hall; its handlers carry it, also with one lost (N+1)."""
    for name, air in center.airs.items():
        heat, lost = center.air_heat_of(name), ""
        if air.spec.capacity:
            capacity = air.spec.capacity.magnitude
        else:
            known = [handler.capacity for handler in air.handlers]
            if None in known:
                continue
            capacity = sum(each for each in known if each)
            if air.spec.redundancy == "N+1":
                largest = max(air.handlers, key=lambda handler: handler.capacity or 0.0)
                capacity, lost = capacity - (largest.capacity or 0.0), f' with "{largest.name}" lost'
        if heat > capacity * (1 + 1e-9):
            message = (
                f'hall "{name}" leaves {heat / 1000:.1f} kW to its air, which carries {capacity / 1000:.1f} kW{lost}'
            )
            yield Finding((*air.path, "capacity" if air.spec.capacity else "units"), message)


@rule("cooling.dew-point")
def coolant_stays_above_the_dew_point(center: Center) -> Iterator[Finding]:
    """Coolant colder than the dew point of the hall's air makes water run down the hoses."""
    for racks in center.racks:
        loop, air = center.loops.get(racks.loop or ""), center.spec.halls[racks.hall].air
        if loop is None or air is None or loop.spec.supply is None:
            continue
        dew = dew_point(air.supply.magnitude, air.humidity.magnitude)
        if loop.spec.supply.magnitude - dew < DEW_POINT_MARGIN - 1e-9:
            message = (
                f"coolant of {loop.spec.supply} is {loop.spec.supply.magnitude - dew:.1f} K above the dew point "
                f'{dew:.1f} °C of hall "{racks.hall}"; {DEW_POINT_MARGIN:.1f} K are needed'
            )
            yield Finding((*loop.path, "supply"), message)


@rule("cooling.credentials")
def the_exporter_can_read_its_logins(center: Center) -> Iterator[Finding]:
    """The exporter runs unattended: it reads a login from its environment or from a file, never from a vault."""
    for device in center.devices():
        if device.credentials and device.device.protocol == "modbus-tcp":
            message = f'device "{device.name}" speaks Modbus, which has no login'
            yield Finding((*device.path, "credentials"), message, "remove it")
            continue
        kind, _, rest = (device.credentials or "env:X").partition(":")
        if kind not in ("env", "file") or (kind == "file" and not rest.startswith("/")):
            message = f'the exporter cannot read "{device.credentials}", the login of device "{device.name}"'
            yield Finding((*device.path, "credentials"), message, 'use "env:NAME" or "file:/absolute/path"')


@rule("cooling.unread-device")
def devices_of_racks_can_be_read(center: Center) -> Iterator[Finding]:
    """A rack's own device is read where the spec says that it answers; half of that is a device that nobody watches."""
    for hall_name, hall in center.spec.halls.items():
        for name, kind in hall.rack_kinds.items():
            said = {"device": kind.device, "at": kind.at, "loop": kind.loop}
            missing = [key for key, value in said.items() if value is None]
            if missing and (kind.device or kind.at or kind.credentials):
                message = f'racks of kind "{name}" have a device to read, but the kind does not say "{missing[0]}"'
                yield Finding(("halls", hall_name, "rack-kinds", name), message)


@rule("cooling.plain-login")
def logins_travel_encrypted(center: Center) -> Iterator[Finding]:
    """Port 80 means HTTP without TLS, where everybody on the facility network could read the login."""
    for device in center.devices():
        if device.credentials and device.device.protocol == "redfish" and device.port == 80:
            message = f'the login of device "{device.name}" would travel in clear text to port 80'
            yield Finding((*device.path, "at"), message, "use the device's TLS port, such as 443")


@rule("cooling.unknown-capacity", severity="warning")
def capacities_are_known(center: Center) -> Iterator[Finding]:
    """A loop is only proven against capacities that somebody has published or measured."""
    for loop in center.loops.values():
        unknown = sorted({unit.device.name for unit in (*loop.units, *loop.tanks) if unit.capacity is None})
        if unknown:
            message = f'loop "{loop.name}" cannot be checked: the capacity of "{unknown[0]}" is unknown'
            hint = 'say what its data sheet says, for example "ratings: {capacity: 80 kW}"'
            yield Finding((*loop.path, "units") if loop.units else loop.path, message, hint)


def dew_point(temperature: float, humidity: float) -> float:
    """Dew point in °C of air at a temperature in °C and a humidity ratio (1 is 100 %); Magnus, a=17.625, b=243.04."""
    gamma = math.log(max(humidity, 1e-6)) + 17.625 * temperature / (243.04 + temperature)
    return 243.04 * gamma / (17.625 - gamma)
