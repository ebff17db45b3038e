"""Applies to a real API server that are killed, paused or doubled: processes of their own, ended by SIGKILL."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from control_plane.processes import wait_until
from generator.apply.clusters.runs import unlock_cluster
from tests.clusters import Body, Cluster, body, config
from tests.rig.gate import Gate

pytestmark = pytest.mark.cluster
pytest_plugins = ("tests.cluster_fixtures",)

MEMBER = "center.internal/member-of"
OBJECTS = 150
# What an apply of a new tree writes first: its own namespace, the lock, the record of what it intends, the namespace.
NAMESPACE, LOCK, RECORD, FIRST = 1, 2, 3, 4


def _tree(namespace: str, prefix: str = "a", count: int = OBJECTS) -> list[Body]:
    configs = [config(f"{prefix}-{number}", namespace, key=str(number)) for number in range(count)]
    return [*configs, body("Namespace", namespace)]


def _names(prefix: str, count: int = OBJECTS) -> set[str]:
    return {f"{prefix}-{number}" for number in range(count)}


def _kill(cluster: Cluster, tree: list[Body], writes: int) -> None:
    """Kill an apply of the tree after so many writes, and take its lock away as an operator would."""
    cluster.forget()
    process = cluster.start(tree)
    cluster.after_writes(writes, process)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    if holder := cluster.holder():
        assert unlock_cluster(cluster.target, holder) == ()


def _assert_exactly(cluster: Cluster, names: set[str]) -> None:
    """Living objects and record hold exactly these members; of others the record knows at most the intent."""
    found = cluster.plane.read("configmap", "-n", cluster.namespace, "-l", MEMBER)["items"]
    living = {f"{cluster.namespace}/{item['metadata']['name']}": item["metadata"]["uid"] for item in found}
    assert {place.rpartition("/")[2] for place in living} == names
    assert all(item["data"] == {"key": item["metadata"]["name"].rpartition("-")[2]} for item in found)
    recorded = {place: uid for place, uid in cluster.recorded().items() if uid != "-"}
    assert recorded.pop(f"/{cluster.namespace}")
    assert recorded == living


@pytest.mark.parametrize("writes", [NAMESPACE, LOCK, RECORD, FIRST, FIRST + 5, FIRST + 70, FIRST + 130])
def test_killed_while_creating_and_run_again_is_applied_once(cluster: Cluster, writes: int) -> None:
    tree = _tree(cluster.namespace)
    _kill(cluster, tree, writes)

    assert not cluster.apply(tree).problems

    _assert_exactly(cluster, _names("a"))
    cluster.forget()
    assert cluster.apply(tree).done == () and cluster.all_writes() == []


@pytest.mark.parametrize("writes", [FIRST + 1, FIRST + 100])
def test_killed_while_creating_leaves_nothing_that_a_smaller_tree_would_forget(cluster: Cluster, writes: int) -> None:
    _kill(cluster, _tree(cluster.namespace), writes)

    assert not cluster.apply(_tree(cluster.namespace, count=2)).problems

    _assert_exactly(cluster, _names("a", 2))


def test_a_request_that_arrives_after_the_next_run_is_not_forgotten(cluster: Cluster) -> None:
    tree = _tree(cluster.namespace)
    _kill(cluster, tree, FIRST)
    assert not cluster.apply(tree[-3:]).problems
    # By name among the last, which the killed run cannot have sent yet.
    late = tree[97] | {"metadata": tree[97]["metadata"] | {"labels": {MEMBER: cluster.target.centre}}}
    cluster.plane.kubectl("apply", "--server-side", "--field-manager=center", "-f-", stdin=json.dumps(late))

    (step,) = cluster.apply(tree[-3:]).done

    assert (step.verb, step.key.name) == ("delete", "a-97")
    _assert_exactly(cluster, {"a-148", "a-149"})


@pytest.mark.parametrize("writes", [OBJECTS + 2, OBJECTS + 20, 2 * OBJECTS - 20])
def test_killed_while_deleting_and_run_again_is_applied_once(cluster: Cluster, writes: int) -> None:
    cluster.settle(_tree(cluster.namespace, "a"))
    tree = _tree(cluster.namespace, "b")
    _kill(cluster, tree, writes)

    assert not cluster.apply(tree).problems

    _assert_exactly(cluster, _names("b"))


def test_of_two_writers_the_second_is_refused(cluster: Cluster) -> None:
    tree = _tree(cluster.namespace)
    first = cluster.start(tree)
    try:
        cluster.after_writes(FIRST + 20, first)
        first.send_signal(signal.SIGSTOP)

        (problem,) = cluster.apply(tree[:3]).problems

        assert problem.rule == "cluster.locked"
        assert f"/{first.pid}/" in problem.message and cluster.holder() in problem.message
    finally:
        first.send_signal(signal.SIGCONT)
    output, _ = first.communicate(timeout=60)
    assert f'{{"done": {len(tree)}, "rules": []}}' == output
    _assert_exactly(cluster, _names("a"))


def test_of_writers_that_start_together_one_writes(cluster: Cluster) -> None:
    tree = _tree(cluster.namespace)
    reports = [json.loads(process.communicate(timeout=60)[0]) for process in [cluster.start(tree) for _ in range(4)]]
    assert sorted(report["done"] for report in reports) == [0, 0, 0, len(tree)]
    assert {rule for report in reports for rule in report["rules"]} <= {"cluster.locked"}
    assert len(cluster.writes()) == len(tree)
    _assert_exactly(cluster, _names("a"))


def test_a_paused_writer_that_lost_its_lock_stops(cluster: Cluster) -> None:
    first = cluster.start(_tree(cluster.namespace), lease_seconds=2)
    try:
        cluster.after_writes(FIRST + 20, first)
        first.send_signal(signal.SIGSTOP)
        smaller = _tree(cluster.namespace, count=2)
        wait_until(lambda: not cluster.apply(smaller).problems, 30, "the lock to run out")
        cluster.forget()
    finally:
        first.send_signal(signal.SIGCONT)
    output, _ = first.communicate(timeout=60)
    assert '"rules": ["cluster.lock-lost"]' in output
    # A request may have been past its check when the process was paused; no worker sends a second one.
    assert len(cluster.writes()) <= 16
    assert not cluster.apply(smaller).problems
    _assert_exactly(cluster, _names("a", 2))


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_server_that_is_away_for_ten_seconds_is_waited_for(cluster: Cluster, when: str, tmp_path: Path) -> None:
    tree = _tree(cluster.namespace)
    with Gate(cluster.plane, tmp_path) as gate:
        gate.arm(when, 80, lambda: gate.shut(10))
        process = cluster.start(tree, kubeconfig=str(gate.kubeconfig))
        output, _ = process.communicate(timeout=120)
        assert json.loads(output) == {"done": len(tree), "rules": []}
        assert gate.turned_away > 10
    _assert_exactly(cluster, _names("a"))


def test_a_server_that_hangs_for_ten_seconds_is_waited_for(cluster: Cluster) -> None:
    tree = _tree(cluster.namespace)
    server = cluster.plane.processes["kube-apiserver"]
    process = cluster.start(tree)
    cluster.after_writes(FIRST + 20, process)
    server.signal(signal.SIGSTOP)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        server.signal(signal.SIGCONT)
    else:
        raise AssertionError("it ended while the server was stopped")
    output, _ = process.communicate(timeout=120)
    assert json.loads(output) == {"done": len(tree), "rules": []}
    _assert_exactly(cluster, _names("a"))


def test_a_writer_keeps_its_lock_while_it_works(cluster: Cluster) -> None:
    first = cluster.start(_tree(cluster.namespace, count=2000), lease_seconds=2)
    output, _ = first.communicate(timeout=120)
    assert '"rules": []' in output
    written = cluster.all_writes()
    renewals = written.count(("change", "leases", "center-system", "center"))
    assert renewals > 2, "it was over before the lock could have run out"
