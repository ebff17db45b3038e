"""Any bytes are data or findings whose positions lie within the text; never anything else.

The oracle of what was read is PyYAML's own composer, which resolves nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import yaml

from generator import source, spec
from generator.problems import Position, Refused
from generator.source import Source
from tests.campaign import fuzzing
from tests.campaign.base import ROOT, Outcome
from tests.hostile import texts

RUNS = 80_000
SUBJECT = ("generator/source.py", "generator/spec/*.py", "generator/quantity.py", "tests/campaign/kinds/fuzz_source.py")
STARTER = (ROOT / "inventories/starter/center.yaml").read_bytes()
SEEDS = [
    STARTER,
    *(part for part in STARTER.split(b"\n\n") if part),
    *(raw.encode() for case in texts.YAML.values() for raw in case.files.values() if isinstance(raw, str)),
]  # fmt: skip
WORDS = [
    *(b": ", b"- ", b"? ", b"{", b"}", b"[", b"]", b",", b"&a ", b"*a", b"!t ", b"!!str ", b"|\n", b">-\n", b"---\n"),
    *(b'"', b"'", b"\\", b"\\u", b"\\x", b"#", b"\n", b"\r", b"\r\n", b"\t", b"  ", b"%YAML 1.2\n", b"<<: ", b"~"),
    *(b"\xef\xbb\xbf", b"\xff", b"\xc2\x85", b"\xe2\x80\xa8", b"\xee\x80\x80", b"\xed\xa0\x80", b"\xef\xb7\x90"),
    *(b"010", b"1e3", b"22:30", b"9" * 30, b".nan", b"kind: ", b"include: [b.yaml]\n", b"a01..24", b"40 kW", b"...\n"),
]  # fmt: skip


def units() -> list[str]:
    return fuzzing.units()


def prove(unit: str, *, brief: bool = False) -> Outcome:
    return fuzzing.prove("fuzz_source", unit, brief)


def summary(counts: Counter[str]) -> list[str]:
    return fuzzing.summary(counts)


def check(raw: bytes) -> None:
    lines = re.split("\r\n|\r|\n", raw.decode("utf-8-sig", "replace"))
    try:
        read = source.loads(raw)
    except Refused as refused:
        _check_refusal(refused, lines)
        return
    text = raw.decode("utf-8-sig")
    assert _written(read, read.data, ()) == yaml.load(text, yaml.CBaseLoader)
    for path in (*read._keys, *read._values):
        for at_key in (False, True):
            _check_position(read.locate(path, at_key=at_key), lines)
    try:
        spec.read(read)
    except Refused as refused:
        _check_refusal(refused, lines)


def _check_refusal(refused: Refused, lines: list[str]) -> None:
    assert 0 < len(refused.problems) <= source.MAX_FINDINGS
    for problem in refused.problems:
        assert problem.message and problem.rule
        _check_position(problem.position, lines)


def _check_position(position: Position | None, lines: list[str]) -> None:
    """Within its line, or just behind it."""
    assert position and position.file == "center.yaml"
    assert 1 <= position.line <= len(lines), position
    assert position.column >= 1 and position.length >= 1
    assert position.column + position.length - 1 <= len(lines[position.line - 1]) + 1, position


def _written(read: Source, value: Any, path: tuple[str | int, ...]) -> Any:
    """The data with each scalar as it was written; also says that it is data and nothing else."""
    if isinstance(value, dict):
        assert all(type(key) is str for key in value)
        return {key: _written(read, item, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_written(read, item, (*path, index)) for index, item in enumerate(value)]
    assert type(value) in (str, int, float, bool, type(None))
    assert not isinstance(value, float) or (value == value and abs(value) < 1e19)
    written = read.written(path)
    return value if written is None else written
