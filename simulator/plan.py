"""What is simulated: the devices of a rendered tree and the design of their loops."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

Json = dict[str, Any]
EXPORTER = Path("exporter/cooling.json")
DESIGN = Path("monitoring/rules/cooling-limits.yaml")
WATER = 4.15e6
"""J/(m3 K) of water between 20 and 60 °C."""


@dataclass(frozen=True, slots=True)
class LoopPlan:
    """A loop by its design: °C, K, W, and J/(m3 K) of its coolant; None where nobody has said."""

    name: str
    kind: str
    supply: float
    rise: float
    heat: float
    water: float
    carries: float
    curve: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """A device as monitoring reads it: `points` are the exporter's, `said` the whole entry of its configuration."""

    name: str
    loop: str
    form: str
    capacity: float
    approach: float
    measures: str
    points: tuple[Json, ...]
    said: Json


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole plant."""

    loops: Mapping[str, LoopPlan]
    devices: tuple[DevicePlan, ...]
    air: float = 101_325.0
    """Pa of the air at the site."""

    @classmethod
    def of(cls, tree: Path) -> Self:
        """Read a rendered tree; OSError or KeyError when it is none with liquid cooling."""
        design = Design(yaml.safe_load((tree / DESIGN).read_text("utf-8")))
        exporter = json.loads((tree / EXPORTER).read_text("utf-8"))
        loops = {labels["loop"]: _loop(design, labels) for labels, _ in design.all("cooling:loop")}
        devices = tuple(_device(design, said) for said in exporter["devices"])
        return cls(loops, devices, design.value("cooling:atmosphere_pascals", 101_325.0))


class Design:
    """The constant series of the design."""

    def __init__(self, rules: Json) -> None:
        self._found = [
            (rule["record"], rule.get("labels", {}), float(rule["expr"].removeprefix("vector(").removesuffix(")")))
            for group in rules["groups"]
            for rule in group["rules"]
        ]

    def all(self, name: str) -> Iterator[tuple[Mapping[str, str], float]]:
        return ((labels, value) for record, labels, value in self._found if record == name)

    def trays(self) -> set[str]:
        """Profiles of servers that tell of leaks inside them."""
        return {labels["profile"] for labels, _ in self.all("cooling:tray_profile")}

    def value(self, name: str, otherwise: float, **labels: str) -> float:
        """The one that has these labels."""
        return next((value for told, value in self.all(name) if told.items() >= labels.items()), otherwise)


def _loop(design: Design, labels: Mapping[str, str]) -> LoopPlan:
    name, kind = labels["loop"], labels["kind"]
    water = design.value("cooling:design_water_celsius", 25.0, loop=name)
    curve = tuple(design.value(f"cooling:saturation_{letter}", 0.0, loop=name) for letter in "abc")
    heat_capacity = "cooling:heat_capacity_joules_per_cubic_meter_kelvin"
    return LoopPlan(
        name,
        kind,
        supply=design.value("cooling:design_supply_celsius", water + 6, loop=name),
        rise=design.value("cooling:design_rise_kelvin", 10.0, loop=name),
        heat=design.value("cooling:design_heat_watts", 100_000.0, loop=name),
        water=water,
        carries=design.value(heat_capacity, WATER, loop=name, circuit="secondary"),
        curve=(curve[0], curve[1], curve[2]) if curve[0] else None,
    )


def _device(design: Design, said: Json) -> DevicePlan:
    name = said["name"]
    labels = next((labels for labels, _ in design.all("cooling:device") if labels["device"] == name), {})
    return DevicePlan(
        name,
        loop=said.get("loop", ""),
        form="server" if said["profile"] in design.trays() else labels.get("form", ""),
        capacity=design.value("cooling:capacity_watts", 0.0, device=name),
        approach=design.value("cooling:rated_approach_kelvin", 4.0, device=name),
        measures=said.get("measures", ""),
        points=tuple(said["points"]),
        said=said,
    )
