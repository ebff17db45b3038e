"""What the API server and Kueue say became of what was asked; nothing of it is concluded from what was sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from generator.problems import Problem, Refused
from generator.rehearsal.asks import Ask, Outcome, amount_of
from generator.text import visible

if TYPE_CHECKING:
    from control_plane.cluster import ControlPlane

QUEUES = "/apis/kueue.x-k8s.io/v1beta2"
JOBS = "/apis/batch/v1"
CLAIMS = "/apis/resource.k8s.io/v1"
POOL = "center.node-restriction.kubernetes.io/pool"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of one ask; `outcome` is None while nobody can say."""

    ask: Ask
    outcome: Outcome | None
    reason: str
    nodes: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    """Where its pods run: nodes, and the pools that their labels name."""

    @property
    def kept(self) -> bool:
        """Whether it is what the spec promises: the outcome, and the pool."""
        return self.outcome == self.ask.promised and set(self.pools) <= {self.ask.pool}


class Witness:
    """Reads the living cluster, and asks it as people of tenants do."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._refusals: dict[tuple[str, str], str] = {}

    def submit(self, ask: Ask, *, trying: bool = False) -> None:
        """Create a job as its people would; `trying` leaves nothing behind if it is accepted."""
        who = [("Impersonate-User", f"rehearsal:{ask.tenant}"), *(("Impersonate-Group", group) for group in ask.who)]
        path = f"{JOBS}/namespaces/{ask.namespace}/jobs"
        query = {"dryRun": "All"} if trying else {}
        headers = who if ask.who else []
        if ask.template:
            claims = f"{CLAIMS}/namespaces/{ask.namespace}/resourceclaimtemplates"
            self._plane.api.post(claims, json=ask.template, params=query, headers=headers)
        answer = self._plane.api.post(path, json=ask.manifest, params=query, headers=headers)
        if answer.is_success:
            self._refusals.pop((ask.namespace, ask.name), None)
        else:
            self._refusals[ask.namespace, ask.name] = visible(_message(answer.json()), 400)

    def withdraw(self, ask: Ask) -> None:
        """Delete a job, and its pods after it."""
        path = f"{JOBS}/namespaces/{ask.namespace}/jobs/{ask.name}"
        self._plane.api.delete(path, params={"propagationPolicy": "Background"})
        if ask.template:
            self._plane.api.delete(f"{CLAIMS}/namespaces/{ask.namespace}/resourceclaimtemplates/{ask.name}")

    def see(self, asks: Iterable[Ask]) -> list[Seen]:
        """What became of these by now."""
        view = _View(self)
        return [self._seen(ask, view) for ask in asks]

    def gone(self, asks: Iterable[Ask]) -> bool:
        """Whether nothing is left of these jobs, in the queues neither."""
        view = _View(self)
        names = {(ask.namespace, ask.name) for ask in asks}
        left = [owner for owner in view.owned if owner in names]
        return not left and not names & {_place(job) for job in view.jobs}

    def held(self) -> dict[str, float]:
        """How much each queue has given, of the resource that counts there."""
        found = {}
        for queue in self.every(f"{QUEUES}/clusterqueues"):
            given = [use for flavor in queue["status"].get("flavorsReservation", []) for use in flavor["resources"]]
            counted = [use for use in given if "/" in use["name"]] or [use for use in given if use["name"] == "cpu"]
            found[queue["metadata"]["name"]] = sum(amount_of(str(use["total"])) for use in counted)
        return found

    def closed(self) -> list[str]:
        """Queues that admit nothing, and why not."""
        found = []
        for queue in self.every(f"{QUEUES}/clusterqueues"):
            active = _condition(queue, "Active")
            if active.get("status") != "True":
                found.append(f"{queue['metadata']['name']}: {visible(active.get('message') or 'not looked at yet')}")
        return found

    def pools(self) -> dict[str, str]:
        """The pool of each node, as its label says."""
        nodes = self.every("/api/v1/nodes")
        return {node["metadata"]["name"]: node["metadata"]["labels"].get(POOL, "") for node in nodes}

    def every(self, path: str) -> list[Json]:
        """All objects of a kind; Refused when the API server gives none."""
        answer = self._plane.api.get(path)
        if not answer.is_success:
            raise Refused([Problem("rehearse.answer", f"{path}: {visible(answer.text)}")])
        items: list[Json] = answer.json()["items"]
        return items

    def _seen(self, ask: Ask, view: _View) -> Seen:
        refused = self._refusals.get((ask.namespace, ask.name))
        if refused is not None:
            return Seen(ask, "refused", refused)
        if ask.kind == "unqueued":  # it was only tried, so nothing of it is there
            return Seen(ask, "ran", "the API server accepted it")
        pods = view.pods_of(ask)
        running = [pod for pod in pods if pod["status"].get("phase") in ("Running", "Succeeded")]
        workloads = [view.workloads[uid] for uid in view.uids_of(ask, pods) if uid in view.workloads]
        verdicts = [_condition(workload, "QuotaReserved") for workload in workloads]
        waiting = [visible(each["message"], 400) for each in verdicts if each.get("status") == "False"]
        nodes = tuple(sorted({pod["spec"]["nodeName"] for pod in running}))
        pools = tuple(sorted({view.pools.get(node, "") for node in nodes}))
        given = [visible(each["message"]) for each in verdicts if each.get("status") == "True"]
        if len(running) >= ask.pods:
            return Seen(ask, "ran", given[0] if given else "", nodes, pools)
        if waiting and not running:
            return Seen(ask, "waited", waiting[0])
        unplaced = [_condition(pod, "PodScheduled").get("message", "") for pod in pods if pod not in running]
        said = (visible(text, 400) for text in (*waiting, *unplaced, *given) if text)
        why = next(said, "no queue has looked at it")
        return Seen(ask, None, f"{len(running)} of {ask.pods} pods run: {why}", nodes, pools)


class _View:
    """Everything that matters, read once."""

    def __init__(self, witness: Witness) -> None:
        self.pools = witness.pools()
        self.jobs = witness.every(f"{JOBS}/jobs")
        self._pods = witness.every("/api/v1/pods")
        found = witness.every(f"{QUEUES}/workloads")
        self.workloads = {owner["uid"]: each for each in found for owner in _owners(each)}
        self.owned = {
            (each["metadata"]["namespace"], owner["name"])
            for each in (*found, *self._pods)
            for owner in _owners(each)
            if owner["kind"] == "Job"
        }

    def pods_of(self, ask: Ask) -> list[Json]:
        """The pods of a job by their owner; those of what stands by their labels."""
        there = [pod for pod in self._pods if pod["metadata"]["namespace"] == ask.namespace]
        if ask.manifest is not None:
            return [pod for pod in there if any(owner["name"] == ask.name for owner in _owners(pod))]
        return [pod for pod in there if ask.marks.items() <= (pod["metadata"].get("labels") or {}).items()]

    def uids_of(self, ask: Ask, pods: Iterable[Json]) -> Iterator[str]:
        """Whose workloads count: those of the job itself, or of each pod."""
        yield from (job["metadata"]["uid"] for job in self.jobs if _place(job) == (ask.namespace, ask.name))
        yield from (pod["metadata"]["uid"] for pod in pods)


def _place(body: Json) -> tuple[str, str]:
    return body["metadata"]["namespace"], body["metadata"]["name"]


def _owners(body: Json) -> list[Json]:
    owners: list[Json] = body["metadata"].get("ownerReferences") or []
    return owners


def _condition(body: Json, kind: str) -> Json:
    conditions = (body.get("status") or {}).get("conditions") or []
    return next((each for each in conditions if each["type"] == kind), {})


def _message(answer: Mapping[str, Any]) -> str:
    return str(answer.get("message") or answer)
