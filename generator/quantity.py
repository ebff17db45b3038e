"""Numbers with units as users write them: ``120 kW``, ``1.5 L/min/kW``, ``2x 63 A 400 V 3-phase``.

A quantity keeps its magnitude in the base unit of its dimension and the text as written; a wrong dimension or a missing
unit is refused with an example, never guessed.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

_NUMBER = r"-?[0-9]{1,15}(?:\.[0-9]{1,9})?"
_FORM = re.compile(rf"({_NUMBER}) ?(\S.{{0,20}})")


@dataclass(frozen=True, slots=True, order=True)
class Quantity:
    """A magnitude in the base unit of its dimension; subclasses name the dimension and its units."""

    magnitude: float
    text: str = ""

    dimension: ClassVar[str] = "number"
    article: ClassVar[str] = "a"
    example: ClassVar[str] = ""
    units: ClassVar[dict[str, float]] = {}
    least: ClassVar[str] = ""
    most: ClassVar[str] = ""
    """Bounds as users write them; without one, from zero on and without end."""

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read a quantity; raises ValueError with the sentence for the user."""
        needs = f'needs {cls.article} {cls.dimension} such as "{cls.example}"'
        if not isinstance(text, str):
            raise ValueError(f"{needs}, got {_shown(text)}")
        found = cls._read(text)
        if found is None:
            raise ValueError(f'{needs}, got "{text[:60]}"')
        least, most = cls._read(cls.least), cls._read(cls.most)
        if found.magnitude < (least.magnitude if least else 0.0):
            raise ValueError(f'{needs}, at least {cls.least or 0}, got "{text}"')
        if most and found.magnitude > most.magnitude:
            raise ValueError(f'{needs}, at most {cls.most}, got "{text}"')
        return found

    @classmethod
    def _read(cls, text: str) -> Self | None:
        match = _FORM.fullmatch(text)
        if match is None or match.group(2) not in cls.units:
            return None
        return cls(float(match.group(1)) * cls.units[match.group(2)], text)

    def show(self, unit: str | None = None) -> str:
        """The magnitude in a unit, one decimal: ``132.0 kW``; without a unit, as written."""
        if unit is None and self.text:
            return self.text
        unit = unit or next(iter(self.units))
        return f"{self.magnitude / self.units[unit]:.1f} {unit}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def validate(value: object) -> Quantity:
            if isinstance(value, cls):
                return value
            try:
                return cls.parse(value)
            except ValueError as error:
                raise PydanticCustomError("quantity", "{sentence}", {"sentence": str(error)}) from None

        return core_schema.no_info_plain_validator_function(validate, serialization=core_schema.to_string_ser_schema())

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        units = "|".join(re.escape(unit).replace("/", "\\/") for unit in cls.units)
        about = f"{cls.article} {cls.dimension}; units: {', '.join(cls.units)}"
        return {
            "type": "string",
            "pattern": f"^{_NUMBER} ?({units})$",
            # A field's own description replaces this one; the comment stays, and editors show both.
            "description": about,
            "$comment": about,
            "examples": [cls.example],
        }

    def __str__(self) -> str:
        return self.text or self.show()


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"{str(value)[:30]} without a unit"
    return "a list" if isinstance(value, list) else "a mapping"


class Power(Quantity):
    """Watts."""

    dimension, example = "power", "40 kW"
    units = {"W": 1.0, "kW": 1e3, "MW": 1e6}


class Temperature(Quantity):
    """Degrees Celsius."""

    dimension, example, least, most = "temperature", "36 °C", "-200 °C", "400 °C"
    units = {"°C": 1.0, "℃": 1.0}


class TemperatureRise(Quantity):
    """Kelvin."""

    dimension, example, least = "temperature difference", "10 K", "0.1 K"
    units = {"K": 1.0}


class Flow(Quantity):
    """Litres per minute."""

    dimension, example = "flow", "400 L/min"
    units = {"L/min": 1.0, "m3/h": 1000 / 60}


class AirFlow(Quantity):
    """Cubic metres per hour."""

    dimension, article, example, units = "air flow", "an", "2000 m3/h", {"m3/h": 1.0}


class Pressure(Quantity):
    """Pascals, above the air around unless a field says otherwise."""

    dimension, example, units = "pressure", "150 kPa", {"kPa": 1e3, "Pa": 1.0, "bar": 1e5}


