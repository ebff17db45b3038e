"""The formulas of cooling against CoolProp and psychrolib, which know nothing of this project, and published tables."""

from __future__ import annotations

import psychrolib
import pytest
from CoolProp.CoolProp import PropsSI

from generator import physics
from generator.catalog import Catalog
from generator.catalog.models import Coolant

psychrolib.SetUnitSystem(psychrolib.SI)
NAMES = {"water": "Water", "novec-649": "Novec649", "opteon-sf33": "R1336mzz(Z)"}
"""Coolants of the catalogue that CoolProp knows, and what it calls them."""


def coolant(name: str) -> Coolant:
    found = Catalog().get(Coolant, name)
    assert found
    return found


def curve(name: str) -> list[float]:
    found = coolant(name).saturation
    assert found and found.value
    return found.value


def latent_heat(fluid: str) -> float:
    """kJ/kg at 101.325 kPa."""
    vapour, liquid = (PropsSI("H", "P", 101_325, "Q", quality, fluid) for quality in (1, 0))
    return float(vapour - liquid) / 1000


@pytest.mark.parametrize("temperature", [15, 22, 27, 35, 45])
@pytest.mark.parametrize("humidity", [0.4, 0.5, 0.8, 1.0])
def test_dew_points(temperature: float, humidity: float) -> None:
    wanted = psychrolib.GetTDewPointFromRelHum(temperature, humidity)
    assert physics.dew_point(temperature, humidity) == pytest.approx(wanted, abs=0.12)


@pytest.mark.parametrize("temperature", [20, 30, 40, 50, 60])
def test_water_carries_what_its_tables_say(temperature: int) -> None:
    density, capacity = (PropsSI(word, "T", temperature + 273.15, "P", 101_325, "Water") for word in "DC")
    # kW for each L/min and K: 0.0696, 0.0694, 0.0691, 0.0689, 0.0686
    table = {20: 0.0696, 30: 0.0694, 40: 0.0691, 50: 0.0689, 60: 0.0686}
    assert physics.heat(1, 1, density, capacity / 1000) == pytest.approx(table[temperature], abs=1e-4)


@pytest.mark.parametrize(
    ("name", "rise", "flow"),
    # L/min for each kW
    [("water", 5, 2.889), ("water", 6, 2.407), ("water", 8, 1.805), ("water", 10, 1.444), ("water", 12, 1.204),
     ("water", 15, 0.963), ("water", 20, 0.722), ("pg25", 5, 2.995), ("pg25", 8, 1.872), ("pg25", 10, 1.498),
     ("pg25", 15, 0.998), ("pg25", 20, 0.749)],
)  # fmt: skip
def test_flows_of_a_kilowatt(name: str, rise: float, flow: float) -> None:
    told = coolant(name)
    assert told.density.value and told.heat_capacity.value
    words = (told.density.value, told.heat_capacity.value)
    assert physics.flow(1, rise, *words) == pytest.approx(flow, rel=3e-3)
    assert physics.heat(physics.flow(1, rise, *words), rise, *words) == pytest.approx(1)


@pytest.mark.parametrize(("head", "watts"), [(150_000, 5.8), (241_000, 9.3)])
def test_pumps_of_a_kilowatt(head: float, watts: float) -> None:
    assert physics.pump_power(1.5, head) == pytest.approx(watts, abs=0.05)


def test_affinity() -> None:
    flow, head, power = physics.affinity(0.8)
    assert (flow, head, power) == pytest.approx((0.8, 0.64, 0.512))
    assert flow * head == pytest.approx(power)
    assert physics.head_at(flow, 1, 1) == pytest.approx(head)


@pytest.mark.parametrize("name", NAMES)
def test_coolants_boil_as_coolprop_says(name: str) -> None:
    low, high = (10, 100) if name == "water" else (10, 80)
    for celsius in range(low, high + 1, 5):
        wanted = PropsSI("P", "T", celsius + 273.15, "Q", 0, NAMES[name]) / 1000
        assert physics.saturation_pressure(curve(name), celsius) == pytest.approx(wanted, rel=2e-3)
        assert physics.saturation_temperature(curve(name), wanted) == pytest.approx(celsius, abs=0.1)
    boiling = coolant(name).boiling_point.value
    assert boiling and physics.saturation_temperature(curve(name)) == pytest.approx(boiling.magnitude, abs=0.1)


@pytest.mark.parametrize(
    ("name", "celsius", "kilopascals"),
    # The published table of the fluid, and its boiling point.
    [("novec-7100", 25, 27), ("novec-7100", 49, 66.8), ("novec-7100", 55, 82.2), ("novec-7100", 61, 100.3),
     ("novec-649", 25, 40.4), ("novec-649", 40, 73.2), ("novec-649", 48, 97.7), ("novec-649", 52, 112.1),
     ("novec-649", 60, 145.9), ("opteon-sf33", 40, 128)],
)  # fmt: skip
def test_vapour_pressures_of_tables(name: str, celsius: float, kilopascals: float) -> None:
    assert physics.saturation_pressure(curve(name), celsius) == pytest.approx(kilopascals, rel=6e-3)


