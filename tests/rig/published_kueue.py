"""Kueue as its makers publish it: their manifests whole, and their program where a kubelet would have started it.

The program sees what its container would: a root of its own with the configuration, the certificates of its Secret and
the token of its service account. It listens at the addresses of its services, which must be on loopback.
"""

from __future__ import annotations

import base64
import contextlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from control_plane.cluster import ControlPlane
from control_plane.processes import Process, free_port, wait_until
from control_plane.tools import Tools

SPACE = "/api/v1/namespaces/kueue-system"
PROGRAM = "/apis/apps/v1/namespaces/kueue-system/deployments/kueue-controller-manager"
CERTIFICATES = "tmp/k8s-webhook-server/serving-certs"
SECONDS = 120.0


def manifests(plane: ControlPlane, tools: Tools) -> bytes:
    """What a release publishes in one file."""
    return plane.kubectl("kustomize", tools.kueue_config / "default").encode()


@contextlib.contextmanager
def started_when_applied(plane: ControlPlane, tools: Tools, root: Path) -> Iterator[None]:
    """Start the program as soon as its Deployment and its Secret are there, and keep it until the block ends."""
    ended = threading.Event()
    kubelet = threading.Thread(target=_run, args=(plane, tools, root, ended))
    kubelet.start()
    try:
        yield
    finally:
        ended.set()
        kubelet.join()


def _run(plane: ControlPlane, tools: Tools, root: Path, ended: threading.Event) -> None:
    wait_until(lambda: ended.is_set() or plane.api.get(PROGRAM).is_success, SECONDS, PROGRAM)
    if ended.is_set():
        return
    for folder in (CERTIFICATES, "visibility"):
        (root / folder).mkdir(parents=True)
    shutil.copy(tools.kueue, root / "manager")
    (root / "controller_manager_config.yaml").write_text(yaml.safe_dump(_configuration(plane)))
    (root / "kubeconfig").write_text(yaml.safe_dump(_kubeconfig(plane)))
    command = ["chroot", str(root), "/manager", "--config=/controller_manager_config.yaml", "--kubeconfig=/kubeconfig"]
    with Process(command, log=root.parent / "kueue.log", name="kueue"):
        while not ended.wait(0.2):
            _mount(plane, root / CERTIFICATES)


def _configuration(plane: ControlPlane) -> dict[str, Any]:
    """What is in the cluster, but for addresses: those of a pod are its own, this program shares one machine."""
    text = plane.api.get(f"{SPACE}/configmaps/kueue-manager-config").json()["data"]["controller_manager_config.yaml"]
    found: dict[str, Any] = yaml.safe_load(text)

    def address(service: str) -> str:
        return str(plane.api.get(f"{SPACE}/services/{service}").json()["spec"]["clusterIP"])

    return found | {
        "webhook": {"host": address("kueue-webhook-service"), "port": 443},
        "visibilityServer": {"bindAddress": address("kueue-visibility-server"), "bindPort": 443},
        "health": {"healthProbeBindAddress": f"127.0.0.1:{free_port()}"},
        "metrics": {**found["metrics"], "bindAddress": f"127.0.0.1:{free_port()}"},
        "leaderElection": {**found["leaderElection"], "resourceNamespace": "kueue-system"},
    }


def _kubeconfig(plane: ControlPlane) -> dict[str, Any]:
    """Its service account and nothing else, so that the rights are those that its manifests give."""
    path = f"{SPACE}/serviceaccounts/kueue-controller-manager/token"
    answer = plane.api.post(path, json={"spec": {"expirationSeconds": 3600}})
    authority = base64.b64encode(plane.authority.certificate.read_bytes()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": plane.server, "certificate-authority-data": authority}}],
        "users": [{"name": "u", "user": {"token": answer.json()["status"]["token"]}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }


def _mount(plane: ControlPlane, folder: Path) -> None:
    """Bring the Secret to its files, as a kubelet does again and again."""
    data = plane.api.get(f"{SPACE}/secrets/kueue-webhook-server-cert").json().get("data") or {}
    for name, text in data.items():
        content, file = base64.b64decode(text), folder / name
        if not file.exists() or file.read_bytes() != content:
            file.write_bytes(content)
