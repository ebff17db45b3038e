"""Labels of living nodes: given to those that exist, repaired, never a reason to make a node."""

from __future__ import annotations

import pytest

from generator.apply.clusters.runs import apply_cluster, diff_cluster
from tests.cluster_fixtures import cluster, plane
from tests.clusters import Cluster, body, manifests

__all__ = ["cluster", "plane"]
pytestmark = pytest.mark.cluster

POOL, RACK = "center.node-restriction.kubernetes.io/pool", "center.node-restriction.kubernetes.io/rack"
WANTED = {name: {POOL: "train", RACK: "a01"} for name in ("train-a01-1", "train-a01-2", "train-a01-3")}


def test_living_nodes_get_their_labels_and_no_node_is_made(cluster: Cluster) -> None:
    nodes = ("train-a01-1", "train-a01-2", "stranger")
    cluster.plane.apply(*(body("Node", name) for name in nodes))
    try:
        tree = manifests([body("Namespace", cluster.namespace)])
        seen = diff_cluster(cluster.target, tree, labels=WANTED)
        named = [step.key.name for step in seen.steps if step.key.kind == "Node"]
        assert named == ["train-a01-1", "train-a01-2"]
        assert apply_cluster(cluster.target, tree, labels=WANTED).done == seen.steps

        assert _labels(cluster, "train-a01-1") == {POOL: "train", RACK: "a01"}
        assert _labels(cluster, "stranger") == {}
        assert "train-a01-3" not in cluster.plane.kubectl("get", "nodes", "-o", "name")

        cluster.forget()
        assert not apply_cluster(cluster.target, tree, labels=WANTED).done
        assert cluster.all_writes() == []

        cluster.plane.kubectl("label", "node", "train-a01-1", f"{POOL}=other", "own=kept", "--overwrite")
        (step,) = diff_cluster(cluster.target, tree, labels=WANTED).steps
        assert [(field.path, field.old, field.new) for field in step.fields] == [
            (f"metadata.labels.{POOL}", "other", "train")
        ]
        apply_cluster(cluster.target, tree, labels=WANTED)
        assert _labels(cluster, "train-a01-1") == {POOL: "train", RACK: "a01", "own": "kept"}
    finally:
        cluster.plane.kubectl("delete", "node", *nodes, "--ignore-not-found")


def _labels(cluster: Cluster, node: str) -> dict[str, str]:
    found = cluster.plane.read("node", node)["metadata"].get("labels", {})
    return {key: value for key, value in found.items() if not key.startswith(("beta.", "kubernetes.io/"))}
