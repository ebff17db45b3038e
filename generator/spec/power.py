"""The power chain: from the utility through uninterruptible supplies and feeds to the racks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from generator.quantity import Efficiency, Percentage, Power, RackFeed
from generator.spec.common import Name, RangeText, Redundancy, SecretReference, Strict
from generator.spec.cooling import Endpoint


class Derating(Percentage):
    """Part of a rating that may be used."""

    dimension, least = "derating", "10 %"


class Simultaneity(Percentage):
    """Part of a maximum that is drawn at the same time."""

    dimension, least = "simultaneity", "10 %"


class Chain(Strict):
    """Efficiencies from the utility to the racks; the PUE target is checked against them."""

    transformer: Efficiency = Field(description="Efficiency of the transformer.")
    ups: Efficiency = Field(description="Efficiency of the uninterruptible supply.")
    distribution: Efficiency = Field(description="Efficiency of the distribution.")

    @property
    def efficiency(self) -> float:
        """What arrives at the racks of what the utility gives; 1 is all."""
        return self.transformer.magnitude * self.ups.magnitude * self.distribution.magnitude


class UpsRatings(Strict):
    """What the data sheet of an uninterruptible supply says, where the catalogue does not know or knows less."""

    capacity: Power | None = Field(None, description="Power that one unit gives.")


class Ups(Strict):
    """Uninterruptible supplies that work in parallel on one busbar."""

    device: Name = Field(description="Uninterruptible supply of the catalogue.")
    count: Annotated[int, Field(ge=1, le=200)] = Field(description="Units in parallel.")
    redundancy: Redundancy = Field("N", description="N+1: the load is carried with any one unit lost.")
    ratings: UpsRatings = Field(default_factory=UpsRatings, description="From the data sheet of the unit.")


class Feed(Strict):
    """One independent path of power to the racks."""

    capacity: Power = Field(description="What the feed carries in total, before derating.")
    rack: RackFeed = Field(description="What the feed gives each rack, before derating.")
    derating: Derating = Field(description="Share of the rating that may be used continuously.")
    ups: Name | None = Field(None, description="Uninterruptible supply behind it.")


class Utility(Strict):
    """The connection to the grid."""

    capacity: Power = Field(description="Contracted power.")


class Meter(Strict):
    """An electricity meter or a power strip with one, or several alike as a range of names."""

    device: Name = Field(description="Meter of the catalogue of cooling devices.")
    at: Endpoint = Field(description="Where monitoring reads it; a range of addresses for a range of meters.")
    measures: Literal["utility", "it", "cooling", "other"] = Field(
        description="What all that it measures is: the whole centre, its machines, its cooling, or the rest."
    )
    feeds: list[Name] = Field(default_factory=list, description="Feeds that it stands in; default: all.")
    credentials: SecretReference | None = Field(None, description="Reference to its monitoring login.")


class PowerSubject(Strict):
    """The power chain."""

    feeds: dict[Name, Feed] = Field(min_length=1, description="Feeds by name.")
    ups: dict[Name, Ups] = Field(default_factory=dict, description="Uninterruptible supplies by name.")
    utility: Utility | None = Field(None, description="Connection to the grid.")
    chain: Chain | None = Field(None, description="Efficiencies of the chain.")
    meters: dict[RangeText, Meter] = Field(default_factory=dict, description="Meters that monitoring reads.")
    redundancy: Literal["N", "2N"] = Field("N", description="2N: the centre survives the loss of any one feed.")
    simultaneity: Simultaneity = Field(
        default_factory=lambda: Simultaneity.parse("100 %"),
        description="Share of the racks' maximum that feeds, supplies, cooling and the utility see at the same time.",
    )
    other: Percentage = Field(
        default_factory=lambda: Percentage.parse("0 %"),
        description="Lighting, building control and offices, as a share of the power of the racks.",
    )
