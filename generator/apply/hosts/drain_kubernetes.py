"""Empty nodes of a Kubernetes cluster: no new pods, then the pods leave by evictions, which respect disruption budgets.

The mark is an annotation, set together with the cordon by a field manager of its own: what a person cordoned is not
owned by us, so taking our fields away leaves it cordoned.

Pods that a controller starts elsewhere are asked to go. All others are work that would be lost or begin anew: pods of
jobs, those that wait in queues included, and pods that nothing would start again. They are left to end by themselves.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, ParamSpec, TypeVar

from generator.apply.clusters.kube import PODS, ApiError, Json, Kube, Resource, spread
from generator.apply.clusters.kubeconfig import Access
from generator.apply.clusters.membership import read_record
from generator.apply.hosts.occupancy import Load, Unreachable, run_of
from generator.problems import Refused
from generator.text import visible

Given = ParamSpec("Given")
Result = TypeVar("Result")

MARK = "center.internal/drained-by"
MANAGER = "center-drain"
MIRROR = "kubernetes.io/config.mirror"
# A pod of these is replaced by one like it, on another node.
REPLACED = frozenset({"ReplicaSet", "ReplicationController", "StatefulSet"})
ATTEMPTS = 5
# Nodes are large objects: fewer are read one by one, more of them as a list of all.
ONE_BY_ONE = 100
NODES = Resource("", "v1", "Node", "nodes", namespaced=False)


class KubernetesCluster:
    """The nodes of one Kubernetes cluster, for one run; `close` ends its connections."""

    def __init__(self, name: str, access: Access, run: str, centre: str = "") -> None:
        """Unreachable for a cluster that cannot be asked, or that does not know this `centre`, if one is named.

        A stranger's cluster runs nothing on our nodes, so each of them would look empty there.
        """
        self.name = name
        self.run = run
        self._ending = contextlib.ExitStack()
        try:
            self.kube = self._ending.enter_context(Kube(access))
        except Refused as refused:
            raise Unreachable(visible(refused.problems[0].message)) from refused
        if centre:
            self._told(self._recognize, centre)
        self._pods: dict[str, Json] = {}
        self._refusals: dict[str, str] = {}

    def _recognize(self, centre: str) -> None:
        try:
            known = read_record(self.kube, centre, self.name).members
        except Refused as refused:
            raise Unreachable(visible(refused.problems[0].message)) from refused
        if not known:
            why = f"the kubeconfig for cluster {self.name} leads to one that has no record of this centre"
            raise Unreachable(f"{why}; apply the cluster first, or say --no-cluster {self.name}")

    def close(self) -> None:
        self._ending.close()

    def loads(self, nodes: Sequence[str]) -> dict[str, Load]:
        return dict(zip(nodes, self._told(spread, self._load, list(nodes)), strict=True))

    def drain(self, nodes: Sequence[str]) -> dict[str, str]:
        return self._for_each(self._cordon, nodes)

    def move(self, nodes: Sequence[str]) -> None:
        there = self._told(spread, self._on, list(nodes))
        self._evict([pod for pods in there for pod in pods if kind_of(pod) == "moves"])

    def end(self, jobs: Iterable[str]) -> None:
        self._evict([self._pods[job] for job in jobs])

    def give_back(self, nodes: Sequence[str]) -> dict[str, str]:
        return self._for_each(self._uncordon, sorted(self.marks(nodes)))

    def marks(self, nodes: Sequence[str]) -> dict[str, str]:
        return {name: mark for name, node in self._there(nodes).items() if (mark := mark_of(node))}

    def known(self, nodes: Sequence[str]) -> set[str]:
        return set(self._there(nodes))

    def _there(self, nodes: Sequence[str]) -> dict[str, Json]:
        """The Node objects of those that have one."""
        wanted = set(nodes)
        if len(wanted) <= ONE_BY_ONE:
            found = [node for node in self._told(spread, self._node, sorted(wanted)) if node is not None]
        else:
            found = self._told(lambda: list(self.kube.every(NODES)))
        return {name: node for node in found if (name := node["metadata"]["name"]) in wanted}

    def holds(self, node: str) -> bool:
        """While the node's own agent reports, what runs there still runs, and the node would register anew."""
        conditions = ((self._node(node) or {}).get("status") or {}).get("conditions") or []
        return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)

    def remove(self, node: str, check: bool) -> str:
        """Delete the Node object that is there now, not one that comes after it."""
        found = self._node(node)
        if found is not None and not check:
            self._delete(node, found["metadata"]["uid"])
        return f"Node of cluster {self.name}" if found is not None else ""

    def _delete(self, node: str, uid: str) -> None:
        for _ in range(ATTEMPTS):
            found = self._node(node)
            if found is None or found["metadata"]["uid"] != uid:
                return
            try:
                self.kube.delete(NODES, "", node, uid=uid, version=found["metadata"]["resourceVersion"])
            except ApiError as error:
                if error.status != 409:  # 409: its status has been written meanwhile
                    raise Unreachable(f"Node {node} of cluster {self.name} is not deleted: {error}") from error
            else:
                return
        raise Unreachable(f"Node {node} of cluster {self.name} is not deleted: it changes all the time")

    def _node(self, name: str) -> Json | None:
        return self._told(self.kube.get, NODES.item("", name))

    def _on(self, node: str) -> list[Json]:
        return self._told(lambda: list(self.kube.every(PODS, fields=f"spec.nodeName={node}")))

    def _load(self, node: str) -> Load:
        jobs, rest = [], []
        for pod in sorted(self._on(node), key=place_of):
            place, kind = place_of(pod), kind_of(pod)
            if kind == "job":
                jobs.append(place)
                self._pods[place] = pod
            elif kind == "leaves":
                rest.append(f"pod {place} is ending")
            elif kind == "moves":
                rest.append(self._refusals.get(place) or f"pod {place} runs there")
        return Load(tuple(jobs), tuple(rest))

    def _cordon(self, name: str) -> None:
        node = self.kube.get(NODES.item("", name))
        if node is None or ((node.get("spec") or {}).get("unschedulable") and not mark_of(node)):
            return
        marked: Json = {"metadata": {"annotations": {MARK: self.run}}, "spec": {"unschedulable": True}}
        self._own(node, marked)

    def _uncordon(self, name: str) -> None:
        node = self.kube.get(NODES.item("", name))
        if node is not None and mark_of(self._own(node, {})):
            raise ApiError(-1, f"somebody else keeps the annotation {MARK}")

    def _own(self, node: Json, fields: Json) -> Json:
        """Own exactly these fields of the node; the UID is a precondition, so that no node is made."""
        meta = {**fields.get("metadata", {}), "name": node["metadata"]["name"], "uid": node["metadata"]["uid"]}
        body = {"apiVersion": "v1", "kind": "Node", **fields, "metadata": meta}
        return self.kube.apply(NODES, body, manager=MANAGER, force=True)[1]

    def _evict(self, pods: list[Json]) -> None:
        def ask(pod: Json) -> None:
            place = place_of(pod)
            try:
                self.kube.evict(pod)
                self._refusals.pop(place, None)
            except ApiError as error:
                protected = any(cause.get("reason") == "DisruptionBudget" for cause in error.causes)
                why = "is protected by a disruption budget" if protected else f"cannot be evicted: {error}"
                self._refusals[place] = f"pod {place} {why}"

        spread(ask, pods)

    def _for_each(self, work: Callable[[str], None], nodes: Sequence[str]) -> dict[str, str]:
        """Do the work for every node; for each where it failed, why."""

        def tried(name: str) -> str:
            try:
                work(name)
            except ApiError as error:
                return f"cluster {self.name}: {error}"
            return ""

        reasons = dict(zip(nodes, spread(tried, list(nodes)), strict=True))
        return {name: reason for name, reason in reasons.items() if reason}

    def _told(self, ask: Callable[Given, Result], *given: Given.args, **named: Given.kwargs) -> Result:
        """What the API server says, or Unreachable."""
        try:
            return ask(*given, **named)
        except ApiError as error:
            raise Unreachable(f"the API server of cluster {self.name} does not answer: {error}") from error


def place_of(pod: Json) -> str:
    return visible(f"{pod['metadata']['namespace']}/{pod['metadata']['name']}")


def mark_of(node: Json) -> str:
    """The id of the run that drained the node."""
    return run_of((node["metadata"].get("annotations") or {}).get(MARK))


def kind_of(pod: Json) -> Literal["ignored", "leaves", "moves", "job"]:
    """What a pod is to somebody who wants its node empty."""
    meta, phase = pod["metadata"], (pod.get("status") or {}).get("phase")
    owners = [owner.get("kind") for owner in meta.get("ownerReferences") or [] if owner.get("controller")]
    if phase in ("Succeeded", "Failed") or MIRROR in (meta.get("annotations") or {}) or owners == ["DaemonSet"]:
        return "ignored"
    if meta.get("deletionTimestamp"):
        return "leaves"
    return "moves" if owners and owners[0] in REPLACED else "job"
