"""Acceptance: the checks of a pool are made on each of its nodes, and a node that passes all of them gets a mark.

A node that fails one loses the mark that it had, so that a worn machine stays out of service until it passes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from generator.apply.hosts.expectation import Machine, compare
from generator.apply.hosts.field import CHECKS, Answered, Part, Subject, by_pool, parts, question, subjects
from generator.apply.hosts.findings import Remark, Report, enumerated
from generator.apply.hosts.ssh import Connections, SshAccess
from generator.text import visible

SECONDS = 90
SLOWEST = 3600


def accept(
    tree: Path,
    pools: frozenset[str] | None,
    limit: frozenset[str] | None,
    access: SshAccess,
    progress: Callable[[str], None] = lambda message: None,
) -> Report:
    """Check nodes and mark those that pass. UnknownName for a pool or node that the tree lacks."""
    chosen = subjects(tree, limit, pools)
    report = Report("accept", by_pool(chosen))
    progress(f"checking {len(chosen)} nodes")
    modules = parts(CHECKS)
    with Connections(access) as connections:
        judged = connections.for_each(lambda subject: _judge(connections, modules, subject), chosen)
    report.remarks = {subject.node.name: remarks for subject, remarks in zip(chosen, judged, strict=True)}
    report.done = list(what_now(report, chosen))
    return report


def revoke(
    tree: Path,
    pools: frozenset[str] | None,
    limit: frozenset[str] | None,
    access: SshAccess,
    progress: Callable[[str], None] = lambda message: None,
) -> Report:
    """Take the mark from nodes, whatever their state."""
    chosen = subjects(tree, limit, pools)
    report = Report("accept", by_pool(chosen))
    progress(f"taking the mark from {len(chosen)} nodes")
    modules, had = parts(CHECKS), []
    with Connections(access) as connections:

        def take(subject: Subject) -> Answered:
            return question(connections, subject.node, modules, {"revoke": True}, SECONDS)

        answers = connections.for_each(take, chosen)
    for subject, answered in zip(chosen, answers, strict=True):
        report.remarks[subject.node.name] = _refusals(answered)
        if answered.said.get("had") is True and not report.fails(subject.node.name):
            had.append(subject.node.name)
    report.done = [f"no longer accepted: {enumerated(had)}" if had else "no node had been accepted"]
    return report


def digest(subject: Subject) -> str:
    """One value for all that a node was checked against."""
    return hashlib.sha256("\0".join(subject.texts).encode()).hexdigest()


def _judge(connections: Connections, modules: list[Part], subject: Subject) -> list[Remark]:
    checks = subject.checks["checks"]
    commands = [check for check in checks if "argv" in check]
    # What waits for the mark cannot run before it.
    units = [unit["name"] for unit in subject.units if not unit.get("gate")]
    given = {"facts": {**subject.what_to_gather(), "mirror": None, "units": units}, "checks": commands}
    limit = min(SLOWEST, SECONDS + sum(check["seconds"] for check in commands))
    answered = question(connections, subject.node, modules, given, limit)
    if answered.problem:
        return [answered.problem]
    remarks = list(_remarks(subject, checks, answered.said))
    passed = not any(remark.severity == "error" for remark in remarks)
    verdict: dict[str, Any] = {"accept": digest(subject)} if passed else {"revoke": True}
    return [*remarks, *_refusals(question(connections, subject.node, modules, verdict, SECONDS))]


def _remarks(subject: Subject, checks: list[dict[str, Any]], said: dict[str, Any]) -> Iterator[Remark]:
    facts, results = said.get("facts"), said.get("checks")
    facts = facts if isinstance(facts, dict) else {}
    # A unit that waits for the mark may have failed before the node was repaired.
    waiting = {unit["name"] for unit in subject.units if unit.get("gate")}
    failed = facts.get("failed-units")
    facts["failed-units"] = (
        [unit for unit in failed if unit not in waiting] if isinstance(failed, list) else ["systemd"]
    )
    machine = Machine(subject.node.name, facts, subject.expected, subject.place)
    for check in checks:
        if "fact" in check:
            yield from compare(check["name"], check["fact"], machine)
            continue
        result = results.get(check["name"]) if isinstance(results, dict) else None
        if not isinstance(result, str):
            yield Remark(check["name"], "error", f"{check['title']}: no result")
        elif result:
            yield Remark(check["name"], "error", f"{check['title']}: {visible(result)}")


def _refusals(answered: Answered) -> list[Remark]:
    """Why a mark could not be given or taken."""
    if answered.problem:
        return [answered.problem]
    refused = answered.said.get("refused")
    return [Remark("mark", "error", f"cannot keep its mark: {visible(refused)}")] if refused else []


def what_now(report: Report, chosen: list[Subject]) -> Iterator[str]:
    """Which nodes are accepted, and which of their units waited for that."""
    passed = [subject for subject in chosen if not report.fails(subject.node.name)]
    for pool, nodes in by_pool(passed).items():
        units = {
            unit["name"] for subject in passed if subject.pool == pool for unit in subject.units if unit.get("gate")
        }
        start = f"; center apply now starts {', '.join(sorted(units))} there" if units else ""
        yield f"{pool}: accepted: {enumerated(nodes)}{start}"
