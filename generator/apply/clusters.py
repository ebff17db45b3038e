"""Bring rendered objects into a Kubernetes cluster: diff, apply, status, unlock.

An apply compares first, without writing anything, and stops there when there is nothing to do or when the
server would refuse one object. Only then it takes the lock, records what it is about to create, writes what differs,
deletes what the comparison listed, and records the result. Killed anywhere and run again, it ends in the same state.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal

from generator.apply.comparison import (
    DEFINITION,
    Comparison,
    Manifest,
    Step,
    Wanted,
    compare,
    expected_record,
    rejection,
)
from generator.apply.differences import changed_fields
from generator.apply.health import ailment
from generator.apply.kube import ATTEMPTS, ApiError, Kube, spread
from generator.apply.kubeconfig import Access
from generator.apply.lease import SECONDS, break_lease, hold_lease, new_holder, read_lease, refuse_if_held
from generator.apply.membership import INTENDED, Key, Record, read_record, write_record
from generator.apply.nodes import NO_LABELS, Labels, label, missing_labels
from generator.problems import Problem, Refused

DEFINITION_SECONDS = 60.0
# Objects that others lean on are written before them, and what could stand in the way of others after them.
_RANKS = {
    ("", "Namespace"): 0,
    ("apiextensions.k8s.io", DEFINITION): 0,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): 4,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): 4,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): 3,
}
_CLUSTER_WIDE, _LEANED_ON, _REST = 1, 2, 3
_LEANED_ON_KINDS = frozenset({"ConfigMap", "LimitRange", "ResourceQuota", "Role", "Secret", "ServiceAccount"})

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


@dataclass(slots=True)
class _Progress:
    done: list[Step] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    uids: dict[Key, str] = field(default_factory=dict)


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
    preview: ClusterDiff | None = None,
    progress: Progress | None = None,
    lease_seconds: float = SECONDS,
) -> ClusterReport:
    """Make the cluster hold what is rendered; with a preview, only if exactly that is still to be done."""
    try:
        with findings_about(target), Kube(target.access) as kube:
            lease = read_lease(kube)
            refuse_if_held(kube, lease)
            record = read_record(kube, target.centre, target.cluster)
            found = compare(kube, record, manifests, confirm)
            unlabelled = missing_labels(kube, labels)
            diff = _diff(target, found, unlabelled)
            if preview is not None and (preview.steps, preview.withheld) != (diff.steps, diff.withheld):
                message = f'cluster "{target.cluster}" or its tree has changed since the preview'
                raise Refused([Problem("cluster.moved", message, hint="look at a new diff")])
            result = _Progress(problems=found.problems)
            if not found.problems and (diff.steps or expected_record(found, {}) != record):
                try:
                    # The lock must not have changed since before the comparison, so nobody wrote in between.
                    with findings_about(target), hold_lease(kube, lease, new_holder(), lease_seconds):
                        _carry_out(kube, found, _diff(target, found).steps, result, progress)
                        if not result.problems:
                            result.done += label(kube, labels, unlabelled)
                except Refused as refusal:
                    result.problems += refusal.problems
            done, problems = tuple(sorted(result.done, key=_turn)), tuple(result.problems)
            written = sum(step.verb != "delete" and step not in unlabelled for step in done)
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
    steps = (*sorted(found.steps, key=_turn), *unlabelled)
    withheld = tuple(sorted(found.withheld, key=_turn))
    return ClusterDiff(target.cluster, steps, withheld, found.unchanged, tuple(found.problems))


def _tree(found: Comparison) -> Tree:
    if not found.record.tree:
        return "never applied"
    return "applied" if expected_record(found, {}).tree == found.record.tree else "another"


def _turn(step: Step) -> tuple[int, Key]:
    """When a step has its turn: creations and changes from the ground up, then deletions from the top down."""
    key = step.key
    rank = _RANKS.get((key.group, key.kind), -1)
    if rank < 0:
        rank = _CLUSTER_WIDE if not key.namespace else _LEANED_ON if key.kind in _LEANED_ON_KINDS else _REST
    return (9 - rank if step.verb == "delete" else rank), key


def _carry_out(
    kube: Kube, found: Comparison, steps: Sequence[Step], result: _Progress, progress: Progress | None
) -> None:
    """Record the intent, take the steps in turns until one fails, record what is there now."""
    new = {key: INTENDED for key in found.wanted if key not in found.record.members}
    before = found.record
    if new:
        before = Record(before.centre, before.cluster, before.tree, {**before.members, **new})
        write_record(kube, before)
    for _, turn in groupby(steps, key=lambda step: _turn(step)[0]):
        take = functools.partial(_take, kube, found, result, progress)
        result.problems += [problem for problem in spread(take, list(turn)) if problem]
        if result.problems:
            break
    after = expected_record(found, result.uids)
    if result.problems:
        # What failed stays recorded, and the tree as a whole was not applied.
        after = Record(before.centre, before.cluster, before.tree, {**before.members, **after.members})
    if after != before:
        write_record(kube, after)


def _take(kube: Kube, found: Comparison, result: _Progress, progress: Progress | None, step: Step) -> Problem | None:
    """Take one step; a finding if the server refuses it."""
    try:
        if step.verb == "delete":
            _delete(kube, found, step.key)
        elif not _write(kube, found, step.key, result):
            return None
    except ApiError as error:
        if wanted := found.wanted.get(step.key):
            return rejection(wanted, error)
        hint = "it changed since it was compared; run again" if error.status == 409 else None
        return Problem("cluster.rejected", f"{step.key}: {error.message}", hint=hint)
    result.done.append(step)
    if progress:
        progress(step)
    return None


def _write(kube: Kube, found: Comparison, key: Key, result: _Progress) -> bool:
    """Apply one object; False if somebody else had brought it into the wanted state by then."""
    wanted, before = found.wanted[key], found.living.get(key)
    meta = kube.apply(wanted.resource, wanted.body)[1]["metadata"]
    result.uids[key] = meta["uid"]
    if key.kind == DEFINITION:
        _await_definition(kube, wanted)
    return before is None or before["metadata"]["resourceVersion"] != meta["resourceVersion"]


def _await_definition(kube: Kube, wanted: Wanted) -> None:
    """Wait until the server serves what the definition defines; ApiError if it does not within a minute."""
    path = wanted.resource.item("", wanted.key.name)
    end = time.monotonic() + DEFINITION_SECONDS
    while time.monotonic() < end:
        conditions = ((kube.get(path) or {}).get("status") or {}).get("conditions") or []
        if any(c.get("type") == "Established" and c.get("status") == "True" for c in conditions):
            spec = wanted.body["spec"]
            if kube.get(f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}?limit=1"):
                return
        time.sleep(0.1)
    raise ApiError(-1, f"is not served {DEFINITION_SECONDS:g} s after it was written")


def _delete(kube: Kube, found: Comparison, key: Key) -> None:
    """Delete exactly the object that was compared; that its status moved meanwhile is no reason against it."""
    resource, body = found.resources[key], found.living[key]
    for attempt in range(1, ATTEMPTS + 1):
        meta = body["metadata"]
        try:
            kube.delete(resource, key.namespace, key.name, uid=meta["uid"], version=meta["resourceVersion"])
        except ApiError as error:
            now = kube.get(resource.item(key.namespace, key.name)) if error.status == 409 else None
            if not now or now["metadata"]["uid"] != meta["uid"] or changed_fields(body, now) or attempt == ATTEMPTS:
                raise
            body = now
        else:
            return
