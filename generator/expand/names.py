"""What a name of the spec stands for: a thing of the catalogue or of the spec itself, or a finding where it is used."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from generator import spec
from generator.catalog import Catalog
from generator.catalog.models import Entry
from generator.problems import MOST_FINDINGS, Path, Problem, Refused, did_you_mean
from generator.source import Source

Kind = TypeVar("Kind", bound=Entry)


@dataclass(slots=True)
class Names:
    """The spec, where its names lead, and the findings about those that lead nowhere."""

    words: spec.Center
    source: Source
    catalog: Catalog
    problems: list[Problem] = field(default_factory=list)

    def report(self, rule: str, message: str, path: Path, hint: str | None = None, *, at_key: bool = False) -> None:
        self.problems.append(Problem(rule, message, path, hint, at_key=at_key))

    def optional(self, kind: type[Kind], name: str) -> Kind | None:
        """A thing of the catalogue if there is one; a faulty file is a finding in it."""
        return self._look_up(kind, name)[0]

    def find(self, kind: type[Kind], name: str, path: Path) -> Kind | None:
        """A thing of the catalogue; unknown is a finding at the name."""
        found, readable = self._look_up(kind, name)
        if found is None and readable:
            words = re.sub("(?<=[a-z])(?=[A-Z])", " ", kind.__name__).lower()
            message = f'the catalogue has no {words} "{name}"'
            hint = did_you_mean(name, self.catalog.names(kind)) or f'"center catalog {kind.folder}" lists all'
            self.report("reference.catalog", message, path, hint)
        return found

    def _look_up(self, kind: type[Kind], name: str) -> tuple[Kind | None, bool]:
        """The thing, and whether its file could be read; the findings of one that could not are kept."""
        try:
            return self.catalog.get(kind, name), True
        except Refused as refused:
            self.problems += refused.problems
            return None, False

    def known(self, what: str, name: str, names: Iterable[str], path: Path, *, at_key: bool = False) -> bool:
        """Whether the spec defines a name; if not, a finding where it is used."""
        names = list(names)
        if name in names:
            return True
        if len(self.problems) >= MOST_FINDINGS:
            return False
        message = f'the spec defines no {what} "{name}"'
        hint = did_you_mean(name, names) or (f"defined: {', '.join(sorted(names)[:8])}" if names else None)
        self.report("reference.unknown", message, path, hint, at_key=at_key)
        return False

    def all_known(self, what: str, named: Iterable[str], names: Iterable[str], path: Path) -> list[str]:
        """The entries of a list that the spec defines."""
        names = list(names)
        return [name for index, name in enumerate(named) if self.known(what, name, names, (*path, index))]
