"""`python -m bench.exporter`: what reading many simulated devices costs the exporter, and a scrape of them."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from control_plane.processes import Process, free_port
from tests.rig.devices.configuration import UNITS, points
from tests.rig.devices.exporter import Scrape

INTERVAL = 10
SCRAPES = 5
PATIENCE = 20
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure: seconds a scrape, share of a processor, memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=500, help="half of them Modbus, half Redfish")
    parser.add_argument("--seconds", type=int, default=30, help="how long the processor's share is measured")
    parser.add_argument("--expand", action="store_true", help="members of Redfish come with their collection")
    options = parser.parse_args()
    half = options.devices // 2
    words: list[str | Path] = [
        sys.executable,
        "-m",
        "tests.rig.devices.crowd",
        "--modbus",
        str(half),
        "--redfish",
        str(half),
        *(["--expand"] if options.expand else []),
    ]
    with (
        tempfile.TemporaryDirectory(prefix="center-bench-") as name,
        subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as crowd,
    ):
        assert crowd.stdout is not None
        try:
            _measure(json.loads(crowd.stdout.readline()), Path(name), options.seconds)
        finally:
            crowd.kill()


def _measure(ports: dict[str, list[int]], folder: Path, seconds: int) -> None:
    listen = free_port()
    devices = [_modbus(port) for port in ports["modbus"]] + [_redfish(port) for port in ports["redfish"]]
    given = {"listen": f"127.0.0.1:{listen}", "interval": INTERVAL, "timeout": 5, "devices": devices}
    (folder / "exporter.json").write_text(json.dumps(given))
    words: list[str | Path] = [sys.executable, "-m", "cooling_exporter", "--config", folder / "exporter.json"]
    started = time.monotonic()
    with Process(words, log=folder / "log", name="cooling-exporter") as exporter:
        page = f"http://127.0.0.1:{listen}/metrics"
        exporter.wait_ready(lambda: _up(_fetch(page)) > 0)
        for _ in range(PATIENCE):
            # Seldom: a scrape costs more than the reading of many devices.
            time.sleep(INTERVAL / 4)
            if (up := _up(_fetch(page))) == len(devices):
                break
        else:
            raise SystemExit(f"only {up} of {len(devices)} devices answer\n{exporter.tail()}")
        print(f"{len(devices)} devices, {sum(len(device['points']) for device in devices)} points, every {INTERVAL} s")
        print(f"all read after {time.monotonic() - started:.1f} s")
        before, since = _processor(exporter.pid), time.monotonic()
        time.sleep(seconds)
        share = (_processor(exporter.pid) - before) / (time.monotonic() - since)
        print(f"reading takes {share:.0%} of a processor, without scrapes")
        taken, body = [], b""
        for _ in range(SCRAPES):
            start = time.monotonic()
            body = _fetch(page)
            taken.append(time.monotonic() - start)
        scrape = Scrape(body.decode())
        size = f"{len(scrape.series):,} series, {len(body) / 1e6:.1f} MB"
        print(f"a scrape of {size}, takes {statistics.median(taken):.2f} s")
        print(f"memory {exporter.resident_bytes() / 2**20:.0f} MiB")
        failed: Counter[str] = Counter()
        for labels, count in scrape.matching("cooling_read_errors_total").items():
            failed[dict(labels)["reason"]] += int(count)
        longest = max(scrape.matching("cooling_read_duration_seconds").values())
        print(f"{_up(body)} up, {failed.total()} readings failed, the longest took {longest:.2f} s")
        for reason, count in (+failed).items():
            print(f"  {reason}: {count}\n{exporter.tail()}")


def _modbus(port: int) -> dict[str, Any]:
    return {
        "name": f"rpu-{port}", "loop": "plate", "profile": "ocp-orv3-rpu", "protocol": "modbus-tcp",
        "address": "127.0.0.1", "port": port, "unit": 12, "points": points("ocp-orv3-rpu"),
    }  # fmt: skip


def _redfish(port: int) -> dict[str, Any]:
    return {
        "name": f"cdu-{port}", "loop": "plate", "profile": "redfish-cooling-unit", "protocol": "redfish",
        "url": f"http://127.0.0.1:{port}{UNITS}/CDUs/1", "points": points("redfish-cooling-unit"),
    }  # fmt: skip


def _fetch(page: str) -> bytes:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(page, timeout=60) as answer:
        return bytes(answer.read())


def _up(body: bytes) -> int:
    return sum(line.startswith(b"cooling_device_up{") and line.endswith(b" 1.0") for line in body.splitlines())


def _processor(pid: int) -> float:
    """Seconds of processor that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


if __name__ == "__main__":
    main()
