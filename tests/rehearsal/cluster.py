"""The Kubernetes cluster of duo: a real control plane, simulated nodes, and tenants who use what they were given."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from control_plane.cluster import ControlPlane, KubectlError, Manifest
from control_plane.processes import wait_until
from control_plane.tools import build_tools
from tests.queue_site import restricted_container
from tests.rehearsal.centre import Answer, Centre, expect
from tests.rehearsal.console import Step

SECONDS = 60.0
# By hand from center.yaml and the catalogue: nodes, and what a node brings.
GPU_SERVER = {"cpu": "128", "memory": "2000G", "pods": "110"}
POOLS = {
    "train-h": (("train-h-a01-1", "train-h-a01-2", "train-h-a02-1", "train-h-a02-2"), {"nvidia.com/gpu": "8"}),
    "train-d": (("train-d-t01-1", "train-d-t01-2", "train-d-t01-3", "train-d-t01-4"), {"hygon.com/hcu": "8"}),
}
QUEUES = {
    "vision-lab.train-h": {"nvidia.com/gpu": "16"},
    "course-ai-101.train-d": {"hygon.com/hcu": "16"},
    "rain-nowcast.train-d": {"hygon.com/hcu": "8"},
}
QUEUE = "kueue.x-k8s.io/queue-name"
VISION, RAIN = "vision-lab--main", "rain-nowcast--main"
NAMESPACES = {VISION, RAIN, "course-ai-101--main", "course-ai-101--exam"}


class Cluster:
    """The living cluster `cloud`, its administrator and its tenants."""

    def __init__(self, folder: Path, centre: Centre) -> None:
        self._folder = folder
        self._ending = ExitStack()
        self.centre = centre

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.close()

    def start(self, step: Step) -> None:
        tools = build_tools(step.say)
        configured = yaml.safe_load((self.centre.tree / "clusters/cloud/kueue.yaml").read_text("utf-8"))
        kueue = yaml.safe_load(configured["data"]["controller_manager_config.yaml"])
        self.plane = self._ending.enter_context(ControlPlane(tools, self._folder / "cluster", kueue_config=kueue))
        self.plane.kubectl("apply", "--server-side", f"--filename={tools.gateway_crds}")
        self.plane.add_nodes(list(nodes()))
        self.vision = self.plane.kubeconfig_for("vision-member", ["oidc:vision"])

    def run(self, verb: str, exits: int = 0) -> Answer:
        """Run a verb of `center` for the cluster, as its administrator."""
        return self.centre.run(verb, "--cluster", "cloud", "--kubeconfig", self.plane.kubeconfig, exits=exits)

    def as_vision(self, *words: str) -> str:
        """Run kubectl as a member of the tenant vision-lab."""
        return self.plane.kubectl(*words, kubeconfig=self.vision)

    def pods(self, namespace: str, selector: str) -> dict[str, str]:
        """The nodes that run the pods of this label selector, by pod."""
        found = self.plane.read("pods", "--namespace", namespace, "--selector", selector)["items"]
        running = [pod for pod in found if pod["status"]["phase"] == "Running"]
        return {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in running}

    def job(self, name: str) -> Any:
        return self.plane.read("job", name, "--namespace", VISION)


def nodes() -> Iterator[Manifest]:
    """The workers of the cluster as their kubelets would announce them."""
    for names, devices in POOLS.values():
        for name in names:
            yield {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
                "status": {"capacity": {**GPU_SERVER, **devices}, "allocatable": {**GPU_SERVER, **devices}},
            }


def start(cluster: Cluster, step: Step) -> None:
    cluster.start(step)
    version = json.loads(cluster.plane.kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"]
    expect(version.startswith("v1.36."), f"API server {version} is not what center.yaml says")
    step.found = f"API server {version}, {sum(len(names) for names, _ in POOLS.values())} simulated nodes"


def apply(cluster: Cluster, step: Step) -> None:
    """The preview and the run name the same objects, a second run none; Kueue takes the queues."""
    foretold = _steps(cluster.run("diff", exits=2))
    done = _steps(cluster.run("apply"))
    expect(done == foretold, f"diff and apply name different objects: {sorted(done ^ foretold)}")
    again = cluster.run("apply")
    expect(not _steps(again), f"the second apply changes {sorted(_steps(again))}")
    for pool, (members, _) in POOLS.items():
        for node in members:
            found = cluster.plane.read("node", node)["metadata"]["labels"]
            place = [found.get(f"center.node-restriction.kubernetes.io/{what}") for what in ("pool", "rack")]
            # By the scheme of names: POOL-RACK-NUMBER.
            expect(place == [pool, node.removeprefix(f"{pool}-").rpartition("-")[0]], f"{node} is labelled {found}")
    tenants = cluster.plane.read("namespaces", "--selector", "center.internal/tenant")["items"]
    names = {item["metadata"]["name"] for item in tenants}
    expect(names == NAMESPACES, f"namespaces of tenants: {names}")
    for name, quota in QUEUES.items():
        wait_until(partial(_active, cluster, name), SECONDS, f"queue {name} that admits")
        queue = cluster.plane.read("clusterqueue", name)
        flavor = queue["spec"]["resourceGroups"][0]["flavors"][0]["resources"]
        given = {entry["name"]: entry["nominalQuota"] for entry in flavor}
        expect(quota.items() <= given.items(), f"queue {name} gives {given}, not {quota}")
    step.found = f"as the preview said: {len(done)} objects and nodes; again: 0 changed; {len(QUEUES)} queues admit"


def run_jobs(cluster: Cluster, step: Step) -> None:
    """A member of vision-lab has 16 accelerators: the first job takes them all, the second waits for its end."""
    for name in ("run-1", "run-2"):
        cluster.as_vision("create", "job", name, "--from=cronjob/vision-training", "--namespace", VISION)
        if name == "run-1":
            _await_pods(cluster, step, name)
    wait_until(partial(_waits, cluster, "run-2"), SECONDS, "run-2 that waits for quota")
    expect(not cluster.pods(VISION, _of("run-2")), "run-2 runs beyond the quota")
    step.say("run-2 waits: " + _waits(cluster, "run-2"))
    cluster.plane.finish_pods(VISION, _of("run-1"))
    wait_until(lambda: cluster.job("run-1")["status"].get("succeeded") == 2, SECONDS, "end of run-1")
    _await_pods(cluster, step, "run-2")
    cluster.plane.finish_pods(VISION, _of("run-2"))
    wait_until(lambda: cluster.job("run-2")["status"].get("succeeded") == 2, SECONDS, "end of run-2")
    step.found = "run-1 runs on train-h, run-2 waits for its quota, then runs"


def look_at_service(cluster: Cluster, step: Step) -> None:
    """The inference service of rain-nowcast is up, on its pool."""
    selector = "app.kubernetes.io/name=nowcast"
    wait_until(lambda: cluster.pods(RAIN, selector), SECONDS, "pod of nowcast")
    places = cluster.pods(RAIN, selector)
    expect(set(places.values()) <= set(POOLS["train-d"][0]), f"nowcast runs on {places}")
    route = cluster.plane.read("httproute", "nowcast", "--namespace", RAIN)
    step.say(f"{', '.join(route['spec']['hostnames'])} -> {', '.join(places)} on {', '.join(places.values())}")
    step.found = "admitted on train-d, 1 replica runs"


def trespass(cluster: Cluster, step: Step) -> None:
    """A tenant does not see another's namespaces and cannot give itself more."""
    mine, theirs = ["--namespace", VISION], ["--namespace", RAIN]
    cluster.as_vision("get", "pods", *mine)
    forbidden = (
        ["get", "pods", *theirs],
        ["get", "secrets", *theirs],
        ["get", "secrets", "--all-namespaces"],
        ["delete", "resourcequota", "objects", *mine],
        ["delete", "networkpolicy", "default-deny", *mine],
        ["delete", "clusterqueue", "rain-nowcast.train-d"],
        ["create", "rolebinding", "more", "--clusterrole=admin", "--user=vision-member", *mine],
    )
    for words in forbidden:
        try:
            cluster.as_vision(*words)
        except KubectlError as refused:
            expect("orbidden" in str(refused), f"kubectl {' '.join(words)}: {refused}")
        else:
            expect(False, f"a member of vision-lab may: kubectl {' '.join(words)}")
    step.found = f"{len(forbidden)} trespasses and {_smuggle(cluster)} ways around the queue refused"


