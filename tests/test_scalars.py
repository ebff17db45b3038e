"""What YAML 1.1, YAML 1.2 and people disagree about, in a field of each kind.

Without quotes a scalar means what it means in quotes, or the finding offers the quoted form; a number or a truth value
is only what JSON also reads as one. The oracle is the quoted form of the same text.
"""

from __future__ import annotations

from typing import Any

import pytest

from generator import source, spec
from generator.problems import Problem, Refused
from tests.lessons import STARTER

SURPRISES = [
    *("no", "No", "NO", "yes", "on", "off", "y", "n", "Y", "true", "True", "TRUE", "false", "null", "Null", "NULL"),
    *("~", "0", "7", "-7", "+7", "08", "010", "0o17", "0x1F", "0b11", "1_000", "1.10", "1.", ".5", "1e3", "1.5e3"),
    *("5e-3", ".inf", ".nan", ".NaN", "1e999", "9" * 30, "22:30", "1:30:00", "10:20:30:40:50:55", "52:54:00:12:34:56"),
    *("2026-11-22", "2026-11-22T10:00:00Z", "2026-11-22 10:00:00", "<<", "=", "1.2.3", "10.16.0.0/16", "fe80::1"),
]  # fmt: skip

# A field of each kind, by the text of the smallest centre that is exchanged.
KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "name": ("name: starter", ("metadata", "name")),
    "text": ("title: My first centre", ("metadata", "title")),
    "host name": ("domain: starter.example", ("network", "domain")),
    "quantity": ("supply: 36 °C", ("cooling", "loops", "plate-1", "supply")),
    "rack feed": ("rack: 3x 32 A 400 V 3-phase", ("power", "feeds", "west", "rack")),
    "network": ("nodes: 10.16.0.0/16", ("network", "plans", "nodes")),
    "choice": ("role: control", ("pools", "control", "role")),
    "reference to a name": ("server: generic-1u", ("pools", "control", "server")),
    "whole number": ("slot: 2", ("pools", "train", "slot")),
    "text of a version": ('version: "1.36"', ("clusters", "cloud", "version")),
}
WORDS = {"true": True, "false": False, "null": None, "~": None}

each_kind = pytest.mark.parametrize("kind", KINDS)
each_scalar = pytest.mark.parametrize("scalar", SURPRISES)


def read(kind: str, written: str) -> Any:
    """The value of a field as the spec has it, or the findings at it."""
    fragment, path = KINDS[kind]
    text = (STARTER / "center.yaml").read_text("utf-8")
    assert text.count(fragment) >= 1
    key = fragment.partition(":")[0]
    found = source.loads(text.replace(fragment, f"{key}: {written}", 1))
    try:
        value: Any = spec.read(found)
    except Refused as refused:
        problems = [problem for problem in refused.problems if problem.path[: len(path)] == path]
        assert problems == refused.problems
        return problems
    for part in path:
        value = value[part] if isinstance(value, dict) else getattr(value, part)
    return value


def is_refusal(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(part, Problem) for part in value)


@each_scalar
@each_kind
def test_without_quotes_it_is_the_text_or_the_quotes_are_the_hint(kind: str, scalar: str) -> None:
    bare, quoted = read(kind, scalar), read(kind, f'"{scalar}"')
    if WORDS.get(scalar, "") is None:  # nothing is nothing: left out where it may be, and never meant as a text
        assert bare is None or is_refusal(bare)
    elif not is_refusal(bare) and not is_refusal(quoted):
        assert str(bare) == str(quoted)
    elif not is_refusal(bare):  # a number is not read from text in quotes
        assert isinstance(bare, int) and str(bare) == scalar
    elif not is_refusal(quoted):
        hints = [problem.hint or "" for problem in bare]
        assert all(f'"{scalar}"' in hint for hint in hints)


@each_scalar
def test_only_what_json_reads_is_another_thing_than_text(scalar: str) -> None:
    found = source.loads(f"key: {scalar}\n").data["key"]
    if scalar in WORDS:
        assert found is WORDS[scalar]
    elif scalar in ("0", "7", "-7", "1.10"):
        assert found == float(scalar) and not isinstance(found, bool)
    else:
        assert found == scalar
