"""What a file of the catalogue may say of liquids and of what cools with them, and with air."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import Field, model_validator

from generator.catalog.entries import KIND, Entry, Fact
from generator.quantity import Flow, Length, Percentage, Power, Pressure, Temperature, TemperatureRise
from generator.spec.common import Strict, refuse
from generator.spec.cooling import RiseText

Window = Annotated[list[float | None], Field(min_length=2, max_length=2)]
"""The lowest and the highest value; null where there is no such end."""
Protocol = Literal["modbus-tcp", "redfish", "snmp", "none"]
Side = Literal["primary", "secondary"]


class Quality(Strict):
    """What a coolant in use should be like, as its maker says."""

    normal: Fact[Window] = Field(description="Lowest and highest value of a sound coolant.")
    critical: Fact[Window] | None = Field(None, description="Values beyond which somebody must act.")


class Coolant(Entry):
    """A liquid: heat capacity decides flows, the boiling point decides two-phase tanks."""

    folder: ClassVar[str] = "coolants"
    kind: Literal["coolant"] = Field(description=KIND)
    density: Fact[float] = Field(description="kg/m3 at 40 °C.")
    heat_capacity: Fact[float] = Field(description="kJ/(kg K) at 40 °C.")
    boiling_point: Fact[Temperature] = Field(description="At 101.3 kPa.")
    freezing_point: Fact[Temperature] | None = Field(None, description="Where it freezes, or no longer pours.")
    viscosity: Fact[float] | None = Field(None, description="mPa s.")
    latent_heat: Fact[float] | None = Field(None, description="kJ/kg at its boiling point.")
    molar_mass: Fact[float] | None = Field(None, description="g/mol, of its vapour.")
    saturation: Fact[Annotated[list[float], Field(min_length=3, max_length=3)]] | None = Field(
        None, description="a, b and c of ln(p in Pa) = a - b / (T in K + c)."
    )
    exposure_limit: Fact[float] | None = Field(None, description="ppm in the air that people breathe for 8 hours.")
    gwp: Fact[float] | None = Field(None, description="Global warming potential over 100 years; CO2 is 1.")
    quality: dict[Literal["ph", "conductivity", "turbidity", "glycol"], Quality] = Field(
        default_factory=dict, description="In use: pH, conductivity in µS/cm, turbidity in NTU, glycol in % by volume."
    )


_RESOURCE = "Where a Redfish service keeps the unit, unless the spec says it."
_POINTS = "What the exporter reads: see docs/cooling-exporter.md and the files beside this one."
_EXAMPLE = "Where such a device stands, for the tests of this program; a file of your own may leave it out."


def _must_be_found(thing: CoolingDevice | HeatRejection) -> None:
    """What is read says by which protocol and where; what nobody can read says so."""
    if thing.protocol == "redfish" and not thing.resource:
        raise refuse('a Redfish device needs "resource", such as "redfish/v1/ThermalEquipment/CDUs/1"')
    if thing.protocol == "none" and thing.points:
        raise refuse('has "points", so it needs the "protocol" that reads them')
    if thing.protocol != "none" and not thing.points:
        raise refuse('needs "points" to read, or "protocol: none"')


class HeatRejection(Entry):
    """What gives heat to the outside air: ratings are those of a design day."""

    folder: ClassVar[str] = "rejection"
    kind: Literal["rejection"] = Field(description=KIND)
    form: Literal["dry-cooler", "adiabatic-cooler", "cooling-tower", "open-water", "chiller"] = Field(
        description="Principle."
    )
    capacity: Fact[Power] = Field(description="Heat that one unit gives away.")
    approach: Fact[TemperatureRise] = Field(
        description="Water above dry bulb (dry cooler), wet bulb (tower, adiabatic) or open water; unused for chillers."
    )
    power: Fact[Power] = Field(description="Electricity of one unit at its capacity, compressors included.")
    evaporates: Fact[Percentage] | None = Field(
        None, description="Share of the heat that evaporation carries on the design day; none if unsaid."
    )
    cycles: Fact[Annotated[float, Field(gt=1, le=100)]] | None = Field(
        None, description="How many times the salts of fresh water its basin may hold: cycles of concentration."
    )

    protocol: Protocol = Field("none", description="How it is read.")
    resource: str | None = Field(None, description=_RESOURCE)
    points: list[dict[str, Any]] = Field(default_factory=list, min_length=1, description=_POINTS)
    example: dict[str, Any] = Field(default_factory=dict, description=_EXAMPLE)

    @model_validator(mode="after")
    def _can_be_found(self) -> Self:
        _must_be_found(self)
        return self


class AirHandler(Entry):
    """What takes heat from the air of a hall."""

    folder: ClassVar[str] = "air"
    kind: Literal["air"] = Field(description=KIND)
    capacity: Fact[Power] = Field(description="Heat that one unit takes from the air.")
    power: Fact[Power] = Field(description="Electricity of one unit at its capacity; compressors, if it has some.")
    water: bool = Field(False, description="Whether it needs cold water; one with compressors of its own does not.")


class AirBaseline(Entry):
    """A centre cooled by air alone, against which a saving is counted."""

    folder: ClassVar[str] = "baselines"
    kind: Literal["baseline"] = Field(description=KIND)
    fans: Fact[Percentage] = Field(description="Share of its power that a server cooled by air gives to its own fans.")
    cooling: Fact[Percentage] = Field(
        description="Power of all cooling on the design day, as a share of the power of the racks."
    )


class Ratings(Strict):
    """What a cooling device can do."""

    capacity: Fact[Power] = Field(description="Heat that one unit carries.")
    approach: Fact[TemperatureRise] = Field(description="Coolant supply above facility water, at its capacity.")
    flow: Fact[Flow] = Field(description="Coolant that one unit pumps.")
    power: Fact[Power] | None = Field(None, description="Electricity that its pumps and controls take at capacity.")
    at_approach: dict[RiseText, Fact[Power]] = Field(
        default_factory=dict, description="Heat that one unit carries at other approaches, such as 3 K and 5 K."
    )
    head: Fact[Pressure] | None = Field(None, description="What is left for the loop at the flow of one unit.")
    supply_least: Fact[Temperature] | None = Field(None, description="Coldest coolant that it supplies.")
    supply_most: Fact[Temperature] | None = Field(None, description="Warmest coolant that it supplies.")
    filter: Fact[Length] | None = Field(None, description="What its filter of the coolant lets through.")
    filter_drop: Fact[Pressure] | None = Field(None, description="Pressure that its clean filter takes at its flow.")
    pressure_least: Fact[Pressure] | None = Field(None, description="Lowest pressure of the loop that it works with.")
    pressure_most: Fact[Pressure] | None = Field(None, description="Highest pressure of the loop that it bears.")
    water_pressure_most: Fact[Pressure] | None = Field(None, description="Highest pressure of facility water.")
    loss: Fact[Percentage] | None = Field(None, description="Share of its charge that a tank loses in a year.")


Form = Literal["cdu", "rpu", "pump-skid", "single-phase-tank", "two-phase-tank", "rear-door", "meter", "server"]
WITHOUT_EXCHANGER = ("pump-skid", "rear-door")
"""Forms through which coolant passes without meeting another liquid."""
_SIDES: dict[str, list[Side]] = {
    "rpu": ["secondary"],
    "meter": [],
    "server": [],
    **{form: ["secondary"] for form in WITHOUT_EXCHANGER},
}


class CoolingDevice(Entry):
    """A cooling unit, tank or meter: ratings, and where its readings are found."""

    folder: ClassVar[str] = "cooling"
    kind: Literal["cooling"] = Field(description=KIND)
    form: Form = Field(description="What it is.")
    protocol: Protocol = Field(description="How it is read; none where nobody has published what it says.")
    sides: list[Side] | None = Field(
        None,
        description="Liquids that pass through it; default: both; of rpu, pump-skid, rear-door one; of a meter none.",
    )
    inputs: Fact[int] | None = Field(None, description="Feeds that it can be connected to.")
    ratings: Ratings = Field(description="What it can do; a meter carries nothing, so that its values are null.")
    resource: str | None = Field(None, description=_RESOURCE)
    points: list[dict[str, Any]] = Field(default_factory=list, min_length=1, description=_POINTS)
    example: dict[str, Any] = Field(default_factory=dict, description=_EXAMPLE)

    @property
    def has_sides(self) -> list[Side]:
        """The sides of the device, said or by its form."""
        return self.sides if self.sides is not None else _SIDES.get(self.form, list(get_args(Side)))

    @model_validator(mode="after")
    def _can_be_found(self) -> Self:
        _must_be_found(self)
        return self
