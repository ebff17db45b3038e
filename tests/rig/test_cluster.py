"""The control plane itself: a tenant's second job waits for the quota that the first one uses, and nothing is left."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from control_plane.cluster import ControlPlane, KubectlError
from control_plane.processes import wait_until
from control_plane.tools import build_tools

pytestmark = pytest.mark.cluster

GPU = "example.com/gpu"
TENANT = "physics"
SECONDS = 60.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    workdir = tmp_path_factory.mktemp("cluster")
    with ControlPlane(build_tools(), workdir) as cluster:
        cluster.add_nodes([gpu_node("fake-1"), gpu_node("fake-2")])
        cluster.apply(*quota(gpus=8), *membership())
        yield cluster
    assert processes_naming(workdir) == []


def processes_naming(folder: Path) -> list[str]:
    """Return the command lines of living processes that name this folder."""
    commands = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            commands.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [command for command in commands if str(folder) in command]


def gpu_node(name: str) -> dict[str, Any]:
    resources = {"cpu": "64", "memory": "512Gi", "pods": "110", GPU: "8"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "example.com/pool": "train"}},
        "status": {"capacity": resources, "allocatable": resources},
    }


def quota(gpus: int) -> list[dict[str, Any]]:
    version = "kueue.x-k8s.io/v1beta2"
    flavor = {"name": "train", "resources": [{"name": GPU, "nominalQuota": gpus}]}
    return [
        {
            "apiVersion": version,
            "kind": "ResourceFlavor",
            "metadata": {"name": "train"},
            "spec": {"nodeLabels": {"example.com/pool": "train"}},
        },
        {
            "apiVersion": version,
            "kind": "ClusterQueue",
            "metadata": {"name": TENANT},
            "spec": {
                "namespaceSelector": {},
                "resourceGroups": [{"coveredResources": [GPU], "flavors": [flavor]}],
            },
        },
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TENANT}},
        {
            "apiVersion": version,
            "kind": "LocalQueue",
            "metadata": {"name": "jobs", "namespace": TENANT},
            "spec": {"clusterQueue": TENANT},
        },
    ]


def membership() -> list[dict[str, Any]]:
    version = "rbac.authorization.k8s.io/v1"
    return [
        {
            "apiVersion": version,
            "kind": "RoleBinding",
            "metadata": {"name": "members", "namespace": TENANT},
            "subjects": [{"kind": "Group", "name": TENANT, "apiGroup": "rbac.authorization.k8s.io"}],
            "roleRef": {"kind": "ClusterRole", "name": "edit", "apiGroup": "rbac.authorization.k8s.io"},
        }
    ]


def job(name: str, gpus: int) -> dict[str, Any]:
    container = {"name": "main", "image": "unused", "resources": {"limits": {GPU: gpus}}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": TENANT,
            "labels": {"kueue.x-k8s.io/queue-name": "jobs"},
        },
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
    }


def deployment(name: str, replicas: int, gpus: int) -> dict[str, Any]:
    container = {"name": "main", "image": "unused", "resources": {"limits": {GPU: gpus}}}
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": TENANT, "labels": {"kueue.x-k8s.io/queue-name": "jobs"}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def state(cluster: ControlPlane, name: str) -> dict[str, Any]:
    found = cluster.read("job", name, "-n", TENANT)
    return {"suspended": found["spec"]["suspend"], **found["status"]}


def runs(cluster: ControlPlane, name: str) -> bool:
    return bool(state(cluster, name).get("ready"))


def waits_for_quota(cluster: ControlPlane, name: str) -> bool:
    """Kueue itself says that it has looked at the job's workload and that the quota is used."""
    workloads = cluster.read("workloads.kueue.x-k8s.io", "-n", TENANT)["items"]
    own = [each for each in workloads if each["metadata"]["ownerReferences"][0]["name"] == name]
    conditions = [condition for each in own for condition in each.get("status", {}).get("conditions", [])]
    return any(each["type"] == "QuotaReserved" and each["reason"] == "Pending" for each in conditions)


