"""Hold the queues of tenants whose time or credit is over, and give them back; work that runs goes on.

A held queue admits nothing new. What is written there is one field and what says why, under a field manager of its own:
whoever applies the rendered objects owns other fields of them, so neither undoes the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from generator.apply.clusters.kube import ApiError, Json, Kube, Resource
from generator.apply.clusters.kubeconfig import out_of_reach
from generator.apply.clusters.lease import hold_lease, new_holder, read_lease, refuse_if_held
from generator.apply.clusters.membership import read_record
from generator.apply.clusters.runs import Target, findings_about
from generator.problems import Problem, Refused
from generator.text import visible

MANAGER = "center-enforce"
REASON, SINCE = "center.internal/held", "center.internal/held-since"
_TENANT = "center.internal/tenant"
_QUEUES = Resource("kueue.x-k8s.io", "v1beta2", "ClusterQueue", "clusterqueues", namespaced=False)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Why the queues of each tenant are to be held, nothing where they are to be free.

    A tenant of whom one thing is not known (`unsure`, with the word that its reason begins with) keeps that reason.
    """

    day: str
    reasons: Mapping[str, tuple[str, ...]]
    unsure: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Deed:
    """What happens to one queue."""

    verb: Literal["hold", "give back"]
    queue: str
    tenant: str
    reason: str


@dataclass(frozen=True, slots=True)
class Enforcement:
    """What was done in a cluster, or would be done; with problems, not everything was."""

    cluster: str
    deeds: tuple[Deed, ...] = ()
    held: int = 0
    problems: tuple[Problem, ...] = ()


def enforce(target: Target, judgement: Judgement, *, check: bool) -> Enforcement:
    """Bring the queues of a cluster to what is judged; with `check` only say what that would be."""
    done: list[Deed] = []
    problems: list[Problem] = []
    held = 0
    try:
        with findings_about(target), Kube(target.access) as kube:
            lease = read_lease(kube)
            # Also refuses a cluster of another centre, whose tenants may have the same names.
            read_record(kube, target.centre, target.cluster)
            if kube.resource(f"{_QUEUES.group}/{_QUEUES.version}", _QUEUES.kind) is None:
                message = f'cluster "{target.cluster}" does not serve {_QUEUES.group}/{_QUEUES.version} {_QUEUES.kind}'
                raise Refused([Problem("cluster.not-served", message, hint="install Kueue in the cluster first")])
            queues = list(_queues(kube, target.centre, judgement))
            pending = [(queue, deed) for queue in queues if (deed := _deed(queue, judgement))]
            held = sum(bool(_wanted(queue, judgement)) for queue in queues)
            if check or not pending:
                return Enforcement(target.cluster, tuple(deed for _, deed in pending), held)
            refuse_if_held(kube, lease)
            # An apply at the same time may delete a queue, and a hold would bring it back.
            with hold_lease(kube, lease, new_holder()):
                for queue, deed in pending:
                    if problem := _carry_out(kube, queue, deed, judgement.day):
                        problems.append(problem)
                    else:
                        done.append(deed)
    except Refused as refusal:
        problems += refusal.problems
    return Enforcement(target.cluster, tuple(done), held, tuple(problems))


def unreached(cluster: str) -> Enforcement:
    """What came of a cluster that no kubeconfig reaches."""
    return Enforcement(cluster, problems=(out_of_reach(cluster, f"give --kubeconfig {cluster}=FILE"),))


def _queues(kube: Kube, centre: str, judgement: Judgement) -> Iterator[Json]:
    """The queues of tenants that the spec has; those of others leave with the next apply."""
    selector = f"app.kubernetes.io/managed-by=center,center.internal/center={centre}"
    for queue in kube.every(_QUEUES, selector=selector):
        if _tenant(queue) in judgement.reasons:
            yield queue


def _tenant(queue: Json) -> str:
    return str((queue["metadata"].get("labels") or {}).get(_TENANT))


def _held(queue: Json) -> str:
    """Why we hold a queue; empty if we do not."""
    ours = any(entry.get("manager") == MANAGER for entry in queue["metadata"].get("managedFields") or [])
    stopped = (queue.get("spec") or {}).get("stopPolicy", "None") != "None"
    return str((queue["metadata"].get("annotations") or {}).get(REASON, "")) if ours and stopped else ""


def _wanted(queue: Json, judgement: Judgement) -> str:
    """Why a queue is to be held; empty if it is to be free."""
    tenant = _tenant(queue)
    reasons = list(judgement.reasons[tenant])
    if word := judgement.unsure.get(tenant):
        reasons += [reason for reason in _held(queue).split("; ") if reason.startswith(word)]
    return "; ".join(reasons)


def _deed(queue: Json, judgement: Judgement) -> Deed | None:
    """What has to be done with a queue; nothing where it is as it should be or somebody else has stopped it."""
    wanted, held = _wanted(queue, judgement), _held(queue)
    stopped = (queue.get("spec") or {}).get("stopPolicy", "None") != "None"
    if wanted == held or (stopped and not held):
        return None
    return Deed("hold" if wanted else "give back", queue["metadata"]["name"], _tenant(queue), wanted or held)


def _carry_out(kube: Kube, queue: Json, deed: Deed, day: str) -> Problem | None:
    """Claim the field, or let go of it: then it falls back to what Kueue has where nobody says anything."""
    # The UID is a precondition: without it, a queue that has just been deleted would be made anew.
    meta: Json = {"name": deed.queue, "uid": queue["metadata"]["uid"]}
    body: Json = {"apiVersion": f"{_QUEUES.group}/{_QUEUES.version}", "kind": _QUEUES.kind, "metadata": meta}
    if deed.verb == "hold":
        since = (queue["metadata"].get("annotations") or {}).get(SINCE) if _held(queue) else None
        meta["annotations"] = {REASON: deed.reason, SINCE: since or day}
        body["spec"] = {"stopPolicy": "Hold"}
    try:
        # Whoever let the queue run by hand still owns the field; the spec is where a day or a credit is changed.
        kube.apply(_QUEUES, body, manager=MANAGER, force=True)
    except ApiError as error:
        if not 400 <= error.status < 500 or error.status == 401:
            raise
        return Problem("enforce.refused", visible(f'queue "{deed.queue}": {error.message}'))
    return None


def lines(found: Enforcement, *, check: bool) -> Iterator[str]:
    """What is said of a cluster."""
    for deed in found.deeds:
        why = f": {deed.reason}" if deed.verb == "hold" else f", no longer: {deed.reason}"
        yield visible(f'{found.cluster}: {"would " if check else ""}{deed.verb} "{deed.queue}"{why}')
    if not found.problems:
        count = f"{len(found.deeds)} {'to change' if check else 'changed'}"
        yield f"{found.cluster}: {count}, {found.held} held"


def as_json(found: list[Enforcement], judgement: Judgement, code: int) -> str:
    """The same for programs."""
    clusters = {
        each.cluster: {
            "deeds": [
                {"verb": deed.verb, "queue": deed.queue, "tenant": deed.tenant, "reason": deed.reason}
                for deed in each.deeds
            ],
            "held": each.held,
            "problems": [problem.message for problem in each.problems],
        }
        for each in found
    }
    return json.dumps({"exit_code": code, "as_of": judgement.day, "clusters": clusters})
