"""Why a rule exists, with an example that it accepts and one that it refuses: the same files that the tests use."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from generator import resources


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of the sample centre: the text that stands there, what passes and what is refused instead."""

    text: str
    good: str
    bad: str


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a rule teaches. `shows` is the finding's message, `at` the text that its position points at."""

    rule: str
    why: str
    center: str
    edits: tuple[Edit, ...]
    shows: str
    at: str
    severity: str = "error"
    files: dict[str, str] = field(default_factory=dict)

    def text(self, sample: str, which: str) -> str:
        """The sample centre with the edits of one side made; every edit must find its place."""
        for edit in self.edits:
            if sample.count(edit.text) != 1:
                raise ValueError(f'{self.rule}: "{edit.text}" stands {sample.count(edit.text)} times in {self.center}')
            sample = sample.replace(edit.text, edit.good if which == "good" else edit.bad)
        return sample


def lessons() -> dict[str, Path]:
    """The file of every rule that can be explained."""
    return {file.stem: file for file in sorted(resources.folder("bad").glob("*.yaml"))}


def lesson(rule: str) -> Lesson:
    """What a rule teaches; KeyError when there is no such rule."""
    data: dict[str, Any] = yaml.safe_load(lessons()[rule].read_text("utf-8"))
    edits = tuple(Edit(**edit) for edit in data.pop("edits"))
    return Lesson(rule=rule, edits=edits, **data)


def page(rule: str) -> str:
    """The lesson as a person reads it in a terminal."""
    found = lesson(rule)
    lines = [f"{found.severity}[{rule}]", "", found.why.strip(), ""]
    for title, side in (("Refused", "bad"), ("Accepted", "good")):
        lines.append(f"{title}:")
        for edit in found.edits:
            lines += [f"    {line}" for line in (edit.bad if side == "bad" else edit.good).splitlines()]
        lines.append("")
    lines += ["The finding:", f"    {found.shows}"]
    return "\n".join(lines)
