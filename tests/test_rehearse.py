"""`center rehearse`: its table against what the API server says, promises that break, endings of every kind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from control_plane.processes import wait_until
from control_plane.tools import build_tools
from tests.obstacles import give_way_to
from tests.rehearsals import ROOT, Rehearsal, Surroundings

pytestmark = [pytest.mark.cluster, pytest.mark.rehearsal]

VISION = "vision-lab--main"


@pytest.fixture
def place(tmp_path: Path) -> Surroundings:
    build_tools()
    return Surroundings(tmp_path)


def sample(place: Surroundings, name: str, *changes: tuple[str, str]) -> Path:
    """A copy of a sample with places of its center.yaml changed; nothing is rendered in it."""
    folder = place.folder / name
    shutil.copytree(ROOT / "inventories" / name, folder, ignore=shutil.ignore_patterns("generated"))
    text = (folder / "center.yaml").read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "center.yaml").write_text(text, "utf-8")
    return folder


@pytest.fixture(scope="module")
def stranger() -> Iterator[socket.socket]:
    """Where the user's own kubeconfig leads; nobody must come."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, stranger: socket.socket) -> Iterator[tuple[Rehearsal, Any]]:
    build_tools()
    place = Surroundings(tmp_path_factory.mktemp("kept"))
    own = place.folder / "kubeconfig"
    address = f"https://127.0.0.1:{stranger.getsockname()[1]}"
    cluster = {"name": "mine", "cluster": {"server": address, "insecure-skip-tls-verify": True}}
    context = {"name": "cloud", "context": {"cluster": "mine", "user": "me"}}
    user = {"name": "me", "user": {"token": "secret"}}
    config = {"clusters": [cluster], "contexts": [context], "users": [user], "current-context": "cloud"}
    own.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **config}))
    before = own.stat()
    centre = sample(place, "starter")
    surroundings = {"KUBECONFIG": str(own), "HTTPS_PROXY": address, "ALL_PROXY": address}
    words = (centre, "--keep", "--format", "json")
    with Rehearsal(place, *words, environment=surroundings) as running:
        running.until("stays up")
        yield running, running.result()
        running.signal(signal.SIGINT)
        code, output, said = running.ended()
        assert (code, output) == (0, ""), said
    assert place.remains() == []
    assert (own.stat().st_mtime_ns, own.stat().st_size) == (before.st_mtime_ns, before.st_size)
    assert not (centre / "generated").exists()


