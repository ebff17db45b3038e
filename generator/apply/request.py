"""What an operator asks for with one command, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from generator.apply.junit import Case
from generator.apply.plan import Plan
from generator.problems import Problem

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What an operator asks for: which tree, where it shall go, and how far it may go there."""

    tree: Path
    centre: str
    user: str
    limit: frozenset[str] = frozenset()
    clusters: tuple[str, ...] = ()
    only_hosts: bool = False
    kubeconfigs: tuple[str, ...] = ()
    without: frozenset[str] = frozenset()
    key: Path | None = None
    confirm: frozenset[str] = frozenset()
    lock: str = ""
    shard: tuple[int, int] = (1, 1)
    up_to: str = "restart"
    wait: float = 0.0
    end_jobs: int = 0
    leaving: int = 0
    plan: Path | None = None
    seen: Plan | None = None
    """A plan that a person has just looked at."""
    save: Path | None = None
    form: str = "text"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to print, what went wrong, the exit code, and the same for programs."""

    lines: tuple[str, ...]
    problems: tuple[Problem, ...]
    code: int
    data: dict[str, Any] = field(default_factory=dict)
    plan: Plan | None = None
    cases: tuple[Case, ...] = ()
