"""What the centre's own record says of its hosts: who writes now, what the last runs did, what a dead one left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from generator.apply.hosts.blocks import Node
from generator.apply.hosts.journal import Run, read
from generator.apply.hosts.lock import PROBABLY_DEAD_SECONDS, Lock, locks
from generator.apply.hosts.ssh import Connections
from generator.apply.plan import tree_digest
from generator.apply.report import named
from generator.problems import Refused

SHOWN_RUNS = 3


def condition(connections: Connections, keepers: Sequence[Node], tree: Path) -> tuple[list[str], bool]:
    """Sentences about locks and runs, and whether something is left to be done about them; reads only."""
    if not keepers:
        return [], False
    try:
        held = locks(connections, keepers[0])
    except Refused as refused:
        return [problem.message for problem in refused.problems], True
    runs = [run for run in read(connections, keepers[0]) if run.verb == "apply"]
    living = {lock.identity for lock in held if _lives(lock)}
    broken = _broken(runs, living)
    lines = [*(_writes(lock) for lock in held), *_last(runs, tree)]
    return [*lines, *(line for run in broken for line in _left(run))], bool(broken)


def _broken(runs: Sequence[Run], living: set[str]) -> list[Run]:
    """Runs that died, as far as no later run of all hosts has completed their work."""
    broken: list[Run] = []
    for run in runs:
        if run.unfinished and run.identity not in living:
            broken.append(run)
        elif run.code in (0, 2) and not run.shard and not run.limit:
            broken = [other for other in broken if other.drained]
    return broken[-SHOWN_RUNS:]


def _lives(lock: Lock) -> bool:
    return lock.quiet < PROBABLY_DEAD_SECONDS


def _writes(lock: Lock) -> str:
    if _lives(lock):
        return f"a run writes to the hosts: {lock}"
    return f"a run that shows no life holds the lock: {lock}; if it is dead: center unlock {lock.identity}"


def _last(runs: Sequence[Run], tree: Path) -> Iterator[str]:
    ended = [run for run in runs if not run.unfinished]
    if not ended:
        if not runs:
            yield "nothing was ever applied, as far as the centre's record goes"
        return
    run = ended[-1]
    same = "this tree" if run.tree == tree_digest(tree) else "another tree"
    part = f", shard {run.shard}" if run.shard else ", some hosts only" if run.limit else ""
    yield f"last apply: {same}{part}, {_ago(run.age)} by {run.holder} ({run.identity}), exit code {run.code}"


def _left(run: Run) -> Iterator[str]:
    yield f"the run {run.identity} of {run.holder}, begun {_ago(run.age)}, never ended: center apply completes its work"
    if run.in_progress:
        yield f"the run {run.identity} was at work on {named(sorted(run.in_progress))}"
    if run.drained:
        drained = named(sorted(run.drained))
        yield f"the run {run.identity} had drained {drained}: apply gives them back once they are as rendered"


def _ago(seconds: int) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} seconds ago"
