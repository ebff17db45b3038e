"""Why a rule exists, with an example that it accepts and one that it refuses: the same files that the tests use."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from generator import resources
from generator.folders import SPEC
from generator.text import visible

_TOLD_IN = {
    "cluster": "docs/delivery.md",
    "enforce": "docs/enforce.md",
    "hosts": "docs/operations.md",
    "operator": "docs/operator.md",
    "plan": "docs/operations.md",
    "rehearse": "docs/rehearse.md",
    "tree": "docs/operations.md",
}
"""Pages about what verbs find in a living centre, where no lesson can be taught, by the subject of the finding."""

Side = Literal["good", "bad"]
Texts = dict[str, str]


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of the sample centre: the text that stands there once, what passes and what is refused instead."""

    text: str
    good: str
    bad: str
    file: str


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a rule teaches. `shows` is the finding's message; `at` has what its position marks between > and <.

    Further `files` stand beside the spec. `{ab*99}` stands for 99 times ab, a lone surrogate for a byte that is
    not text. What depends on a date is judged `as_of` a day, which the file says as `as-of`.
    """

    rule: str
    why: str
    edits: tuple[Edit, ...]
    shows: str
    at: str
    severity: str = "error"
    files: Texts = field(default_factory=dict)
    as_of: str | None = None

    def sample(self) -> Texts:
        """The centre before any edit, by name of file."""
        return {SPEC: (resources.folder("starter") / SPEC).read_text("utf-8"), **self.files}

    def texts(self, side: Side) -> Texts:
        """The centre with the edits of one side made; every edit must find its place."""
        texts = self.sample()
        for edit in self.edits:
            if texts[edit.file].count(edit.text) != 1:
                raise ValueError(f'{self.rule}: "{edit.text}" does not stand once in {edit.file}')
            texts[edit.file] = texts[edit.file].replace(edit.text, edit.good if side == "good" else edit.bad)
        return texts


def lessons() -> dict[str, Path]:
    """The file of every rule that can be explained."""
    return {file.stem: file for file in sorted(resources.folder("bad").glob("*.yaml"))}


def lesson(rule: str) -> Lesson:
    """What a rule teaches; KeyError when there is no such rule."""
    data: dict[str, Any] = yaml.safe_load(lessons()[rule].read_text("utf-8"))
    day = data.pop("as-of", None)
    edits = tuple(_edit(**edit) for edit in data.pop("edits"))
    return Lesson(rule=rule, edits=edits, as_of=str(day) if day else None, **data)


def _edit(text: str, bad: str = "", good: str | None = None, both: str | None = None, file: str = SPEC) -> Edit:
    """`both` is the same on either side; without `good` the sample itself is what passes."""
    if both is not None:
        return Edit(text, both, both, file)
    return Edit(text, text if good is None else good, bad, file)


def page(rule: str) -> str:
    """The lesson as a person reads it in a terminal."""
    found = lesson(rule)
    lines = [f"{found.severity}[{rule}]", "", *textwrap.wrap(found.why, 100)]
    for title, shown in _examples(found):
        lines += ["", f"{title}:", *(f"    {line}" for line in shown)]
    lines += ["", f"{_finding(found)}:", f"    {found.shows}"]
    return "\n".join(visible(line, None) for line in lines)


def subjects() -> set[str]:
    """What the names of rules begin with: ``power``, ``cooling``."""
    return {rule.partition(".")[0] for rule in lessons()}


def told_in(rule: str) -> str | None:
    """The page that tells of a finding which is no rule, if its subject is one of a living centre."""
    return _TOLD_IN.get(rule.partition(".")[0])


def listing(subject: str) -> str:
    """The rules of a subject, a line each with the first sentence of its reason."""
    rules = [rule for rule in lessons() if rule.partition(".")[0] == subject]
    width = max(map(len, rules), default=0)
    return "\n".join(f"{rule:{width}}  {visible(_first_sentence(lesson(rule).why), 150 - width)}" for rule in rules)


def _first_sentence(text: str) -> str:
    return re.split(r"[.:;] ", " ".join(text.split()))[0].rstrip(".")


def markdown(rule: str) -> str:
    """The lesson as a web page shows it, without a heading."""
    found = lesson(rule)
    lines = textwrap.wrap(found.why, 120, break_on_hyphens=False)  # or a page shows a space after the hyphen
    for title, shown in _examples(found):
        lines += ["", f"{title}:", "```yaml", *shown, "```"]
    lines += ["", f"{_finding(found)}:", "```", found.shows, "```"]
    return "\n".join(visible(line, None) for line in lines)


def _finding(found: Lesson) -> str:
    return f"The finding with --as-of {found.as_of}" if found.as_of else "The finding"


def _examples(found: Lesson) -> Iterator[tuple[str, list[str]]]:
    """The lines that matter of both sides, with a title each."""
    sample, good, bad = found.sample(), found.texts("good"), found.texts("bad")
    sections = {
        "In a centre with": {name: _added(good[name], sample[name], bad[name]) for name in good},
        "Refused": {name: _added(bad[name], good[name]) for name in bad},
        "Accepted": {name: _added(good[name], bad[name]) for name in good},
    }
    for title, files in sections.items():
        if any(files.values()):
            yield title, list(_excerpt(files))


def _added(text: str, without: str, but: str | None = None) -> list[str]:
    """Lines of a text that another lacks, and, if asked so, that a third has as well."""
    kept = text if but is None else but
    return [line for line in text.split("\n") if line not in without.split("\n") and line in kept.split("\n")]


def _excerpt(files: dict[str, list[str]]) -> Iterator[str]:
    for name, lines in files.items():
        if lines and name != SPEC:
            yield f"# {name}"
        yield from lines
