"""A plant that runs now: its devices answer on sockets, and a control socket tells it what happens.

    python -m simulator TREE --control SOCKET [--loopback FILE] [--account USER:PASSWORD] [--certificate PEM]

Without --loopback the devices answer where the rendered configuration says, which needs those addresses; with it they
answer on 127.0.0.1, and FILE gets the exporter's configuration with their places in it.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from pathlib import Path
from typing import Any

from simulator import readings
from simulator.physics import Device, Plant
from simulator.plan import Json
from simulator.readings import Key, Value
from simulator.scenario import Event, Play, Scenario

TICK = 0.25


class Live:
    """A plant in real time, locked while somebody looks at it or changes it."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self._lock = threading.RLock()
        self._moved = time.monotonic()
        self.mode: dict[str, str] = {}
        """How the line of a device behaves: normal if unsaid, else silent, garbage, half, swapped."""

    def shown(self, device: Device) -> dict[Key, Value]:
        """The readings of a device now."""
        with self._lock:
            self._move()
            return readings.shown(self.plant, device)

    def happen(self, told: Json) -> Json:
        """Let something happen, as an event of a scenario says it; `mode` is that of a line. Returns the state."""
        with self._lock:
            self._move()
            told = dict(told)
            device = told.pop("device", None)
            if device is not None and device not in self.plant.devices:
                raise ValueError(f"no device {device}")
            if device and "mode" in told:
                self.mode[device] = told.pop("mode")
            event = Event(0.0, 0.0, device, told)
            try:
                Play(Scenario("now", "now", 0.0, TICK, (event,), (), True), self.plant).apply(self.plant.now)
            except AttributeError as error:
                raise ValueError(str(error)) from None
            return {"now": self.plant.now, "devices": {name: one.flow for name, one in self.plant.devices.items()}}

    def _move(self) -> None:
        now = time.monotonic()
        while self._moved + TICK <= now:
            self.plant.step(TICK)
            self._moved += TICK


async def serve_control(live: Live, path: Path) -> asyncio.Server:
    """Take one JSON object a connection from the socket, and answer with another."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            said: Any = live.happen(json.loads(await reader.readline()))
        except ValueError as error:
            said = {"error": str(error)}
        writer.write(json.dumps(said).encode() + b"\n")
        await writer.drain()
        writer.close()

    path.unlink(missing_ok=True)
    return await asyncio.start_unix_server(answer, str(path))