def test_second_job_waits_for_the_quota_of_the_first(cluster: ControlPlane) -> None:
    member = cluster.kubeconfig_for("alice", [TENANT])
    cluster.apply(job("first", 8), kubeconfig=member)
    wait_until(partial(runs, cluster, "first"), SECONDS, "first job running")

    cluster.apply(job("second", 8), kubeconfig=member)
    wait_until(partial(waits_for_quota, cluster, "second"), SECONDS, "second job looked at")
    # The nodes have room for both; only the quota holds the second one back.
    assert state(cluster, "second")["suspended"]
    assert not state(cluster, "second").get("active")

    cluster.finish_pods(TENANT, "job-name=first")
    wait_until(partial(runs, cluster, "second"), SECONDS, "second job running")
    assert state(cluster, "first")["succeeded"] == 1
    cluster.finish_pods(TENANT, "job-name=second", exit_code=0)
    wait_until(lambda: state(cluster, "second").get("succeeded"), SECONDS, "second job finished")

    requests = [event for event in cluster.audit_events() if event["user"]["username"] == "alice"]
    created = {event["objectRef"]["name"] for event in requests if event["responseStatus"]["code"] == 201}
    assert created == {"first", "second"}
    assert all(TENANT in event["user"]["groups"] for event in requests)


def test_replica_beyond_the_quota_is_held_back(cluster: ControlPlane) -> None:
    cluster.apply(deployment("service", replicas=2, gpus=8))

    def gates_by_phase() -> dict[str, set[str]]:
        pods = cluster.read("pods", "-n", TENANT, "-l", "app=service")["items"]
        gates = {pod["status"]["phase"]: pod["spec"].get("schedulingGates", []) for pod in pods}
        return {phase: {gate["name"] for gate in own} for phase, own in gates.items()}

    wait_until(lambda: set(gates_by_phase()) == {"Running", "Pending"}, SECONDS, "one replica of two running")
    assert "kueue.x-k8s.io/admission" in gates_by_phase()["Pending"]
    cluster.kubectl("delete", "deployment", "service", "-n", TENANT)
    wait_until(lambda: not gates_by_phase(), SECONDS, "replicas gone")


def test_pod_exits_with_the_code_it_is_told(cluster: ControlPlane) -> None:
    failing = job("failing", 1)
    failing["spec"]["backoffLimit"] = 0
    failing["spec"]["template"]["metadata"] = {
        "annotations": {"rig.center.internal/exit": "7", "rig.center.internal/run-for": "1s"}
    }
    cluster.apply(failing)
    wait_until(lambda: state(cluster, "failing").get("failed"), SECONDS, "job failed")
    [pod] = cluster.read("pods", "-n", TENANT, "-l", "job-name=failing")["items"]
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 7


def test_stranger_is_refused(cluster: ControlPlane) -> None:
    stranger = cluster.kubeconfig_for("mallory", ["chemistry"])
    with pytest.raises(KubectlError, match="forbidden"):
        cluster.apply(job("theft", 1), kubeconfig=stranger)


def test_bare_control_plane_starts_alone(tmp_path: Path) -> None:
    with ControlPlane(build_tools(), tmp_path, kueue=False, kwok=False, address="127.0.0.2") as bare:
        assert set(bare.processes) == {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
        assert bare.server.startswith("https://127.0.0.2:")
        assert "v1.36.3" in bare.kubectl("version")


def test_what_was_defined_is_served(cluster: ControlPlane) -> None:
    """Whoever applies right afterwards finds the kinds."""
    cluster.define(build_tools().gateway_crds)
    served = cluster.api.get("/apis/gateway.networking.k8s.io/v1")
    assert served.is_success and "HTTPRoute" in {each["kind"] for each in served.json()["resources"]}
