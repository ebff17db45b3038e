"""Findings as people and programs read them. What a format is, is written down here, not taken from the product."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from generator.explain import lesson
from generator.problems import Position, Problem
from generator.report import Course, as_github, as_json, as_junit, as_sarif, as_text, plain
from generator.source import Source, loads
from generator.validate import validate
from tests import reports
from tests.lessons import ROOT, write

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
        "complete": True,
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
    assert json.loads(as_json([], SOURCE)) == {"version": 1, "complete": True, "problems": []}


def test_sarif_says_what_a_viewer_shows() -> None:
    found = [
        problem(hint="say 2"),
        problem(severity="warning", rule="power.unknown"),
        problem(position=None),
        problem(position=Position("catalog/a b ü.yaml", 3, 4, 5)),
    ]
    [run] = json.loads(as_sarif(found, SOURCE))["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["pool.slot", "power.unknown"]
    assert [rules[result["ruleIndex"]]["id"] for result in run["results"]] == [p.rule for p in found]
    assert [result["level"] for result in run["results"]] == ["error", "warning", "error", "error"]
    assert run["results"][0]["message"]["text"] == 'pool "train" is wrong (say 2)'
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
    assert places[0] == {
        "artifactLocation": {"uri": "center.yaml"},
        "region": {"startLine": 2, "startColumn": 16, "endColumn": 20},
    }
    assert places[2]["artifactLocation"] == {"uri": "center.yaml"}, "GitHub refuses a result without a place"
    assert places[3]["artifactLocation"] == {"uri": "catalog/a%20b%20%C3%BC.yaml"}
    assert run["columnKind"] == "unicodeCodePoints"


def test_sarif_tells_why_and_how_grave() -> None:
    log = json.loads(as_sarif([problem(severity="warning", rule="cooling.unknown-capacity")], SOURCE))
    [rule] = log["runs"][0]["tool"]["driver"]["rules"]
    told = yaml.safe_load((ROOT / "tests/bad/cooling.unknown-capacity.yaml").read_text("utf-8"))
    assert rule["fullDescription"]["text"] == told["why"].strip()
    assert told["shows"] in rule["help"]["text"] and told["shows"] in rule["help"]["markdown"]
    assert rule["defaultConfiguration"] == {"level": "warning"}
    assert rule["properties"]["problem.severity"] == "warning" and rule["properties"]["tags"] == ["cooling"]


def fingerprints(found: list[Problem], source: Source = SOURCE) -> list[str]:
    [run] = json.loads(as_sarif(found, source))["runs"]
    return [result["partialFingerprints"]["centerFinding/v1"] for result in run["results"]]


def test_a_fingerprint_stays_when_lines_and_numbers_move() -> None:
    moved = loads("# one\n# more\n" + TEXT)
    assert fingerprints([problem()]) == fingerprints([problem(line=4, column=3, message="another number")], moved)
    edited = loads(TEXT.replace("{slot: 1}", "{slot: 1, spares: 2}"))
    assert fingerprints([problem()]) == fingerprints([problem()], edited)
    assert fingerprints([problem(path=(), line=2)]) == fingerprints([problem(path=(), line=4)], moved)


def test_different_findings_have_different_fingerprints() -> None:
    found = [
        problem(),
        problem(),
        problem(rule="pool.other"),
        problem(path=("pools", "train")),
        problem(path=(), line=1),
        problem(path=(), line=2),
        problem(position=Position("catalog/x.yaml", 2, 16)),
        problem(position=None),
    ]
    assert len(set(fingerprints(found))) == len(found)


EVIL = problem(message='<b>&"\x1b[2J中\n::error::x', hint="]]>\x00", position=Position("a b,c:%ü.yaml", 2, 16, 4))
WITHOUT_A_PLACE = problem(position=None, severity="warning")
SAMPLES: dict[str, list[Problem]] = {"none": [], "one": [problem()], "odd": [EVIL, WITHOUT_A_PLACE, problem()]}
each_sample = pytest.mark.parametrize("found", SAMPLES.values(), ids=SAMPLES)
each_folder = pytest.mark.parametrize("folder", [Path(), Path("inventories/x"), Path("/srv/a b")], ids=str)


COURSES = [Course(), Course(complete=False), Course(strict=True), Course(complete=False, defect='<b>&"\x1b[2J\udcff')]


@each_sample
@each_folder
@pytest.mark.parametrize("course", COURSES, ids=["fine", "incomplete", "strict", "broken"])
def test_reports_are_valid_by_their_schemas(found: list[Problem], folder: Path, course: Course) -> None:
    reports.SARIF.validate(json.loads(as_sarif(found, SOURCE, folder, course)))
    reports.JUNIT.validate(as_junit(found, SOURCE, folder, course))
    reports.JSON.validate(json.loads(as_json(found, SOURCE, folder, course)))
    for line in filter(None, as_github(found, SOURCE, folder, course).split("\n")):
        read_command(line)


@pytest.mark.parametrize("rule", sorted(file.stem for file in (ROOT / "tests/bad").glob("*.yaml")))
def test_what_the_program_finds_is_valid_by_the_schemas(rule: str, tmp_path: Path) -> None:
    """Every finding there is, in every format, with the text of its rule."""
    found = validate(write(tmp_path, rule, "bad"), lesson(rule).as_of)
    assert rule in {problem.rule for problem in found.problems}
    log = json.loads(as_sarif(found.problems, found.source))
    reports.SARIF.validate(log)
    assert all("help" in described for described in log["runs"][0]["tool"]["driver"]["rules"])
    reports.JUNIT.validate(as_junit(found.problems, found.source))
    reports.JSON.validate(json.loads(as_json(found.problems, found.source)))
    for line in as_github(found.problems, found.source).split("\n"):
        read_command(line)


def test_the_schemas_refuse_what_is_wrong() -> None:
    """Else the tests above would prove nothing."""
    log = json.loads(as_sarif([problem()], SOURCE))
    del log["runs"][0]["results"][0]["message"]
    assert not reports.SARIF.is_valid(log)
    assert not reports.JUNIT.is_valid(as_junit([problem()], SOURCE).replace(' errors="0"', ""))
    report = json.loads(as_json([problem()], SOURCE))
    del report["problems"][0]["rule"]
    assert not reports.JSON.is_valid(report)


def test_files_are_named_as_the_repository_names_them() -> None:
    """A problem of inventories/x is shown at inventories/x/center.yaml, or nobody finds the line."""
    folder = Path("inventories/x")
    [result] = json.loads(as_sarif([problem()], SOURCE, folder))["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "inventories/x/center.yaml"
    assert read_command(as_github([problem()], SOURCE, folder))[1]["file"] == "inventories/x/center.yaml"
    assert json.loads(as_json([problem()], SOURCE, folder))["problems"][0]["file"] == "inventories/x/center.yaml"
    assert 'name="inventories/x/center.yaml:2:16"' in as_junit([problem()], SOURCE, folder)
    [result] = json.loads(as_sarif([problem()], SOURCE, Path("/srv/a b")))["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "file:///srv/a%20b/center.yaml"


def test_junit_counts_what_failed() -> None:
    evil = problem(message='<b>&"\x1b[2J中\udcff', hint="say 2")
    warning = problem(position=None, severity="warning")
    suite = ElementTree.fromstring(as_junit([evil, warning], SOURCE, course=Course(strict=True)))
    assert (suite.tag, suite.get("tests"), suite.get("failures")) == ("testsuite", "2", "2")
    assert [case.get("name") for case in suite] == ["center.yaml:2:16", "pools.train.slot"]
    failure = suite.find("testcase/failure")
    assert failure is not None and failure.text == "say 2"
    assert failure.get("message") == '<b>&"\\x1b[2J中\\udcff'
    passed = ElementTree.fromstring(as_junit([], SOURCE))
    assert (passed.get("tests"), passed.get("failures"), len(passed.findall("testcase"))) == ("1", "0", 1)


def test_junit_lets_a_warning_pass_unless_the_run_is_strict() -> None:
    """As the exit code does."""
    found = [problem(severity="warning", hint="say 2")]
    passed = ElementTree.fromstring(as_junit(found, SOURCE))
    assert (passed.get("tests"), passed.get("failures"), passed.find(".//failure")) == ("1", "0", None)
    assert passed.findtext("testcase/system-out") == 'warning: pool "train" is wrong\nsay 2'
    strict = ElementTree.fromstring(as_junit(found, SOURCE, course=Course(strict=True)))
    assert (strict.get("failures"), strict.find(".//system-out")) == ("1", None)


def test_a_run_that_broke_is_no_run_without_findings() -> None:
    broken = Course(complete=False, defect="a defect: x")
    report = json.loads(as_json([], SOURCE, course=broken))
    assert report == {"version": 1, "complete": False, "problems": [], "defect": "a defect: x"}
    [run] = json.loads(as_sarif([], SOURCE, course=broken))["runs"]
    [invocation] = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["toolExecutionNotifications"][0]["message"]["text"] == "a defect: x"
    suite = ElementTree.fromstring(as_junit([], SOURCE, course=broken))
    error = suite.find("testcase/error")
    assert error is not None and (error.get("message"), suite.get("errors")) == ("a defect: x", "1")
    assert as_github([], SOURCE, course=broken) == "::error title=center::a defect: x"
    [run] = json.loads(as_sarif([], SOURCE))["runs"]
    assert run["invocations"] == [{"executionSuccessful": True}]


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
        {"file": "a,b:c%0A.yaml", "line": "2", "col": "16", "endColumn": "20", "title": "pool.slot"},
        "80 % of it\n::error::injected - a,b:c",
    )
    assert read_command(lines[1])[0] == "warning"
    assert read_command(lines[2])[:2] == ("error", {"title": "pool.slot"})
    assert as_github([], SOURCE) == ""
