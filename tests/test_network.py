"""Fabrics, control planes and secrets beyond what one lesson a rule shows; every expectation is computed by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from generator.validate import validate
from tests.lessons import ROOT, STARTER

RACK = "gpu: {type: rack-48u, loop: plate-1, holds: {control: 1, train: 3}}"
ROW = "a: {racks: {a01: gpu}}"
FABRICS = "power:\n  feeds:"
TRAIN = "slot: 2}"


def findings(folder: Path, *edits: tuple[str, str]) -> list[tuple[str, str]]:
    """What is said of fabrics, clusters, storage and secrets in the starter centre with some words changed."""
    problems = validate(written(folder, *edits)).problems
    assert "spec" not in {problem.rule.partition(".")[0] for problem in problems}
    return [(p.rule, p.message) for p in problems if p.rule.startswith(("fabric.", "cluster.", "secret.", "storage."))]


def written(folder: Path, *edits: tuple[str, str]) -> Path:
    words = (STARTER / "center.yaml").read_text()
    for old, new in edits:
        assert words.count(old) == 1, old
        words = words.replace(old, new)
    (folder / "ssh_ca.pub").write_bytes((STARTER / "ssh_ca.pub").read_bytes())
    (folder / "center.yaml").write_text(words)
    return folder / "center.yaml"


def fabric(words: str) -> tuple[str, str]:
    return FABRICS, f"fabrics:\n  net: {{kind: ethernet, leaf: generic-48x25g, {words}}}\n{FABRICS}"


def ports(count: int) -> tuple[str, str]:
    return TRAIN, f"slot: 2, fabrics: {{net: {count}}}}}"


def racks(kinds: str, row: str) -> list[tuple[str, str]]:
    return [(RACK, kinds), (ROW, row)]


# Two racks of three nodes in two rows: 6 nodes.
ROWS = "a: {racks: {a01: gpu}, base: 10.16.0.0}\n      b: {racks: {b01: %s}, base: 10.16.4.0}"
GPU = "gpu: {type: rack-48u, holds: {control: 1, train: 3}, leaves: {net: %d}}"
MORE = "      bare: {type: rack-48u, holds: {train: 3}}"
FEW = ' of fabric "net" and gets 24 ports from 1 leaf'
AIR = ("capacity: 20 kW", "capacity: 200 kW")


@pytest.mark.parametrize(
    ("serves", "each", "leaves", "expected"),
    [
        # A leaf without oversubscription keeps 24 ports for nodes; rack b01 has no leaf of its own.
        ("rack", 8, 1, [("fabric.no-leaf", 'pool "train" is on fabric "net", and rack "b01" has no leaf of it')]),
        ("row", 8, 1, [("fabric.no-leaf", 'pool "train" is on fabric "net", and row "b" has no leaf of it')]),
        ("hall", 4, 1, []),
        ("hall", 5, 1, [("fabric.ports", 'hall "hall-1" needs 30 ports' + FEW)]),
        ("hall", 8, 2, []),
        ("center", 5, 1, [("fabric.ports", "the centre needs 30 ports" + FEW)]),
    ],
)  # fmt: skip
def test_leaves_serve_as_far_as_the_fabric_says(
    tmp_path: Path, serves: str, each: int, leaves: int, expected: list[tuple[str, str]]
) -> None:
    edits = [fabric(f"serves: {serves}"), ports(each), (RACK, f"{GPU % leaves}\n{MORE}"), (ROW, ROWS % "bare"), AIR]
    assert findings(tmp_path, *edits) == expected


def test_oversubscription_leaves_more_ports_for_nodes(tmp_path: Path) -> None:
    # 48 ports at 3:1 are 36 down and 12 up; 3 nodes x 12 ports are 36.
    edits = [fabric("oversubscription: 3"), (RACK, GPU % 1), AIR]
    assert findings(tmp_path, *edits, ports(12)) == []
    message = 'row "a" needs 39 ports of fabric "net" and gets 36 ports from 1 leaf'
    assert findings(tmp_path, *edits, ports(13)) == [("fabric.ports", message)]


def test_each_rail_needs_its_share(tmp_path: Path) -> None:
    # 4 rails of one leaf with 24 ports each; 3 nodes x 32 ports are 24 a rail, 36 ports are 27 a rail.
    edits = [fabric("rails: 4"), (RACK, GPU % 4), AIR]
    assert findings(tmp_path, *edits, ports(32)) == []
    message = (
        'row "a" needs 27 ports on each of 4 rails of fabric "net" and gets 24 ports on each of 4 rails from 4 leaves'
    )
    assert findings(tmp_path, *edits, ports(36)) == [("fabric.ports", message)]
    uneven = 'of a node of pool "train" cannot be spread evenly over 4 rails'
    assert findings(tmp_path, *edits, ports(6)) == [("fabric.rails", f"6 ports {uneven}")]


@pytest.mark.parametrize(("longest", "fits"), [("7.75 m", True), ("7.7 m", False)])
def test_the_farthest_rack_may_lie_between_two_leaves(tmp_path: Path, longest: str, fits: bool) -> None:
    # Leaves in a01 and a11; of the racks a02..10 the farthest is a06, 5 x 0.75 m + 4 m away.
    kinds = (
        "gpu: {type: rack-48u, holds: {train: 1}}\n      ctl: {type: rack-48u, holds: {control: 1}, leaves: {net: 1}}"
    )
    kinds += "\n      net: {type: rack-48u, leaves: {net: 1}}"
    feed = ("capacity: 60 kW, rack", "capacity: 600 kW, rack")
    row = "a: {racks: {a01: ctl, a02..10: gpu, a11: net}}"
    found = findings(tmp_path, fabric(f"cable: {longest}"), ports(1), *racks(kinds, row), AIR, feed)
    assert [rule for rule, _ in found] == ([] if fits else ["fabric.cable"])
    assert fits or found[0][1].startswith('rack "a06" is 5 places from')


# Control planes: three nodes, and what may fail

CONTROL = "gpu: {type: rack-48u, holds: {train: 3}}\n      ctl: {type: rack-48u, holds: {control: 1}}"
EAST = ("west: {capacity", "east: {capacity: 60 kW, rack: 3x 32 A 400 V 3-phase, derating: 80 %}\n    west: {capacity")


@pytest.mark.parametrize(
    ("one", "two", "three", "lost"),
    [
        ("west", "east", "west, east", None),
        ("west", "west", "west, east", "west"),
        ("west", "west", "east", "west"),
        ("west, east", "west, east", "west, east", None),
    ],
)
def test_a_feed_that_is_the_only_one_takes_its_racks(
    tmp_path: Path, one: str, two: str, three: str, lost: str | None
) -> None:
    rows = "a: {racks: {a01: gpu}, base: 10.16.0.0, feeds: [west, east]}"
    for letter, base, feeds in (("b", 4, one), ("c", 8, two), ("d", 12, three)):
        rows += f"\n      {letter}: {{racks: {{{letter}01: ctl}}, base: 10.16.{base}.0, feeds: [{feeds}]}}"
    found = findings(tmp_path, *racks(CONTROL, rows), EAST, AIR)
    message = f'cluster "cloud" keeps 1 of its 3 control nodes when feed "{lost}" is lost; a majority is 2'
    assert found == ([("cluster.quorum", message)] if lost else [])


def test_a_loop_takes_the_nodes_that_it_cools_and_no_others(tmp_path: Path) -> None:
    # Workers are cooled by air; control nodes stand in racks with the loop, once on servers with cold plates.
    kinds = CONTROL.replace("ctl: {type: rack-48u,", "ctl: {type: rack-48u, loop: plate-1,")
    edits = [*racks(kinds, "a: {racks: {a01: gpu, a02..04: ctl}}"), AIR]
    assert findings(tmp_path, *edits) == []
    wet = ("control: {server: generic-1u", "control: {server: generic-8-gpu")
    message = 'cluster "cloud" keeps 0 of its 3 control nodes when loop "plate-1" is lost; a majority is 2'
    assert ("cluster.quorum", message) in findings(tmp_path, *edits, wet)


def test_a_loss_that_stops_all_workers_asks_nothing_of_their_control_plane(tmp_path: Path) -> None:
    assert findings(tmp_path, ("{control: 1, train: 3}", "{control: 3, train: 3}"), (TRAIN, "slot: 4}")) == []


# Storage


def storage(*mounts: str) -> tuple[str, str]:
    words = "".join(
        f"  fs-{index}: {{kind: nfs, servers: [10.16.0.9], export: /e, mount: {mount}, purpose: data, "
        "clusters: [cloud]}\n"
        for index, mount in enumerate(mounts)
    )
    return "access:\n", f"storage:\n{words}access:\n"


@pytest.mark.parametrize(
    ("mounts", "clashes"),
    [
        (["/a", "/ab", "/a-b", "/b/a"], []),
        (["/a", "/a"], ["fs-1"]),
        (["/a/b", "/a-b", "/a", "/a/b/c", "/a.b"], ["fs-0", "fs-3"]),
    ],
)
def test_mounts_inside_each_other_are_found_and_neighbours_are_not(
    tmp_path: Path, mounts: list[str], clashes: list[str]
) -> None:
    found = findings(tmp_path, storage(*mounts))
    assert {rule for rule, _ in found} <= {"storage.mount-clash"}
    assert sorted(message.split('"')[3] for _, message in found) == clashes


# Secrets

KEY = "-----BEGIN " + "OPENSSH PRIVATE KEY-----"
LITERAL = [
    KEY,
    "password=swordfish",
    "DB_PASSWORD: swordfish",
    "密码：swordfish",
    "api_key = abcd1234",
    "https://user:swordfish@registry.example/v2",
    "ghp_" + "a1B2" * 9,
    "AKIA" + "ABCDEFGH12345678",
    "hf_" + "aBcD" * 8,
]
HARMLESS = [
    "password=$DB_PASSWORD",
    "--token=$(TOKEN)",
    "--password=env:DB_PASSWORD",
    "ask for the password: it is in the vault",
    "password: <from the vault>",
    "https://registry.example/v2",
    "tokenizer=bert-base",
    "--max-tokens=4096",
    "secretary: Müller",
]


@pytest.mark.parametrize("text", LITERAL)
def test_what_looks_like_a_secret_is_refused_and_shown_to_nobody(tmp_path: Path, text: str) -> None:
    word = json.dumps(text, ensure_ascii=False)
    file = written(tmp_path, ("inputs: {nodes: 1}", f"inputs: {{nodes: 1, command: [run, {word}]}}"))
    for form in ("text", "json", "sarif", "junit", "github"):
        command = [sys.executable, "-m", "generator", "validate", str(file), "--format", form]
        told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert told.returncode == 1 and "secret.literal" in told.stdout + told.stderr
        # Reports of SARIF explain the rule with an example of its own.
        answer = told.stdout.partition('"results"')[2] if form == "sarif" else told.stdout + told.stderr
        assert "secret.literal" in answer and text not in answer and "swordfish" not in answer


@pytest.mark.parametrize(
    "words",
    ["bmc: {credentials: swordfish}", "bmc: {password: swordfish}", "identity: {ldap: {bind-secret: swordfish}}"],
)
def test_a_secret_in_place_of_a_reference_is_shown_to_nobody(tmp_path: Path, words: str) -> None:
    file = written(tmp_path, ('\n  identity: {oidc: {issuer: "https://id.starter.example"}}', f"\n  {words}"))
    command = [sys.executable, "-m", "generator", "validate", str(file)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 1 and "swordfish" not in told.stdout + told.stderr


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_speaks_of_secrets_is_left_alone(tmp_path: Path, text: str) -> None:
    word = json.dumps(text, ensure_ascii=False)
    assert findings(tmp_path, ("inputs: {nodes: 1}", f"inputs: {{nodes: 1, command: [run, {word}]}}")) == []


@pytest.mark.parametrize(("words", "found"), [('"--password", swordfish', True), ('"--password", "$PW"', False)])
def test_the_word_after_an_option_counts(tmp_path: Path, words: str, found: bool) -> None:
    told = findings(tmp_path, ("inputs: {nodes: 1}", f"inputs: {{nodes: 1, command: [run, {words}]}}"))
    assert [rule for rule, _ in told] == (["secret.literal"] if found else [])
