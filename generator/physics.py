"""Physics of cooling as small pure functions: no thing of a centre, no rule, only quantities with their units.

Formulas are those of textbooks; the tests compare them with CoolProp, with psychrolib and with published tables.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

ZERO = 273.15
"""0 °C in kelvin."""
GAS = 8.314462618
"""The molar gas constant in J/(mol K), exact since 2019."""
ATMOSPHERE = 101.325
"""Standard pressure in kPa."""
PUMP_EFFICIENCY = 0.65
"""What reaches the liquid of the electricity of a pump with its motor and drive; general engineering practice."""

WATER = (992.2, 4.179)
"""Density in kg/m3 and heat capacity in kJ/(kg K) of water at 40 °C; CoolProp 8.0.0, IAPWS-95, as in the catalogue."""

Curve = Sequence[float]
"""Coefficients a, b and c of a saturation curve: ln(p in Pa) = a - b / (T in K + c)."""


def heat(flow: float, rise: float, density: float, heat_capacity: float) -> float:
    """Q = density x heat capacity x flow x rise: kW from L/min, K, kg/m3 and kJ/(kg K)."""
    return density * heat_capacity * flow * rise / 60_000


def flow(heat: float, rise: float, density: float, heat_capacity: float) -> float:
    """L/min that carry a heat in kW at a rise in K: the same equation the other way round."""
    return 60_000 * heat / (density * heat_capacity * rise)


def pump_power(flow: float, head: float, efficiency: float = PUMP_EFFICIENCY) -> float:
    """Watts of electricity that lift a flow in L/min over a pressure in Pa: P = flow x head / efficiency."""
    return flow / 60_000 * head / efficiency


def head_at(flow: float, rated_flow: float, rated_head: float) -> float:
    """Pa that a hydraulic resistance takes at a flow, from one known point: pressure drop grows with its square."""
    return rated_head * (flow / rated_flow) ** 2


def affinity(speed: float) -> tuple[float, float, float]:
    """Flow, head and power of a pump or a fan at a share of its full speed, as shares: n, n squared, n cubed."""
    return speed, speed**2, speed**3


def dew_point(temperature: float, humidity: float) -> float:
    """Dew point in °C of air at a temperature in °C and a humidity ratio (1 is 100 %); Magnus, a=17.625, b=243.04."""
    gamma = math.log(max(humidity, 1e-6)) + 17.625 * temperature / (243.04 + temperature)
    return 243.04 * gamma / (17.625 - gamma)


def saturation_pressure(curve: Curve, temperature: float) -> float:
    """kPa absolute at which a liquid of a temperature in °C boils."""
    a, b, c = curve
    return math.exp(a - b / (temperature + ZERO + c)) / 1000


def saturation_temperature(curve: Curve, pressure: float = ATMOSPHERE) -> float:
    """°C at which a liquid boils under a pressure in kPa absolute."""
    a, b, c = curve
    return b / (a - math.log(pressure * 1000)) - c - ZERO


def atmosphere(altitude: float) -> float:
    """kPa of the air at so many metres above the sea, below 11 km: ISO 2533 (ICAO standard atmosphere)."""
    return float(ATMOSPHERE * (1 - 2.25577e-5 * altitude) ** 5.25588)


def vapour_rate(latent_heat: float) -> float:
    """kg/h of vapour that each kW makes of a liquid at its boiling point; latent heat in kJ/kg."""
    return 3600 / latent_heat


def vapour_volume(mass: float, molar_mass: float, temperature: float, pressure: float = ATMOSPHERE) -> float:
    """m3 of vapour of a mass in kg, as an ideal gas: molar mass in g/mol, °C, kPa."""
    return mass / (molar_mass / 1000) * GAS * (temperature + ZERO) / (pressure * 1000)


def concentration(emission: float, air: float, molar_mass: float, temperature: float) -> float:
    """ppm by volume of a vapour in a mixed room, once it no longer changes: kg/h into m3/h of fresh air."""
    return vapour_volume(emission, molar_mass, temperature) / air * 1e6


def air_change(emission: float, limit: float, molar_mass: float, temperature: float) -> float:
    """m3/h of fresh air that keep a vapour of so many kg/h at a limit in ppm by volume."""
    return vapour_volume(emission, molar_mass, temperature) / limit * 1e6


def effectiveness(cold_in: float, cold_out: float, warm_in: float, warm_out: float) -> float:
    """What a heat exchanger moves of what it could: the larger change of temperature over the largest there is."""
    return max(cold_out - cold_in, warm_in - warm_out) / (warm_in - cold_in)


def latent_heat_of_water(temperature: float) -> float:
    """kJ/kg that water takes to evaporate at a temperature in °C from 0 to 60; a line through the tables."""
    return 2501 - 2.38 * temperature


def evaporation(heat: float, temperature: float, share: float = 1.0) -> float:
    """L/h of water of a temperature in °C whose evaporation carries a share of a heat in kW; the rest warms the air."""
    return 3600 * heat * share / latent_heat_of_water(temperature)


def makeup(evaporated: float, cycles: float) -> float:
    """L/h of fresh water: what evaporates, and what is blown down so that salts stay at so many times their first."""
    return evaporated * cycles / (cycles - 1)


def yearly_loss(charge: float, density: float, share: float) -> float:
    """kg a year: a share of a charge in litres of a liquid in kg/m3."""
    return charge * density / 1000 * share


def between(points: Sequence[tuple[float, float]], x: float) -> float:
    """The value at x on straight lines between points in rising order; the ends hold beyond them."""
    if x <= points[0][0]:
        return points[0][1]
    for (left, low), (right, high) in itertools.pairwise(points):
        if x <= right:
            return low + (high - low) * (x - left) / (right - left)
    return points[-1][1]
