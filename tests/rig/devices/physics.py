"""The small physics behind the simulated devices: quasi-steady hydraulics, temperatures that follow with inertia.

Readings carry the resolution of the display (0.1), so what the model says is exactly what the protocol can carry.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from typing import Any

# kW that 1 L/min of water carries for 1 K, at 30 °C.
WATER = 0.0694
AMBIENT_KPA = 101.3

Json = dict[str, Any]


class Plant:
    """Inputs that a test may change while it runs, readings that follow from them, and a record of what was asked."""

    def __init__(self, inputs: Json, inertia: float) -> None:
        """`inertia`: time constant of the temperatures in seconds; 0 lets them settle at once."""
        self._inputs: Json = {"mode": "normal", **inputs}
        self._inertia = inertia
        self._slow: dict[str, float] = {}
        self._moved = time.monotonic()
        self._lock = threading.Lock()
        self._asked: Counter[str] = Counter()

    def set(self, changes: Json) -> None:
        """Change inputs; nested ones are merged, null removes. ValueError for an input that does not exist."""
        with self._lock:
            if unknown := changes.keys() - self._inputs.keys():
                raise ValueError(f"no such input: {', '.join(sorted(unknown))}")
            self._move()
            for name, value in changes.items():
                if isinstance(value, dict):
                    merged = {**self._inputs[name], **value}
                    self._inputs[name] = {key: one for key, one in merged.items() if one is not None}
                else:
                    self._inputs[name] = value

    def input(self, name: str) -> Any:
        with self._lock:
            return self._inputs[name]

    def record(self, what: str) -> None:
        """Note a request, such as a function code or an HTTP method with its path."""
        with self._lock:
            self._asked[what] += 1

    def readings(self) -> Json:
        """What the sensors of the device show now, in the units of the device."""
        with self._lock:
            self._move()
            return {name: _shown(value) for name, value in self.solve(self._inputs).items()}

    def state(self) -> Json:
        """Inputs, readings and requests, for the test that compares."""
        readings = self.readings()
        with self._lock:
            return {"inputs": self._inputs, "readings": readings, "asked": dict(self._asked)}

    def solve(self, inputs: Json) -> Json:
        """Compute the readings from the inputs; called with the lock held."""
        raise NotImplementedError

    def follow(self, name: str, target: float) -> float:
        """A temperature that moves towards its target with the inertia of the plant."""
        before = self._slow.get(name, target)
        share = 1.0 if self._inertia <= 0 else 1 - math.exp(-self._step / self._inertia)
        self._slow[name] = before + (target - before) * share
        return self._slow[name]

    def _move(self) -> None:
        now = time.monotonic()
        self._step, self._moved = now - self._moved, now


class PumpedLoop(Plant):
    """A coolant loop with pumps in parallel and a heat exchanger to a colder side (air or facility water)."""

    def __init__(self, pumps: int, detectors: list[str], good: str, inertia: float) -> None:
        super().__init__(
            {
                "heat": 38.0,
                "flow_target": 60.0,
                "cold": 24.0,
                "pumps": {str(number): True for number in range(1, pumps + 1)},
                "leaks": dict.fromkeys(detectors, good),
                "overrides": {},
                "log": {},
                "elsewhere": "",
            },
            inertia,
        )
        # Each pump gives half the design flow of 60 L/min, so the loop survives the loss of all but two.
        self._each = 30.0

    def solve(self, inputs: Json) -> Json:
        alive = [pump for pump, runs in inputs["pumps"].items() if runs]
        duty = min(1.0, inputs["flow_target"] / (self._each * len(alive))) if alive else 0.0
        flow = duty * self._each * len(alive)
        supply = self.follow("supply", inputs["cold"] + inputs["heat"] / 6.5)
        # Without flow the coolant in the racks boils; the model stops where a sensor would.
        rise = min(60.0, inputs["heat"] / (WATER * flow)) if flow else 60.0
        back = self.follow("return", supply + rise)
        pressure = 150.0 * (flow / 60.0) ** 2
        return {
            "supply": supply,
            "return": back,
            "flow": flow,
            "flow_target": inputs["flow_target"],
            "supply_target": 30.0,
            "supply_pressure": 180.0 + pressure,
            "return_pressure": 180.0,
            "pressure": pressure,
            "heat": min(inputs["heat"], WATER * flow * (back - supply)),
            "cold_supply": inputs["cold"],
            "cold_return": inputs["cold"] + 8.0,
            "cold_flow": inputs["heat"] / (WATER * 8.0),
            "valve": round(min(100.0, inputs["heat"] * 1.5)),
            "power": 90.0 + 220.0 * duty**3 * len(alive),
            "assembly_power": round(640.0 + 220.0 * duty**3 * len(alive)),
            "duty": round(100 * duty),
            "speeds": {pump: round(4000 * duty) if runs else 0 for pump, runs in inputs["pumps"].items()},
            "humidity": 45.0,
            "dew_point": 11.1,
        }


class Tank(Plant):
    """A two-phase tank: the fluid boils, a water-cooled condenser takes the heat, pressure follows saturation."""

    def __init__(self, detectors: list[str], inertia: float) -> None:
        super().__init__(
            {
                "heat": 120.0,
                "condenser_flow": 200.0,
                "condenser_supply": 32.0,
                "level": 92.0,
                "leaks": dict.fromkeys(detectors, "OK"),
                "overrides": {},
                "log": {},
                "elsewhere": "",
            },
            inertia,
        )

    def solve(self, inputs: Json) -> Json:
        stream = WATER * inputs["condenser_flow"]
        reach = 1 - math.exp(-25.0 / stream) if stream else 0.0
        boiling = inputs["condenser_supply"] + min(60.0, inputs["heat"] / (reach * stream) if stream else 60.0)
        fluid = self.follow("fluid", boiling)
        # Saturation through 101.1 kPa at 49 °C and 124.0 kPa at 55 °C, a fluid with a boiling point of 49 °C.
        slope = math.log(124.0 / 101.1) / (1 / 322.15 - 1 / 328.15)
        vapour = 101.1 * math.exp(slope * (1 / 322.15 - 1 / (fluid + 273.15)))
        level = inputs["level"]
        return {
            "supply": inputs["condenser_supply"],
            "return": inputs["condenser_supply"] + (inputs["heat"] / stream if stream else 0.0),
            "flow": inputs["condenser_flow"],
            "supply_pressure": 320.0,
            "return_pressure": 260.0,
            "pressure": 60.0,
            "heat": inputs["heat"] if stream else 0.0,
            "valve": round(min(100.0, inputs["condenser_flow"] / 4)),
            "fluid": fluid,
            "vapour": vapour - AMBIENT_KPA,
            "level": level,
            "level_state": "OK" if level >= 87 else "Warning" if level >= 82 else "Critical",
            "air": 25.0,
            "power": 35.0,
        }


def _shown(value: Any) -> Any:
    return round(value, 1) if isinstance(value, float) else value
