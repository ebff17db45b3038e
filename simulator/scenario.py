"""A scenario: what happens to a plant and when, and which alerts must come of it, by when, and no others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from simulator.physics import Plant

FOLDER = Path(__file__).parent / "scenarios"
_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_TIME = re.compile(r"([0-9.]+) ?(s|min|h|d)")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens at a time, at once or little by little."""

    at: float
    over: float
    device: str | None
    changes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Expected:
    """An alert that must fire from some time within `at` and `by` until it must have ended; None: until the end."""

    alert: str
    device: str
    at: float
    by: float
    ends: float | None
    gone: float | None

    def fires(self, now: float) -> bool | None:
        """Whether it must fire now; None while both are right."""
        if now < self.at:
            return False
        if now < self.by:
            return None
        if self.ends is None or now <= self.ends:
            return True
        return None if self.gone is not None and now < self.gone else False


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story with its expected end."""

    name: str
    title: str
    lasts: float
    step: float
    events: tuple[Event, ...]
    expects: tuple[Expected, ...]
    live: bool


def seconds(text: str | float) -> float:
    """A time as people write it: ``90 s``, ``2 min``, ``1 h 30 min``."""
    if isinstance(text, int | float):
        return float(text)
    found = _TIME.findall(text)
    if not found or _TIME.sub("", text).strip():
        raise ValueError(f'needs a time such as "2 min 30 s", got "{text}"')
    return sum(float(number) * _UNITS[unit] for number, unit in found)


def load(file: Path) -> Scenario:
    """Read a scenario; KeyError or ValueError when it is none."""
    told = yaml.safe_load(file.read_text("utf-8"))
    return Scenario(
        file.stem,
        told["title"],
        seconds(told["lasts"]),
        seconds(told.get("step", 5)),
        tuple(_event(event) for event in told.get("events", [])),
        tuple(_expected(expected) for expected in told.get("expects", [])),
        bool(told.get("live")),
    )


def scenarios() -> dict[str, Scenario]:
    """Every scenario there is, by the name of its file."""
    return {file.stem: load(file) for file in sorted(FOLDER.glob("*.yaml"))}


def _event(told: dict[str, Any]) -> Event:
    changes = {name: value for name, value in told.items() if name not in ("at", "over", "device")}
    return Event(seconds(told["at"]), seconds(told.get("over", 0)), told.get("device"), changes)


def _expected(told: dict[str, Any]) -> Expected:
    at = seconds(told["from"])
    ends = seconds(told["until"]) if "until" in told else None
    gone = seconds(told["gone"]) if "gone" in told else ends
    return Expected(told["alert"], told.get("device", ""), at, seconds(told["by"]), ends, gone)


class Play:
    """A scenario on a plant: each step applies what is due."""

    def __init__(self, scenario: Scenario, plant: Plant) -> None:
        self.scenario, self.plant = scenario, plant
        self.exporter = True
        """Whether the exporter runs."""
        self._begun: dict[tuple[int, str], float] = {}
        self._done: set[int] = set()

    def step(self) -> None:
        self.plant.step(self.scenario.step)
        self.apply(self.plant.now)

    def apply(self, now: float) -> None:
        """Let happen what is due at a time."""
        for number, event in enumerate(self.scenario.events):
            if now >= event.at and number not in self._done:
                share = 1.0 if not event.over else min(1.0, (now - event.at) / event.over)
                for name, value in event.changes.items():
                    self._change(number, event, name, value, share)
                if share >= 1:
                    self._done.add(number)

    def _change(self, number: int, event: Event, name: str, value: Any, share: float) -> None:
        if name == "exporter":
            self.exporter = bool(value)
            return
        target: Any = self.plant
        if event.device is not None:
            target = self.plant.devices[event.device].condition
            if name == "level":
                target = self.plant.devices[event.device]
        elif name != "load":
            target = self.plant.air
        present = getattr(target, name)
        if isinstance(present, dict):
            present.update(value)
            for key in [key for key, one in value.items() if one is None and name == "pumps"]:
                del present[key]  # there is no such pump
        elif isinstance(present, bool) or share >= 1:
            setattr(target, name, value)
        else:
            begun = self._begun.setdefault((number, name), present)
            setattr(target, name, begun + (value - begun) * share)
