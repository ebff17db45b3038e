"""Findings as people and programs read them. What a format is, is written down here, not taken from the product."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any
from xml.etree import ElementTree

import pytest
from jsonschema import Draft7Validator

from generator.problems import Position, Problem
from generator.report import as_github, as_json, as_junit, as_sarif, as_text, plain
from generator.source import Source, loads

TEXT = 'metadata: {name: x, title: "示例 🔥 智算中心", description: é}\npools: {train: {slot: 1}}\n'
SOURCE = loads(TEXT)


def problem(line: int = 2, column: int = 16, length: int = 4, **changed: Any) -> Problem:
    given: dict[str, Any] = {
        "rule": "pool.slot",
        "message": 'pool "train" is wrong',
        "path": ("pools", "train", "slot"),
    }
    return Problem(**{**given, "position": Position("center.yaml", line, column, length), **changed})


def test_text_has_position_rule_line_mark_and_hint() -> None:
    assert as_text([problem(hint="say 2")], SOURCE) == (
        'center.yaml:2:16: error[pool.slot]: pool "train" is wrong\n'
        "    2 | pools: {train: {slot: 1}}\n"
        "      |                ^^^^\n"
        "  hint: say 2"
    )


def test_text_without_a_position_or_a_line_is_one_line() -> None:
    assert as_text([problem(position=None)], SOURCE) == 'error[pool.slot]: pool "train" is wrong'
    assert as_text([problem(line=99)], Source()) == 'center.yaml:99:16: error[pool.slot]: pool "train" is wrong'


def width(text: str) -> int:
    """Columns on a terminal."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


@pytest.mark.parametrize(
    "meant", ["示例 🔥 智算中心", "智算", "description", "é", "metadata", "🔥"], ids=lambda text: text[:3]
)
def test_the_mark_is_below_what_is_meant(meant: str) -> None:
    line = TEXT.split("\n")[0]
    column = line.index(meant) + 1
    shown = as_text([problem(1, column, len(meant))], SOURCE).split("\n")
    written, mark = shown[1].removeprefix("    1 | "), shown[2].removeprefix("      | ")
    before = mark.index("^")
    assert written == line
    assert (before, len(mark) - before) == (width(line[: column - 1]), width(meant))


@pytest.mark.parametrize("column", [1, 80, 500, 990])
def test_a_long_line_is_cut_around_what_is_meant(column: int) -> None:
    line = "a: " + "".join(chr(ord("a") + n % 26) for n in range(997))
    source = loads(line + "\n")
    shown = as_text([problem(1, column, 5)], source).split("\n")
    written, mark = shown[1].removeprefix("    1 | "), shown[2].removeprefix("      | ")
    assert len(written) <= 160
    assert written[mark.index("^") : mark.index("^") + 5] == line[column - 1 : column + 4]


def test_nothing_that_is_printed_moves_the_cursor() -> None:
    source = Source(_lines={"center.yaml": ["a: \x1b[2J\x9b1m\u202e\udcff"]})
    evil = problem(1, 4, 1, message="\x1b]0;owned\x07\nsecond line", hint="\r\x85")
    shown = as_text([evil], source, plain)
    assert all(character.isprintable() for line in shown.split("\n") for character in line)
    assert len(shown.split("\n")) == 4 and "\\x1b]0;owned\\x07\\nsecond line" in shown and "\\u202e" in shown


def test_problems_of_two_kinds_are_styled() -> None:
    styled = as_text(
        [problem(hint="say 2"), problem(severity="warning")], SOURCE, lambda kind, text: f"<{kind}>{text}</>"
    )
    assert "<error>error[pool.slot]</>" in styled and "<warning>warning[pool.slot]</>" in styled
    assert (
        "<position>center.yaml:2:16: </>" in styled
        and "<hint>  hint: say 2</>" in styled
        and "<error>^^^^</>" in styled
    )


def test_json_says_the_same() -> None:
    assert json.loads(as_json([problem(hint="say 2"), problem(position=None, severity="warning")], SOURCE)) == {
        "version": 1,
        "problems": [
            {
                "rule": "pool.slot", "severity": "error", "message": 'pool "train" is wrong', "hint": "say 2",
                "path": "pools.train.slot", "file": "center.yaml", "line": 2, "column": 16,
            },
            {
                "rule": "pool.slot", "severity": "warning", "message": 'pool "train" is wrong', "hint": None,
                "path": "pools.train.slot", "file": None, "line": None, "column": None,
            },
        ],
    }  # fmt: skip
    assert json.loads(as_json([], SOURCE)) == {"version": 1, "problems": []}


