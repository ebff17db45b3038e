"""Devices that take a connection and answer after 30 s or never: what they cost is their own reading, and no more.

These take a minute, mostly of waiting; faults that show at once are in test_exporter_trouble.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import threading
import time
from pathlib import Path
from typing import Any, Self

from cooling_exporter.configuration import Configuration
from tests.rig.devices.configuration import UNITS, configuration, modbus_device, redfish_device
from tests.rig.devices.exporter import Exporter, Scrape
from tests.rig.devices.simulator import Simulator

pytest_plugins = ("tests.device_fixtures",)

HANG, ABOVE, BELOW = 30.0, 45.0, 20.0
CROWD = 50
"""Devices of each protocol that never answer, asked again and again."""
GROWTH = 16 * 2**20


class Hanging:
    """A way to a device on which answers wait until a moment; requests get through, and connections stay."""

    def __init__(self, port: int) -> None:
        self._behind = port
        self._until = 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0

    def hang(self, seconds: float) -> None:
        """Let answers wait from now on."""
        self._until = time.monotonic() + seconds

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, there = await asyncio.open_connection("127.0.0.1", self._behind)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, there, late=False))
                group.create_task(self._pass_on(behind, writer, late=True))
        except* OSError:
            pass
        finally:
            there.close()
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, late: bool) -> None:
        while data := await reader.read(65536):
            while late and time.monotonic() < self._until:
                await asyncio.sleep(0.05)
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(30)
        return self

    def __exit__(self, *trouble: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


def modbus(simulator: Simulator, name: str, way: Hanging | None = None, **more: Any) -> dict[str, Any]:
    return modbus_device(simulator, name, **({"port": way.port} if way else {}), **more)


def redfish(simulator: Simulator, name: str, way: Hanging | None = None, **more: Any) -> dict[str, Any]:
    url = {"url": f"http://127.0.0.1:{way.port}{UNITS}/CDUs/1"} if way else {}
    return redfish_device(simulator, name, **url, **more)


def successes(scrape: Scrape, devices: tuple[str, ...]) -> dict[str, float]:
    name = "cooling_device_last_success_timestamp_seconds"
    return {device: scrape.value(name, device=device) or 0.0 for device in devices}


def timeouts(scrape: Scrape, device: str) -> float:
    return scrape.value("cooling_read_errors_total", device=device, reason="timeout") or 0.0


def open_files(exporter: Exporter) -> int:
    return len(list(Path(f"/proc/{exporter.process.pid}/fd").iterdir()))


def test_a_hang_of_30_seconds_costs_the_others_nothing(rpu: Simulator, cdu: Simulator, tmp_path: Path) -> None:
    """One reading spans the hang where its time limit allows, and fails where not; the others are read on and on."""
    steady, patient, hasty = ("rpu", "cdu"), ("patient-rpu", "patient-cdu"), ("hasty-rpu", "hasty-cdu")
    with Hanging(rpu.port) as to_rpu, Hanging(cdu.port) as to_cdu:
        devices = [
            modbus(rpu, steady[0]), redfish(cdu, steady[1]),
            modbus(rpu, patient[0], to_rpu, timeout=ABOVE), redfish(cdu, patient[1], to_cdu, timeout=ABOVE),
            modbus(rpu, hasty[0], to_rpu, timeout=BELOW), redfish(cdu, hasty[1], to_cdu, timeout=BELOW),
        ]  # fmt: skip
        with Exporter(configuration(*devices), tmp_path) as exporter:
            before = exporter.wait_up(*steady, *patient, *hasty)
            to_rpu.hang(HANG)
            to_cdu.hang(HANG)
            end = time.monotonic() + HANG
            seen: dict[str, set[float]] = {device: set() for device in steady}
            lost: set[str] = set()
            while time.monotonic() < end:
                now = exporter.scrape()
                for device, when in successes(now, steady).items():
                    seen[device].add(when)
                lost |= {name for name in steady + patient if now.value("cooling_device_up", device=name) != 1}
                if all(now.value("cooling_device_up", device=device) == 0 for device in hasty):
                    # Nothing of the others is old, and nothing of theirs is left.
                    assert not any(now.matching("cooling_flow_cubic_meters_per_second", device=one) for one in hasty)
                time.sleep(0.25)
            assert not lost, "devices within their time limit"
            assert min(map(len, seen.values())) > 10, f"readings of the others stood still: {seen}"
            after = exporter.wait_up(*steady, *patient, *hasty)
            for device in hasty:
                assert timeouts(after, device) > timeouts(before, device)
            for device in patient:
                assert sum(after.matching("cooling_read_errors_total", device=device).values()) == 0
            since = successes(after, steady + patient + hasty)
            exporter.wait(
                lambda s: all(when > since[one] for one, when in successes(s, tuple(since)).items()), "all are read on"
            )
    assert "Traceback" not in exporter.process.log.read_text()


def test_devices_that_never_answer_fill_nothing(rpu: Simulator, cdu: Simulator, tmp_path: Path) -> None:
    """A hundred of them, in the middle of an answer, of a handshake, or of nothing at all."""
    deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    deaf.bind(("127.0.0.1", 0))
    (tmp_path / "community").write_text("public")
    with contextlib.closing(deaf), Hanging(rpu.port) as to_rpu, Hanging(cdu.port) as to_cdu:
        to_rpu.hang(math.inf)
        to_cdu.hang(math.inf)
        silent = [modbus(rpu, f"m{number}", to_rpu, timeout=0.3) for number in range(CROWD)]
        silent += [redfish(cdu, f"r{number}", to_cdu, timeout=0.3) for number in range(CROWD)]
        handshake = redfish(cdu, "tls", to_cdu, timeout=0.3)
        handshake["url"] = handshake["url"].replace("http://", "https://")
        agent = {
            "name": "agent", "profile": "any", "protocol": "snmp", "address": "127.0.0.1", "timeout": 0.3,
            "port": deaf.getsockname()[1], "version": "2c", "credentials": {"reference": f"file:{tmp_path}/community"},
            "points": [{"metric": "cooling_power_watts", "oid": "1.3.6.1.2.1.1.3.0", "unit": "W"}],
        }  # fmt: skip
        steady = ("rpu", "cdu")
        devices = [*silent, handshake, agent, modbus(rpu, steady[0]), redfish(cdu, steady[1])]
        given = configuration(*devices)
        names = [device["name"] for device in devices if device["name"] not in steady]
        assert len(Configuration.model_validate(given).devices) == len(names) + 2
        with Exporter(given, tmp_path) as exporter:
            exporter.wait_up(*steady)
            exporter.wait(lambda s: all(timeouts(s, name) >= 5 for name in names), "five timeouts each")
            memory, files = exporter.process.resident_bytes(), open_files(exporter)
            since = successes(exporter.scrape(), steady)
            scrape = exporter.wait(lambda s: all(timeouts(s, name) >= 15 for name in names), "fifteen timeouts each")
            assert exporter.process.resident_bytes() < memory + GROWTH
            assert open_files(exporter) <= max(files, len(devices) + 16)
            assert all(when > since[one] for one, when in successes(scrape, steady).items())
            assert all(scrape.value("cooling_device_up", device=name) == 0 for name in names)
            assert all(scrape.value("cooling_device_up", device=name) == 1 for name in steady)
    assert "Traceback" not in exporter.process.log.read_text()
