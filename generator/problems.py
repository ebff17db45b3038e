"""One shape for every finding, whoever found it and however it is shown."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

Path = tuple[str | int, ...]
Severity = Literal["error", "warning"]
MOST_CANDIDATES = 500
"""Names that a hint is chosen from: comparing is slow, and a spec may be long."""
MOST_FINDINGS = 1000
"""Findings of one kind of step; nobody reads more."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file of the user: line and column count from 1, length is at least 1 character."""

    file: str
    line: int
    column: int
    length: int = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """A finding: what is wrong (one sentence), where in the spec, by which rule, and the fix if it is known.

    `at_key` says that the last name of the path is what is meant, not the value behind it; `hidden` that its line may
    hold a secret and is shown to nobody.
    """

    rule: str
    message: str
    path: Path = ()
    hint: str | None = None
    severity: Severity = "error"
    position: Position | None = None
    at_key: bool = False
    hidden: bool = False

    @property
    def is_error(self) -> bool:
        return self.severity == "error"


class Refused(Exception):
    """Carries findings out of a step that cannot go on; raising it has no other effect."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(problem.message for problem in self.problems))


def dotted(path: Path) -> str:
    """The path as a user writes it: ``pools.train-h.racks``."""
    return ".".join(str(part) for part in path)


def in_reading_order(problems: Iterable[Problem]) -> list[Problem]:
    """Errors and warnings together, in the order in which a reader meets their lines."""
    nowhere = Position("", 0, 0)
    return sorted(problems, key=lambda p: (p.position or nowhere, p.rule, p.message))


def did_you_mean(name: str, candidates: Iterable[str]) -> str | None:
    """A hint with the nearest known name, or None when nothing is near."""
    few = itertools.islice(candidates, MOST_CANDIDATES)
    near = difflib.get_close_matches(name, few, n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else None


def one_of(name: str, few: Collection[str]) -> str:
    """A hint with the nearest of a few names, or with all of them."""
    return did_you_mean(name, few) or f"known: {', '.join(few)}"
