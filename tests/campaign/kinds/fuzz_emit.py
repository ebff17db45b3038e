"""Any data is emitted as text that strict JSON, YAML 1.1 and YAML 1.2 read back, or refused for a reason."""

from __future__ import annotations

import json
import math
import struct
from collections import Counter
from collections.abc import Iterator
from typing import Any

import yaml
from ruamel.yaml import YAML

from generator.emit import EmitError, emit_json, emit_yaml
from tests.campaign import fuzzing
from tests.campaign.base import Outcome

RUNS = 20_000
SUBJECT = ("generator/emit.py", "tests/campaign/kinds/fuzz_emit.py")
WORDS = [
    *(bytes([kind, size]) for kind in range(8) for size in (0, 1, 2, 3)),
    *(text.encode() for text in ("\x85", "\u2028", "\ufeff", "\ufdd0", "\uffff", "\U0001f600", "\x7f", "中", "yes")),
    *(b"\xed\xa0\x80", b": ", b"- ", b"? ", b"#", b"\n", b'"', b"\\", b"{{", b"\x00", b"1e3", b"22:30", b"a" * 170),
]  # fmt: skip
SEEDS = [bytes([7, 2, 2]) + b"ab" + bytes([6, 2, 2, 1]) + b"xyes", *(word * 5 for word in WORDS[:20])]


def units() -> list[str]:
    return fuzzing.units()


def prove(unit: str, *, brief: bool = False) -> Outcome:
    return fuzzing.prove("fuzz_emit", unit, brief)


def summary(counts: Counter[str]) -> list[str]:
    return fuzzing.summary(counts)


def check(raw: bytes) -> None:
    value = _tree(iter(raw), 0)
    try:
        texts = [emit_yaml([value]), emit_json(value), emit_json(value, 3)]
    except EmitError:
        assert not _can_be_said(value)
        return
    assert _can_be_said(value)
    wanted = json.dumps(value, sort_keys=True)
    for text in texts:
        assert json.dumps(yaml.load(text, yaml.CSafeLoader), sort_keys=True) == wanted
        assert json.dumps(YAML(typ="safe", pure=True).load(text.decode()), sort_keys=True) == wanted
    for text in texts[1:]:
        assert json.dumps(json.loads(text), sort_keys=True) == wanted


def _tree(raw: Iterator[int], depth: int) -> Any:
    """Data from bytes: a kind, a size, then what belongs to it; the end of the bytes is the end of everything."""
    match next(raw, 0) % 8:
        case 0:
            return None
        case 1:
            return next(raw, 0) % 2 == 0
        case 2:
            return int.from_bytes(_take(raw, next(raw, 0) % 12), "big", signed=True)
        case 3:
            return struct.unpack(">d", _take(raw, 8).rjust(8, b"\0"))[0]
        case 4 | 5:
            return _text(raw)
        case 6 if depth < 8:
            return [_tree(raw, depth + 1) for _ in range(next(raw, 0) % 5)]
        case 7 if depth < 8:
            return {_text(raw): _tree(raw, depth + 1) for _ in range(next(raw, 0) % 5)}
    return []


def _text(raw: Iterator[int]) -> str:
    """Text of any characters, lone surrogates among them."""
    text = _take(raw, next(raw, 0))
    try:
        return text.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return text.decode("utf-8", "replace")


def _take(raw: Iterator[int], size: int) -> bytes:
    return bytes(byte for _, byte in zip(range(size), raw, strict=False))


def _can_be_said(value: Any) -> bool:
    match value:
        case dict():
            return all(_can_be_said(part) for pair in value.items() for part in pair)
        case list():
            return all(map(_can_be_said, value))
        case float():
            return math.isfinite(value)
        case str():
            return not any("\ud800" <= character <= "\udfff" for character in value)
    return True
