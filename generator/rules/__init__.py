"""Judgement: one file a topic, one function a rule, found by scanning this folder."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from generator.model import Center
from generator.problems import Path, Position, Problem, Severity, did_you_mean


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule has found: where and what; the registry adds the rule's name and severity.

    `position` is for things that stand in another file than the spec; `hidden` keeps a line that may hold a secret
    out of every report.
    """

    path: Path
    message: str
    hint: str | None = None
    at_key: bool = False
    position: Position | None = None
    hidden: bool = False


Check = Callable[[Center], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A judgement with a stable name."""

    id: str
    severity: Severity
    check: Check


_RULES: dict[str, Rule] = {}


def rule(id: str, severity: Severity = "error") -> Callable[[Check], Check]:
    """Register a function as a rule; its name is part of the product's interface and never reused."""

    def register(check: Check) -> Check:
        assert id not in _RULES, f"rule {id} exists twice"
        _RULES[id] = Rule(id, severity, check)
        return check

    return register


def rules() -> dict[str, Rule]:
    """Every rule of every topic by name."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return dict(sorted(_RULES.items()))


def judge(center: Center) -> list[Problem]:
    """Findings of all rules, less the warnings that the spec accepts with a reason that still holds."""
    problems = [
        Problem(
            rule.id, finding.message, finding.path, finding.hint, rule.severity, finding.position, finding.at_key,
            finding.hidden,
        )
        for rule in rules().values()
        for finding in rule.check(center)
    ]  # fmt: skip
    ended = {name for name, words in center.spec.accepted.items() if center.is_past(words.until)}
    accepted = set(center.spec.accepted) - ended
    kept = [problem for problem in problems if problem.is_error or problem.rule not in accepted]
    silenced = {problem.rule for problem in problems if not problem.is_error} & accepted
    return [
        *kept,
        *(_unused(name) for name in sorted(accepted - silenced)),
        *(_ended(center, name) for name in sorted(ended)),
    ]


def _unused(name: str) -> Problem:
    known = rules().get(name)
    if known is None:
        message, hint = f'accepts "{name}", which is no rule', did_you_mean(name, _warnings()) or "remove it"
    elif known.severity == "error":
        message, hint = f'accepts "{name}", which is an error; errors cannot be accepted', "correct its cause"
    else:
        message, hint = f'accepts "{name}", of which there is no warning', "remove it"
    return Problem("accepted.unused", message, ("accepted", name), hint, "warning")


def _warnings() -> list[str]:
    """The rules whose findings can be accepted."""
    return [name for name, rule in rules().items() if rule.severity == "warning"]


def _ended(center: Center, name: str) -> Problem:
    until = center.spec.accepted[name].until
    message = f'"{name}" was accepted until {until}, which lies before {center.as_of}'
    hint = "look at the warning again: correct its cause, or accept it anew"
    return Problem("accepted.ended", message, ("accepted", name, "until"), hint, "warning")
