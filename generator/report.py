"""Findings for people and programs: text, JSON, SARIF 2.1.0, JUnit, GitHub annotations.

What programs read names files as seen from where the command runs, because that is how a repository names them;
`folder` is the folder of the spec, seen from there.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.folders import SPEC
from generator.problems import Position, Problem, dotted
from generator.source import Source
from generator.text import visible

Style = Callable[[str, str], str]
"""Colours a piece of text: (kind, text) to text; kinds are error, warning, position, hint."""


def plain(kind: str, text: str) -> str:
    return text


def as_text(problems: list[Problem], source: Source, style: Style = plain) -> str:
    """Position first, then the line with a mark below what is meant, then the fix if it is known."""
    return "\n".join(_text(problem, source, style) for problem in problems)


def _text(problem: Problem, source: Source, style: Style) -> str:
    severity = style(problem.severity, f"{problem.severity}[{problem.rule}]")
    position = problem.position
    where = f"{position.file}:{position.line}:{position.column}: " if position else ""
    lines = [f"{style('position', visible(where, None))}{severity}: {visible(problem.message, None)}"]
    if position and (shown := source.line(position)):
        column, shown = _window(shown.expandtabs(1), position.column)
        before, meant = shown[: column - 1], shown[column - 1 : column - 1 + position.length]
        mark = style(problem.severity, "^" * max(1, _width(meant)))
        lines += [f"{position.line:>5} | {visible(shown, None)}", f"      | {' ' * _width(before)}{mark}"]
    if problem.hint:
        lines.append(style("hint", f"  hint: {visible(problem.hint, None)}"))
    return "\n".join(lines)


def _window(line: str, column: int, width: int = 160) -> tuple[int, str]:
    """A long line cut around the column that matters."""
    if len(line) <= width:
        return column, line
    start = max(0, column - width // 2)
    return column - start, line[start : start + width]


def _width(text: str) -> int:
    """Columns of a terminal that the text takes: East Asian characters take two."""
    import unicodedata

    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in visible(text, None))


HERE = Path()


@dataclass(frozen=True, slots=True)
class Course:
    """How the run went: whether every check was made, whether warnings fail it, and what broke, if something did."""

    complete: bool = True
    strict: bool = False
    defect: str | None = None


FINE = Course()


def as_json(problems: list[Problem], source: Source, folder: Path = HERE, course: Course = FINE) -> str:
    """One record a finding, the same facts as in text; docs/report.schema.json describes them."""
    records = [
        {
            "rule": problem.rule,
            "severity": problem.severity,
            "message": problem.message,
            "hint": problem.hint,
            "path": dotted(problem.path),
            "file": str(folder / problem.position.file) if problem.position else None,
            "line": problem.position.line if problem.position else None,
            "column": problem.position.column if problem.position else None,
        }
        for problem in problems
    ]
    report = {"version": 1, "complete": course.complete, "problems": records}
    if course.defect is not None:
        report["defect"] = course.defect
    return json.dumps(report, ensure_ascii=False, indent=2)


def as_sarif(problems: list[Problem], source: Source, folder: Path = HERE, course: Course = FINE) -> str:
    """SARIF 2.1.0 for code scanning; every result has a location, as GitHub demands."""
    rules = sorted({problem.rule: problem.severity for problem in problems}.items())
    index = {rule: number for number, (rule, _) in enumerate(rules)}
    results = [
        {
            "ruleId": problem.rule,
            "ruleIndex": index[problem.rule],
            "level": problem.severity,
            "message": {"text": problem.message + (f" ({problem.hint})" if problem.hint else "")},
            "locations": [{"physicalLocation": _location(problem, folder)}],
            "partialFingerprints": {"centerFinding/v1": fingerprint},
        }
        for problem, fingerprint in zip(problems, _fingerprints(problems, source), strict=True)
    ]
    driver = {"name": "center", "rules": [_sarif_rule(rule, severity) for rule, severity in rules]}
    invocation: dict[str, Any] = {"executionSuccessful": course.defect is None}
    if course.defect is not None:
        invocation["toolExecutionNotifications"] = [{"level": "error", "message": {"text": course.defect}}]
    run = {
        "tool": {"driver": driver},
        "invocations": [invocation],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(log, ensure_ascii=False, indent=2)


def _location(problem: Problem, folder: Path) -> dict[str, Any]:
    from urllib.parse import quote

    position = problem.position or Position(SPEC, 1, 1)
    file = folder / position.file
    uri = file.as_uri() if file.is_absolute() else quote(os.fsencode(file))
    end = position.column + position.length
    region = {"startLine": position.line, "startColumn": position.column, "endColumn": end}
    return {"artifactLocation": {"uri": uri}, "region": region}


def _fingerprints(problems: list[Problem], source: Source) -> Iterator[str]:
    """What stays the same of a finding when lines move: its rule and its place in the spec, or else its line's text.

    Numbers in a message change with values elsewhere, so the message is no part of it.
    """
    seen: Counter[tuple[str, ...]] = Counter()
    for problem in problems:
        file = problem.position.file if problem.position else ""
        line = source.line(problem.position) if problem.position else ""
        about = (problem.rule, file, dotted(problem.path) or (line or "").strip())
        seen[about] += 1
        text = "\0".join((*about, str(seen[about])))
        yield hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _sarif_rule(rule: str, severity: str) -> dict[str, Any]:
    """What a viewer shows beside a result: how grave it is, and what `center explain` tells."""
    from generator import explain  # reads YAML files, which only this format needs

    words: dict[str, Any] = {}
    if rule in explain.lessons():
        why = explain.lesson(rule).why.strip()
        words["fullDescription"] = {"text": why}
        words["help"] = {"text": explain.page(rule), "markdown": explain.markdown(rule)}
    topic = rule.partition(".")[0]
    properties = {"tags": [topic], "problem.severity": severity, "precision": "very-high"}
    return {"id": rule, **words, "defaultConfiguration": {"level": severity}, "properties": properties}


def as_junit(problems: list[Problem], source: Source, folder: Path = HERE, course: Course = FINE) -> str:
    """JUnit: a test for each finding, which fails for what fails the run; one that passed when there is none.

    A warning of a run that is not strict passed, and is told in what the test printed.
    """
    from xml.etree import ElementTree

    failed = [problem for problem in problems if problem.is_error or course.strict]
    suite = ElementTree.Element("testsuite", name="center")
    for problem in problems:
        position = problem.position
        place = f"{folder / position.file}:{position.line}:{position.column}" if position else dotted(problem.path)
        case = ElementTree.SubElement(suite, "testcase", classname=problem.rule, name=visible(place, None))
        message, hint = visible(problem.message, None), visible(problem.hint or "", None)
        if problem in failed:
            ElementTree.SubElement(case, "failure", type=problem.severity, message=message).text = hint
        else:
            printed = "\n".join(filter(None, (f"{problem.severity}: {message}", hint)))
            ElementTree.SubElement(case, "system-out").text = printed
    if not problems:
        case = ElementTree.SubElement(suite, "testcase", classname="center", name="validate")
        if course.defect is not None:
            ElementTree.SubElement(case, "error", type="defect", message=visible(course.defect, None))
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(failed)))
    suite.set("errors", str(int(course.defect is not None)))
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)


def as_github(problems: list[Problem], source: Source, folder: Path = HERE, course: Course = FINE) -> str:
    """Workflow commands: one annotation a finding."""
    lines = []
    for problem in problems:
        position = problem.position
        place = ""
        if position:
            end = position.column + position.length
            file = _property(str(folder / position.file))
            place = f" file={file},line={position.line},col={position.column},endColumn={end},"
        text = problem.message + (f" - {problem.hint}" if problem.hint else "")
        lines.append(f"::{problem.severity}{place or ' '}title={_property(problem.rule)}::{_data(text)}")
    if course.defect is not None:
        lines.append(f"::error title=center::{_data(course.defect)}")
    return "\n".join(lines)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


# What programs read; text, which people read, has colours as well.
FORMATS: dict[str, Callable[[list[Problem], Source, Path, Course], str]] = {
    "json": as_json,
    "sarif": as_sarif,
    "junit": as_junit,
    "github": as_github,
}
