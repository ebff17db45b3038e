"""What the tests of cluster applies share: small trees, and the audit log of the API server as their oracle."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from control_plane.cluster import ControlPlane
from generator.apply.clusters.comparison import Manifest, Step
from generator.apply.clusters.kubeconfig import Access
from generator.apply.clusters.runs import ClusterDiff, ClusterReport, Target, apply_cluster, diff_cluster

Body = dict[str, Any]
Write = tuple[str, str, str, str]  # verb, plural, namespace, name

REPOSITORY = Path(__file__).parents[1]
PLURALS = {"NetworkPolicy": "networkpolicies", "PriorityClass": "priorityclasses"}


def body(kind: str, name: str, namespace: str = "", version: str = "v1", **rest: Any) -> Body:
    """One object as a tree would hold it."""
    where = {"namespace": namespace} if namespace else {}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **where}, **rest}


def config(name: str, namespace: str, **data: str) -> Body:
    return body("ConfigMap", name, namespace, data=data)


def deployment(name: str, namespace: str, replicas: int = 1) -> Body:
    """A Deployment with the things that servers fill in: ports without protocol, resources, probes."""
    labels = {"app": name}
    container = {
        "name": "main",
        "image": "registry.invalid/main@sha256:" + "0" * 64,
        "ports": [{"containerPort": 8080, "name": "http"}],
        "resources": {"limits": {"cpu": "1500m", "memory": "1Gi"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
    }
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return body("Deployment", name, namespace, "apps/v1", spec=spec)


def rich_tree(namespace: str) -> list[Body]:
    """One object of each kind that matters for order, defaults and lists."""
    group = "rbac.authorization.k8s.io"
    role = {"apiGroup": group, "kind": "Role", "name": "reader"}
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    users = [{"kind": "ServiceAccount", "name": "runner", "namespace": namespace}]
    return [
        deployment("web", namespace),
        body("Service", "web", namespace, spec={"selector": {"app": "web"}, "ports": ports}),
        body("RoleBinding", "readers", namespace, f"{group}/v1", roleRef=role, subjects=users),
        body("Role", "reader", namespace, f"{group}/v1", rules=rules),
        body("ServiceAccount", "runner", namespace),
        body("ResourceQuota", "quota", namespace, spec={"hard": {"requests.cpu": "8", "requests.memory": "16Gi"}}),
        body("NetworkPolicy", "deny", namespace, "networking.k8s.io/v1", spec={"podSelector": {}}),
        body("PriorityClass", f"{namespace}-high", "", "scheduling.k8s.io/v1", value=1000),
        body("ClusterRole", f"{namespace}-viewer", "", f"{group}/v1", rules=rules),
        config("settings", namespace, key="value"),
        body("Namespace", namespace),
    ]


def credentials_by_touching(file: Path) -> Body:
    """What a kubeconfig says of a command that gives credentials; this one only leaves a file behind."""
    api = "client.authentication.k8s.io/v1"
    return {"apiVersion": api, "command": "touch", "args": [str(file)], "interactiveMode": "Never"}


@dataclass
class Cluster:
    """A control plane under the hands of one test, which owns a namespace and the record of members."""

    plane: ControlPlane
    namespace: str
    _seen: int = field(default=0)

    @property
    def target(self) -> Target:
        return Target(f"centre-{self.namespace}", "hpc", Access(self.plane.kubeconfig))

    def diff(self, bodies: Iterable[Body], *confirm: str) -> ClusterDiff:
        return diff_cluster(self.target, manifests(bodies), confirm=frozenset(confirm))

    def apply(self, bodies: Iterable[Body], *confirm: str, **more: Any) -> ClusterReport:
        return apply_cluster(self.target, manifests(bodies), confirm=frozenset(confirm), **more)

    def settle(self, bodies: Iterable[Body]) -> None:
        """Apply and expect nothing but success, then forget the requests so far."""
        report = self.apply(bodies)
        assert not report.problems
        self.forget()

    def start(self, bodies: Sequence[Body], **more: Any) -> subprocess.Popen[str]:
        """Start an apply in a process of its own."""
        job = {"centre": self.target.centre, "cluster": "hpc", "kubeconfig": str(self.plane.kubeconfig)}
        command = [sys.executable, "-m", "tests.rig.apply_once"]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, cwd=REPOSITORY, stdin=pipe, stdout=pipe, text=True)
        assert process.stdin
        process.stdin.write(json.dumps({**job, "bodies": bodies, **more}))
        process.stdin.close()
        process.stdin = None  # so that communicate() does not flush it
        return process

    def forget(self) -> None:
        """Count requests from here on."""
        self._seen = self.plane.audit_log.stat().st_size

    def requests(self) -> list[Body]:
        """What the product asked of the API server since, read from its audit log."""
        return self._since(self._seen)[0]

    def _since(self, place: int) -> tuple[list[Body], int]:
        """Our requests that the log holds behind a place, and the place behind them."""
        with self.plane.audit_log.open("rb") as log:
            log.seek(place)
            whole = log.read().rpartition(b"\n")[0]
        events = [json.loads(line) for line in whole.splitlines() if b'"userAgent":"center"' in line]
        return events, place + len(whole) + bool(whole)

    def all_writes(self) -> list[Write]:
        """Every request since that could have changed something, our own bookkeeping included."""
        return [_write(event) for event in self.requests() if _changes(event)]

    def writes(self) -> list[Write]:
        """The same without the lock and the record."""
        return [write for write in self.all_writes() if "center-system" not in (write[2], write[3])]

    def after_writes(self, count: int, process: subprocess.Popen[str], seconds: float = 60) -> None:
        """Return as soon as the process has sent so many writes; it must not have ended by then."""
        end, place, found = time.monotonic() + seconds, self._seen, 0
        while True:
            # Only what is new is read: whoever reads all of it again comes too late to stop a fast one.
            events, place = self._since(place)
            found += sum(map(_changes, events))
            if found >= count:
                return
            assert process.poll() is None, "the apply ended too early"
            assert time.monotonic() < end, "the apply is too slow"

    def holder(self) -> str:
        """Who holds the lock, by kubectl; empty if nobody does."""
        found = self.plane.read("lease", "-n", "center-system")["items"]
        return str(found[0]["spec"].get("holderIdentity", "")) if found else ""

    def member_names(self, kind: str = "configmap") -> set[str]:
        found = self.plane.read(kind, "-n", self.namespace, "-l", "center.internal/member-of")
        return {item["metadata"]["name"] for item in found["items"]}

    def recorded(self) -> dict[str, str]:
        """Lines of the record: place and UID."""
        data = self.plane.read("configmap", "center", "-n", "center-system").get("data", {})
        return dict(line.split(" ") for text in data.values() for line in text.splitlines())


def manifests(bodies: Iterable[Body]) -> list[Manifest]:
    return [Manifest(f"clusters/hpc/{each['kind']}-{each['metadata']['name']}.yaml", each) for each in bodies]


def as_writes(steps: Iterable[Step]) -> list[Write]:
    """Steps as the audit log would show them."""
    return sorted(
        (step.verb, PLURALS.get(step.key.kind, step.key.kind.lower() + "s"), step.key.namespace, step.key.name)
        for step in steps
    )


def _changes(event: Body) -> bool:
    """Whether a request could have changed something."""
    changing = ("create", "update", "patch", "delete", "deletecollection")
    return event["verb"] in changing and "dryRun=All" not in event["requestURI"]


def _write(event: Body) -> Write:
    place = event["objectRef"]
    created = event["verb"] in ("create", "patch") and event["responseStatus"]["code"] == 201
    verb = "create" if created else "delete" if event["verb"] == "delete" else "change"
    # A Namespace is its own namespace in the audit log, an object without one has no such field.
    namespace = "" if place["resource"] == "namespaces" else place.get("namespace", "")
    return verb, place["resource"], namespace, place.get("name", "")
