"""What an operator asks of a cluster, as the command line asks it: previews, plans, reports for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from generator.apply.request import Outcome, Request
from generator.apply.world import deliver
from tests import reports
from tests.clusters import Body, Cluster, body, config, credentials_by_touching, deployment

pytestmark = pytest.mark.cluster
pytest_plugins = ("tests.cluster_fixtures",)


class Tree:
    """A rendered tree of one cluster, `hpc`, and what is asked about it."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        self.folder, self.cluster = folder, cluster
        (folder / "clusters/hpc").mkdir(parents=True)
        (folder / "clusters/hpc/kustomization.yaml").write_text("resources: [all.yaml]\n")
        (folder / "clusters/hpc/nodes.json").write_text("{}")
        self.holds()

    def holds(self, *bodies: Body) -> None:
        """The tree has these objects from now on, and a namespace for them."""
        everything = [body("Namespace", self.cluster.namespace), *bodies]
        text = "---\n".join(json.dumps(each) + "\n" for each in everything)
        (self.folder / "clusters/hpc/all.yaml").write_text(text)
        (self.folder / "index.json").write_text(json.dumps({"files": text}))

    def asks(self, verb: str, named: bool = True, told: list[str] | None = None, **more: Any) -> Outcome:
        """`named`: whether the cluster is said; `told` gets progress; `more`: fields of the request."""
        reached = {"kubeconfigs": (str(self.cluster.plane.kubeconfig),), **more}
        clusters = ("hpc",) if named else ()
        request = Request(self.folder, self.cluster.target.centre, "center", clusters=clusters, **reached)
        heard: list[str] = [] if told is None else told
        return deliver(verb, request, heard.append)


@pytest.fixture
def tree(cluster: Cluster, tmp_path: Path) -> Tree:
    made = Tree(tmp_path / "generated", cluster)
    assert made.asks("apply").code == 0
    cluster.forget()
    return made


def rules(outcome: Outcome) -> list[str]:
    return [problem.rule for problem in outcome.problems]


def test_a_plan_does_what_was_reviewed_and_only_once(tree: Tree, tmp_path: Path) -> None:
    space, plan = tree.cluster.namespace, tmp_path / "plan"
    tree.holds(config("a", space, key="1"))
    assert tree.asks("diff", save=plan).code == 2
    assert tree.cluster.all_writes() == []

    # Without a word about clusters or hosts, a plan means what it was made of.
    assert tree.asks("apply", named=False, plan=plan).code == 0
    assert tree.cluster.writes() == [("create", "configmaps", space, "a")]
    assert rules(tree.asks("apply", plan=plan)) == ["plan.stale"]


def test_a_plan_is_refused_when_the_cluster_or_the_tree_moved(tree: Tree, tmp_path: Path) -> None:
    space, plan = tree.cluster.namespace, tmp_path / "plan"
    tree.holds(config("a", space, key="1"))
    tree.asks("diff", save=plan)
    tree.cluster.plane.apply(config("a", space, key="2"))
    tree.cluster.forget()
    assert rules(tree.asks("apply", plan=plan)) == ["plan.stale"]

    tree.cluster.plane.kubectl("delete", "configmap", "a", "-n", space)
    tree.holds(config("a", space, key="3"))
    outcome = tree.asks("apply", plan=plan)
    assert rules(outcome) == ["plan.stale"] and "not the one that the plan was made of" in outcome.problems[0].message
    assert tree.cluster.all_writes() == []


def test_a_plan_of_hosts_says_nothing_of_a_cluster(tree: Tree, tmp_path: Path) -> None:
    plan = tmp_path / "plan"
    tree.asks("diff", save=plan)
    kept = json.loads(plan.read_text())
    plan.write_text(json.dumps({**kept, "clusters": {}}))
    outcome = tree.asks("apply", plan=plan)
    assert outcome.code == 1 and 'the plan says nothing of cluster "hpc"' in outcome.problems[0].message


@pytest.mark.parametrize("verb", ["diff", "status", "apply"])
def test_programs_read_what_people_read(tree: Tree, verb: str) -> None:
    space = tree.cluster.namespace
    tree.holds(config("a", space, key="1"))
    as_json, as_junit = tree.asks(verb, form="json"), tree.asks(verb, form="junit")
    [line] = as_json.lines
    told = json.loads(line)
    assert told["exit_code"] == as_json.code == (0 if verb == "apply" else 2)
    [step] = told["clusters"]["hpc"]["steps"]
    assert (step["verb"], step["key"]["name"]) == ("create", "a")
    [suite] = as_junit.lines
    reports.JUNIT.validate(suite)
    named = {case.get("name") for case in ElementTree.fromstring(suite).iter("testcase")}
    assert (f"ConfigMap {space}/a" in named) == (verb != "apply")  # the second apply had nothing to do


def test_apply_waits_for_what_it_has_written_as_long_as_it_is_told(tree: Tree) -> None:
    space = tree.cluster.namespace
    told: list[str] = []
    tree.holds(config("a", space, key="1"))
    assert tree.asks("apply", wait=60.0, told=told).code == 0, "what has no work to do is not waited for"
    tree.holds(deployment("web", space))  # there is no node that it could run on
    assert tree.asks("apply").code == 0
    outcome = tree.asks("apply", wait=1.0, told=told)
    [problem] = outcome.problems
    assert (outcome.code, problem.rule) == (1, "cluster.not-ready")
    assert problem.message == f"Deployment {space}/web 0 of 1 replicas available, after 1 s of waiting"
    assert f"hpc: waiting for Deployment {space}/web 0 of 1 replicas available" in told


def test_a_kubeconfig_may_run_commands_when_its_owner_says_so(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = tmp_path / "ran"
    content = json.loads(tree.cluster.plane.kubeconfig.read_text())
    content["users"][0]["user"] = {"exec": credentials_by_touching(ran)}
    (tmp_path / "kubeconfig").write_text(json.dumps(content))
    own = tmp_path / "operator.yaml"
    for words, runs in (("ssh: {forks: 2}\n", False), ("kubernetes: {allow-commands: [kubeconfig]}\n", True)):
        own.write_text(words)
        own.chmod(0o600)
        monkeypatch.setenv("CENTER_OPERATOR", str(own))
        outcome = tree.asks("diff", kubeconfigs=(str(tmp_path / "kubeconfig"),))
        assert outcome.code == 1 and ran.exists() == runs


def test_a_failure_is_one_in_every_form(tree: Tree) -> None:
    tree.holds(config("A", tree.cluster.namespace))
    assert rules(tree.asks("diff")) == ["cluster.rejected"]
    [suite] = tree.asks("diff", form="junit").lines
    assert ElementTree.fromstring(suite).get("failures") == "1"
    assert json.loads(tree.asks("diff", form="json").lines[0])["exit_code"] == 1
