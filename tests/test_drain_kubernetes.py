"""Nodes of a real API server with simulated kubelets are emptied and given back; kubectl says what became of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from control_plane.cluster import ControlPlane
from control_plane.processes import wait_until
from control_plane.tools import build_tools
from generator.apply.clusters.comparison import Manifest
from generator.apply.clusters.kubeconfig import Access
from generator.apply.clusters.runs import Target, apply_cluster
from generator.apply.hosts.drain import Drains
from generator.apply.hosts.ssh import Connections, SshAccess
from tests.clusters import body, deployment

pytestmark = pytest.mark.cluster

FIRST, SECOND, GONE = "train-a01-1", "train-a01-2", "train-a01-9"
RUN, OTHER_RUN = "0a1b2c3d", "ffffffff"
MARK = "center.internal/drained-by"
OPERATIONS = {
    "pools": {"train": {"clusters": ["cloud"]}, "store": {"clusters": []}},
    "clusters": {"cloud": {"kind": "kubernetes", "controllers": []}},
}
SPACE = "work"


@dataclass
class Rig:
    plane: ControlPlane

    def drains(self, run: str = RUN) -> Drains:
        accesses = {"cloud": Access(self.plane.kubeconfig)}
        nodes: dict[str, Any] = dict.fromkeys((FIRST, SECOND, GONE))
        return Drains(Connections(SshAccess()), OPERATIONS, nodes, accesses, run)

    def node(self, name: str) -> tuple[bool, str]:
        """Whether the node is cordoned, and its mark."""
        found = self.plane.read("node", name)
        annotations = found["metadata"].get("annotations", {})
        return found["spec"].get("unschedulable", False), annotations.get(MARK, "")

    def pods(self, node: str) -> dict[str, str]:
        """Running pods of tests on a node, without what a controller adds to their names, and their UIDs."""
        found = self.plane.read("pods", "-n", SPACE, f"--field-selector=spec.nodeName={node}")["items"]
        running = [pod for pod in found if pod["status"].get("phase") == "Running"]
        return {pod["metadata"]["labels"]["app"]: pod["metadata"]["uid"] for pod in running}

    def starts(self, *objects: dict[str, Any], on: str) -> dict[str, str]:
        """Create workloads while only this node takes pods; the pods that run there then."""
        others = {FIRST, SECOND} - {on}
        self.plane.kubectl("cordon", *others)
        self.plane.apply(*objects)
        names = {each["metadata"]["name"] for each in objects if each["kind"] != "PodDisruptionBudget"}
        wait_until(lambda: names <= self.pods(on).keys(), 60, f"pods on {on}")
        self.plane.kubectl("uncordon", *others)
        return self.pods(on)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(build_tools(), tmp_path_factory.mktemp("drains")) as running:
        resources = {"cpu": "64", "memory": "512Gi", "pods": "110"}
        status = {"capacity": resources, "allocatable": resources}
        running.add_nodes([body("Node", name, status=status) for name in (FIRST, SECOND)])
        version = "kueue.x-k8s.io/v1beta2"
        quota = {"name": "any", "resources": [{"name": "cpu", "nominalQuota": 8}]}
        groups = [{"coveredResources": ["cpu"], "flavors": [quota]}]
        running.apply(
            body("Namespace", SPACE),
            body("ResourceFlavor", "any", version=version),
            body("ClusterQueue", "all", version=version, spec={"namespaceSelector": {}, "resourceGroups": groups}),
            body("LocalQueue", "jobs", SPACE, version=version, spec={"clusterQueue": "all"}),
            body("ServiceAccount", "default", SPACE),
        )
        yield running


@pytest.fixture
def rig(plane: ControlPlane) -> Iterator[Rig]:
    yield Rig(plane)
    plane.kubectl("uncordon", FIRST, SECOND)
    plane.kubectl("annotate", "node", FIRST, SECOND, f"{MARK}-")
    kinds = "deployments,daemonsets,jobs,pods,poddisruptionbudgets"
    plane.kubectl("delete", kinds, "--all", "-n", SPACE, "--wait=true", "--timeout=60s")


def workload(name: str, replicas: int = 1) -> dict[str, Any]:
    """A Deployment whose container needs no readiness, since nobody here would probe it."""
    made = deployment(name, SPACE, replicas)
    made["spec"]["template"]["spec"] = pod_spec()
    return made


def pod_spec() -> dict[str, Any]:
    resources = {"requests": {"cpu": "1"}}
    return {"containers": [{"name": "main", "image": "unused", "resources": resources}]}


def lone_pod(name: str, **annotations: str) -> dict[str, Any]:
    made = body("Pod", name, SPACE, spec=pod_spec())
    made["metadata"] |= {"labels": {"app": name}, "annotations": annotations}
    return made


def queued_job(name: str) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": name}}, "spec": {**pod_spec(), "restartPolicy": "Never"}}
    made = body("Job", name, SPACE, "batch/v1", spec={"suspend": True, "template": template})
    made["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "jobs"}
    return made


def finished(rig: Rig, job: str) -> dict[str, Any]:
    status: dict[str, Any] = rig.plane.read("job", job, "-n", SPACE)["status"]
    return status if "completionTime" in status or status.get("failed") else {}


def budget(name: str) -> dict[str, Any]:
    selector = {"matchLabels": {"app": name}}
    return body("PodDisruptionBudget", name, SPACE, "policy/v1", spec={"minAvailable": 1, "selector": selector})


def test_an_idle_node_is_cordoned_with_our_mark_and_given_back(rig: Rig) -> None:
    agents = workload("agents")
    agents["kind"] = "DaemonSet"
    del agents["spec"]["replicas"]
    static = lone_pod("static", **{"kubernetes.io/config.mirror": "hash"})
    static["spec"]["nodeName"] = FIRST
    before = rig.starts(agents, static, on=FIRST)

    with rig.drains() as drains:
        assert drains.empty([FIRST, GONE, "store-a01-1"], 0) == {}
        assert rig.node(FIRST) == (True, RUN)
        assert rig.node(SECOND) == (False, "")
    with rig.drains(OTHER_RUN) as later:
        assert later.left_behind() == {FIRST: RUN}
        assert later.empty([FIRST], 0) == {}
        assert rig.node(FIRST) == (True, OTHER_RUN)
        assert later.give_back([FIRST, SECOND, GONE]) == {}
        assert later.left_behind() == {}
    assert rig.node(FIRST) == (False, "")
    assert rig.pods(FIRST) == before


def test_pods_that_start_elsewhere_move_there(rig: Rig) -> None:
    before = rig.starts(workload("web"), budget("web"), workload("api"), on=FIRST)
    rig.plane.kubectl("scale", "deployment", "web", "--replicas=2", "-n", SPACE)
    wait_until(lambda: "web" in rig.pods(SECOND), 60, "the second replica")

    with rig.drains() as drains:
        (reason,) = drains.empty([FIRST], 0).values()
        assert "pod work/api-" in reason and "pod work/web-" in reason and reason.count("runs there") == 2
        assert rig.node(FIRST) == (False, "")
        assert rig.pods(FIRST) == before
        assert drains.empty([FIRST], 60) == {}
    assert rig.pods(FIRST) == {}
    wait_until(lambda: rig.pods(SECOND).keys() == {"web", "api"}, 60, "the pods on the other node")


def test_a_disruption_budget_is_respected_and_named(rig: Rig) -> None:
    before = rig.starts(workload("web"), budget("web"), on=FIRST)
    with rig.drains() as drains:
        (reason,) = drains.empty([FIRST], 1, end_jobs=5).values()
        assert reason.startswith("pod work/web-") and reason.endswith(" is protected by a disruption budget")
        assert drains.ended == 0
    assert rig.pods(FIRST) == before
    assert rig.node(FIRST) == (False, "")


def test_queued_jobs_and_lone_pods_end_only_when_all_of_them_may(rig: Rig) -> None:
    before = rig.starts(queued_job("study"), lone_pod("shell"), workload("web"), on=FIRST)
    assert rig.plane.read("job", "study", "-n", SPACE)["spec"]["suspend"] is False, "Kueue has admitted it"
    said: list[str] = []
    with rig.drains() as drains:
        for allowed in (0, 1):
            (reason,) = drains.empty([FIRST], 1, allowed, said.append).values()
            assert reason.startswith("2 jobs run there: work/shell, work/study-")
            assert rig.node(FIRST) == (False, "")
            assert rig.pods(FIRST) == before, "not even the service moves from a node that jobs keep"
        assert not any("ending" in line for line in said)

        assert drains.empty([FIRST, SECOND], 1, 2, said.append) == {}
        assert drains.ended == 2
        assert any(line.startswith("ending 2 jobs: work/shell, work/study-") for line in said)
        assert rig.pods(FIRST) == {}
        assert drains.empty([SECOND], 0, 2) == {}


def test_a_job_that_ends_by_itself_is_waited_for(rig: Rig) -> None:
    rig.starts(queued_job("study"), on=FIRST)

    def finish(message: str) -> None:
        if "1 job runs there" in message:
            rig.plane.finish_pods(SPACE, "app=study")

    with rig.drains() as drains:
        assert drains.empty([FIRST], 60, progress=finish) == {}
    status = wait_until(lambda: finished(rig, "study"), 60, "the job to be over")
    assert status["succeeded"] == 1 and not status.get("failed")


def test_what_a_person_cordoned_stays_cordoned(rig: Rig) -> None:
    rig.starts(workload("web"), on=FIRST)
    rig.plane.kubectl("cordon", FIRST)
    with rig.drains() as drains:
        assert drains.empty([FIRST], 60) == {}
        assert rig.pods(FIRST) == {}
        assert drains.left_behind() == {}
        assert drains.give_back([FIRST]) == {}
    assert rig.node(FIRST) == (True, "")


def test_a_cordon_that_a_person_made_his_own_meanwhile_stays(rig: Rig) -> None:
    with rig.drains() as drains:
        assert drains.empty([FIRST], 0) == {}
        rig.plane.kubectl("uncordon", FIRST)
        rig.plane.kubectl("cordon", FIRST)
        assert drains.give_back([FIRST]) == {}
    assert rig.node(FIRST) == (True, "")


def test_an_interrupted_drain_is_given_back(rig: Rig) -> None:
    rig.starts(lone_pod("shell"), on=FIRST)

    def interrupt(message: str) -> None:
        assert rig.node(FIRST) == (True, RUN)
        raise KeyboardInterrupt

    with rig.drains() as drains, pytest.raises(KeyboardInterrupt):
        drains.empty([FIRST], 60, progress=interrupt)
    assert rig.node(FIRST) == (False, "")


def test_a_cluster_that_nobody_can_ask_keeps_its_nodes(tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("nothing")
    for accesses, words in (
        ({}, "no kubeconfig for cluster cloud: give --kubeconfig"),
        ({"cloud": Access(tmp_path / "broken")}, "is no kubeconfig"),
    ):
        with Drains(Connections(SshAccess()), OPERATIONS, {}, accesses, RUN) as drains:
            assert words in drains.empty([FIRST], 60)[FIRST]
            assert words in drains.give_back([FIRST])[FIRST]
            assert drains.empty(["store-a01-1", "unheard-of"], 0) == {}


def test_a_cluster_of_strangers_is_not_asked_about_our_nodes(rig: Rig) -> None:
    """It runs nothing on them, so all of them would look empty."""
    accesses = {"cloud": Access(rig.plane.kubeconfig)}
    with Drains(Connections(SshAccess()), OPERATIONS, {}, accesses, RUN, centre="ours") as drains:
        assert "has no record of this centre" in drains.empty([FIRST], 0)[FIRST]
    assert rig.node(FIRST) == (False, "")
    target = Target("ours", "cloud", accesses["cloud"])
    assert apply_cluster(target, [Manifest("all.yaml", body("Namespace", "ours"))]).problems == ()
    with Drains(Connections(SshAccess()), OPERATIONS, {}, accesses, RUN, centre="ours") as drains:
        assert drains.empty([FIRST], 0) == {}
        assert drains.give_back([FIRST]) == {}
    with Drains(Connections(SshAccess()), OPERATIONS, {}, accesses, RUN, centre="theirs") as drains:
        assert "is cluster" in drains.empty([FIRST], 0)[FIRST]


def test_a_cluster_that_is_not_there_keeps_nobody() -> None:
    with Drains(Connections(SshAccess()), OPERATIONS, {}, {}, RUN, frozenset({"cloud"})) as drains:
        assert not drains.has("cloud")
        assert drains.empty([FIRST], 0) == drains.give_back([FIRST]) == drains.left_behind() == {}


def test_an_id_that_a_person_could_have_written_is_refused() -> None:
    with pytest.raises(ValueError, match="maintenance"):
        Drains(Connections(SshAccess()), OPERATIONS, {}, {}, "maintenance")
