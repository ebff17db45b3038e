"""A scenario in virtual time: the series that Prometheus would have, as a test of rules for ``promtool test rules``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cooling_exporter.quantities import QUANTITIES, STATES
from simulator import readings
from simulator.physics import Device, Plant
from simulator.plan import Plan
from simulator.scenario import Play, Scenario

Labels = tuple[tuple[str, str], ...]
Name = tuple[str, Labels]
GROUPS = ["cooling-limits", "cooling-records", "cooling-slow", "cooling-alerts"]


class Recorder:
    """The values of every series, step by step; what is not there at a step is stale, as after a scrape without it."""

    def __init__(self) -> None:
        self._series: dict[Name, list[str]] = {}
        self._steps = 0

    def add(self, values: dict[Name, float]) -> None:
        for name, value in values.items():
            self._series.setdefault(name, ["_"] * self._steps).append(f"{value:.10g}")
        self._steps += 1
        for told in self._series.values():
            if len(told) < self._steps:
                told.append("_" if told[-1] in ("_", "stale") else "stale")

    def input(self) -> list[dict[str, str]]:
        return [{"series": written(*name), "values": _short(values)} for name, values in self._series.items()]


def written(metric: str, labels: Labels) -> str:
    told = ", ".join(f"{name}={json.dumps(value)}" for name, value in labels if value)
    return f"{metric}{{{told}}}"


def _short(values: list[str]) -> str:
    """Runs of equal values as promtool writes them: ``7x12`` is 7 and twelve more."""
    words: list[str] = []
    index = 0
    while index < len(values):
        end = index
        while end + 1 < len(values) and values[end + 1] == values[index]:
            end += 1
        count = end - index
        # Of what is missing, promtool counts all; of a value, those that follow it.
        more = count + 1 if values[index] == "_" else count
        words.append(values[index] if not count or values[index] == "stale" else f"{values[index]}x{more}")
        index = end + 1
    return " ".join(words)


def promtool_test(scenario: Scenario, plan: Plan, rules: Iterable[Path], seed: int = 1) -> dict[str, Any]:
    """A file for promtool: the series of the scenario, and exactly which alerts fire at each time that is looked at."""
    play, recorder = Play(scenario, Plant(plan, seed)), Recorder()
    play.apply(0.0)
    times, now = [], 0.0
    while now <= scenario.lasts:
        recorder.add(exported(play))
        times.append(now)
        play.step()
        now = play.plant.now
    looked_at = times[:: max(1, len(times) // 240)]
    step = f"{scenario.step:.0f}s"
    return {
        "rule_files": [str(file) for file in rules],
        "evaluation_interval": step,
        "group_eval_order": GROUPS,
        "tests": [
            {
                "interval": step,
                "input_series": recorder.input(),
                "promql_expr_test": [_look(scenario, time) for time in looked_at],
            }
        ],
    }


def _look(scenario: Scenario, now: float) -> dict[str, Any]:
    """What must fire at a time; alerts that may be on either side of their edge are left out of it."""
    open_ = sorted({one.alert for one in scenario.expects if one.fires(now) is None})
    firing = [one for one in scenario.expects if one.fires(now) and one.alert not in open_]
    left_out = f', alertname!~"{"|".join(open_)}"' if open_ else ""
    wanted = {written("", (("alertname", one.alert), ("device", one.device))) for one in firing}
    return {
        "expr": f'group by (alertname, device) (ALERTS{{alertstate="firing"{left_out}}})',
        "eval_time": f"{now:.0f}s",
        "exp_samples": [{"labels": name, "value": 1} for name in sorted(wanted)],
    }


def exported(play: Play) -> dict[Name, float]:
    """What the exporter serves at this moment."""
    found: dict[Name, float] = {}
    if not play.exporter:
        return found
    for device in play.plant.devices.values():
        found.update(_of_device(play.plant, device))
    return found


def _of_device(plant: Plant, device: Device) -> Iterator[tuple[Name, float]]:
    own: Labels = (("device", device.name), ("loop", device.plan.loop))
    answers = device.condition.answers
    yield ("cooling_device_up", own), float(answers)
    said = device.plan.said
    about: Labels = (
        *own,
        ("profile", said["profile"]),
        ("protocol", said["protocol"]),
        ("measures", device.plan.measures),
    )
    yield ("cooling_device_info", about), 1.0
    for (metric, circuit, part), value in readings.shown(plant, device).items():
        quantity = QUANTITIES[metric]
        labels: Labels = (*own, ("circuit", circuit), (quantity.part or "part", part))
        if metric.startswith("electrical"):
            labels = (*labels, ("measures", device.plan.measures))
        if quantity.dimension is None:
            state = value if answers and isinstance(value, str) else "unavailable"
            yield from (((metric, (*labels, ("state", each))), float(each == state)) for each in STATES)
        elif answers and isinstance(value, float | int):
            yield (metric, labels), float(value)
        if answers:
            point = f"{quantity.short}/{part}" if part else quantity.short
            yield ("cooling_point_valid", (*own, ("circuit", circuit), ("point", point))), float(value is not None)
