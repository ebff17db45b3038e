"""The writing half of an apply to a cluster: every step in its turn, recorded before and after.

The parts of others come first, from their namespaces up, and have to work before anything of ours leans on them; what
leaves goes last, from the top down.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from generator.apply.clusters.comparison import DEFINITION, Comparison, Step, Wanted, expected_record, rejection
from generator.apply.clusters.differences import changed_fields
from generator.apply.clusters.kube import ATTEMPTS, ApiError, Kube, spread
from generator.apply.clusters.membership import INTENDED, Key, Record, write_record
from generator.apply.clusters.readiness import await_ready
from generator.problems import Problem

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
_OF_OTHERS, _OURS, _LEAVING = 0, 1, 2


@dataclass(slots=True)
class Work:
    """The steps of one run that were taken, until one fails."""

    kube: Kube
    found: Comparison
    seconds: float
    """How long the parts of others may take until they work."""
    progress: Callable[[Step], None]
    tell: Callable[[str], None]
    done: list[Step] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    uids: dict[Key, str] = field(default_factory=dict)

    def carry_out(self, steps: Sequence[Step]) -> None:
        """Record the intent, take the steps in turns until one fails, record what is there now."""
        new = {key: INTENDED for key in self.found.wanted if key not in self.found.record.members}
        before = self.found.record
        if new:
            before = Record(before.centre, before.cluster, before.tree, {**before.members, **new})
            write_record(self.kube, before)
        for stage, of_stage in groupby(sorted(steps, key=self.turn), key=lambda step: self.turn(step)[0]):
            if stage == _OURS:
                self._await_parts()
            for _, turn in groupby(of_stage, key=lambda step: self.turn(step)[1]):
                if not self.problems:
                    self.problems += [problem for problem in spread(self._take, list(turn)) if problem]
        after = expected_record(self.found, self.uids)
        if self.problems:
            # What failed stays recorded, and the tree as a whole was not applied.
            after = Record(before.centre, before.cluster, before.tree, {**before.members, **after.members})
        if after != before:
            write_record(self.kube, after)

    def turn(self, step: Step) -> tuple[int, int, Key]:
        """When a step has its turn."""
        return turn(step, self.found)

    def await_ours(self, seconds: float) -> None:
        """Wait until all that is ours works, and name what does not when the time is over."""
        ours = [key for key, wanted in self.found.wanted.items() if not wanted.part]
        for line in await_ready(self.kube, self.found, ours, seconds, self.tell):
            message = f"{line}, after {seconds:g} s of waiting"
            self.problems.append(Problem("cluster.not-ready", message, hint="look at its pods and events"))

    def _await_parts(self) -> None:
        """What others made answers for objects of ours as soon as they are written: it has to work by then."""
        parts = [key for key, wanted in self.found.wanted.items() if wanted.part]
        if parts and not self.problems:
            ailing = await_ready(self.kube, self.found, parts, self.seconds, self.tell)
            self.problems += [_not_ready(self.found, line, self.seconds) for line in ailing]

    def _take(self, step: Step) -> Problem | None:
        """Take one step; a finding if the server refuses it."""
        try:
            if step.verb == "delete":
                _delete(self.kube, self.found, step.key)
            elif not self._write(step.key):
                return None
        except ApiError as error:
            if wanted := self.found.wanted.get(step.key):
                return rejection(wanted, error)
            hint = "it changed since it was compared; run again" if error.status == 409 else None
            return Problem("cluster.rejected", f"{step.key}: {error.message}", hint=hint)
        self.done.append(step)
        self.progress(step)
        return None

    def _write(self, key: Key) -> bool:
        """Apply one object; False if somebody else had brought it into the wanted state by then."""
        wanted, before = self.found.wanted[key], self.found.living.get(key)
        meta = self.kube.apply(wanted.resource, wanted.body)[1]["metadata"]
        self.uids[key] = meta["uid"]
        if key.kind == DEFINITION:
            _await_definition(self.kube, wanted)
        return before is None or before["metadata"]["resourceVersion"] != meta["resourceVersion"]


def turn(step: Step, found: Comparison) -> tuple[int, int, Key]:
    """When a step has its turn: in which stage, in which row of it."""
    key = step.key
    rank = _RANKS.get((key.group, key.kind), -1)
    if rank < 0:
        rank = _CLUSTER_WIDE if not key.namespace else _LEANED_ON if key.kind in _LEANED_ON_KINDS else _REST
    if step.verb == "delete":
        return _LEAVING, -rank, key
    return _OF_OTHERS if found.wanted[key].part else _OURS, rank, key


def _not_ready(found: Comparison, line: str, seconds: float) -> Problem:
    message = f"{line}, {seconds:g} s after it was written; nothing that leans on it was touched"
    return Problem("cluster.not-ready", message, hint="look at its pods and events, then run again")


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
