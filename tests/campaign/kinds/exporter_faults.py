"""Devices with registers of chance that break the protocol at random: each number shown is right, or none is shown.

The real exporter reads them all at once; what it should show is computed here from the words, in exact arithmetic.
"""

from __future__ import annotations

import math
import random
import struct
import tempfile
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from tests.campaign.base import Outcome
from tests.rig.devices.crowd import FAULTS, Crowd, Device, Image
from tests.rig.devices.exporter import Exporter, Scrape

SUBJECT = ("cooling_exporter/*.py", "tests/rig/devices/crowd.py", "tests/campaign/kinds/exporter_faults.py")
SEEDS = 20
DEVICES, ROUNDS = 20, 10
PATIENCE_SECONDS = 0.5
FORMATS = {
    "uint16": "H",
    "int16": "h",
    "uint32": "I",
    "int32": "i",
    "float32": "f",
    "uint64": "Q",
    "int64": "q",
    "float64": "d",
}
METRIC = "cooling_pump_speed_rpm"
# From the table of the documentation: what no pump does.
LOWEST, HIGHEST = 0, 60_000
SMALLEST = {"float32": 2.0**-126, "float64": 2.0**-1022}


@dataclass(frozen=True, slots=True)
class Point:
    """A value somewhere in the registers, as the configuration says it and as the oracle reads it."""

    part: str
    register: int
    type: str
    little: bool
    scale: str
    sentinels: tuple[int, ...]
    range: tuple[int, int] | None

    @property
    def width(self) -> int:
        return struct.calcsize(f">{FORMATS[self.type]}") // 2

    def say(self) -> dict[str, Any]:
        said: dict[str, Any] = {"metric": METRIC, "part": self.part, "register": self.register, "function": 3}
        said |= {"type": self.type, "scale": float(self.scale), "unit": "rpm", "sentinels": list(self.sentinels)}
        said |= {"word-order": "little"} if self.little else {}
        return said | ({"range": list(self.range)} if self.range else {})

    def words(self, chance: random.Random) -> list[int]:
        """Words of chance; half of them mean something."""
        raw: int | float
        if chance.random() < 0.5:
            return [chance.getrandbits(16) for _ in range(self.width)]
        raw = chance.choice([0, 1, 65535, *self.sentinels, chance.randint(0, 60_000), chance.randint(0, 60_000)])
        raw = raw / 8 if "float" in self.type else min(raw, 32767) if self.type == "int16" else raw
        packed = struct.pack(f">{FORMATS[self.type]}", raw)
        words = [int.from_bytes(packed[start : start + 2], "big") for start in range(0, len(packed), 2)]
        return words[::-1] if self.little else words

    def value(self, image: Image) -> float | None:
        words = [image[self.register + offset] for offset in range(self.width)]
        packed = b"".join(word.to_bytes(2, "big") for word in (words[::-1] if self.little else words))
        raw = struct.unpack(f">{FORMATS[self.type]}", packed)[0]
        if not math.isfinite(raw) or raw in self.sentinels or 0 < abs(raw) < SMALLEST.get(self.type, 0):
            return None
        exact = Fraction(Decimal(repr(raw))) * Fraction(self.scale)
        lowest, highest = self.range or (LOWEST, HIGHEST)
        believed = max(lowest, LOWEST) <= exact <= min(highest, HIGHEST)
        return float(exact) if believed else None


def units() -> list[str]:
    return [f"seed-{seed}" for seed in range(1, SEEDS + 1)]


def prove(unit: str, *, brief: bool = False) -> Outcome:
    """Some devices, some rounds: each round every device has new registers, and some have a fault."""
    chance = random.Random(unit)
    points = [_points(chance) for _ in range(5 if brief else DEVICES)]
    crowd = [Device(_image(one, chance), (unit, number)) for number, one in enumerate(points)]
    counts: Counter[str] = Counter()
    failures: list[str] = []
    with Crowd(crowd), tempfile.TemporaryDirectory(prefix="center-faults-") as folder:
        devices = [_device(number, device.port, points[number]) for number, device in enumerate(crowd)]
        given = {"interval": 0.05, "timeout": PATIENCE_SECONDS, "devices": devices}
        with Exporter(given, Path(folder)) as exporter:
            for round_ in range(2 if brief else ROUNDS):
                before = [(device.image, device.asked) for device in crowd]
                for device, one in zip(crowd, points, strict=True):
                    device.image = _image(one, chance)
                    device.fault = chance.choice(["", "", "close", *FAULTS])
                    counts["images"] += 1
                    counts["faults"] += bool(device.fault)
                failures += _settle(exporter, crowd, points, before, f"{unit} round {round_}")
            failures += _afterwards(exporter)
    return Outcome(dict(counts), tuple(failures[:20]))


