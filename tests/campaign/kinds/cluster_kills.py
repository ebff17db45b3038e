"""An apply to a cluster that is killed at any request and run once more leaves what a clean run leaves.

A gate before the real API server counts requests; at one of them, before the server hears of it or before its answer
comes back, the process gets SIGKILL. Then a person unlocks and runs again, or goes back to the tree before. The API
server is asked: every object of ours with all its fields, the record of members, and what somebody else owns, which
carries our label.
"""

from __future__ import annotations

import atexit
import signal
import tempfile
from collections import Counter
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

from control_plane.cluster import ControlPlane
from control_plane.tools import build_tools
from generator.apply.clusters.runs import unlock_cluster
from tests.campaign.base import Outcome
from tests.clusters import Body, Cluster, body, config, deployment, rich_tree
from tests.rig.gate import Gate

SUBJECT = (
    "generator/apply/clusters/*.py",
    "tests/clusters.py", "tests/rig/gate.py", "tests/campaign/kinds/cluster_kills.py",
)  # fmt: skip
POINTS = 100
"""A clean run from one tree to the other sends a few requests more."""
NAMESPACE = "kills--main"
KINDS = (
    "deployment", "service", "role", "rolebinding", "serviceaccount", "resourcequota", "networkpolicy", "configmap",
    "priorityclass", "clusterrole",
)  # fmt: skip
SERVERS = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "annotations")
STRANGER = "stranger"
OTHER = {"a": "b", "b": "a"}


def obstacle() -> str | None:
    return None


def units() -> list[str]:
    return [f"{when}-{number}" for number in range(1, POINTS + 1) for when in ("before", "after")]


def prove(unit: str, *, brief: bool = False) -> Outcome:
    """One kill; all of one process meet the same API server."""
    return ground().kill(unit)


def summary(counts: Counter[str]) -> list[str]:
    return [
        f"{counts['kills']} kills of an apply to a cluster, of which {counts['locks']} left a lock; "
        f"{counts['late']} runs ended before their point was reached."
    ]


@cache
def ground() -> Ground:
    """The control plane of all units of this process."""
    stack = ExitStack()
    atexit.register(stack.close)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="center-kills-")))
    plane = stack.enter_context(ControlPlane(build_tools(), folder / "plane", kueue=False, kwok=False))
    return Ground(stack.enter_context(Gate(plane, folder)), Cluster(plane, NAMESPACE))


def tree(name: str) -> list[Body]:
    """Two trees that share objects, of which some differ; each has some that the other lacks."""
    own = [config(f"{name}-{number}", NAMESPACE, key=str(number)) for number in range(22)]
    shared = [config(f"shared-{number}", NAMESPACE, key=name if number % 2 else "same") for number in range(22)]
    return [
        *rich_tree(NAMESPACE),
        *own,
        *shared,
        deployment("changing", NAMESPACE, 1 + (name == "b")),
        body("ServiceAccount", f"only-{name}", NAMESPACE),
    ]


class Ground:
    """A cluster that goes from one tree to the other and back."""

    def __init__(self, gate: Gate, cluster: Cluster) -> None:
        self.gate = gate
        self.cluster = cluster
        self.now = "b"
        self.clean = {name: self._settled(name) for name in ("a", "b")}
        label = {"center.internal/member-of": cluster.target.centre}
        foreign = config(STRANGER, NAMESPACE, key="theirs")
        cluster.plane.apply(foreign | {"metadata": foreign["metadata"] | {"labels": label}})

    def kill(self, unit: str) -> Outcome:
        when, _, number = unit.partition("-")
        begun = OTHER[self.now]
        # Every second time somebody takes the change back after the kill instead of completing it.
        wanted = begun if int(number) % 2 else self.now
        job = tree(wanted)
        process = self.cluster.start(tree(begun), kubeconfig=str(self.gate.kubeconfig))
        self.gate.arm(when, int(number), process.kill)
        status = process.wait(120)
        self.gate.disarm()
        process.communicate()
        holder = self.cluster.holder()
        if holder:
            assert unlock_cluster(self.cluster.target, holder) == ()
        report = self.cluster.apply(job)
        faults = [f"{unit}: the next run says {problem}" for problem in report.problems]
        self.now = wanted
        faults += [f"{unit}: {fault}" for fault in self._faults(wanted)]
        self.cluster.forget()
        if (again := self.cluster.apply(job)).done or self.cluster.all_writes():
            faults.append(f"{unit}: a third run still does {again.done} {self.cluster.all_writes()}")
        killed = status == -signal.SIGKILL
        return Outcome({"kills": int(killed), "locks": int(bool(holder)), "late": int(not killed)}, tuple(faults[:10]))

    def _faults(self, name: str) -> list[str]:
        found = self._living()
        data = self.cluster.plane.read("configmap", "center", "-n", "center-system")["data"]
        recorded = {line.split()[1] for text in data.values() for line in text.splitlines()} - {"-"}
        theirs = found.pop(f"ConfigMap/{STRANGER}", None)
        faults = [] if theirs and theirs["data"] == {"key": "theirs"} else ["what somebody else owns is gone"]
        wanted = self.clean[name]
        for place in sorted(found.keys() | wanted.keys()):
            if found.get(place) != wanted.get(place):
                faults.append(f"{place} is {found.get(place)}, after a clean run {wanted.get(place)}")
        if odd := sorted(recorded ^ {*self._uids()}):
            faults.append(f"the record and the living differ in {odd}")
        return faults

    def _settled(self, name: str) -> dict[str, Any]:
        report = self.cluster.apply(tree(name))
        assert not report.problems, report.problems
        self.now = name
        return self._living()

    def _living(self) -> dict[str, Any]:
        """All objects of ours without what differs from run to run, by kind and name."""
        return {f"{item['kind']}/{item['metadata']['name']}": shown(item) for item in self._items()}

    def _uids(self) -> list[str]:
        own = [item["metadata"]["uid"] for item in self._items() if item["metadata"]["name"] != STRANGER]
        return [*own, self.cluster.plane.read("namespace", NAMESPACE)["metadata"]["uid"]]

    def _items(self) -> list[Body]:
        selector = f"center.internal/member-of={self.cluster.target.centre}"
        found: list[Body] = self.cluster.plane.read(",".join(KINDS), "-n", NAMESPACE, "-l", selector)["items"]
        return found


def shown(item: Body) -> Body:
    metadata = {key: value for key, value in item["metadata"].items() if key not in SERVERS}
    spec = {key: value for key, value in item.get("spec", {}).items() if key not in ("clusterIP", "clusterIPs")}
    return {**item, "metadata": metadata, "spec": spec, "status": None}
