"""Bring rendered objects into a Kubernetes cluster: diff, apply, status, unlock.

An apply compares first, without writing anything, and stops there when there is nothing to do or when the
server would refuse one object. Only then it takes the lock, records what it is about to create, writes what differs,
deletes what the comparison listed, and records the result. Killed anywhere and run again, it ends in the same state.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Literal

from generator.apply.clusters.comparison import Comparison, Manifest, Step, compare, expected_record
from generator.apply.clusters.health import ailment
from generator.apply.clusters.kube import ApiError, Kube
from generator.apply.clusters.kubeconfig import Access
from generator.apply.clusters.lease import SECONDS, break_lease, hold_lease, new_holder, read_lease, refuse_if_held
from generator.apply.clusters.membership import Key, read_record
from generator.apply.clusters.nodes import NO_LABELS, Labels, label, missing_labels
from generator.apply.clusters.work import Work, turn
from generator.problems import Problem, Refused

READY_SECONDS = 300.0

Progress = Callable[[Step], None]
Tree = Literal["applied", "another", "never applied"]


@dataclass(frozen=True, slots=True)
class Target:
    """A cluster of a centre, and how to reach it."""

    centre: str
    cluster: str
    access: Access


@dataclass(frozen=True, slots=True)
class ClusterDiff:
    """What an apply would do to a cluster; `withheld` are deletions that need a confirmation by name.

    Not `compared` when the cluster could not be asked: then the problems say why, and nothing else is known.
    """

    cluster: str
    steps: tuple[Step, ...] = ()
    withheld: tuple[Step, ...] = ()
    unchanged: int = 0
    problems: tuple[Problem, ...] = ()
    compared: bool = True

    @property
    def fingerprint(self) -> str:
        """A hash of all that would change, and of what waits for a confirmation."""
        found = [[asdict(step) for step in steps] for steps in (self.steps, self.withheld)]
        return hashlib.sha256(json.dumps(found, sort_keys=True, default=sorted).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ClusterReport:
    """What an apply did; with problems, not everything that the diff names was done."""

    cluster: str
    done: tuple[Step, ...] = ()
    withheld: tuple[Step, ...] = ()
    unchanged: int = 0
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """A living cluster against a tree: drift, objects that do not do their work, and whether a run holds the lock.

    `tree` says whether the tree is the one that was last applied.
    """

    diff: ClusterDiff
    tree: Tree = "never applied"
    ailing: tuple[tuple[Key, str], ...] = ()
    writer: str = ""


def diff_cluster(
    target: Target,
    manifests: Sequence[Manifest],
    *,
    labels: Labels = NO_LABELS,
    confirm: frozenset[str] = frozenset(),
) -> ClusterDiff:
    """Say what an apply with the same confirmations would do. Nothing is written."""
    try:
        with findings_about(target), Kube(target.access) as kube:
            record = read_record(kube, target.centre, target.cluster)
            return _diff(target, compare(kube, record, manifests, confirm), missing_labels(kube, labels))
    except Refused as refusal:
        return ClusterDiff(target.cluster, problems=tuple(refusal.problems), compared=False)


def apply_cluster(
    target: Target,
    manifests: Sequence[Manifest],
    *,
    labels: Labels = NO_LABELS,
    confirm: frozenset[str] = frozenset(),
    expected: str = "",
    progress: Progress = lambda step: None,
    tell: Callable[[str], None] = lambda text: None,
    ready_seconds: float = READY_SECONDS,
    wait: float = 0.0,
    lease_seconds: float = SECONDS,
) -> ClusterReport:
    """Make the cluster hold what is rendered; only if that is `expected`, the fingerprint of a preview, where given.

    `ready_seconds` is how long parts of others may take until they work, before what leans on them is written; `wait`
    is how long our own may take in the end, 0 for not looking; `tell` gets a sentence about what is waited for.
    """
    try:
        with findings_about(target), Kube(target.access) as kube:
            lease = read_lease(kube)
            refuse_if_held(kube, lease)
            record = read_record(kube, target.centre, target.cluster)
            found = compare(kube, record, manifests, confirm)
            unlabelled = missing_labels(kube, labels)
            diff = _diff(target, found, unlabelled)
            if expected and expected != diff.fingerprint:
                message = f'cluster "{target.cluster}" or its tree has changed since the preview'
                raise Refused([Problem("plan.stale", message, hint="look at a new diff")])
            result = Work(kube, found, ready_seconds, progress, tell, problems=found.problems)
            labelled: list[Step] = []
            if not found.problems and (diff.steps or expected_record(found, {}) != record):
                try:
                    # The lock must not have changed since before the comparison, so nobody wrote in between.
                    with findings_about(target), hold_lease(kube, lease, new_holder(), lease_seconds):
                        result.carry_out(found.steps)
                        if not result.problems:
                            labelled = label(kube, labels, unlabelled)
                except Refused as refusal:
                    result.problems += refusal.problems
            if wait and not result.problems:
                result.await_ours(wait)
            done, problems = (*_sorted(found, result.done), *labelled), tuple(result.problems)
            written = sum(step.verb != "delete" for step in result.done)
            return ClusterReport(target.cluster, done, diff.withheld, len(found.wanted) - written, problems)
    except Refused as refusal:
        return ClusterReport(target.cluster, problems=tuple(refusal.problems))


def status_cluster(target: Target, manifests: Sequence[Manifest], *, labels: Labels = NO_LABELS) -> ClusterStatus:
    """Compare the living cluster with a tree and look at the health of our objects. Nothing is written."""
    try:
        with findings_about(target), Kube(target.access) as kube:
            record = read_record(kube, target.centre, target.cluster)
            found = compare(kube, record, manifests, frozenset())
            ailing = [(key, why) for key, body in sorted(found.living.items()) if (why := ailment(body))]
            diff = _diff(target, found, missing_labels(kube, labels))
            return ClusterStatus(diff, _tree(found), tuple(ailing), read_lease(kube).writer(kube.now()))
    except Refused as refusal:
        return ClusterStatus(ClusterDiff(target.cluster, problems=tuple(refusal.problems), compared=False))


def unlock_cluster(target: Target, holder: str) -> tuple[Problem, ...]:
    """Take the lock from a run that is dead, named by its id; findings if it is not the holder."""
    try:
        with findings_about(target), Kube(target.access) as kube:
            break_lease(kube, holder)
    except Refused as refusal:
        return tuple(refusal.problems)
    return ()


@contextmanager
def findings_about(target: Target) -> Iterator[None]:
    """Turn an answer that nobody inside could deal with into a finding about the whole cluster."""
    try:
        yield
    except ApiError as error:
        rule = {0: "cluster.unreachable", 401: "cluster.credentials", 403: "cluster.credentials"}
        problem = Problem(rule.get(error.status, "cluster.answer"), f'cluster "{target.cluster}": {error.message}')
        raise Refused([problem]) from error


def _diff(target: Target, found: Comparison, unlabelled: Sequence[Step] = ()) -> ClusterDiff:
    steps, withheld = (*_sorted(found, found.steps), *unlabelled), tuple(_sorted(found, found.withheld))
    return ClusterDiff(target.cluster, steps, withheld, found.unchanged, tuple(found.problems))


def _sorted(found: Comparison, steps: Iterable[Step]) -> list[Step]:
    return sorted(steps, key=lambda step: turn(step, found))


def _tree(found: Comparison) -> Tree:
    if not found.record.tree:
        return "never applied"
    return "applied" if expected_record(found, {}).tree == found.record.tree else "another"
