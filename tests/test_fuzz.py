"""Whatever somebody writes into a spec is judged or refused: no value of any field ends in a traceback.

Values are taken from a full sample, exchanged, spoilt and left out; what passes without an error is rendered as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator import catalog, expand, outputs, rules, source, spec
from generator.problems import Refused
from generator.render import render
from tests.test_fields import DUO, FIELDS, others, put, with_public_files

Place = tuple[str | int, ...]
CATALOG = catalog.of(None)

SPOILT: list[Any] = [
    *(
        None,
        True,
        0,
        -1,
        1,
        200,
        2**62,
        0.5,
        -1.5,
        1e17,
        [],
        {},
        [None],
        [[]],
        {"": None},
        {"kind": "slurm"},
        ["a"] * 50,
    ),
    *("", " ", "no", "0", "-", ".", "..", "a", "a01", "a01..99", "a1..999999", "A", "é", "中", "x" * 41, "x" * 3000),
    *(
        "{{ x }}",
        "{% raw %}",
        "$(id)",
        "%s",
        "@{node.name}",
        "\n",
        "a\nb",
        "'\"`",
        "--",
        "a--b",
        "*",
        "&a",
        "#",
        "a: b",
    ),
    *("0 kW", "0 %", "0 K", "100 %", "-200 °C", "400 °C", "999999999999999 MW", "0.000000001 kW", "0 L/min", "0 kg"),
    *(
        "1 accelerator",
        "9999999 nodes",
        "0.0.0.0/0",
        "255.255.255.255/32",
        "10.16.0.0/31",
        "0.0.0.0",
        "255.255.255.255",
    ),
    *("modbus://255.255.255.255:65535/255", "redfish://0.0.0.0", "path:x", "path:center.yaml", "env:X", "file:/x"),
    *("kubernetes", "slurm", "control", "worker", "two-phase-immersion", "cold-plate", "2N", "N+1"),
]


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    if place:
        yield place
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*place, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*place, index))


def at(data: Any, place: Place) -> Any:
    for part in place:
        data = data[part]
    return data


PLACES = list(places(DUO))
VALUES = [*SPOILT, *(at(DUO, place) for place in PLACES)]


@st.composite
def spoilt(draw: st.DrawFn) -> dict[str, Any]:
    """The sample with a few values exchanged or left out and a few keys renamed."""
    data = deepcopy(DUO)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.sampled_from(PLACES))
        try:
            parent = at(data, place[:-1])
            match draw(st.sampled_from(["value", "value", "value", "number", "gone", "key"])):
                case "value":
                    parent[place[-1]] = deepcopy(draw(st.sampled_from(VALUES)))
                case "number":
                    number = str(draw(st.integers(0, 300)))
                    parent[place[-1]] = re.sub(r"[0-9]+", number, str(parent[place[-1]]), count=draw(st.integers(1, 3)))
                case "gone":
                    del parent[place[-1]]
                case "key":
                    parent[draw(st.sampled_from(["a", "a01", "a01..24", "-", "x" * 40, "groups", "main"]))] = (
                        parent.pop(place[-1])
                    )
        except (KeyError, IndexError, TypeError, AttributeError):
            continue  # an earlier change has taken the place away
    return data


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_public_files(tmp_path_factory.mktemp("public"))


@settings(max_examples=100, deadline=None)
@given(data=spoilt())
def test_any_spec_is_judged_or_refused(data: dict[str, Any], public: Path) -> None:
    judge_and_render(data, public)


@st.composite
def unusual(draw: st.DrawFn) -> dict[str, Any]:
    """The sample with right but other values of some fields, in combinations that nobody has thought of."""
    data = deepcopy(DUO)
    for field in draw(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=8, unique=True)):
        values = [*others(field, at(DUO, field.place)), *(at(DUO, f.place) for f in FIELDS if f.name == field.name)]
        data = put(data, field.place, draw(st.sampled_from(values)))
    return data


@settings(max_examples=250, deadline=None)
@given(data=unusual())
def test_any_combination_of_right_values_is_judged_and_rendered(data: dict[str, Any], public: Path) -> None:
    judge_and_render(data, public)


def judge_and_render(data: dict[str, Any], public: Path) -> None:
    read = source.loads(json.dumps(data))
    read.root = public
    try:
        words = spec.read(read)
    except Refused as refused:
        assert refused.problems and all(read.locate(problem.path) for problem in refused.problems)
        return
    center, problems = expand.expand(words, read, CATALOG)
    problems = problems or rules.judge(center)
    assert all(problem.message and read.locate(problem.path) for problem in problems)
    if any(problem.is_error for problem in problems):
        return
    for artifact in outputs.artifacts(center):
        try:
            render(artifact)
        except Refused as refused:  # a text that a file's format cannot carry
            assert refused.problems[0].rule == "render.refused"
