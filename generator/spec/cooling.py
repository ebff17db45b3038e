"""Liquid cooling: the water of the building, what cools that water, and the loops that carry the heat of racks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field
from pydantic.functional_validators import BeforeValidator

from generator.quantity import Flow, Percentage, Power, Pressure, Temperature, TemperatureRise
from generator.spec.common import Name, RangeText, Redundancy, SecretReference, Strict, Text, got, refuse, refuse_login

_ENDPOINT = re.compile(
    r"(?P<scheme>modbus|redfish|snmp)://(?P<head>(?:[0-9]{1,3}\.){3})(?P<first>[0-9]{1,3})(?:\.\.(?P<last>[0-9]{1,3}))?"
    r"(?::(?P<port>[0-9]{1,5}))?(?:/(?P<rest>[A-Za-z0-9._/-]*))?"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where devices answer: a protocol, an address for each device, and the rest of the path."""

    scheme: str
    hosts: tuple[str, ...]
    port: int | None
    rest: str

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read ``modbus://10.24.0.11..12:502/1``; raises ValueError with the sentence for the user."""
        match = _ENDPOINT.fullmatch(text) if isinstance(text, str) else None
        if match:
            first, last = int(match["first"]), int(match["last"] or match["first"])
            fixed = [int(part) for part in match["head"].split(".")[:3]]
            port, rest = int(match["port"] or 1), match["rest"] or ""
            if max(*fixed, last) < 256 and first <= last and 0 < port < 65536 and _fits(match["scheme"], rest):
                hosts = tuple(f"{match['head']}{number}" for number in range(first, last + 1))
                return cls(match["scheme"], hosts, int(match["port"]) if match["port"] else None, match["rest"] or "")
        examples = '"modbus://10.24.0.11:502/1", "redfish://10.24.1.1..8" or "snmp://10.24.2.1/3"'
        raise ValueError(f"needs the place of a device such as {examples}, {got(text)}")


def _fits(scheme: str, rest: str) -> bool:
    """Whether what follows the address is a unit of Modbus, a version of SNMP or a place in a Redfish tree."""
    if not rest or scheme == "redfish":
        return True
    return rest in ("2c", "3") if scheme == "snmp" else rest.isdecimal() and 0 < int(rest) < 256


def _check_endpoint(text: object) -> object:
    refuse_login(text, '"credentials"')
    try:
        Place.parse(text)
    except ValueError as error:
        raise refuse(str(error)) from None
    return text


Endpoint = Annotated[
    str,
    Field(pattern=r"^(modbus|redfish|snmp)://[0-9]+(\.[0-9]+){3}", examples=["modbus://10.24.0.11:502/1"]),
    BeforeValidator(_check_endpoint),
]


def _check_rise(text: object) -> object:
    try:
        TemperatureRise.parse(text)
    except ValueError as error:
        raise refuse(str(error)) from None
    return text


RiseText = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)? ?K$", examples=["4 K"]), BeforeValidator(_check_rise)]
"""A temperature difference as a key."""


class RejectionRatings(Strict):
    """What the data sheet says of what cools the water, where the catalogue does not know or knows less."""

    capacity: Power | None = Field(None, description="Heat that one unit gives away on the design day.")
    approach: TemperatureRise | None = Field(None, description="Water above the air that cools it.")
    power: Power | None = Field(None, description="Electricity that one unit takes at its capacity.")


class Rejection(Strict):
    """What gives the heat of the water to the outside air: dry coolers, towers, chillers."""

    device: Name = Field(description="Heat rejection of the catalogue.")
    count: Annotated[int, Field(ge=1, le=1000)] = Field(description="Units in parallel.")
    feeds: list[Name] = Field(default_factory=list, description="Feeds that power its fans and pumps; default: all.")
    at: Endpoint | None = Field(None, description="Where monitoring reads it; as many addresses as units.")
    credentials: SecretReference | None = Field(None, description="Reference to its monitoring login.")
    ratings: RejectionRatings = Field(default_factory=RejectionRatings, description="From the data sheet of the unit.")


