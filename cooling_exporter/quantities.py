"""What the exporter can publish: one metric name for each quantity, whatever protocol and unit a device speaks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final, Literal, get_args

State = Literal["ok", "warning", "critical", "unavailable", "absent"]
STATES: Final[tuple[State, ...]] = get_args(State)
Part = Literal["connector", "pump", "fan", "detector", "reservoir", "filter", "alarm", "line"]


@lru_cache(maxsize=4096)
def exact(text: str) -> Decimal:
    """A constant of the catalogue or of the configuration, which each reading needs again."""
    return Decimal(text)


@dataclass(frozen=True, slots=True)
class Unit:
    """How a source unit becomes the base unit: value x factor / divisor + offset."""

    factor: str = "1"
    divisor: str = "1"
    offset: str = "0"

    def to_base(self, value: Decimal) -> Decimal:
        return value * exact(self.factor) / exact(self.divisor) + exact(self.offset)


@dataclass(frozen=True, slots=True)
class Dimension:
    """The source units that are understood, and the values (in the base unit) that no healthy sensor leaves."""

    units: dict[str, Unit]
    lowest: float
    highest: float

    def plausible(self, value: float) -> bool:
        return math.isfinite(value) and self.lowest <= value <= self.highest


# Wide on purpose: they catch raw words such as 0x7FFF of a sensor that is missing, never a bad day of a good one.
TEMPERATURE = Dimension(
    {"°C": Unit(), "°F": Unit(factor="5", divisor="9", offset=str(Decimal(-160) / 9)), "K": Unit(offset="-273.15")},
    -60,
    200,
)
FLOW = Dimension(
    {"L/min": Unit(divisor="60000"), "L/s": Unit(divisor="1000"), "m3/h": Unit(divisor="3600"), "m3/s": Unit()},
    -1,
    1,
)
PRESSURE = Dimension(
    {"Pa": Unit(), "kPa": Unit("1000"), "bar": Unit("100000"), "psi": Unit("6894.757293168")}, -110_000, 5_000_000
)
POWER = Dimension({"W": Unit(), "kW": Unit("1000"), "MW": Unit("1000000")}, 0, 100_000_000)
RATIO = Dimension({"%": Unit(divisor="100"), "fraction": Unit()}, 0, 1.2)
SPEED = Dimension({"rpm": Unit()}, 0, 60_000)
VOLTAGE = Dimension({"V": Unit()}, -1_000, 1_000)
TIME = Dimension({"s": Unit(), "h": Unit("3600")}, 0, 3_600_000_000)
SWITCH = Dimension({"": Unit()}, 0, 1)
CONCENTRATION = Dimension({"ppm": Unit(divisor="1000000"), "%": Unit(divisor="100"), "fraction": Unit()}, 0, 1)
ACIDITY = Dimension({"": Unit()}, 0, 14)
CONDUCTIVITY = Dimension({"µS/cm": Unit(divisor="10000"), "mS/cm": Unit(divisor="10"), "S/m": Unit()}, 0, 100)
TURBIDITY = Dimension({"NTU": Unit()}, 0, 10_000)
VOLUME = Dimension({"L": Unit(divisor="1000"), "m3": Unit()}, 0, 1_000_000_000)
# Below zero where a meter of the utility sees what the site gives back.
LINE_POWER = Dimension(POWER.units, -1_000_000_000, 1_000_000_000)
ENERGY = Dimension({"J": Unit(), "Wh": Unit("3600"), "kWh": Unit("3600000")}, 0, 1e18)
CURRENT = Dimension({"A": Unit(), "mA": Unit(divisor="1000")}, -100_000, 100_000)


_ELSEWHERE: dict[str, tuple[str, str]] = {
    "f": ("°F", ""), "degf": ("°F", ""), "fahrenheit": ("°F", ""), "℉": ("°F", ""),
    "c": ("°C", ""), "degc": ("°C", ""), "celsius": ("°C", ""), "cel": ("°C", ""), "℃": ("°C", ""), "kelvin": ("K", ""),
    "lpm": ("L/min", ""), "l/m": ("L/min", ""), "l/min": ("L/min", ""), "l/s": ("L/s", ""), "lps": ("L/s", ""),
    "gpm": ("L/min", "3.785412"), "usgpm": ("L/min", "3.785412"), "gal/min": ("L/min", "3.785412"),
    "m³/h": ("m3/h", ""), "m^3/h": ("m3/h", ""), "cmh": ("m3/h", ""), "m³/s": ("m3/s", ""), "l/h": ("m3/h", "0.001"),
    "psig": ("psi", ""), "barg": ("bar", ""), "bar(g)": ("bar", ""), "kpag": ("kPa", ""), "kpa(g)": ("kPa", ""),
    "mbar": ("bar", "0.001"), "hpa": ("kPa", "0.1"), "mpa": ("kPa", "1000"), "mh2o": ("kPa", "9.80665"),
    "watt": ("W", ""), "watts": ("W", ""), "btu/h": ("W", "0.2930711"), "rt": ("kW", "3.516853"),
    "percent": ("%", ""), "pct": ("%", ""), "‰": ("%", "0.1"), "us/cm": ("µS/cm", ""), "μs/cm": ("µS/cm", ""),
    "1/min": ("rpm", ""), "min-1": ("rpm", ""), "hours": ("h", ""), "hour": ("h", ""), "sec": ("s", ""),
    "ftu": ("NTU", ""), "m³": ("m3", ""), "liter": ("L", ""), "litre": ("L", ""), "gal": ("L", "3.785412"),
    "volt": ("V", ""), "mv": ("V", "0.001"), "amp": ("A", ""), "amps": ("A", ""), "mwh": ("kWh", "1000"),
}  # fmt: skip
"""How manuals call units, in small letters: what it is called here, and how many of these it is."""


def unit_instead(dimension: Dimension, written: str) -> str | None:
    """What to write for a unit that is called otherwise here, or None where nobody can say."""
    if written.strip()[:2] in ("mW", "mP"):
        return None  # a thousandth, or a million that was misspelt
    known, times = _ELSEWHERE.get(written.strip().casefold(), ("", ""))
    small = {name.casefold(): name for name in dimension.units}
    known = known or small.get(written.strip().casefold(), "")
    if known not in dimension.units or not known:
        return None
    return f'write "unit: {known}"' + (f" and a scale {times} times as large" if times else "")


@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """One metric. Without a dimension it is a state set: one series for each state, exactly one of them is 1."""

    name: str
    help: str
    dimension: Dimension | None
    circuit: bool = False
    part: Part | None = None

    @property
    def counter(self) -> bool:
        """Whether it only ever grows, until the device begins anew."""
        return self.name.endswith("_total")

    @property
    def electrical(self) -> bool:
        """Whether it is what a meter measures, which may be far more than cooling."""
        return self.name.startswith("electrical_")

    @property
    def short(self) -> str:
        """The name without the common prefix, as the label `point` shows it."""
        return self.name.removeprefix("cooling_")


def _hydraulic(name: str, text: str, dimension: Dimension) -> Quantity:
    return Quantity(name, text, dimension, circuit=True, part="connector")


_ALL = (
    _hydraulic("cooling_supply_temperature_celsius", "Coolant temperature towards the consumers.", TEMPERATURE),
    _hydraulic("cooling_return_temperature_celsius", "Coolant temperature back from the consumers.", TEMPERATURE),
    _hydraulic("cooling_supply_temperature_target_celsius", "Set point of the supply temperature.", TEMPERATURE),
    _hydraulic("cooling_flow_cubic_meters_per_second", "Coolant flow.", FLOW),
    _hydraulic("cooling_flow_target_cubic_meters_per_second", "Set point of the coolant flow.", FLOW),
    _hydraulic("cooling_supply_pressure_pascals", "Coolant pressure on the supply side.", PRESSURE),
    _hydraulic("cooling_return_pressure_pascals", "Coolant pressure on the return side.", PRESSURE),
    _hydraulic("cooling_differential_pressure_pascals", "Pressure between supply and return.", PRESSURE),
    _hydraulic(
        "cooling_differential_pressure_target_pascals", "Set point of the pressure between supply and return.", PRESSURE
    ),
    _hydraulic("cooling_heat_removed_watts", "Heat that the coolant carries away.", POWER),
    _hydraulic("cooling_valve_position_ratio", "Opening of the valve, 1 is open.", RATIO),
    _hydraulic("cooling_valve_position_target_ratio", "Set point of the opening of the valve.", RATIO),
    Quantity("cooling_unit_enabled", "1 while the unit is meant to run, 0 while it is switched off.", SWITCH),
    Quantity("cooling_power_watts", "Electrical power of the device itself.", POWER),
    Quantity("cooling_assembly_power_watts", "Electrical power of the whole assembly around the device.", POWER),
    Quantity("cooling_ambient_temperature_celsius", "Air temperature at the device.", TEMPERATURE),
    Quantity("cooling_ambient_humidity_ratio", "Relative humidity of the air at the device.", RATIO),
    Quantity("cooling_dew_point_celsius", "Dew point of the air at the device.", TEMPERATURE),
    Quantity("cooling_tank_temperature_celsius", "Temperature of the fluid in an immersion tank.", TEMPERATURE),
    Quantity("cooling_coil_vapour_temperature_celsius", "Vapour above the condenser coil of a tank.", TEMPERATURE),
    Quantity(
        "cooling_vapour_concentration_ratio",
        "Vapour of the coolant in the air of the room.",
        CONCENTRATION,
        part="detector",
    ),
    Quantity("cooling_lid_open", "1 while the lid of a tank is open.", SWITCH),
    Quantity("cooling_coolant_ph", "Acidity of the coolant, pH.", ACIDITY),
    Quantity("cooling_coolant_conductivity_siemens_per_meter", "Electrical conductivity of the coolant.", CONDUCTIVITY),
    Quantity("cooling_coolant_turbidity_ntu", "Turbidity of the coolant, nephelometric units.", TURBIDITY),
    Quantity("cooling_coolant_state", "What the device thinks of its coolant.", None),
    Quantity(
        "cooling_makeup_water_cubic_meters_total", "Water that made up for what evaporated or was drained.", VOLUME
    ),
    Quantity("cooling_pump_speed_rpm", "Pump speed in revolutions per minute.", SPEED, part="pump"),
    Quantity("cooling_pump_speed_ratio", "Pump speed as a share of full speed.", RATIO, part="pump"),
    Quantity("cooling_pump_state", "State of a pump.", None, part="pump"),
    Quantity("cooling_fan_speed_rpm", "Fan speed in revolutions per minute.", SPEED, part="fan"),
    Quantity("cooling_fan_speed_ratio", "Fan speed as a share of full speed.", RATIO, part="fan"),
    Quantity("cooling_leak_state", "State of a leak detector.", None, part="detector"),
    Quantity("cooling_leak_detector_volts", "Sense voltage of a leak detector.", VOLTAGE, part="detector"),
    Quantity("cooling_reservoir_level_ratio", "Fluid level, 1 is full.", RATIO, part="reservoir"),
    Quantity("cooling_reservoir_state", "State of the fluid level.", None, part="reservoir"),
    Quantity(
        "cooling_reservoir_pressure_pascals",
        "Pressure inside a reservoir or tank, in the reference of the device (gauge or absolute).",
        PRESSURE,
        part="reservoir",
    ),
    Quantity("cooling_filter_differential_pressure_pascals", "Pressure drop over a filter.", PRESSURE, part="filter"),
    Quantity("cooling_filter_service_seconds", "Time that a filter has been in service.", TIME, part="filter"),
    Quantity("cooling_alarm_active", "1 while the device raises this alarm.", SWITCH, part="alarm"),
    Quantity("electrical_power_watts", "Active power, of the whole meter or of one line.", LINE_POWER, part="line"),
    Quantity("electrical_energy_joules_total", "Active energy that the meter has counted.", ENERGY, part="line"),
    Quantity("electrical_current_amperes", "Current, of the whole meter or of one line.", CURRENT, part="line"),
)
QUANTITIES: Final[dict[str, Quantity]] = {quantity.name: quantity for quantity in _ALL}
