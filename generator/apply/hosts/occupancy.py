"""What still runs on a node, and the mark of a run on the nodes that it keeps work away from.

A mark names the run, so that a later run tells its own drains, those of a run that died, and those of people apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

SHOWN = 5
# Runs have ids that end with eight hexadecimal digits; no word of a person does.
RUN = re.compile(r"[\w@.:/+-]{0,180}[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Load:
    """What runs on one node: `jobs` are ended only when that is allowed, `rest` says what else has to go first."""

    jobs: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.jobs or self.rest)

    @property
    def reason(self) -> str:
        """Why the node is not empty, in one line."""
        parts = [f"{counted(len(self.jobs), 'job')} there: {listed(self.jobs)}"] if self.jobs else []
        return "; ".join([*parts, listed(self.rest)] if self.rest else parts)


class Unreachable(Exception):
    """Nobody who knows the nodes of a cluster answers; the message is one line that is safe to print."""


class Cluster(Protocol):
    """A cluster as drains and leaving nodes need it. Every method may raise Unreachable."""

    def loads(self, nodes: Sequence[str]) -> dict[str, Load]:
        """What runs on each of the nodes; nothing on those that the cluster does not know, which may be left out."""

    def drain(self, nodes: Sequence[str]) -> dict[str, str]:
        """Keep new work away and leave the mark of this run; for each node where that failed, why."""

    def move(self, nodes: Sequence[str]) -> None:
        """Ask what runs there and can go elsewhere to do so; jobs stay."""

    def end(self, jobs: Iterable[str]) -> None:
        """End these jobs, which `loads` named."""

    def give_back(self, nodes: Sequence[str]) -> dict[str, str]:
        """Take marks of runs away, and with them the drain; for each node where that failed, why."""

    def marks(self, nodes: Sequence[str]) -> dict[str, str]:
        """The nodes with the mark of a run, and the id of that run."""

    def known(self, nodes: Sequence[str]) -> set[str]:
        """Those of the nodes that are the cluster's."""

    def holds(self, node: str) -> bool:
        """Whether the cluster counts on what runs on a node that does not answer us."""

    def remove(self, node: str, check: bool) -> str:
        """Delete what the cluster itself keeps of a node, or with `check` nothing yet; what that is, if anything."""


def run_of(mark: object, prefix: str = "") -> str:
    """The id of the run that a mark names; empty when a person wrote it."""
    text = str(mark or "")
    found = text.removeprefix(prefix)
    return found if text.startswith(prefix) and RUN.fullmatch(found) else ""


def counted(number: int, noun: str) -> str:
    return f"1 {noun} runs" if number == 1 else f"{number} {noun}s run"


def listed(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
