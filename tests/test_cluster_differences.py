"""What is known without asking must be what the server says: compared with its own dry run, over random edits."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest

from generator.apply.clusters.differences import changed_fields, is_applied
from tests.clusters import Body, Cluster, body, config, deployment, rich_tree

pytestmark = pytest.mark.cluster
pytest_plugins = ("tests.cluster_fixtures",)

SEED, EDITS = 20260817, 120
WORDS: list[Any] = ["other", "1500m", "1.5", "2Gi", 0, 1, 2, 3, True, [], {}, "TCP"]


def _server_says_unchanged(cluster: Cluster, wanted: Body) -> bool:
    """Ask with a dry run of our own, and compare everything but the time of the managers.

    Controllers write to the object too: an answer counts only if the object stayed the same around it.
    """
    for _ in range(50):
        before = _read(cluster, wanted)
        said = _dry_run_equals(cluster, wanted, before)
        if _read(cluster, wanted)["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]:
            return said
    raise AssertionError(f"{wanted['metadata']['name']} never stays the same")


def _dry_run_equals(cluster: Cluster, wanted: Body, living: Body) -> bool:
    answer = cluster.plane.api.patch(
        _path(cluster, wanted),
        params={"fieldManager": "center", "dryRun": "All", "force": "true", "fieldValidation": "Strict"},
        headers={"Content-Type": "application/apply-patch+yaml"},
        content=json.dumps(wanted),
    )
    if not answer.is_success:
        return False

    def kept(found: Body) -> Body:
        found = copy.deepcopy(found)
        for name in ("generation", "resourceVersion"):
            found["metadata"].pop(name, None)
        for entry in found["metadata"]["managedFields"]:
            entry.pop("time", None)
        return found

    return kept(answer.json()) == kept(living)


def _edited(wanted: Body, chance: random.Random) -> Body:
    """The object with one value somewhere replaced, removed, doubled or moved."""
    found = copy.deepcopy(wanted)
    holders: list[tuple[Any, Any]] = []

    def collect(value: Any) -> None:
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            holders.append((value, key))
            if isinstance(value[key], dict | list):
                collect(value[key])

    collect({name: part for name, part in found.items() if name not in ("apiVersion", "kind", "metadata")})
    collect(found["metadata"].setdefault("annotations", {}) if chance.random() < 0.1 else {})
    holder, key = chance.choice([h for h in holders if h[0] is not found])
    match chance.choice(["replace", "replace", "remove", "reverse", "none"]):
        case "replace":
            holder[key] = chance.choice(WORDS)
        case "remove":
            del holder[key]
        case "reverse" if isinstance(holder, list):
            holder.reverse()
    return found


def test_what_is_known_without_asking_is_what_the_server_says(cluster: Cluster) -> None:
    chance = random.Random(SEED)
    tree = [each for each in rich_tree(cluster.namespace) if each["kind"] in ("Deployment", "Service", "ConfigMap")]
    cluster.settle([body("Namespace", cluster.namespace), *tree])
    living = {each["kind"]: _read(cluster, each) for each in tree}
    known = agreed = 0
    for _ in range(EDITS):
        original = chance.choice(tree)
        wanted = _edited(original, chance)
        wanted["metadata"]["labels"] = {"center.internal/member-of": cluster.target.centre}
        said = is_applied(wanted, living[original["kind"]])
        server = _server_says_unchanged(cluster, wanted)
        assert server or not said, json.dumps(wanted)
        known += said
        agreed += said == server
    assert known, f"seed {SEED}: nothing was ever known without asking"
    assert agreed > EDITS * 0.9, f"seed {SEED}: the server had to be asked too often"


def _read(cluster: Cluster, wanted: Body) -> Body:
    answer = cluster.plane.api.get(_path(cluster, wanted))
    answer.raise_for_status()
    found: Body = answer.json()
    return found


def _path(cluster: Cluster, wanted: Body) -> str:
    groups = {"Deployment": "apis/apps/v1", "NetworkPolicy": "apis/networking.k8s.io/v1"}
    plurals = {"NetworkPolicy": "networkpolicies"}
    plural = plurals.get(wanted["kind"], wanted["kind"].lower() + "s")
    group = groups.get(wanted["kind"], "api/v1")
    return f"/{group}/namespaces/{cluster.namespace}/{plural}/{wanted['metadata']['name']}"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": 1}, {"a": True}, [(".data.a", "1", "true")]),
        ({"a": None}, {}, [(".data.a", "null", None)]),
        ({"a.b/c": "x"}, {"a.b/c": "y"}, [(".data[a.b/c]", '"x"', '"y"')]),
        ({"l": [{"name": "x", "v": 1}]}, {"l": [{"name": "w"}, {"name": "x", "v": 2}]}, None),
        ({"l": [1, 2]}, {"l": [1]}, [(".data.l[1]", "2", None)]),
        ({"l": []}, {"l": {}}, [(".data.l", "[]", "{}")]),
    ],
)
def test_fields_are_named_as_a_reader_names_them(
    old: Body, new: Body, expected: list[tuple[str, str | None, str | None]] | None
) -> None:
    before, after = (config("a", "n") | {"data": data} for data in (old, new))
    found = [(field.path, field.old, field.new) for field in changed_fields(before, after)]
    named = [(".data.l[name=x].v", "1", "2"), (".data.l[name=w]", None, '{"name": "w"}')]
    assert found == (named if expected is None else expected)


def test_what_the_server_keeps_for_itself_is_no_difference() -> None:
    before = deployment("a", "n")
    after = copy.deepcopy(before) | {"status": {"replicas": 1}}
    after["metadata"] |= {"resourceVersion": "7", "generation": 2, "uid": "u", "managedFields": [{}]}
    assert changed_fields(before, after) == ()
