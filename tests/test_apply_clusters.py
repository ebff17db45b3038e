"""Applying a tree to a real API server. The oracle is its audit log and what the real kubectl reads."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from control_plane.cluster import ControlPlane, KubectlError
from control_plane.processes import free_port, wait_until
from control_plane.tools import build_tools
from generator.apply.clusters.kubeconfig import Access
from generator.apply.clusters.runs import Target, apply_cluster, diff_cluster, status_cluster, unlock_cluster
from tests.clusters import (
    Body,
    Cluster,
    as_writes,
    body,
    config,
    credentials_by_touching,
    deployment,
    manifests,
    rich_tree,
)

pytestmark = pytest.mark.cluster
pytest_plugins = ("tests.cluster_fixtures",)


@pytest.fixture
def small(cluster: Cluster) -> list[Body]:
    """A namespace with three ConfigMaps."""
    namespace = cluster.namespace
    return [body("Namespace", namespace), *(config(name, namespace, key="value") for name in ("a", "b", "c"))]


def test_a_second_apply_writes_nothing(cluster: Cluster) -> None:
    tree = rich_tree(cluster.namespace)
    first = cluster.apply(tree)
    assert not first.problems
    assert sorted(cluster.writes()) == as_writes(first.done)
    assert len(first.done) == len(tree)
    cluster.forget()

    second = cluster.apply(tree)

    assert (second.done, second.unchanged, second.problems) == ((), len(tree), ())
    assert cluster.requests()
    assert cluster.all_writes() == []
    assert cluster.plane.read("deployment", "web", "-n", cluster.namespace)["spec"]["replicas"] == 1


def test_diff_names_exactly_what_apply_does(cluster: Cluster) -> None:
    namespace = cluster.namespace
    tree = rich_tree(namespace)
    cluster.settle(tree)
    changed = [each for each in tree if each["kind"] not in ("NetworkPolicy", "PriorityClass", "Deployment")]
    changed = [each | {"data": {"key": "other"}} if each["kind"] == "ConfigMap" else each for each in changed]
    changed += [deployment("web", namespace, replicas=3), config("more", namespace, key="value")]

    seen = cluster.diff(changed)
    assert cluster.all_writes() == []
    report = cluster.apply(changed)

    assert sorted(cluster.writes()) == as_writes(seen.steps) == as_writes(report.done)
    assert report.done == seen.steps
    fields = {str(step.key): step.fields for step in seen.steps if step.verb == "change"}
    assert [(f.path, f.old, f.new) for f in fields[f"ConfigMap {namespace}/settings"]] == [
        (".data.key", '"value"', '"other"')
    ]
    assert [(f.path, f.old, f.new) for f in fields[f"Deployment {namespace}/web"]] == [(".spec.replicas", "1", "3")]
    assert as_writes(step for step in seen.steps if step.verb == "delete") == [
        ("delete", "networkpolicies", namespace, "deny"),
        ("delete", "priorityclasses", "", f"{namespace}-high"),
    ]
    assert cluster.diff(changed).steps == ()


def test_a_field_that_is_not_rendered_any_more_goes(cluster: Cluster, small: list[Body]) -> None:
    small[1] = config("a", cluster.namespace, key="value", extra="more")
    cluster.settle(small)
    small[1] = config("a", cluster.namespace, key="value")

    (step,) = cluster.apply(small).done

    assert [(f.path, f.old, f.new) for f in step.fields] == [(".data.extra", '"more"', None)]
    assert cluster.plane.read("configmap", "a", "-n", cluster.namespace)["data"] == {"key": "value"}


def test_only_recorded_objects_are_deleted(cluster: Cluster, small: list[Body]) -> None:
    plane, namespace = cluster.plane, cluster.namespace
    cluster.settle(small)
    label = {"center.internal/member-of": cluster.target.centre}
    copied = config("copied", namespace, key="value")
    copied["metadata"]["labels"] = label
    plane.apply(copied)
    # Deleted and made again by somebody else: the same name and label, but not the object that we know.
    plane.kubectl("delete", "configmap", "b", "-n", namespace)
    again = config("b", namespace, key="foreign")
    again["metadata"]["labels"] = label
    plane.apply(again)
    plane.kubectl("label", "configmap", "c", "-n", namespace, "center.internal/member-of-")
    plane.apply(small_extra := config("own", namespace, key="value"))

    report = cluster.apply(small[:1])

    assert as_writes(report.done) == [("delete", "configmaps", namespace, "a")]
    assert cluster.writes() == [("delete", "configmaps", namespace, "a")]
    left = {item["metadata"]["name"] for item in plane.read("configmap", "-n", namespace)["items"]}
    assert left - {"kube-root-ca.crt"} == {"b", "c", "copied", small_extra["metadata"]["name"]}


def test_an_empty_tree_deletes_nothing(cluster: Cluster, small: list[Body]) -> None:
    cluster.settle(small)

    report = cluster.apply([], cluster.namespace)

    assert [problem.rule for problem in report.problems] == ["cluster.empty-tree"]
    assert cluster.all_writes() == []
    assert cluster.member_names() == {"a", "b", "c"}


def test_a_namespace_is_deleted_only_when_named_with_its_volumes(cluster: Cluster, small: list[Body]) -> None:
    namespace = cluster.namespace
    other = body("Namespace", f"keeper-{namespace}")
    closed = body("NetworkPolicy", "deny", namespace, "networking.k8s.io/v1", spec={"podSelector": {}})
    cluster.settle([*small, closed, other])
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    cluster.plane.apply(body("PersistentVolumeClaim", "data", namespace, spec=spec))
    claim = f"{namespace}/data"

    for confirmed in ([], [namespace], [claim], [other["metadata"]["name"]]):
        report = cluster.apply([other], *confirmed)
        assert report.done == () and not report.problems
        assert {step.needs for step in report.withheld} == {frozenset({namespace, claim})}
        assert [step.key.place for step in report.withheld] == [namespace]  # what is inside waits with it
    assert cluster.writes() == []
    assert f"{namespace}/deny" in cluster.recorded()
    assert cluster.member_names() == {"a", "b", "c"}

    seen = cluster.diff([other], namespace, claim)
    report = cluster.apply([other], namespace, claim)

    assert report.done == seen.steps and not report.withheld
    # Its pods end before what closes it does, which is the server's to see to.
    assert cluster.writes() == [("delete", "namespaces", "", namespace)]
    assert set(cluster.recorded()) == {"/" + other["metadata"]["name"]}


def test_a_volume_claim_is_deleted_only_when_named(cluster: Cluster, small: list[Body]) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    cluster.settle([*small, body("PersistentVolumeClaim", "data", cluster.namespace, spec=spec)])

    assert cluster.apply(small).done == ()
    assert cluster.writes() == []
    assert len(cluster.apply(small, f"{cluster.namespace}/data").done) == 1
    assert cluster.writes() == [("delete", "persistentvolumeclaims", cluster.namespace, "data")]


def test_a_conflict_names_field_and_manager_and_writes_nothing(cluster: Cluster, small: list[Body]) -> None:
    plane, namespace = cluster.plane, cluster.namespace
    cluster.settle(small)
    theirs = json.dumps(config("a", namespace, key="theirs"))
    plane.kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=night-shift", "-f-", stdin=theirs)
    cluster.forget()

    report = cluster.apply([*small, config("new", namespace, key="value")])

    (problem,) = report.problems
    assert problem.rule == "cluster.conflict"
    assert '.data.key (by "night-shift")' in problem.message
    assert problem.position and problem.position.file == "clusters/hpc/ConfigMap-a.yaml"
    assert cluster.all_writes() == []
    assert plane.read("configmap", "a", "-n", namespace)["data"] == {"key": "theirs"}


@pytest.mark.parametrize("winner", ["theirs lets go", "ours is taken"])
def test_both_ways_out_of_a_conflict_as_documented(winner: str, cluster: Cluster, small: list[Body]) -> None:
    """The commands of docs/delivery.md, by the real kubectl."""
    plane, namespace = cluster.plane, cluster.namespace
    cluster.settle(small)
    server_side = ("apply", "--server-side", "--force-conflicts", "-f-")
    theirs = json.dumps(config("a", namespace, key="theirs", more="theirs"))
    plane.kubectl(*server_side, "--field-manager=night-shift", stdin=theirs)
    assert [problem.rule for problem in cluster.apply(small).problems] == ["cluster.conflict"]

    if winner == "theirs lets go":
        plane.kubectl(
            *server_side, "--field-manager=night-shift", stdin=json.dumps(config("a", namespace, more="theirs"))
        )
    else:
        plane.kubectl(*server_side, "--field-manager=center", stdin=json.dumps(small[1]))

    assert cluster.apply(small).problems == ()
    assert plane.read("configmap", "a", "-n", namespace)["data"] == {"key": "value", "more": "theirs"}
    assert cluster.apply(small).done == ()
    assert not cluster.diff(small).problems


def test_an_object_of_others_with_our_values_is_adopted(cluster: Cluster, small: list[Body]) -> None:
    label = {"center.internal/member-of": cluster.target.centre}
    cluster.plane.apply(*(each | {"metadata": each["metadata"] | {"labels": label}} for each in small))

    report = cluster.apply(small)

    assert [(step.verb, step.fields) for step in report.done] == [("change", ())] * len(small)
    assert cluster.apply(small).done == ()
    cluster.settle(small[:1])
    assert cluster.member_names() == set()


def test_what_the_server_would_refuse_stops_everything(cluster: Cluster, small: list[Body]) -> None:
    cluster.plane.apply(small[0])
    wrong = config("wrong", cluster.namespace) | {"dato": {}}
    nowhere = config("nowhere", "nobody--main", key="value")
    cluster.forget()

    report = cluster.apply([*small, wrong, nowhere])

    assert sorted(problem.rule for problem in report.problems) == ["cluster.no-namespace", "cluster.rejected"]
    assert any("dato" in problem.message for problem in report.problems)
    assert cluster.all_writes() == []


def test_kinds_that_are_not_served_are_one_finding_each(cluster: Cluster, small: list[Body]) -> None:
    flavors = [body("ResourceFlavor", name, "", "kueue.x-k8s.io/v1beta2", spec={}) for name in ("h100", "h200")]

    (problem,) = cluster.diff([*small, *flavors]).problems

    assert problem.rule == "cluster.not-served"
    assert "does not serve kueue.x-k8s.io/v1beta2 ResourceFlavor (2 of them rendered)" in problem.message
    assert problem.hint and "install kueue" in problem.hint


def test_a_tree_may_bring_its_own_definitions(cluster: Cluster, small: list[Body]) -> None:
    group = f"{cluster.namespace}.example.internal"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    spec = {
        "group": group,
        "names": {"kind": "Rack", "plural": "racks", "singular": "rack", "listKind": "RackList"},
        "scope": "Namespaced",
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
    }
    definition = body("CustomResourceDefinition", f"racks.{group}", "", "apiextensions.k8s.io/v1", spec=spec)
    racks = [body("Rack", f"a0{number}", cluster.namespace, f"{group}/v1", spec={"u": 48}) for number in range(3)]
    tree = [*racks, *small, definition]

    seen = cluster.diff(tree)
    report = cluster.apply(tree)

    assert not report.problems and report.done == seen.steps and len(report.done) == len(tree)
    assert cluster.apply(tree).done == ()
    # Deleting a definition would delete every rack with it.
    assert {step.key.kind for step in cluster.diff(small).withheld} == {"CustomResourceDefinition"}
    assert len(cluster.apply([*small, definition]).done) == 3


def test_a_cluster_of_another_centre_is_refused(cluster: Cluster, small: list[Body]) -> None:
    cluster.settle(small)
    access = Access(cluster.plane.kubeconfig)
    for target in (Target("elsewhere", "hpc", access), Target(cluster.target.centre, "cloud", access)):
        for outcome in (apply_cluster(target, manifests(small[:1])), diff_cluster(target, manifests(small))):
            assert [problem.rule for problem in outcome.problems] == ["cluster.other-centre"]
    assert cluster.all_writes() == []


def test_a_preview_that_is_not_true_any_more_is_refused(cluster: Cluster, small: list[Body]) -> None:
    cluster.settle(small)
    wanted = [*small[:2], config("b", cluster.namespace, key="other"), config("d", cluster.namespace)]
    seen = cluster.diff(wanted)
    cluster.plane.kubectl("delete", "configmap", "b", "-n", cluster.namespace)
    cluster.forget()

    report = cluster.apply(wanted, expected=seen.fingerprint)

    assert [problem.rule for problem in report.problems] == ["plan.stale"]
    assert cluster.all_writes() == []
    assert cluster.apply(wanted, expected=cluster.diff(wanted).fingerprint).problems == ()


def _hold_lease(cluster: Cluster, holder: str, age: float) -> None:
    """Write the lock as a run of `holder` would have left it `age` seconds ago."""
    then = (datetime.now(UTC) - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 60, "acquireTime": then, "renewTime": then}
    patch = json.dumps({"spec": spec})
    cluster.plane.kubectl("patch", "lease", "center", "-n", "center-system", "--type=merge", "-p", patch)


def test_a_held_lock_is_refused_and_an_expired_one_taken(cluster: Cluster, small: list[Body]) -> None:
    cluster.settle(small)
    _hold_lease(cluster, "ops@night/7/beef", age=25)
    cluster.forget()

    (problem,) = cluster.apply(small[:2]).problems
    assert problem.rule == "cluster.locked"
    assert '"ops@night/7/beef", for 2' in problem.message
    assert problem.hint and 'center unlock "ops@night/7/beef"' in problem.hint
    assert cluster.all_writes() == []

    assert [p.rule for p in unlock_cluster(cluster.target, "ops@day/7/beef")] == ["cluster.locked"]
    assert unlock_cluster(cluster.target, "ops@night/7/beef") == ()
    assert len(cluster.apply(small[:2]).done) == 2

    _hold_lease(cluster, "ops@night/8/cafe", age=70)
    assert len(cluster.apply(small).done) == 2
    assert "holderIdentity" not in cluster.plane.read("lease", "center", "-n", "center-system")["spec"]


def test_hostile_answers_are_shown_and_secrets_are_not(cluster: Cluster, small: list[Body]) -> None:
    namespace = cluster.namespace

    def tree(value: str, password: str) -> list[Body]:
        data = {"password": base64.b64encode(password.encode()).decode()}
        return [small[0], config("a", namespace, key=value), body("Secret", "token", namespace, data=data)]

    items = json.dumps({"apiVersion": "v1", "kind": "List", "items": tree("\x1b[31m\u202e" + "x" * 5000, "hunter2")})
    cluster.plane.kubectl("apply", "--server-side", "--field-manager=center", "-f-", stdin=items)

    seen = cluster.diff(tree("value", "hunter3"))

    fields = {f.path: (f.old, f.new) for step in seen.steps for f in step.fields}
    assert fields[".data.password"] == ("(hidden)", "(hidden)")
    old = fields[".data.key"][0]
    assert old and "\\u001b[31m" in old and "\\u202e" in old and old.isprintable() and len(old) <= 300
    assert all(base64.b64encode(text).decode() not in repr(seen) for text in (b"hunter2", b"hunter3"))


def test_status_tells_drift_tree_and_health_without_writing(cluster: Cluster) -> None:
    tree = rich_tree(cluster.namespace)
    assert status_cluster(cluster.target, manifests(tree)).tree == "never applied"
    cluster.settle(tree)
    cluster.plane.kubectl("delete", "configmap", "settings", "-n", cluster.namespace)
    wait_until(lambda: cluster.plane.read("deployment", "web", "-n", cluster.namespace).get("status"), 30, "status")

    status = status_cluster(cluster.target, manifests(tree))

    assert as_writes(status.diff.steps) == [("create", "configmaps", cluster.namespace, "settings")]
    assert status.tree == "applied"
    assert [(str(key), why) for key, why in status.ailing] == [
        (f"Deployment {cluster.namespace}/web", "0 of 1 replicas available")
    ]
    assert status_cluster(cluster.target, manifests(tree[1:])).tree == "another"
    assert cluster.all_writes() == []


def _kubeconfig(path: Path, plane: ControlPlane, **user: object) -> Path:
    content = json.loads(plane.kubeconfig.read_text())
    content["users"][0]["user"] |= user
    path.write_text(json.dumps(content))
    return path


def test_commands_in_a_kubeconfig_run_only_when_allowed(cluster: Cluster, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    path = _kubeconfig(tmp_path / "kubeconfig", cluster.plane, exec=credentials_by_touching(ran))

    (problem,) = diff_cluster(Target("c", "hpc", Access(path)), []).problems
    assert problem.rule == "cluster.kubeconfig" and '"exec"' in problem.message
    assert not ran.exists()

    diff_cluster(Target("c", "hpc", Access(path, allow_commands=True)), [])
    assert ran.exists()


@pytest.mark.parametrize("text", ["", "[]", "{", "contexts: 3", "current-context: x\ncontexts: []", "a: &a [*a]"])
def test_a_broken_kubeconfig_is_a_finding(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    assert [p.rule for p in diff_cluster(Target("c", "hpc", Access(path)), []).problems] == ["cluster.kubeconfig"]


def test_an_unreachable_or_unverified_server_is_a_finding(cluster: Cluster, tmp_path: Path) -> None:
    content = json.loads(cluster.plane.kubeconfig.read_text())
    server = content["clusters"][0]["cluster"]
    path = tmp_path / "kubeconfig"
    for change, rule in (
        ({"server": f"https://127.0.0.1:{free_port()}"}, "cluster.unreachable"),
        ({"insecure-skip-tls-verify": True}, "cluster.kubeconfig"),
        ({"server": "http://127.0.0.1:1"}, "cluster.kubeconfig"),
    ):
        path.write_text(json.dumps(content | {"clusters": [{"name": "rig", "cluster": server | change}]}))
        assert [p.rule for p in diff_cluster(Target("c", "hpc", Access(path)), []).problems] == [rule]


def test_keys_inside_a_kubeconfig_work(cluster: Cluster, small: list[Body], tmp_path: Path) -> None:
    content = json.loads(cluster.plane.kubeconfig.read_text())
    for holder in (content["clusters"][0]["cluster"], content["users"][0]["user"]):
        for name in [name for name in holder if name != "server"]:
            holder[f"{name}-data"] = base64.b64encode(Path(holder.pop(name)).read_bytes()).decode()
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(content))
    assert not apply_cluster(Target(cluster.target.centre, "hpc", Access(path)), manifests(small)).problems


def test_refused_credentials_are_one_finding(cluster: Cluster, small: list[Body]) -> None:
    stranger = cluster.plane.kubeconfig_for("stranger")
    (problem,) = apply_cluster(Target("c", "hpc", Access(stranger)), manifests(small)).problems
    assert problem.rule == "cluster.credentials" and "stranger" in problem.message
    with pytest.raises(KubectlError):
        cluster.plane.read("namespace", cluster.namespace)


def test_queues_and_deployments_that_work_are_not_ailing(tmp_path: Path) -> None:
    version = "kueue.x-k8s.io/v1beta2"
    quota = [{"name": "cpu", "nominalQuota": "8"}]

    def queue(name: str, flavor: str) -> Body:
        flavors = [{"name": flavor, "resources": quota}]
        groups = [{"coveredResources": ["cpu"], "flavors": flavors}]
        return body("ClusterQueue", name, "", version, spec={"namespaceSelector": {}, "resourceGroups": groups})

    with ControlPlane(build_tools(), tmp_path / "plane") as plane:
        amount = {"cpu": "16", "memory": "64Gi", "pods": "100"}
        plane.add_nodes([body("Node", "n1", status={"capacity": amount, "allocatable": amount})])
        cluster = Cluster(plane, "acme--main")
        tree = [
            body("Namespace", "acme--main"),
            body("ResourceFlavor", "h100", "", version, spec={}),
            queue("good", "h100"),
            queue("bad", "h999"),
            body("LocalQueue", "good", "acme--main", version, spec={"clusterQueue": "good"}),
            body("LocalQueue", "bad", "acme--main", version, spec={"clusterQueue": "bad"}),
            deployment("web", "acme--main", replicas=2),
        ]
        assert not cluster.apply(tree).problems

        def ailing() -> dict[str, str]:
            return {str(key): why for key, why in status_cluster(cluster.target, manifests(tree)).ailing}

        bad = {"ClusterQueue bad", "LocalQueue acme--main/bad"}
        wait_until(lambda: ailing().keys() == bad, 60, "only the bad queues to be ailing")
        assert "h999" in ailing()["ClusterQueue bad"]
        assert cluster.apply(tree).done == ()
