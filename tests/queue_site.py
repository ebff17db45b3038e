"""A centre of small pools on a real control plane with the real Kueue, configured by what was rendered for it.

What tests expect follows from the numbers that they write into the spec; nothing here imports the generator.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from control_plane.cluster import ControlPlane, Manifest
from control_plane.processes import wait_until
from control_plane.tools import build_tools

ROOT = Path(__file__).parent.parent
SECONDS = 60.0
EACH = 2
"""Accelerators of a node."""
CORES, MEMORY = 16, 64
QUEUE = "kueue.x-k8s.io/queue-name"
PLACE = "center.node-restriction.kubernetes.io"
SERVER = f"""
kind: server
name: small
title: Small server
height: 1
mass: {{value: 1 kg, status: X, sources: [own]}}
cores: {CORES}
memory: {MEMORY} GB
accelerators: {EACH}
base-power: {{value: 10 W, status: X, sources: [own]}}
liquid-share: {{value: 0 %, status: X, sources: [own]}}
sources:
  own: {{grade: own, locator: this test}}
"""

Spec = dict[str, Any]


def centre(models: Mapping[str, str], nodes: Mapping[str, int], organizations: Spec, **network: Any) -> Spec:
    """A centre with a pool of small servers for each model of accelerator, a rack for each pool."""
    racks = {pool: f"a{number:02d}" for number, pool in enumerate(models, 2)}
    kinds = {pool: {"type": "rack-48u", "holds": {pool: nodes[pool]}, "leaves": {"fast": 1}} for pool in models}
    return {
        "apiVersion": "center/v1",
        "kind": "Center",
        "metadata": {"name": "site"},
        "site": {"timezone": "Asia/Shanghai"},
        "network": {
            "domain": "site.example",
            "plans": {"nodes": "10.16.0.0/16", "facility": "10.24.0.0/24"},
            "ntp": ["10.16.0.1"],
            **network,
        },
        "fabrics": {"fast": {"kind": "roce", "leaf": "generic-64x400g", "serves": "rack"}},
        "power": {
            "feeds": {"west": {"capacity": "2000 kW", "rack": "3x 63 A 400 V 3-phase", "derating": "80 %"}},
        },
        "halls": {
            "hall-1": {
                "feeds": ["west"],
                "air": {"supply": "24 °C", "humidity": "45 %", "capacity": "1000 kW"},
                "rack-kinds": {"head": {"type": "rack-42u", "holds": {"control": 1}}, **kinds},
                "rows": {"a": {"racks": {"a01": "head", **{rack: pool for pool, rack in racks.items()}}}},
            }
        },
        "pools": {
            "control": {"server": "generic-1u", "role": "control", "cluster": "cloud"},
            **{
                pool: {"server": "small", "accelerator": model, "cluster": "cloud", "fabrics": {"fast": 2}}
                for pool, model in models.items()
            },
        },
        "clusters": {
            "cloud": {"kind": "kubernetes", "version": "1.36", "pods": "10.128.0.0/16", "services": "10.96.0.0/16"}
        },
        "access": {
            "ssh": {"authority": "path:ssh_ca.pub"},
            "identity": {"oidc": {"issuer": "https://id.site.example"}},
        },
        "organizations": organizations,
    }


def tenant(quota: Mapping[str, int], borrow: Mapping[str, int] | None = None, **more: Any) -> Spec:
    """A tenant of a class that may borrow, with accelerators of pools."""

    def said(shares: Mapping[str, int]) -> Spec:
        return {pool: f"{count} accelerators" for pool, count in shares.items() if count}

    people = {"admins": ["oidc:leads"], "members": ["oidc:people"]}
    return {"class": "research", **people, "quota": said(quota), "borrow": said(borrow or {}), **more}


class Site:
    """The folder of a centre, and a control plane that was given what is rendered from it."""

    def __init__(
        self,
        folder: Path,
        spec: Spec,
        resources: Mapping[str, str],
        nodes: Mapping[str, int],
        cache: Path | None = None,
    ) -> None:
        """`resources` are what the nodes of each pool call their accelerators, `cache` is where parts of others lie."""
        self.folder, self.resources = folder, resources
        self._environment = {**os.environ, **({"XDG_CACHE_HOME": str(cache)} if cache else {})}
        self._nodes = nodes
        (folder / "catalog/servers").mkdir(parents=True, exist_ok=True)
        (folder / "catalog/servers/small.yaml").write_text(SERVER)
        (folder / "ssh_ca.pub").write_bytes((ROOT / "inventories/starter/ssh_ca.pub").read_bytes())
        self.write(spec)
        self.run("render", str(folder))

    def write(self, spec: Spec) -> None:
        (self.folder / "center.yaml").write_text(json.dumps(spec, indent=1), "utf-8")

    def run(self, *words: str, exits: int = 0) -> str:
        """Run a verb of the product; what it printed."""
        done = self.done(*words)
        assert done.returncode == exits, (done.returncode, done.stdout[-3000:], done.stderr[-3000:])
        return done.stdout

    def done(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "generator", *words]
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False, env=self._environment
        )

    def in_cluster(self, verb: str, *words: str, exits: int = 0) -> str:
        reach = ("--cluster", "cloud", "--kubeconfig", str(self.plane.kubeconfig))
        return self.run(verb, str(self.folder), *reach, *words, exits=exits)

    @property
    def objects(self) -> list[Manifest]:
        """Everything that is rendered for the cluster."""
        files = sorted((self.folder / "generated/clusters/cloud").rglob("*.yaml"))
        bodies = [body for file in files for body in yaml.safe_load_all(file.read_text("utf-8"))]
        return [body for body in bodies if body["kind"] != "Kustomization"]

    def configuration(self) -> Spec:
        """Kueue's own configuration as it is rendered."""
        [found] = [body for body in self.objects if body["metadata"]["name"] == "kueue-manager-config"]
        read: Spec = yaml.safe_load(found["data"]["controller_manager_config.yaml"])
        return read

    @contextmanager
    def started(self) -> Iterator[None]:
        with ControlPlane(build_tools(), self.folder / "cluster", kueue_config=self.configuration()) as self.plane:
            self.plane.add_nodes(self.machines())
            self.in_cluster("apply")
            for queue in (body for body in self.objects if body["kind"] == "ClusterQueue"):
                wait_until(partial(self.admits, queue["metadata"]["name"]), SECONDS, queue["metadata"]["name"])
            yield

    def machines(self) -> list[Manifest]:
        """The workers as their kubelets would announce them: racks in the order of pools, names by the scheme."""
        return [
            machine(f"{pool}-a{number:02d}-{slot}", self.resources[pool])
            for number, (pool, count) in enumerate(self._nodes.items(), 2)
            for slot in range(1, count + 1)
        ]

    def admits(self, queue: str) -> bool:
        found = self._get(f"clusterqueues/{queue}").get("status", {}).get("conditions", [])
        return any(each["type"] == "Active" and each["status"] == "True" for each in found)

    def _get(self, path: str) -> Any:
        answer = self.plane.api.get(f"/apis/kueue.x-k8s.io/v1beta2/{path}")
        assert answer.is_success, answer.text
        return answer.json()

    def submit(self, tenant: str, pool: str, name: str, **pod: Any) -> None:
        """A job of one accelerator that runs until it is ended."""
        answer = self.ask(tenant, job(name, pool, self.resources[pool], **pod))
        assert answer.is_success, answer.text

    def ask(self, tenant: str, manifest: Manifest) -> Any:
        return self.plane.api.post(f"/apis/batch/v1/namespaces/{tenant}--main/jobs", json=manifest)

    def used(self) -> Counter[tuple[str, str]]:
        """Accelerators that Kueue has admitted, by tenant and pool."""
        found: Counter[tuple[str, str]] = Counter()
        for queue in self._get("clusterqueues")["items"]:
            name, _, pool = queue["metadata"]["name"].rpartition(".")
            for flavor in queue.get("status", {}).get("flavorsUsage", []):
                assert flavor["name"] == pool
                found[name, pool] += sum(
                    int(each["total"]) for each in flavor["resources"] if each["name"] == self.resources[pool]
                )
        return found

    def workloads(self) -> list[Manifest]:
        """What Kueue makes of each job, all from one moment."""
        found: list[Manifest] = self._get("workloads")["items"]
        return found

    def places(self) -> Iterator[tuple[str, str, str]]:
        """The tenant of each running pod, the pool that its queue is of, and its node."""
        for pod in self.plane.read("pods", "--all-namespaces", "--selector", "asks")["items"]:
            if pod["spec"].get("nodeName") and not pod["metadata"].get("deletionTimestamp"):
                labels = pod["metadata"]["labels"]
                yield pod["metadata"]["namespace"].removesuffix("--main"), labels["asks"], pod["spec"]["nodeName"]


def machine(name: str, resource: str) -> Manifest:
    """A small server as its kubelet would announce it; `resource` is what it calls its accelerators."""
    has = {"cpu": str(CORES), "memory": f"{MEMORY}G", "pods": "110", resource: str(EACH)}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {"capacity": has, "allocatable": has},
    }


def restricted_container(resources: Mapping[str, str]) -> Manifest:
    """A container that meets the restricted Pod Security Standard and is limited to what it requests."""
    return {
        "name": "main",
        "image": "registry.invalid/main:1",
        "imagePullPolicy": "Always",
        "resources": {"requests": resources, "limits": resources},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }


def job(name: str, pool: str | None, resource: str | None = None, **pod: Any) -> Manifest:
    """A job that meets the restricted Pod Security Standard; without a resource it requests nothing."""
    requests = {"cpu": "1", "memory": "1Gi", resource: "1"} if resource else {}
    security = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {
        "containers": [restricted_container(requests)],
        "securityContext": security,
        "restartPolicy": "Never",
        **pod,
    }
    labels = {QUEUE: pool} if pool else {}
    template = {"metadata": {"labels": {"asks": pool or "nothing"}}, "spec": spec}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {"backoffLimit": 0, "template": template},
    }
