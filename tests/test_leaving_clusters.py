"""Dead nodes leave a real API server: what it does not count on any more goes at once, everything else waits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from control_plane.processes import wait_until
from generator.apply.clusters.kubeconfig import Access
from generator.apply.hosts.drain import Drains
from generator.apply.hosts.leaving import preview, take_leave
from generator.apply.hosts.members import Member
from generator.apply.hosts.ssh import Connections, SshAccess
from tests.cluster_fixtures import cluster, plane
from tests.clusters import Cluster, body
from tests.trees import HostTree

__all__ = ["cluster", "plane"]
pytestmark = pytest.mark.cluster

NODE, NOBODY = "train-a01-7", "127.0.0.77"
LEAVER = Member(NODE, NOBODY, "hall-9", "train", ("cloud",))
OPERATIONS = {"pools": {}, "clusters": {"cloud": {"kind": "kubernetes", "controllers": []}}}


class Centre:
    """A tree without the leaver; there is no control node either, so nobody keeps a record."""

    def __init__(self, folder: Path, accesses: dict[str, Access]) -> None:
        self.tree = HostTree(folder, {"store-a01-1": NOBODY})
        self.tree.trusts("none\n")
        self.accesses = accesses
        self.without = frozenset[str]()

    @contextmanager
    def opened(self) -> Iterator[tuple[Connections, Drains]]:
        with (
            Connections(SshAccess(connect_seconds=3)) as connections,
            Drains(connections, OPERATIONS, {}, self.accesses, "0a1b2c3d", self.without) as drains,
        ):
            yield connections, drains

    def previews(self) -> list[str]:
        with self.opened() as (connections, drains):
            return [str(deed) for deed in preview(connections, self.tree.folder, [LEAVER], drains)]

    def leaves(self, seconds: float = 0) -> list[str]:
        with self.opened() as (connections, drains):
            return [str(deed) for deed in take_leave(connections, [], self.tree.folder, [LEAVER], drains, seconds)]


@pytest.fixture
def centre(cluster: Cluster, tmp_path: Path) -> Iterator[Centre]:
    cluster.plane.apply(body("Node", NODE), body("Namespace", cluster.namespace))
    wait_until(
        lambda: cluster.plane.read("serviceaccounts", "-n", cluster.namespace)["items"], 60, "the service account"
    )
    pod = body("Pod", "study", cluster.namespace, spec={"containers": [{"name": "main", "image": "unused"}]})
    pod["spec"]["nodeName"] = NODE
    cluster.plane.apply(pod)
    yield Centre(tmp_path / "generated", {"cloud": Access(cluster.plane.kubeconfig)})
    cluster.plane.kubectl("delete", "pod", "study", "-n", cluster.namespace, "--ignore-not-found", "--force")
    cluster.plane.kubectl("delete", "node", NODE, "--ignore-not-found")


def reports(cluster: Cluster, status: str) -> None:
    """Let the node's agent have said this; nobody else says anything of it here."""
    condition = {"type": "Ready", "status": status, "reason": "Test", "message": ""}
    patch = json.dumps({"status": {"conditions": [condition]}})
    cluster.plane.kubectl("patch", "node", NODE, "--subresource=status", "--type=strategic", f"--patch={patch}")


def nodes(cluster: Cluster) -> str:
    return cluster.plane.kubectl("get", "nodes", "-o", "name")


def test_a_dead_node_is_deleted_without_waiting_for_its_pods(cluster: Cluster, centre: Centre) -> None:
    reports(cluster, "Unknown")
    cluster.forget()
    foretold = centre.previews()
    assert cluster.all_writes() == []
    unreached, *rest = foretold
    assert unreached.startswith(f"{NODE}: left unreached: ") and unreached.endswith("; it keeps what it has")
    assert rest == [f"{NODE}: delete Node of cluster cloud", f"{NODE}: forget that it was a member"]

    assert centre.leaves() == foretold
    assert cluster.all_writes() == [("delete", "nodes", "", NODE)]
    assert NODE not in nodes(cluster)
    assert centre.leaves() == [unreached, rest[1]]


def test_a_silent_node_whose_agent_still_reports_must_be_empty_first(cluster: Cluster, centre: Centre) -> None:
    reports(cluster, "True")
    assert f"{NODE}: drain in cluster cloud" in centre.previews()
    assert centre.leaves() == [f"{NODE}: waits: 1 job runs there: {cluster.namespace}/study"]
    found = cluster.plane.read("node", NODE)
    assert not found["spec"].get("unschedulable")

    cluster.plane.kubectl("delete", "pod", "study", "-n", cluster.namespace, "--force")
    foretold = centre.previews()
    done = centre.leaves(seconds=30)
    assert done == foretold
    assert NODE not in nodes(cluster)


def test_a_cluster_that_nobody_can_ask_keeps_the_node(cluster: Cluster, centre: Centre) -> None:
    centre.accesses = {}
    expected = [f"{NODE}: waits: no kubeconfig for cluster cloud: give --kubeconfig, or --no-cluster cloud"]
    assert centre.previews() == centre.leaves() == expected
    assert NODE in nodes(cluster)

    centre.without = frozenset({"cloud"})
    undrained, *rest = centre.leaves()
    assert undrained == f"{NODE}: not drained: there is no cluster cloud"
    assert rest[-1] == f"{NODE}: forget that it was a member"
    assert NODE in nodes(cluster)