def test_pressure_is_the_thermometer_of_a_tank() -> None:
    """About 3.5 kPa for each kelvin near the boiling point of Novec 649."""
    step = physics.saturation_pressure(curve("novec-649"), 49.5) - physics.saturation_pressure(curve("novec-649"), 48.5)
    assert step == pytest.approx(3.5, abs=0.1)


@pytest.mark.parametrize("name", ["novec-649", "opteon-sf33"])
def test_latent_heat_and_vapour_are_those_of_coolprop(name: str) -> None:
    told, fluid = coolant(name), NAMES[name]
    assert told.latent_heat and told.latent_heat.value and told.molar_mass and told.molar_mass.value
    assert told.latent_heat.value == pytest.approx(latent_heat(fluid), rel=1e-3)
    assert told.molar_mass.value == pytest.approx(PropsSI("M", fluid) * 1000, rel=1e-4)
    rate = physics.vapour_rate(told.latent_heat.value)
    boiling = PropsSI("T", "P", 101_325, "Q", 1, fluid) - 273.15
    real = rate / PropsSI("D", "P", 101_325, "Q", 1, fluid)
    # Heavy vapours are some per cent denser than an ideal gas.
    assert physics.vapour_volume(rate, told.molar_mass.value, boiling) == pytest.approx(real, rel=0.07)


@pytest.mark.parametrize(("name", "rate"), [("novec-649", 40.9), ("novec-7100", 32.1)])
def test_vapour_of_a_kilowatt(name: str, rate: float) -> None:
    told = coolant(name).latent_heat
    assert told and told.value and physics.vapour_rate(told.value) == pytest.approx(rate, abs=0.1)


def test_a_mole_of_air_is_24_litres() -> None:
    """The volume by which safety data sheets turn mg/m3 into ppm."""
    assert physics.vapour_volume(0.0289647, 28.9647, 25) == pytest.approx(0.024465, rel=1e-4)
    air = PropsSI("D", "T", 298.15, "P", 101_325, "Air")
    assert physics.vapour_volume(1, 28.9647, 25) == pytest.approx(1 / air, rel=1e-3)


def test_fresh_air_holds_a_limit() -> None:
    # 0.1 kg/h of 250 g/mol are 0.4 mol/h, 9.786 L/h at 25 °C: 13.05 m3/h for 750 ppm.
    assert physics.air_change(0.1, 750, 250, 25) == pytest.approx(13.05, abs=0.01)
    assert physics.concentration(0.1, 13.05, 250, 25) == pytest.approx(750, abs=0.5)


@pytest.mark.parametrize("temperature", [5, 15, 25, 35, 45, 55])
def test_evaporation_of_water(temperature: float) -> None:
    vapour, liquid = (PropsSI("H", "T", temperature + 273.15, "Q", quality, "Water") for quality in (1, 0))
    assert physics.latent_heat_of_water(temperature) == pytest.approx((vapour - liquid) / 1000, rel=1e-3)


def test_makeup_water_of_a_tower() -> None:
    # 1 kW evaporates 1.482 L/h at 30 °C; at 4 times the salts a third of that is blown down as well.
    assert physics.evaporation(1, 30) == pytest.approx(1.482, abs=1e-3)
    assert physics.evaporation(1, 30, 0.8) == pytest.approx(1.185, abs=1e-3)
    assert physics.makeup(1.482, 4) == pytest.approx(1.976, abs=1e-3)


def test_effectiveness_of_a_heat_exchanger() -> None:
    assert physics.effectiveness(30, 40, 50, 35) == pytest.approx(0.75)
    assert physics.effectiveness(30, 50, 50, 30) == pytest.approx(1)


def test_a_charge_that_is_lost() -> None:
    # 700 L of 1,470 kg/m3 are 1,029 kg, of which 17.1 % evaporate.
    assert physics.yearly_loss(700, 1470, 0.171) == pytest.approx(175.96, abs=0.01)


@pytest.mark.parametrize(("x", "y"), [(-1, 10), (0, 10), (5, 15), (10, 20), (15, 40), (20, 60), (99, 60)])
def test_values_between_points(x: float, y: float) -> None:
    assert physics.between([(0, 10), (10, 20), (20, 60)], x) == pytest.approx(y)


@pytest.mark.parametrize(("altitude", "kilopascals"), [(0, 101.325), (500, 95.46), (1400, 85.60), (3000, 70.11)])
def test_air_is_thinner_higher_up(altitude: float, kilopascals: float) -> None:
    """The table of the standard atmosphere (ISO 2533)."""
    assert physics.atmosphere(altitude) == pytest.approx(kilopascals, abs=0.02)


def test_a_tank_boils_colder_higher_up() -> None:
    curve = (20.6458, 2394.75, -59.61)  # Novec 649, as the catalogue has it
    real = PropsSI("T", "P", physics.atmosphere(1400) * 1000, "Q", 0, "Novec649") - 273.15
    assert physics.saturation_temperature(curve, physics.atmosphere(1400)) == pytest.approx(real, abs=0.05)
    assert real == pytest.approx(44.28, abs=0.05)
