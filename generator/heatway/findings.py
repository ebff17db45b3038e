"""What validation refuses about cooling, told once by the part of the page that it is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from generator.problems import Path, Problem


@dataclass
class Findings:
    """Errors of validation about cooling; each is told once, by the part of the page that it is about."""

    problems: Sequence[Problem]
    told: set[int] = field(default_factory=set)

    def about(self, *paths: Path) -> tuple[str, ...]:
        """Messages about what stands at or below one of these paths, unless told before."""
        found = []
        for number, problem in enumerate(self.problems):
            if number not in self.told and any(problem.path[: len(path)] == path for path in paths):
                self.told.add(number)
                found.append(problem.message)
        return tuple(found)

    def refuse(self, rule: str, path: Path) -> bool:
        """Whether this rule refuses something at or below the path."""
        return any(problem.rule == rule and problem.path[: len(path)] == path for problem in self.problems)