def _smuggle(cluster: Cluster) -> int:
    """Work that no queue would count is refused, whoever seems to own it; queued work of the same form passes."""
    fair = _pod({"nvidia.com/gpu": "1"}, labels={QUEUE: "train-h"})
    _try_out(cluster, fair)
    uid = cluster.job("run-1")["metadata"]["uid"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "run-1", "uid": uid, "controller": True}
    ways = {
        "a pod without a queue": _pod({"nvidia.com/gpu": "1"}),
        "a pod that claims to be of a job": _pod({"nvidia.com/gpu": "1"}, owners=[owner]),
        "a queued pod that claims to be of an admitted job": _pod(
            {"nvidia.com/gpu": "1"}, labels={QUEUE: "train-h"}, owners=[owner]
        ),
        "a pod on another tenant's accelerators": _pod({"hygon.com/hcu": "1"}, labels={QUEUE: "train-h"}),
        "a pod of system priority": _pod({}, labels={QUEUE: "train-h"}, priorityClassName="system-node-critical"),
        "a deployment without a queue": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "smuggled"},
            "spec": {
                "selector": {"matchLabels": {"app": "smuggled"}},
                "template": {"metadata": {"labels": {"app": "smuggled"}}, "spec": fair["spec"]},
            },
        },
    }
    for way, manifest in ways.items():
        try:
            _try_out(cluster, manifest)
        except KubectlError as refused:
            expect("denied request" in str(refused) or "exceeded quota" in str(refused), f"{way}: {refused}")
        else:
            expect(False, f"{way} is accepted")
    return len(ways)