# What SARIF 2.1.0 (OASIS) demands of the parts that we write, and GitHub of a result that it shows.
REGION = {
    "type": "object",
    "required": ["startLine", "startColumn", "endColumn"],
    "properties": {
        name: {"type": "integer", "minimum": 1} for name in ("startLine", "startColumn", "endLine", "endColumn")
    },
    "additionalProperties": False,
}
LOCATION = {
    "type": "object",
    "required": ["physicalLocation"],
    "properties": {
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation", "region"],
            "properties": {
                "artifactLocation": {
                    "type": "object",
                    "required": ["uri"],
                    "properties": {
                        "uri": {"type": "string", "pattern": r"^(%[0-9A-F]{2}|[A-Za-z0-9._~/+@!$&'()*,;=-])+$"}
                    },
                },
                "region": REGION,
            },
        }
    },
}
RESULT = {
    "type": "object",
    "required": ["ruleId", "level", "message", "locations"],
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": {"enum": ["none", "note", "warning", "error"]},
        "message": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}},
        "locations": {"type": "array", "minItems": 1, "items": LOCATION},
    },
    "additionalProperties": False,
}
RULE = {
    "type": "object",
    "required": ["id"],
    "properties": {"id": {"type": "string"}, "shortDescription": {}, "fullDescription": {}, "help": {}},
    "additionalProperties": False,
}
DRIVER = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "rules": {"type": "array", "items": RULE, "uniqueItems": True}},
}
RUN = {
    "type": "object",
    "required": ["tool"],
    "properties": {
        "tool": {"type": "object", "required": ["driver"], "properties": {"driver": DRIVER}},
        "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
        "results": {"type": "array", "items": RESULT},
    },
    "additionalProperties": False,
}
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "$schema": {"type": "string", "pattern": "sarif-2.1.0.json$"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "items": RUN},
    },
    "additionalProperties": False,
}


def test_sarif_is_sarif() -> None:
    found = [
        problem(hint="say 2"),
        problem(severity="warning", rule="power.unknown"),
        problem(position=None),
        problem(position=Position("catalog/a b ü.yaml", 3, 4, 5)),
    ]
    log = json.loads(as_sarif(found, SOURCE))
    Draft7Validator(SARIF).validate(log)
    [run] = log["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["pool.slot", "power.unknown"]
    assert [result["level"] for result in run["results"]] == ["error", "warning", "error", "error"]
    assert run["results"][0]["message"]["text"] == 'pool "train" is wrong (say 2)'
    [place] = run["results"][0]["locations"]
    assert place["physicalLocation"] == {
        "artifactLocation": {"uri": "center.yaml"},
        "region": {"startLine": 2, "startColumn": 16, "endColumn": 20},
    }
    assert run["columnKind"] == "unicodeCodePoints"
    Draft7Validator(SARIF).validate(json.loads(as_sarif([], SOURCE)))


def test_junit_counts_what_failed() -> None:
    evil = problem(message='<b>&"\x1b[2J中\udcff', hint="say 2")
    suite = ElementTree.fromstring(as_junit([evil, problem(position=None, severity="warning")], SOURCE))
    assert (suite.tag, suite.get("tests"), suite.get("failures")) == ("testsuite", "2", "2")
    assert [case.get("name") for case in suite] == ["center.yaml:2:16", "pools.train.slot"]
    failure = suite.find("testcase/failure")
    assert failure is not None and failure.text == "say 2"
    assert failure.get("message") == '<b>&"\\x1b[2J中\\udcff'
    passed = ElementTree.fromstring(as_junit([], SOURCE))
    assert (passed.get("tests"), passed.get("failures"), len(passed.findall("testcase"))) == ("1", "0", 1)


def read_command(line: str) -> tuple[str, dict[str, str], str]:
    """A workflow command as the runner reads it: name, properties, data."""
    found = re.fullmatch(r"::(\w+)(?: ([^\n]*?))?::([^\n]*)", line)
    assert found, line
    properties = dict(part.split("=", 1) for part in (found[2] or "").split(","))
    return found[1], {key: unescaped(value) for key, value in properties.items()}, unescaped(found[3])


def unescaped(text: str) -> str:
    for code, character in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(code, character)
    return text


def test_github_reads_what_was_meant() -> None:
    tricky = problem(
        message="80 % of it\n::error::injected", hint="a,b:c", position=Position("a,b:c%0A.yaml", 2, 16, 4)
    )
    lines = as_github([tricky, problem(severity="warning"), problem(position=None)], SOURCE).split("\n")
    assert len(lines) == 3
    assert read_command(lines[0]) == (
        "error",
        {"file": "a,b:c%0A.yaml", "line": "2", "col": "16", "title": "pool.slot"},
        "80 % of it\n::error::injected - a,b:c",
    )
    assert read_command(lines[1])[0] == "warning"
    assert read_command(lines[2])[:2] == ("error", {"title": "pool.slot"})
    assert as_github([], SOURCE) == ""
