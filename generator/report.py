"""Findings for people and programs: text, JSON, SARIF 2.1.0, GitHub annotations."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from generator.problems import Problem, dotted
from generator.source import Source

Style = Callable[[str, str], str]
"""Colours a piece of text: (kind, text) to text; kinds are error, warning, position, hint."""


def plain(kind: str, text: str) -> str:
    return text


def visible(text: str) -> str:
    """Control characters as their codes: what is printed cannot move the cursor of a terminal."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" if ord(c) < 256 else f"\\u{ord(c):04x}" for c in text)


def as_text(problems: list[Problem], source: Source, style: Style = plain) -> str:
    """Position first, then the line with a mark below what is meant, then the fix if it is known."""
    return "\n".join(_text(problem, source, style) for problem in problems)


def _text(problem: Problem, source: Source, style: Style) -> str:
    severity = style(problem.severity, f"{problem.severity}[{problem.rule}]")
    position = problem.position
    where = f"{position.file}:{position.line}:{position.column}: " if position else ""
    lines = [f"{style('position', visible(where))}{severity}: {visible(problem.message)}"]
    if position and (shown := source.line(position)):
        column, shown = _window(shown.expandtabs(1), position.column)
        number = f"{position.line:>5} | "
        mark = "^" * max(1, min(position.length, len(shown) - column + 1))
        below = f"      | {_blank(shown[: column - 1])}{style(problem.severity, mark)}"
        lines += [number + visible(shown), below]
    if problem.hint:
        lines.append(style("hint", f"  hint: {visible(problem.hint)}"))
    return "\n".join(lines)


def _window(line: str, column: int, width: int = 160) -> tuple[int, str]:
    """A long line cut around the column that matters."""
    if len(line) <= width:
        return column, line
    start = max(0, column - width // 2)
    return column - start, line[start : start + width]


def _blank(text: str) -> str:
    """Spaces as wide as the text on a terminal: East Asian characters take two columns."""
    import unicodedata

    return "".join("  " if unicodedata.east_asian_width(c) in "WF" else " " for c in visible(text))


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
    results: list[dict[str, Any]] = []
    for problem in problems:
        position = problem.position
        region = {
            "startLine": position.line if position else 1,
            "startColumn": position.column if position else 1,
            "endColumn": position.column + position.length if position else 2,
        }
        text = problem.message + (f" ({problem.hint})" if problem.hint else "")
        artifact = {"uri": position.file if position else "center.yaml"}
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
    "github": as_github,
}