def summary(counts: Counter[str]) -> list[str]:
    return [f"{counts['images']:,} register images of chance, {counts['faults']:,} of them behind a broken protocol."]


def _points(chance: random.Random) -> list[Point]:
    found, register = [], chance.randint(0, 1000)
    for number in range(12):
        register += chance.choice([0, 0, 1, 7])
        kind = chance.choice(list(FORMATS))
        sentinels = tuple(chance.sample([65535, 32767, 9999], chance.randint(0, 2)))
        believed = chance.choice([None, None, (0, 4000), (100, 5000)])
        scale = chance.choice(["1", "0.1", "0.01", "10"])
        point = Point(f"p{number}", register, kind, chance.random() < 0.4, scale, sentinels, believed)
        found.append(point)
        register += point.width
    return found


def _image(points: list[Point], chance: random.Random) -> Image:
    return {point.register + offset: word for point in points for offset, word in enumerate(point.words(chance))}


def _device(number: int, port: int, points: list[Point]) -> dict[str, Any]:
    place = {"protocol": "modbus-tcp", "address": "127.0.0.1", "port": port}
    return {"name": f"d{number}", "profile": "chance", **place, "points": [point.say() for point in points]}


def _settle(
    exporter: Exporter, crowd: list[Device], points: list[list[Point]], before: list[tuple[Image, int]], where: str
) -> list[str]:
    """Scrape until every device shows its new registers or is down.

    Meanwhile each value is of the old or of the new registers: a reading takes several requests, so it may see both.
    """
    failures: list[str] = []

    def settled(scrape: Scrape) -> bool:
        calm = True
        for number, device in enumerate(crowd):
            shown = {dict(key)["pump"]: value for key, value in scrape.matching(METRIC, device=f"d{number}").items()}
            up = scrape.value("cooling_device_up", device=f"d{number}") == 1
            new, old = (_expected(points[number], image) for image in (device.image, before[number][0]))
            if not up and shown:
                failures.append(f"{where}: d{number} is down and shows {shown}")
            if up and not all(_is(shown, part, new) or _is(shown, part, old) for part in shown | new | old):
                failures.append(f"{where}: d{number} {device.fault} shows {shown}, its registers say {new}")
            done = _same(shown, new) if up else bool(device.fault)
            calm = calm and done and device.asked > before[number][1]
        return calm or bool(failures)

    exporter.wait(settled, where)
    return failures


def _expected(points: list[Point], image: Image) -> dict[str, float]:
    values = {point.part: point.value(image) for point in points}
    return {part: value for part, value in values.items() if value is not None}


def _same(shown: dict[str, float], expected: dict[str, float]) -> bool:
    return all(_is(shown, part, expected) for part in shown | expected)


def _is(shown: dict[str, float], part: str, expected: dict[str, float]) -> bool:
    if part not in shown or part not in expected:
        return part not in shown and part not in expected
    return math.isclose(shown[part], expected[part], rel_tol=1e-12, abs_tol=1e-12)


def _afterwards(exporter: Exporter) -> list[str]:
    scrape, log = exporter.scrape(), exporter.process.log.read_text()
    wrong = [f"a defect: {labels}" for labels, count in _errors(scrape, "internal") if count]
    wrong += ["nobody counted a fault"] if not any(scrape.matching("cooling_read_errors_total").values()) else []
    return wrong + (["a traceback in the log"] if "Traceback" in log else [])


def _errors(scrape: Scrape, reason: str) -> list[tuple[dict[str, str], float]]:
    found = scrape.matching("cooling_read_errors_total", reason=reason)
    return [(dict(key), value) for key, value in found.items()]
