"""Findings for people and programs: text, JSON, SARIF 2.1.0, JUnit, GitHub annotations."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from generator.problems import Problem, dotted
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


def as_json(problems: list[Problem], source: Source) -> str:
    """One record a finding, the same facts as in text."""
    records = [
        {
            "rule": problem.rule,
            "severity": problem.severity,
            "message": problem.message,
            "hint": problem.hint,
            "path": dotted(problem.path),
            "file": problem.position.file if problem.position else None,
            "line": problem.position.line if problem.position else None,
            "column": problem.position.column if problem.position else None,
        }
        for problem in problems
    ]
    return json.dumps({"version": 1, "problems": records}, ensure_ascii=False, indent=2)


def as_sarif(problems: list[Problem], source: Source) -> str:
    """SARIF 2.1.0 for code scanning; every result has a location, as GitHub demands."""
    from urllib.parse import quote

    results: list[dict[str, Any]] = []
    for problem in problems:
        position = problem.position
        region = {
            "startLine": position.line if position else 1,
            "startColumn": position.column if position else 1,
            "endColumn": position.column + position.length if position else 2,
        }
        text = problem.message + (f" ({problem.hint})" if problem.hint else "")
        artifact = {"uri": quote(position.file if position else "center.yaml")}
        results.append(
            {
                "ruleId": problem.rule,
                "level": problem.severity,
                "message": {"text": text},
                "locations": [{"physicalLocation": {"artifactLocation": artifact, "region": region}}],
            }
        )
    rules = [{"id": rule} for rule in sorted({problem.rule for problem in problems})]
    driver = {"name": "center", "rules": rules}
    return json.dumps(
        {
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
        },
        ensure_ascii=False,
        indent=2,
    )


def as_junit(problems: list[Problem], source: Source) -> str:
    """JUnit: a failed test for each finding, or one that passed when there is none."""
    from xml.etree import ElementTree

    suite = ElementTree.Element("testsuite", name="center", tests=str(max(1, len(problems))))
    suite.set("failures", str(len(problems)))
    for problem in problems:
        position = problem.position
        place = f"{position.file}:{position.line}:{position.column}" if position else dotted(problem.path)
        case = ElementTree.SubElement(suite, "testcase", classname=problem.rule, name=visible(place, None))
        failure = ElementTree.SubElement(case, "failure", type=problem.severity, message=visible(problem.message, None))
        failure.text = visible(problem.hint or "", None)
    if not problems:
        ElementTree.SubElement(suite, "testcase", classname="center", name="validate")
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)


def as_github(problems: list[Problem], source: Source) -> str:
    """Workflow commands: one annotation a finding."""
    lines = []
    for problem in problems:
        position = problem.position
        place = ""
        if position:
            place = f" file={_property(position.file)},line={position.line},col={position.column},"
        text = problem.message + (f" - {problem.hint}" if problem.hint else "")
        lines.append(f"::{problem.severity}{place or ' '}title={_property(problem.rule)}::{_data(text)}")
    return "\n".join(lines)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


FORMATS: dict[str, Callable[[list[Problem], Source], str]] = {
    "text": as_text,
    "json": as_json,
    "sarif": as_sarif,
    "junit": as_junit,
    "github": as_github,
}