def _try_out(cluster: Cluster, manifest: Manifest) -> None:
    """Ask the API server as a member of vision-lab; it decides, and nothing is kept."""
    words = ("create", "--namespace", VISION, "--dry-run=server", "-f-")
    cluster.plane.kubectl(*words, kubeconfig=cluster.vision, stdin=json.dumps(manifest))


def _pod(devices: dict[str, str], labels: dict[str, str] | None = None, owners: Any = (), **more: Any) -> Manifest:
    """A pod that meets the restricted Pod Security Standard."""
    resources = {"cpu": "1", "memory": "1Gi", **devices}
    security = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    meta = {"name": "smuggled", "labels": labels or {}, "ownerReferences": list(owners)}
    spec = {"containers": [restricted_container(resources)], "securityContext": security, **more}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def check_status(cluster: Cluster, step: Step) -> None:
    answer = cluster.run("status")
    step.found = answer.lines[-1]


def _steps(answer: Answer) -> set[str]:
    words = ("create", "change", "delete")
    return {line for line in answer.lines if line.startswith(tuple(f"cloud: {word} " for word in words))}


def _active(cluster: Cluster, queue: str) -> bool:
    conditions = cluster.plane.read("clusterqueue", queue).get("status", {}).get("conditions", [])
    return any(each["type"] == "Active" and each["status"] == "True" for each in conditions)


def _of(job: str) -> str:
    return f"batch.kubernetes.io/job-name={job}"


def _await_pods(cluster: Cluster, step: Step, job: str) -> None:
    """Both pods of a job run, each on a node of its own in the pool."""
    wait_until(lambda: len(cluster.pods(VISION, _of(job))) == 2, SECONDS, f"pods of {job}")
    places = set(cluster.pods(VISION, _of(job)).values())
    expect(len(places) == 2 and places <= set(POOLS["train-h"][0]), f"{job} runs on {places}")
    step.say(f"{job} runs on {' and '.join(sorted(places))}")


def _waits(cluster: Cluster, job: str) -> str:
    """Why Kueue lets a job wait; empty if it does not."""
    if not cluster.job(job)["spec"].get("suspend"):
        return ""
    uid = cluster.job(job)["metadata"]["uid"]
    for workload in cluster.plane.read("workloads", "--namespace", VISION)["items"]:
        if any(owner["uid"] == uid for owner in workload["metadata"]["ownerReferences"]):
            for condition in workload.get("status", {}).get("conditions", []):
                if condition["type"] == "QuotaReserved" and condition["status"] == "False":
                    return str(condition["message"])
    return ""
