"""Before anything is installed: does every node answer, and is it the machine that the spec says?"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from generator.apply.hosts.expectation import Machine, compare
from generator.apply.hosts.field import FACTS, Answered, Clock, Subject, by_pool, parts, question, subjects
from generator.apply.hosts.findings import Remark, Report
from generator.apply.hosts.ssh import Connections, SshAccess

SECONDS = 90
COMPARED = (
    "system", "name", "memory", "cores", "disk", "clock", "mirror", "accelerators", "network", "serial", "board",
)  # fmt: skip


def preflight(
    tree: Path,
    limit: frozenset[str] | None,
    access: SshAccess,
    progress: Callable[[str], None] = lambda message: None,
    clock: Clock = time.time,
) -> Report:
    """Ask every node about itself and compare; changes nothing. UnknownName for a node that the tree lacks."""
    chosen = subjects(tree, limit)
    report = Report("preflight", by_pool(chosen))
    progress(f"asking {len(chosen)} nodes what they are")
    modules = parts(FACTS)
    with Connections(access) as connections:

        def look(subject: Subject) -> Answered:
            return question(connections, subject.node, modules, subject.what_to_gather(), SECONDS, clock)

        answers = connections.for_each(look, chosen)
    for subject, answered in zip(chosen, answers, strict=True):
        report.remarks[subject.node.name] = judge(subject, answered)
    return report


def judge(subject: Subject, answered: Answered) -> list[Remark]:
    """Everything that is to be said about one node."""
    if answered.problem:
        return [answered.problem]
    machine = Machine(subject.node.name, answered.said, subject.expected, subject.place, answered.asked)
    return [remark for fact in COMPARED for remark in compare(fact, fact, machine)]