class Percentage(Quantity):
    """A ratio; 1 is 100 %."""

    dimension, example, most = "percentage", "80 %", "100 %"
    units = {"%": 0.01}


class Efficiency(Percentage):
    """What comes out of what goes in; nothing that is of use has none."""

    dimension, article, example, least = "efficiency", "an", "98 %", "1 %"


class Mass(Quantity):
    """Kilograms."""

    dimension, example = "mass", "1200 kg"
    units = {"kg": 1.0, "t": 1e3}


class Length(Quantity):
    """Metres."""

    dimension, example, units = "length", "3 m", {"m": 1.0, "mm": 1e-3, "µm": 1e-6}


class Volume(Quantity):
    """Litres."""

    dimension, example, units = "volume", "900 L", {"L": 1.0, "m3": 1e3}


class FloorLoad(Quantity):
    """Kilograms per square metre."""

    dimension, example, units = "floor load", "1600 kg/m2", {"kg/m2": 1.0, "t/m2": 1e3}


class Capacity(Quantity):
    """Gigabytes (10^9 bytes) of storage."""

    dimension, example, units = "amount of storage", "200 TB", {"GB": 1.0, "TB": 1e3, "PB": 1e6}
    article = "an"


class Duration(Quantity):
    """Seconds."""

    dimension, example, units = "duration", "6 h", {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


class CarbonIntensity(Quantity):
    """Kilograms of CO2 equivalent per kilowatt-hour."""

    dimension, example = "carbon intensity", "0.5306 kg/kWh"
    units = {"kg/kWh": 1.0, "g/kWh": 1e-3}


class EnergyPrice(Quantity):
    """An amount of the currency written per kilowatt-hour."""

    dimension, example = "price of energy", "0.62 CNY/kWh"
    units = {"CNY/kWh": 1.0, "EUR/kWh": 1.0, "USD/kWh": 1.0, "CHF/kWh": 1.0}


class Money(Quantity):
    """An amount of the currency that is written with it; amounts of different currencies are never compared."""

    dimension, article, example = "amount of money", "an", "20000 CNY"
    units = {"CNY": 1.0, "EUR": 1.0, "USD": 1.0, "CHF": 1.0}

    @property
    def currency(self) -> str:
        return self.text.rpartition(" ")[2]


class RackFeed(Quantity):
    """What one feed gives one rack, in watts before derating: ``2x 63 A 400 V 3-phase`` or ``32 A 230 V``."""

    dimension, example = "rack feed", "2x 63 A 400 V 3-phase"
    units = {"W": 1.0}
    _FORM: ClassVar[re.Pattern[str]] = re.compile(
        r"(?:(?P<count>[1-9])x ?)?(?P<amperes>[1-9][0-9]{0,2}) ?A (?P<volts>[1-9][0-9]{1,2}) ?V(?P<three> 3-phase)?"
    )

    @property
    def circuits(self) -> int:
        """Circuits that share the load of the rack."""
        return int(self._words["count"] or 1)

    @property
    def volts(self) -> int:
        """Voltage between conductors."""
        return int(self._words["volts"])

    @property
    def is_three_phase(self) -> bool:
        return self._words["three"] is not None

    @property
    def _words(self) -> re.Match[str]:
        match = self._FORM.fullmatch(self.text)
        assert match, "a rack feed is only ever parsed"
        return match

    @classmethod
    def parse(cls, text: object) -> Self:
        match = cls._FORM.fullmatch(text) if isinstance(text, str) else None
        if match is None or not isinstance(text, str):
            shown = f'"{text[:60]}"' if isinstance(text, str) else _shown(text)
            raise ValueError(f'needs {cls.article} {cls.dimension} such as "{cls.example}", got {shown}')
        phases = math.sqrt(3) if match["three"] else 1.0
        return cls(int(match["count"] or 1) * int(match["amperes"]) * int(match["volts"]) * phases, text)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        pattern = r"^([1-9]x ?)?[1-9][0-9]{0,2} ?A [1-9][0-9]{1,2} ?V( 3-phase)?$"
        about = f"{cls.article} {cls.dimension}; currents and voltage between conductors"
        return {
            "type": "string",
            "pattern": pattern,
            "description": about,
            "$comment": about,
            "examples": [cls.example],
        }
