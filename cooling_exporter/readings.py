"""From raw words of a device to samples: scaled, in base units, and only when they can be believed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from typing import Literal, Protocol

from cooling_exporter.points import ModbusPoint, RedfishPoint, SnmpPoint
from cooling_exporter.quantities import Quantity, State, exact

Point = ModbusPoint | RedfishPoint | SnmpPoint
Raw = int | float | str | None
Reason = Literal[
    "connection",
    "timeout",
    "protocol",
    "status",
    "unauthorized",
    "redirect",
    "oversize",
    "credentials",
    "empty",
    "internal",
]
MAX_PARTS = 256
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


class ReadFailed(Exception):
    """A reading of a device failed as a whole."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason: Reason = reason
        super().__init__(f"{reason}: {visible(detail)}")


@dataclass(frozen=True, slots=True)
class Key:
    """Which series of a device: the same key, the same labels."""

    quantity: Quantity
    circuit: str = ""
    part: str = ""

    @property
    def point(self) -> str:
        return f"{self.quantity.short}/{self.part}" if self.part else self.quantity.short


@dataclass(frozen=True, slots=True)
class Sample:
    """One value in the base unit, or one state; what cannot be believed is None, a state `unavailable`."""

    key: Key
    value: float | State | None
    valid: bool


class Reader(Protocol):
    """Reads one device over its protocol. Cancelled at any await, it must be usable again after `drop`."""

    async def read(self) -> list[Sample]:
        """Read all points once; ReadFailed when the device as a whole cannot be read."""

    async def drop(self) -> None:
        """Forget the connection, after a failure."""

    async def close(self) -> None:
        """Leave nothing behind at the device."""


def key(point: Point, part: str | None = None) -> Key:
    return Key(point.quantity, point.circuit or "", part or point.part or "")


def judge(point: Point, raw: Raw, part: str | None = None) -> Sample:
    """Turn a raw value (None: the device has none) into the sample of the point."""
    if point.quantity.dimension is None:
        state = _state(point, raw)
        return Sample(key(point, part), state or "unavailable", state is not None)
    value = _number(point, raw)
    return Sample(key(point, part), value, value is not None)


def judge_flags(point: ModbusPoint, word: int | None) -> Iterator[Sample]:
    """Turn a word of flags into one sample for each part that its bits name."""
    blind = word is None or word in point.sentinels
    for part, bit in point.bits.items():
        raised = not blind and bool(word & 1 << bit) if word is not None else False
        faulty = blind or (part in point.faults and bool((word or 0) & 1 << point.faults[part]))
        if point.quantity.dimension is None:
            # A detector that reports a leak and a fault at once is believed: the dangerous reading wins.
            state: State = "critical" if raised else "unavailable" if faulty else "ok"
            yield Sample(key(point, part), state, raised or not faulty)
        else:
            yield Sample(key(point, part), None if blind else float(raised), not blind)


def expected_keys(points: Iterable[Point]) -> Iterator[Key]:
    """The series that the configuration promises before the device has said anything."""
    for point in points:
        if isinstance(point, ModbusPoint):
            yield from (key(point, part) for part in point.bits or [None])
        elif isinstance(point, SnmpPoint):
            yield from (key(point, part) for part in point.objects.values())
        elif point.collection is not None:
            yield from (key(point, part) for part in point.expect)
        elif point.quantity.dimension is None:
            yield key(point)


def label(text: str) -> str:
    """A name that a device chose, made safe and short enough for a label."""
    return _UNSAFE.sub("_", text)[:64]


def visible(text: str) -> str:
    """Text of a device for the log: one line, bounded, no control characters."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text[:300])


def _state(point: Point, raw: Raw) -> State | None:
    # Python takes true for the number 1; a device that says one does not mean the other.
    matching = (state for state, raws in point.states.items() if raw in raws and not isinstance(raw, bool))
    return next(matching, None)


def _spelled(raw: Raw) -> str:
    """A raw value as JSON and the keys of `values` spell it."""
    if isinstance(raw, bool):
        return "true" if raw else "false"
    return f"{raw:g}" if isinstance(raw, float) else str(raw)


def _number(point: Point, raw: Raw) -> float | None:
    dimension = point.quantity.dimension
    if point.values:
        raw = point.values.get(_spelled(raw))
    if dimension is None or raw is None or isinstance(raw, str | bool) or raw in point.sentinels:
        return None
    try:
        # Decimal keeps 423 x 0.1 at 42.3, as the device means it.
        scaled = Decimal(str(raw)) * exact(str(point.scale)) + exact(str(point.offset))
        if point.range is not None and not point.range[0] <= scaled <= point.range[1]:
            return None
        base = float(dimension.units[point.unit or ""].to_base(scaled))
    except (DecimalException, OverflowError):
        return None
    return base if dimension.plausible(base) else None
