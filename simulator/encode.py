"""From readings to what a device of some profile has in its registers, resources and objects."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from cooling_exporter.quantities import QUANTITIES
from simulator.plan import Json
from simulator.readings import Key, Value

FORMATS = {"uint16": ">H", "int16": ">h", "uint32": ">I", "int32": ">i", "uint64": ">Q", "int64": ">q"}
FLOATS = {"float32": ">f", "float64": ">d"}
LIMITS = {
    kind: (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if kind.startswith("int") else (0, 2**bits - 1)
    for kind, bits in ((kind, int(kind[-2:])) for kind in FORMATS)
}
MISSING = 0x7FFF


def raw(point: Json, value: Value) -> float | int | str | None:
    """A reading as the device keeps it: in its own unit, scaled, or as the word for a state."""
    if value is None:
        sentinels = point.get("sentinels") or [None]
        word: float | None = sentinels[0]
        return word
    if isinstance(value, str):
        words = point.get("states", {}).get(value) or [None]
        found: int | str | None = words[0]
        return found
    for word, number in point.get("values", {}).items():
        if number == value:
            return str(word)
    dimension = QUANTITIES[point["metric"]].dimension
    assert dimension is not None
    unit = dimension.units[point.get("unit") or ""]
    base = (Decimal(str(value)) - Decimal(unit.offset)) * Decimal(unit.divisor) / Decimal(unit.factor)
    scaled = (base - Decimal(str(point.get("offset", 0)))) / Decimal(str(point.get("scale", 1)))
    return float(scaled)


def registers(points: tuple[Json, ...], shown: Mapping[Key, Value], swapped: bool = False) -> dict[int, dict[int, int]]:
    """Words by function and address; `swapped` puts both words of a value in the other order."""
    found: dict[int, dict[int, int]] = {}
    for point in points:
        table = found.setdefault(point["function"], {})
        if point["type"] == "flags":
            table.setdefault(point["register"], 0)
            table[point["register"]] |= _flags(point, shown)
            continue
        value = raw(point, shown[point["metric"], point.get("circuit", ""), point.get("part", "")])
        words = _words(point, value)
        if len(words) > 1 and (point.get("word-order", "big") == "little") != swapped:
            words.reverse()
        for offset, word in enumerate(words):
            table[point["register"] + offset] = word
    return found


def _flags(point: Json, shown: Mapping[Key, Value]) -> int:
    word = 0
    for part, bit in point["bits"].items():
        value = shown[point["metric"], point.get("circuit", ""), part]
        if value in ("critical", 1.0):
            word |= 1 << bit
        elif value in ("unavailable", "absent") and part in point.get("faults", {}):
            word |= 1 << point["faults"][part]
    return word


def _words(point: Json, value: Any) -> list[int]:
    kind = point["type"]
    if kind == "bit":
        return [int(bool(value))]
    if kind in FLOATS:
        packed = struct.pack(FLOATS[kind], float("nan") if value is None else float(value))
    else:
        low, high = LIMITS[kind]
        number = MISSING if value is None else round(float(value))
        packed = struct.pack(FORMATS[kind], min(high, max(low, number)))
    return [int.from_bytes(packed[at : at + 2], "big") for at in range(0, len(packed), 2)]


def resources(
    root: str, points: tuple[Json, ...], shown: Mapping[Key, Value], parts: Mapping[int, list[str]]
) -> dict[str, Json]:
    """The resources of a Redfish unit by path, collections with their members included."""
    found: dict[str, Json] = {root: {"@odata.id": root, "Id": root.rpartition("/")[2], "Name": "Unit"}}
    for number, point in enumerate(points):
        path: str = point["path"]
        for part in parts[number]:
            value = shown[point["metric"], point.get("circuit", ""), part]
            if value == "absent":
                continue
            place = (
                f"{root}/{path.removesuffix('*')}{part or '1'}" if path.endswith("/*") else f"{root}/{path}".rstrip("/")
            )
            document = found.setdefault(
                place, {"@odata.id": place, "Id": place.rpartition("/")[2], "Name": place.rpartition("/")[2]}
            )
            _set(document, point["property"], raw(point, value))
            if path.endswith("/*"):
                folder = f"{root}/{path.removesuffix('/*')}"
                members = found.setdefault(folder, {"@odata.id": folder, "Name": "Collection", "Members": []})[
                    "Members"
                ]
                if {"@odata.id": place} not in members:
                    members.append({"@odata.id": place})
    return found


def _set(document: Json, pointer: str, value: Any) -> None:
    steps = pointer.split("/")[1:]
    for step in steps[:-1]:
        document = document.setdefault(step, {})
    document[steps[-1]] = round(value, 3) if isinstance(value, float) else value
