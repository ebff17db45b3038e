"""The physics of a plant: quasi-steady flows and pressures, temperatures and levels that follow with their inertia.

All values are in base units: °C, K, W, m3/s, Pa, shares of 1. Noise is that of sensors and repeats with the seed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal
from zlib import crc32

from simulator.plan import WATER, DevicePlan, LoopPlan, Plan

VOLUME = 0.05
"""m3 of coolant that a unit keeps moving: 50 L under 200 kW warm by 1 K a second when nothing flows."""
WATER_RISE = 8.0
"""K by which facility water warms in a unit or a tank."""
NEEDED = 1.15
"""What one pump can do of the flow of its unit."""
Detector = Literal["ok", "warning", "critical", "unavailable", "absent"]


@dataclass(slots=True)
class Air:
    """The air of the halls, and the weather as far as it changes the water."""

    temperature: float = 25.0
    humidity: float = 0.45
    water_warmer: float = 0.0
    """K by which facility water is warmer than designed."""

    @property
    def dew_point(self) -> float:
        gamma = math.log(self.humidity) + 17.625 * self.temperature / (243.04 + self.temperature)
        return 243.04 * gamma / (17.625 - gamma)


@dataclass(slots=True)
class Condition:
    """What may happen to a device; scenarios set it."""

    answers: bool = True
    enabled: bool = True
    pumps: dict[str, bool] = field(default_factory=lambda: {"1": True, "2": True})
    standby: int = 0
    """Pumps that rest until another one fails."""
    drag: float = 1.0
    """Times the electricity that its pumps should take."""
    follows: float = 0.0
    """K above the dew point that the set point does not go below; 0: it stays where it was set."""
    detectors: dict[str, Detector] = field(default_factory=dict)
    fouling: float = 1.0
    """Times the rated approach."""
    clogging: float = 1.0
    """Times the resistance of a clean filter."""
    loss: float = 0.0
    """Share of its level that it loses in a second."""
    gas: float = 0.0
    """Pa of a gas that does not condense."""
    set_point: float = 0.0
    """K that somebody has changed the set point by."""
    condenser: float = 1.0
    """Share of the condenser that works."""
    lid_open: bool = False
    vapour: float = 0.0
    overrides: dict[str, float | None] = field(default_factory=dict)
    """Readings that a broken sensor shows, by metric with an optional /circuit; None is no value."""


@dataclass(slots=True)
class Device:
    """A device with what it is, what happens to it, and its state."""

    plan: DevicePlan
    loop: LoopPlan | None
    condition: Condition
    level: float
    supply: float = 0.0
    back: float = 0.0
    approach: float = 0.0
    flow: float = 0.0
    target: float = 0.0
    speed: float = 0.7
    heat: float = 0.0
    pressure: float = 0.0
    """Of the vapour in a tank, above the room."""

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def running(self) -> int:
        return len(self.turning)

    @property
    def turning(self) -> list[str]:
        """Pumps that turn: those that work, but for the last of them as long as enough are left."""
        if not self.condition.enabled:
            return []
        able = [name for name, works in self.condition.pumps.items() if works]
        return able[: max(0, len(self.condition.pumps) - self.condition.standby)]


class Plant:
    """Everything together; `step` moves time."""

    def __init__(self, plan: Plan, seed: int = 1) -> None:
        self.plan, self.seed = plan, seed
        self.now = 0.0
        self.load = 0.85
        """Share of the design heat that the racks give off."""
        self.swing = 0.05
        """How far the load swings around it within two hours."""
        self.air = Air()
        self.devices = {device.name: _new(device, plan.loops.get(device.loop)) for device in plan.devices}
        for device in self.devices.values():
            self._settle(device)

    def step(self, seconds: float) -> None:
        self.now += seconds
        for device in self.devices.values():
            if device.loop is None:
                continue
            device.level = min(1.0, max(0.0, device.level - device.condition.loss * seconds))
            self._move(device, seconds)

    def set_point(self, device: Device) -> float:
        """°C that a unit is told to supply: its design, what somebody has made of it, and what the air asks for."""
        loop, condition = device.loop, device.condition
        assert loop is not None
        humid = self.air.dew_point + condition.follows if condition.follows else -math.inf
        return max(loop.supply + condition.set_point, humid)

    def noise(self, name: str, size: float) -> float:
        """What a sensor adds: repeatable, even, never more than `size`."""
        word = f"{self.seed} {name} {self.now:.3f}".encode()
        return (crc32(word) / 0xFFFFFFFF * 2 - 1) * size

    def water(self, loop: LoopPlan) -> float:
        """°C of the facility water at the units of a loop."""
        return loop.water + self.air.water_warmer

    def heat_of(self, device: Device) -> float:
        """W that a device has to carry: its share of what the units that run carry, or its own tank's."""
        loop = device.loop
        if loop is None:
            return 0.0
        swung = self.load * (1 + self.swing * math.sin(self.now * 2 * math.pi / 7200))
        peers = self._peers(loop)
        able = [other for other in peers if other.running] or peers
        if device not in able and device.plan.form != "two-phase-tank":
            return 0.0
        return loop.heat * swung / len(able if device.plan.form != "two-phase-tank" else peers)

    def it_power(self) -> float:
        """W of the racks."""
        return sum(loop.heat for loop in self.plan.loops.values()) * self.load / 0.85

    def _settle(self, device: Device) -> None:
        if device.loop is None:
            return
        device.supply, device.back = device.loop.supply, device.loop.supply + device.loop.rise
        if device.plan.form == "two-phase-tank":
            device.supply = self.water(device.loop)
        for _ in range(50):
            self._move(device, 60)

    def _circulate(self, device: Device, seconds: float) -> None:
        """A unit that pumps: flow by pumps and resistance, temperatures by m cp dT."""
        loop, condition = device.loop, device.condition
        assert loop is not None
        peers = self._peers(loop)
        # Control keeps the pressure: units that run share the flow of those that do not.
        running = sum(1 for other in peers if other.running) or len(peers)
        whole = loop.heat / (loop.carries * loop.rise)
        device.target = whole / (running if device.running else len(peers)) if condition.enabled else 0.0
        able = NEEDED * device.running / math.sqrt(0.8 + 0.2 * condition.clogging)
        device.flow = device.target * min(1.0, able) if device.running else 0.0
        device.speed = (
            min(1.0, 0.75 / max(1, device.running) + 0.2 * math.sqrt(condition.clogging)) if device.running else 0.75
        )
        device.heat = self.heat_of(device)
        wide = device.plan.approach * condition.fouling * (device.heat / (loop.heat / len(peers)))
        device.approach = wide
        wanted = max(self.set_point(device), self.water(loop) + wide)
        device.supply += (wanted - device.supply) * (1 - math.exp(-seconds / 20))
        if device.flow:
            settled = device.supply + device.heat / (loop.carries * device.flow)
            device.back = settled + (device.back - settled) * math.exp(-seconds * device.flow / VOLUME)
        else:
            device.back = min(95.0, device.back + device.heat / (loop.carries * VOLUME) * seconds)

    def _boil(self, device: Device, seconds: float) -> None:
        """A tank that boils: its controller holds the pressure at that of the room while the condenser can."""
        loop, condition = device.loop, device.condition
        assert loop is not None
        device.heat = self.heat_of(device)
        device.supply = self.water(loop)
        able = condition.condenser * 1.3 * loop.heat / max(1, len(self._peers(loop)))
        excess = max(0.0, device.heat - able) / max(1.0, device.heat)
        wanted = 100.0 + excess * 12_000
        device.pressure += (wanted - device.pressure) * (1 - math.exp(-seconds / 60))
        device.flow = min(device.heat, able) / (WATER * WATER_RISE)
        device.back = device.supply + (WATER_RISE if device.flow else 0.0)

    def _peers(self, loop: LoopPlan) -> list[Device]:
        """What carries the heat of a loop: its units, or its tanks."""
        return [other for other in self.devices.values() if other.loop is loop and other.plan.form != "server"]

    def _move(self, device: Device, seconds: float) -> None:
        """Let a device come so far in its own way."""
        if device.plan.form == "two-phase-tank":
            self._boil(device, seconds)
        elif device.plan.form != "server":
            self._circulate(device, seconds)

    def boiling(self, device: Device) -> float:
        """°C of the fluid of a tank, at the partial pressure of its vapour."""
        if device.loop is None or device.loop.curve is None:
            return 49.0
        a, b, c = device.loop.curve
        return b / (a - math.log(device.pressure + self.plan.air - device.condition.gas)) - c - 273.15


def _new(plan: DevicePlan, loop: LoopPlan | None) -> Device:
    tank = plan.form.endswith("tank")
    named = [point["part"] for point in plan.points if point["metric"].startswith("cooling_pump") and "part" in point]
    condition = Condition(pumps=dict.fromkeys(named, True)) if named else Condition()
    return Device(plan, loop, condition, level=0.99 if tank else 0.72)
