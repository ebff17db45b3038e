"""From a folder with a spec to a judged centre: every finding at once, each at its line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from generator import catalog, expand, rules, source, spec
from generator.model import Center
from generator.problems import Problem, Refused, in_reading_order
from generator.source import Source


@dataclass(frozen=True, slots=True)
class Validation:
    """What a spec says and what is wrong with it; the centre is there when the words could be read.

    `waiting` counts the checks that were not made: they wait until the errors found before them are corrected.
    """

    file: Path
    source: Source
    center: Center | None
    problems: list[Problem]
    waiting: int = 0

    @property
    def errors(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.is_error]


def validate(file: Path, as_of: str | None = None) -> Validation:
    """Read, expand and judge a spec; never raises for what a user wrote. Dates are judged by a day, if one is given."""
    read = Source()
    try:
        source.load(file, into=read)
        words = spec.read(read)
    except Refused as refused:
        return Validation(file, read, None, _placed(refused.problems, read), waiting=len(rules.rules()))
    center, problems = expand.expand(words, read, catalog.of(file.parent))
    center = replace(center, as_of=as_of)
    if problems:
        # Judgement of a centre with holes in it would report the holes again, as missing power or missing quota.
        return Validation(file, read, center, _placed(problems, read), waiting=len(rules.rules()))
    return Validation(file, read, center, _placed(rules.judge(center), read))


def _placed(problems: list[Problem], read: Source) -> list[Problem]:
    """Every finding with a position, in reading order."""
    placed = [
        problem if problem.position else replace(problem, position=read.locate(problem.path, at_key=problem.at_key))
        for problem in problems
    ]
    read.hide_secrets(placed)
    return in_reading_order(placed)
