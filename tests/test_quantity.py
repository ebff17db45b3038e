"""Quantities: read in their unit, refused in any other, never guessed. Expected magnitudes are computed by hand."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from generator import quantity
from generator.quantity import (
    CarbonIntensity,
    Efficiency,
    EnergyPrice,
    Flow,
    Mass,
    Percentage,
    Power,
    Quantity,
    RackFeed,
    Temperature,
    TemperatureRise,
)

KINDS = [
    kind for kind in vars(quantity).values()
    if isinstance(kind, type) and issubclass(kind, Quantity) and kind is not Quantity
]  # fmt: skip
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)

READ: list[tuple[type[Quantity], str, float]] = [
    (Power, "40 kW", 40_000), (Power, "40kW", 40_000), (Power, "0.5 MW", 500_000), (Power, "600 W", 600),
    (Power, "0 W", 0),
    (Temperature, "36 °C", 36), (Temperature, "-40.5 °C", -40.5), (Temperature, "-100 °C", -100),
    (Temperature, "400 °C", 400), (Temperature, "32 ℃", 32),
    (TemperatureRise, "10 K", 10), (TemperatureRise, "0.1 K", 0.1),
    (Flow, "400 L/min", 400), (Flow, "6 m3/h", 100),
    (Percentage, "80 %", 0.8), (Percentage, "98.5 %", 0.985), (Percentage, "0 %", 0), (Percentage, "100 %", 1),
    (Efficiency, "1 %", 0.01), (Efficiency, "100 %", 1),
    (Mass, "1200 kg", 1200), (Mass, "1.2 t", 1200),
    (CarbonIntensity, "0.5306 kg/kWh", 0.5306), (CarbonIntensity, "530.6 g/kWh", 0.5306),
    (EnergyPrice, "0.62 CNY/kWh", 0.62), (EnergyPrice, "0.3 EUR/kWh", 0.3), (EnergyPrice, "0.12 USD/kWh", 0.12),
    (EnergyPrice, "0.27 CHF/kWh", 0.27),
    (RackFeed, "32 A 230 V", 7360), (RackFeed, "2x 32 A 230 V", 14_720),
    (RackFeed, "3x 32 A 400 V 3-phase", 66_510.751), (RackFeed, "3x32A 400V 3-phase", 66_510.751),
    (RackFeed, "2x32 A 230 V", 14_720),
    (RackFeed, "2x 63 A 400 V 3-phase", 87_295.361),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "magnitude"), READ, ids=lambda value: str(value))
def test_magnitudes_are_in_the_base_unit_and_the_text_is_kept(
    kind: type[Quantity], text: str, magnitude: float
) -> None:
    found = kind.parse(text)
    assert math.isclose(found.magnitude, magnitude, rel_tol=1e-8)
    assert (str(found), found.show()) == (text, text)


REFUSED: list[tuple[type[Quantity], Any, str]] = [
    (Power, "40 L/min", 'needs a power such as "40 kW", got "40 L/min"'),
    (Power, "40", 'needs a power such as "40 kW", got "40"'),
    (Power, 40, 'needs a power such as "40 kW", got 40 without a unit'),
    (Power, 1.5, 'needs a power such as "40 kW", got 1.5 without a unit'),
    (Power, int("9" * 400), f'needs a power such as "40 kW", got {"9" * 30} without a unit'),
    (Power, True, 'needs a power such as "40 kW", got true'),
    (Power, None, 'needs a power such as "40 kW", got nothing'),
    (Power, ["40 kW"], 'needs a power such as "40 kW", got a list'),
    (Power, {"kW": 40}, 'needs a power such as "40 kW", got a mapping'),
    (Power, "40 KW", 'needs a power such as "40 kW", got "40 KW"'),
    (Power, "40 kilowatt", 'needs a power such as "40 kW", got "40 kilowatt"'),
    (Power, "40  kW", 'needs a power such as "40 kW", got "40  kW"'),
    (Power, "40\tkW", 'needs a power such as "40 kW", got "40\tkW"'),
    (Power, " 40 kW", 'needs a power such as "40 kW", got " 40 kW"'),
    (Power, "40 kW\n", 'needs a power such as "40 kW", got "40 kW\n"'),
    (Power, "４０ kW", 'needs a power such as "40 kW", got "４０ kW"'),
    (Power, "1e3 kW", 'needs a power such as "40 kW", got "1e3 kW"'),
    (Power, "1,000 kW", 'needs a power such as "40 kW", got "1,000 kW"'),
    (Power, "+4 kW", 'needs a power such as "40 kW", got "+4 kW"'),
    (Power, "nan kW", 'needs a power such as "40 kW", got "nan kW"'),
    (Power, "9" * 16 + " kW", f'needs a power such as "40 kW", got "{"9" * 16} kW"'),
    (Power, "9" * 5000, f'needs a power such as "40 kW", got "{"9" * 60}"'),
    (Power, "-1 kW", 'needs a power such as "40 kW", at least 0, got "-1 kW"'),
    (Temperature, "36 K", 'needs a temperature such as "36 °C", got "36 K"'),
    (Temperature, "97 °F", 'needs a temperature such as "36 °C", got "97 °F"'),
    (Temperature, "-201 °C", 'needs a temperature such as "36 °C", at least -200 °C, got "-201 °C"'),
    (Temperature, "401 °C", 'needs a temperature such as "36 °C", at most 400 °C, got "401 °C"'),
    (TemperatureRise, "0 K", 'needs a temperature difference such as "10 K", at least 0.1 K, got "0 K"'),
    (Percentage, "101 %", 'needs a percentage such as "80 %", at most 100 %, got "101 %"'),
    (Percentage, "0.8", 'needs a percentage such as "80 %", got "0.8"'),
    (Efficiency, "0 %", 'needs an efficiency such as "98 %", at least 1 %, got "0 %"'),
    (EnergyPrice, "0.62 CNY", 'needs a price of energy such as "0.62 CNY/kWh", got "0.62 CNY"'),
    (RackFeed, "32 A", 'needs a rack feed such as "2x 63 A 400 V 3-phase", got "32 A"'),
    (RackFeed, "32 kW", 'needs a rack feed such as "2x 63 A 400 V 3-phase", got "32 kW"'),
    (RackFeed, 32, 'needs a rack feed such as "2x 63 A 400 V 3-phase", got 32 without a unit'),
    (RackFeed, "3" * 100, f'needs a rack feed such as "2x 63 A 400 V 3-phase", got "{"3" * 60}"'),
    (RackFeed, "0x 32 A 400 V", 'needs a rack feed such as "2x 63 A 400 V 3-phase", got "0x 32 A 400 V"'),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "sentence"), REFUSED, ids=lambda value: str(value)[:25])
def test_everything_else_is_refused_with_an_example(kind: type[Quantity], text: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match="needs") as refused:
        kind.parse(text)
    assert str(refused.value) == sentence


@each_kind
def test_the_example_and_the_bounds_of_a_kind_are_values_of_it(kind: type[Quantity]) -> None:
    for text in filter(None, (kind.example, kind.least, kind.most)):
        assert kind.parse(text).text == text


@each_kind
def test_editors_and_the_program_agree(kind: type[Quantity]) -> None:
    schema = TypeAdapter(kind).json_schema()
    assert re.search(schema["pattern"], kind.example) and schema["examples"] == [kind.example]
    for text in ("40", "x", "40 parsec", " 40 kW", "40  kW", ""):
        assert not re.search(schema["pattern"], text)


def test_quantities_are_compared_by_magnitude_and_shown_in_any_unit() -> None:
    assert Power.parse("999 W") < Power.parse("1 kW") < Power.parse("0.0011 MW")
    assert Power.parse("1.26 kW").show("W") == "1260.0 W"
    assert Power.parse("1260 W").show("kW") == "1.3 kW"
    assert RackFeed.parse("32 A 230 V").show("W") == "7360.0 W"
    assert Power(1500.0).show() == str(Power(1500.0)) == "1500.0 W"


def test_models_read_quantities_and_take_those_that_are_read() -> None:
    model = TypeAdapter(Power)
    assert model.validate_python("2 kW") == Power(2000.0, "2 kW")
    assert model.validate_python(Power(5.0)) == Power(5.0)
    with pytest.raises(ValidationError, match="needs a power"):
        model.validate_python(Temperature.parse("5 °C"))


@given(st.text(max_size=40) | st.from_regex(r"-?[0-9]{0,17}\.?[0-9]{0,10} ?[A-Za-z%°/0-9]{0,6}"))
def test_any_text_is_read_or_refused(text: str) -> None:
    for kind in KINDS:
        try:
            found = kind.parse(text)
        except ValueError as refused:
            assert str(refused).startswith("needs a")
        else:
            assert math.isfinite(found.magnitude) and found.text == text