def read(kept: tuple[Rehearsal, Any], *words: str) -> Any:
    command = [str(build_tools().kubectl), f"--kubeconfig={kept[1]['kubeconfig']}", "get", *words, "-o", "json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout)


def test_what_it_tells_is_what_is_there(kept: tuple[Rehearsal, Any]) -> None:
    told = {job["kind"]: job for job in kept[1]["jobs"]}
    assert {kind: (job["outcome"], job["as_promised"]) for kind, job in told.items()} == {
        "service": ("ran", True),
        "within": ("ran", True),
        "beyond": ("waited", True),
        "unqueued": ("refused", True),
    }
    # By hand: 16 accelerators are two nodes of eight.
    within, beyond = told["within"], told["beyond"]
    assert (within["pods"], within["each"]["nvidia.com/gpu"]) == (2, "8")
    pods = read(kept, "pods", "--namespace", VISION)["items"]
    assert {pod["spec"]["nodeName"] for pod in pods} == set(within["nodes"])
    assert {pod["metadata"]["ownerReferences"][0]["name"] for pod in pods} == {within["name"]}
    jobs = {job["metadata"]["name"]: job for job in read(kept, "jobs", "--namespace", VISION)["items"]}
    assert jobs.keys() == {within["name"], beyond["name"]}
    assert (jobs[within["name"]]["status"]["active"], jobs[beyond["name"]]["spec"]["suspend"]) == (2, True)
    reasons = [
        condition["message"]
        for workload in read(kept, "workloads", "--namespace", VISION)["items"]
        if workload["metadata"]["ownerReferences"][0]["name"] == beyond["name"]
        for condition in workload["status"]["conditions"]
        if condition["type"] == "QuotaReserved"
    ]
    assert reasons == [beyond["reason"]] and "1 more needed" in beyond["reason"]
    assert "center-tenant-queue" in told["unqueued"]["reason"]


def test_the_cluster_is_the_one_of_the_spec(kept: tuple[Rehearsal, Any]) -> None:
    nodes = read(kept, "nodes")["items"]
    places = {node["metadata"]["name"]: node["metadata"]["labels"] for node in nodes}
    assert places.keys() == {"train-a01-1", "train-a01-2", "train-a01-3"}
    pool, rack = (f"center.node-restriction.kubernetes.io/{what}" for what in ("pool", "rack"))
    assert {(labels[pool], labels[rack]) for labels in places.values()} == {("train", "a01")}
    queue = read(kept, "clusterqueue", "vision-lab.train")
    given = {entry["name"]: entry for entry in queue["spec"]["resourceGroups"][0]["flavors"][0]["resources"]}
    assert given["nvidia.com/gpu"]["nominalQuota"] == "16"
    assert queue["status"]["flavorsReservation"][0]["resources"] != []


def test_people_asked_and_no_operator(kept: tuple[Rehearsal, Any]) -> None:
    log = Path(kept[1]["kubeconfig"]).parents[1] / "audit.log"
    events = [json.loads(line) for line in log.read_text().splitlines()]
    made = [
        event
        for event in events
        if event["verb"] == "create" and event["objectRef"]["resource"] == "jobs" and "impersonatedUser" in event
    ]
    assert {tuple(sorted(event["impersonatedUser"]["groups"])) for event in made} == {
        ("oidc:vision", "system:authenticated")
    }
    answers = {event["objectRef"].get("name"): event["responseStatus"]["code"] for event in made}
    assert sorted(answers.values())[:3] == [201, 201, 201] and max(answers.values()) in (403, 422)


def test_no_other_cluster_and_no_proxy_was_asked(kept: tuple[Rehearsal, Any], stranger: socket.socket) -> None:
    stranger.settimeout(0.1)
    with pytest.raises(TimeoutError):
        stranger.accept()


def test_a_large_cluster_is_scaled_and_keeps_its_promises(place: Surroundings) -> None:
    with Rehearsal(
        place, sample(place, "chaohu-mingyue"), "--cluster", "train", "--nodes", "40", "--format", "json"
    ) as running:
        code, output, said = running.ended()
    assert code == 0, said
    report = json.loads(output)
    # By hand: 64, 112 and 128 nodes share 40.
    pools = {pool["pool"]: (pool["nodes"], pool["of"]) for pool in report["pools"]}
    assert pools == {"train-a": (8, 64), "train-d": (14, 112), "train-n": (16, 128)}
    runs = {(job["tenant"], job["environment"], job["pool"], job["kind"]): job["pods"] for job in report["jobs"]}
    # Quota in nodes, and at most all that stand for the pool.
    assert {key[:3]: pods for key, pods in runs.items() if key[3] == "within"} == {
        ("protein-fold", "main", "train-a"): 8,
        ("climate", "main", "train-a"): 8,
        ("rain-nowcast", "main", "train-d"): 8,
        ("autopilot", "main", "train-d"): 14,
        ("autopilot", "main", "train-n"): 16,
        ("contest-2027", "main", "train-d"): 14,
        ("course-ai-101", "main", "train-d"): 8,
        ("course-ai-101", "exam", "train-d"): 8,
        ("vision-lab", "main", "train-n"): 16,
    }
    # What its quota has left, what it may borrow, and one more: 320 - 128 + 128 + 1 accelerators in nodes of eight.
    assert runs["vision-lab", "main", "train-n", "beyond"] == 41
    assert runs["vision-lab", "main", "train-n", "service"] == 8
    assert all(job["as_promised"] and job["reason"] for job in report["jobs"])
    assert {job["pool"] for job in report["jobs"] if job["pools"] not in ([], [job["pool"]])} == set()
    assert place.remains() == []


def test_what_a_sandbox_takes_is_part_of_the_quota(place: Surroundings) -> None:
    """A core and memory for each pod; who asks for a whole quota leaves them to it, services and first jobs too."""
    boxed = (
        ("cni: calico,", "cni: calico, sandbox: kata-qemu-nvidia-gpu,"),
        ("class: research,", "class: research, isolation: sandbox,"),
    )
    centre = sample(place, "starter", *boxed)
    with Rehearsal(place, centre, "--format", "json") as running:
        code, output, said = running.ended()
    assert code == 0, said
    told = {job["kind"]: job for job in json.loads(output)["jobs"]}
    # By hand: 95 % of 128 cores of a node less one, in two pods.
    assert (told["within"]["pods"], told["within"]["each"]["cpu"]) == (2, "120600m")
    assert told["service"]["each"]["cpu"] == "120600m"
    subprocess.run([sys.executable, "-m", "generator", "-q", "render", str(centre)], cwd=ROOT, check=True)
    first = yaml.safe_load((centre / "generated/tenants/vision-lab.train.yaml").read_text("utf-8"))
    # By hand: an eighth of those cores less one.
    [container] = first["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["requests"]["cpu"] == "14200m"


def test_devices_that_are_claimed_are_given_out_by_the_scheduler(place: Surroundings) -> None:
    source = f'{{version: "1", source: "https://x.example/d", digest: "sha256:{"0" * 64}"}}'
    driver = (
        ("cni: calico,", f"cni: calico, parts: {{driver: {source}}},"),
        (
            f'plugin: "registry.starter.example/nvidia/k8s-device-plugin@sha256:{"0" * 64}"',
            "part: driver, claims: true",
        ),
    )
    with Rehearsal(place, sample(place, "starter", *driver), "--keep", "--format", "json") as running:
        running.until("stays up")
        result = running.result()
        told = {job["kind"]: job for job in result["jobs"]}
        claims = read((running, result), "resourceclaims", "--namespace", VISION)["items"]
        running.signal(signal.SIGINT)
        assert running.ended()[0] == 0
    assert [(kind, job["outcome"]) for kind, job in told.items()] == [
        ("service", "ran"), ("within", "ran"), ("beyond", "waited"), ("unqueued", "refused")
    ]  # fmt: skip
    given = [claim["status"]["allocation"]["devices"]["results"] for claim in claims]
    assert sorted(len(each) for each in given) == [8, 8]
    devices = {(each["driver"], each["pool"], each["device"]) for results in given for each in results}
    assert len(devices) == 16 and {driver for driver, _, _ in devices} == {"gpu.nvidia.com"}
    assert {pool for _, pool, _ in devices} == set(told["within"]["nodes"])
    assert "queues of train" not in str(result["left_out"])


def test_a_promise_that_breaks_is_told(place: Surroundings) -> None:
    """A class that lets no job in stands against every quota."""
    centre = sample(place, "starter", ("class: research,", "class: closed,"))
    text = (ROOT / "generator/catalog/classes/research.yaml").read_text("utf-8")
    closed = text.replace("name: research", "name: closed").replace("jobs: 1000", "jobs: 0")
    assert closed.count("closed") == 1 and closed.count("jobs: 0") == 1
    (centre / "catalog/classes").mkdir(parents=True)
    (centre / "catalog/classes/closed.yaml").write_text(closed, "utf-8")
    with Rehearsal(place, centre) as running:
        code, output, said = running.ended()
    assert code == 1, said
    [row] = [line for line in output.splitlines() if "within quota" in line]
    assert "refused, NOT ran" in row and "exceeded quota: objects" in row
    assert "beyond quota" not in output and "1 of 3 did what the spec promises" in output
    assert place.remains() == []


@pytest.mark.parametrize("moment", ["starting etcd", "registering", "applying", "wave 2 of 2"])
def test_whoever_asks_it_to_end_finds_nothing_left(place: Surroundings, moment: str) -> None:
    with Rehearsal(place, sample(place, "starter")) as running:
        running.until(moment)
        for _ in range(3):  # impatiently
            running.signal(signal.SIGTERM)
        code, _, said = running.ended()
    assert (code, place.remains()) == (130, []), said


def test_what_a_killed_run_leaves_is_swept_by_the_next(place: Surroundings) -> None:
    centre = sample(place, "starter")
    with Rehearsal(place, centre) as killed, Rehearsal(place, centre, "--keep") as other:
        killed.until("applying")
        running = set(place.processes()) - {killed.process.pid, other.process.pid}
        killed.signal(signal.SIGKILL)
        killed.ended()
        other.until("stays up")
        assert running & set(place.processes())
        # A run that cannot even compile sweeps first, and leaves alone what a living run has.
        nowhere = {"PATH": "/usr/bin:/bin", "XDG_CACHE_HOME": str(place.folder / "c"), "PIP_NO_INDEX": "1"}
        with Rehearsal(place, centre, environment=nowhere) as third:
            code, _, said = third.ended()
        assert code == 1 and "error[rehearse.build]" in said and "Go 1.26 or newer is not here" in said
        assert len(place.processes()) == 6, place.processes()
        other.signal(signal.SIGTERM)
        assert other.ended()[0] == 0
    assert place.remains() == []


def test_a_program_that_dies_ends_the_rehearsal(place: Surroundings) -> None:
    with Rehearsal(place, sample(place, "starter")) as running:
        running.until("wave 1")
        [etcd] = [pid for pid, command in place.processes().items() if "/etcd-" in command.split(" ")[0]]
        os.kill(etcd, signal.SIGKILL)
        code, output, said = running.ended()
    assert (code, output, "Traceback" in said) == (1, "", False), said
    assert "error[rehearse." in said and "etcd has ended" in said
    assert place.remains() == []


# In a network of its own, whose every port for programs of ours is somebody else's.
TAKE_ALL_PORTS = """
import resource, socket, subprocess, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (16384, 16384))
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
taken = [socket.create_server(("127.0.0.1", port), backlog=1) for port in range(20000, 30000)]
sys.exit(subprocess.run(sys.argv[1:]).returncode)
"""


@pytest.mark.parametrize(
    ("within", "environment", "says"),
    [
        (["unshare", "--net", sys.executable, "-c", TAKE_ALL_PORTS], {}, "no free port on 127.0.0.1"),
        (["unshare", "--net"], {}, "network is unreachable"),
        (
            ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=20m tmpfs "$TMPDIR" && exec "$@"', "sh"],
            {},
            "a rehearsal needs 1.0 GB, the disk of",
        ),
        ([], {"GOPROXY": "off", "GOMODCACHE": "m", "XDG_CACHE_HOME": "c"}, "etcd does not compile"),
    ],
    ids=["no port", "no loopback", "a full disk", "no modules"],
)
def test_a_machine_that_cannot(place: Surroundings, within: list[str], environment: dict[str, str], says: str) -> None:
    give_way_to(None if os.geteuid() == 0 else "namespaces need root")
    here = {name: str(place.folder / value) if len(value) == 1 else value for name, value in environment.items()}
    with Rehearsal(place, sample(place, "starter"), within=within, environment=here) as running:
        code, output, said = running.ended()
    assert (code, output, "Traceback" in said) == (1, "", False), said
    assert "error[rehearse." in said and says in said
    wait_until(lambda: place.remains() == [], 10, "nothing left")