class FacilityWater(Strict):
    """A facility water system (FWS): the water that takes the heat out of the building."""

    supply: Temperature = Field(description="Water to the cooling units.")
    return_: Temperature = Field(alias="return", description="Water back from the cooling units.")
    coolant: Name = Field("water", description="Liquid of the catalogue in it, such as water with glycol.")
    pressure: Pressure | None = Field(None, description="Highest pressure where it meets the cooling units.")
    rejection: dict[Name, Rejection] = Field(default_factory=dict, description="What cools the water, by name.")
    redundancy: Redundancy = Field("N", description="N+1: the water stays cold with any one unit of rejection lost.")


class UnitRatings(Strict):
    """What the data sheet of a unit says, where the catalogue does not know or knows less."""

    capacity: Power | None = Field(None, description="Heat that one unit carries.")
    approach: TemperatureRise | None = Field(None, description="Coolant supply above facility water, at capacity.")
    at_approach: dict[RiseText, Power] = Field(
        default_factory=dict, description="Heat that one unit carries at other approaches, such as 3 K and 5 K."
    )
    flow: Flow | None = Field(None, description="Coolant that one unit pumps.")
    head: Pressure | None = Field(None, description="Pressure that is left for the loop at that flow.")
    filter_drop: Pressure | None = Field(None, description="Pressure that its clean filter takes at that flow.")
    power: Power | None = Field(None, description="Electricity that one unit takes at its capacity.")
    loss: Percentage | None = Field(None, description="Share of its charge that a tank loses in a year.")


class Unit(Strict):
    """A coolant distribution unit, or several alike as a range of names."""

    device: Name = Field(description="Device of the catalogue.")
    at: Endpoint | None = Field(
        None, description="Where monitoring reads it; a range of addresses for a range of units."
    )
    feeds: list[Name] = Field(min_length=1, description="Feeds that power its pumps.")
    credentials: SecretReference | None = Field(None, description="Reference to its monitoring login.")
    ratings: UnitRatings = Field(default_factory=UnitRatings, description="From the data sheet of the unit.")


class Trays(Strict):
    """Leak detectors inside the servers of a loop, read through their management controllers."""

    device: Name = Field(description="Device of the catalogue, of the form server.")
    credentials: SecretReference | None = Field(None, description="Reference to the login for monitoring.")


class Loop(Strict):
    """A technology cooling system (TCS): the liquid that touches the racks."""

    kind: Literal["cold-plate", "single-phase-immersion", "two-phase-immersion"] = Field(description="Principle.")
    coolant: Name = Field(description="Coolant of the catalogue.")
    from_: Name = Field(alias="from", description="Facility water system that cools it.")
    supply: Temperature | None = Field(None, description="Coolant to the racks; a two-phase tank boils instead.")
    rise: TemperatureRise | None = Field(None, description="Warming of the coolant in the racks.")
    drop: Pressure | None = Field(None, description="What racks and pipes take of the pumps' pressure at full flow.")
    pressure: Pressure | None = Field(None, description="Highest pressure where the coolant enters the racks.")
    units: dict[RangeText, Unit] = Field(default_factory=dict, description="Coolant distribution units.")
    redundancy: Redundancy = Field("N", description="N+1: the loop survives the loss of any one unit.")
    protection: list[Literal["cdu-interlock", "tank-controller", "bmc", "building-control"]] = Field(
        default_factory=list, description="Who acts within seconds; monitoring only confirms."
    )
    trays: Trays | None = Field(None, description="How leaks inside its servers are read.")
    limits: dict[Name, Text] = Field(
        default_factory=dict, description="Limits of alarms that differ from the catalogue's, by name."
    )


class CoolingSubject(Strict):
    """Liquid cooling."""

    facility: dict[Name, FacilityWater] = Field(default_factory=dict, description="Facility water systems.")
    loops: dict[Name, Loop] = Field(default_factory=dict, description="Technology loops.")
