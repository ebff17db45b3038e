"""Node Feature Discovery's master, compiled once: it gives labels to nodes by the rules that are rendered.

What its workers would find on a node is written as an object, since there are no such cards here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from control_plane.cluster import ControlPlane, Manifest
from control_plane.processes import Process, free_port
from control_plane.tools import Module, build

MODULE = Module(
    "nfd",
    "sigs.k8s.io/node-feature-discovery",
    {"nfd-master": "sigs.k8s.io/node-feature-discovery/cmd/nfd-master"},
    manifests={"nfd-crds": "deployment/base/nfd-crds"},
    sources=Path(__file__).parent / "go",
)
NAMESPACE = "node-feature-discovery"
OWN_NODE = "discovery"
"""Where the master says that it runs."""


def node(name: str) -> Manifest:
    """A node as its kubelet makes it: the master adds to labels and annotations, and expects that there are some."""
    labels = {"kubernetes.io/hostname": name}
    annotations = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": annotations},
    }


@contextmanager
def feature_discovery(plane: ControlPlane, folder: Path) -> Iterator[Process]:
    """The master at work in a cluster, with its kinds defined."""
    built = build([MODULE])
    plane.define(built["nfd-crds"])
    plane.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        node(OWN_NODE),
    )
    (folder / "nfd-master.conf").write_text("{}")
    command: list[str | Path] = [built["nfd-master"], f"-kubeconfig={plane.kubeconfig}", f"-port={free_port()}"]
    command.append(f"-config={folder}/nfd-master.conf")
    own = {"NODE_NAME": OWN_NODE, "KUBERNETES_NAMESPACE": NAMESPACE}
    with Process(command, log=folder / "nfd-master.log", env=own) as process:
        yield process


if __name__ == "__main__":
    for name, path in build([MODULE]).items():
        print(f"{name:24} {path}")
