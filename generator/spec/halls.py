"""Halls: floor, air, and racks by range and by kind."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from generator.quantity import AirFlow, FloorLoad, Mass, Percentage, Power, RackFeed, Temperature
from generator.spec.common import Address, Name, RangeText, Redundancy, SecretReference, Strict, refuse
from generator.spec.cooling import Endpoint, UnitRatings

MOST_IN_A_RACK = 512


class AirRatings(Strict):
    """What the data sheet of an air handler says, where the catalogue does not know or knows less."""

    capacity: Power | None = Field(None, description="Heat that one unit takes from the air.")
    power: Power | None = Field(None, description="Electricity that one unit takes at its capacity.")


class AirUnit(Strict):
    """An air handler, or several alike as a range of names."""

    device: Name = Field(description="Air handler of the catalogue.")
    feeds: list[Name] = Field(default_factory=list, description="Feeds that power its fans; default: all of the hall.")
    ratings: AirRatings = Field(default_factory=AirRatings, description="From the data sheet of the unit.")


class Air(Strict):
    """The air of a hall."""

    supply: Temperature = Field(description="Air to the racks.")
    humidity: Percentage = Field(description="Relative humidity of the supply air.")
    capacity: Power | None = Field(None, description="Heat that the air carries away, when its units are not said.")
    per_rack: Power | None = Field(None, description="Heat that the air can take from one rack.")
    units: dict[RangeText, AirUnit] = Field(default_factory=dict, description="Air handlers.")
    redundancy: Redundancy = Field("N", description="N+1: the air stays cold with any one air handler lost.")
    from_: Name | None = Field(None, alias="from", description="Facility water that cools it; default: its own.")

    @model_validator(mode="after")
    def _is_cooled_by_something(self) -> Self:
        if (self.capacity is None) == (not self.units):
            raise refuse('needs either "capacity" or "units" that carry the heat of the air away')
        return self


class Floor(Strict):
    """The floor of a hall."""

    per_rack: Mass | None = Field(None, description="Mass that may stand on the place of one rack.")
    limit: FloorLoad | None = Field(None, description="Load that the floor carries below a rack.")


class HallPower(Strict):
    """What the distribution of a hall carries."""

    capacity: Power = Field(description="Power that all racks of the hall may draw together, before derating.")


class RackKind(Strict):
    """What a rack of this kind is and what stands in it."""

    type: Name = Field(description="Rack or tank of the catalogue.")
    loop: Name | None = Field(None, description="Loop that cools it; without one, air takes all heat.")
    device: Name | None = Field(None, description="Monitored device of the rack itself, such as a tank.")
    at: Endpoint | None = Field(None, description="Where monitoring reads the device of each rack.")
    credentials: SecretReference | None = Field(None, description="Reference to the device's monitoring login.")
    ratings: UnitRatings = Field(default_factory=UnitRatings, description="From the data sheet of the rack's device.")
    holds: dict[Name, Annotated[int, Field(ge=1, le=MOST_IN_A_RACK)]] = Field(
        default_factory=dict, description="Nodes of each pool in one rack."
    )
    leaves: dict[Name, Annotated[int, Field(ge=1, le=100)]] = Field(
        default_factory=dict, description="Leaf switches of each fabric in one rack."
    )
    power: RackFeed | None = Field(None, description="What each feed gives a rack of this kind; default: as the feed.")


class Row(Strict):
    """A row of racks; its letters begin the names of its racks."""

    racks: dict[RangeText, Name] = Field(min_length=1, description="Ranges of racks and their kind.")
    base: Address | None = Field(None, description="Address of rack number 0; a centre of one row may leave it out.")
    stride: Annotated[int, Field(ge=2, le=4096)] = Field(64, description="Addresses from one rack to the next.")
    block: Name | None = Field(None, description="Block of hosts that one Ansible run serves; default: the hall.")
    feeds: list[Name] = Field(default_factory=list, description="Feeds that reach this row; default: the hall's.")


class Hall(Strict):
    """A room with racks."""

    rack_kinds: dict[Name, RackKind] = Field(min_length=1, description="Kinds of racks.")
    rows: dict[Annotated[str, Field(pattern=r"^[a-z]{1,4}$", examples=["a"])], Row] = Field(
        min_length=1, description="Rows."
    )
    feeds: list[Name] = Field(min_length=1, description="Feeds that reach the racks of the hall.")
    air: Air | None = Field(None, description="Air cooling.")
    floor: Floor | None = Field(None, description="Floor.")
    power: HallPower | None = Field(None, description="Distribution of the hall.")
    ventilation: AirFlow | None = Field(None, description="Fresh air that always reaches the hall, in m3/h.")
    vapour_detection: bool = Field(False, description="Whether detectors watch its air for the vapour of tanks.")
