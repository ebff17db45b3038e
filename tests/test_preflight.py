"""Preflight: nodes as the spec says them against booted hosts, with a simulated PCI tree and everything else real."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from control_plane.processes import Process
from generator.apply.hosts.expectation import COMPARISONS, Machine
from generator.apply.hosts.findings import Remark, Report
from tests.field import CARD, CONTROLLER, LIVING, NETWORK_CARD, Field, booted, findings, make_centre
from tests.lessons import ROOT
from tests.obstacles import give_way_to
from tests.reports import JUNIT, NODES_JSON
from tests.rig.base import obstacle
from tests.rig.hosts import make_ssh_key

WORKERS = ("train-a01-1", "train-a01-2")
# The verb as a process of its own, with a controller whose clock is another; no clock of any machine is touched.
OFF = """
import json, sys, time
from pathlib import Path
from generator.apply.hosts.preflight import preflight
from generator.apply.hosts.ssh import SshAccess
tree, key, offset, *nodes = sys.argv[1:]
access = SshAccess("center", Path(key))
report = preflight(Path(tree), frozenset(nodes), access, clock=lambda: time.time() + float(offset))
print(report.as_json())
"""


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    give_way_to(obstacle())
    with booted(tmp_path_factory.mktemp("field")) as field:
        yield field


@pytest.fixture
def field(hosts: Field) -> Field:
    make_centre(hosts)
    return hosts


def told(field: Field, *words: str, exits: int | None = None) -> dict[tuple[str, str, str], dict[str, str]]:
    answer = field.asks("preflight", *words, exits=exits)
    NODES_JSON.validate(answer)
    return findings(answer, "error")


@pytest.mark.hosts
def test_machines_as_they_should_be_pass_and_a_dead_one_is_named(field: Field) -> None:
    with field.cards("train-a01-1", [CARD] * 8), field.cards("train-a01-2", [*[CARD] * 8, NETWORK_CARD]):
        assert told(field, *LIVING, exits=0) == {}
        done = field.run("preflight", exits=1)
    [line] = [line for line in done.stdout.splitlines() if line.startswith("error")]
    assert line.startswith(
        "error[reachable]: train: 1 of 3 nodes: did not answer: train-a01-3 (ssh: connect to port 22"
    )
    assert done.stdout.splitlines()[-1].startswith("4 nodes: ")


@pytest.mark.hosts
def test_missing_cards_are_told_once_for_all_nodes_that_lack_as_many(field: Field) -> None:
    with field.cards("train-a01-1", [CARD] * 7), field.cards("train-a01-2", [CARD] * 7):
        done = field.run("preflight", *LIVING, exits=1)
    errors = [line for line in done.stdout.splitlines() if line.startswith("error")]
    assert errors == [
        "error[accelerators]: train: 2 of 2 nodes: 7 of 8 accelerators nvidia-h100-sxm5-80gb: train-a01-1, train-a01-2"
    ]


@pytest.mark.hosts
def test_another_model_and_virtual_functions_are_no_cards(field: Field) -> None:
    other = {**CARD, "device": "0x20b0"}
    with field.cards("train-a01-1", [*[CARD] * 7, other]), field.cards("train-a01-2", [CARD] * 9):
        for number in range(2):
            field.write("train-a01-2", f"/run/pci/0000:0{number}:00.0/physfn/vendor", "0x10de\n")
        message = "7 of 8 accelerators nvidia-h100-sxm5-80gb"
        assert told(field, *LIVING, exits=1) == {
            ("train", "accelerators", f"{message}, and 1 of another model of its vendor (10de:20b0)"): {
                "train-a01-1": ""
            },
            ("train", "accelerators", message): {"train-a01-2": ""},
        }


@pytest.mark.hosts
def test_network_ports_are_counted_where_the_pool_has_fabrics(field: Field) -> None:
    field.edit("cluster: cloud, slot: 2}", "cluster: cloud, slot: 2, fabrics: {eth: 2}}")
    field.edit("power:\n", "fabrics:\n  eth: {kind: ethernet, leaf: generic-48x25g, serves: rack}\n\npower:\n")
    field.edit("holds: {control: 1, train: 3}", "holds: {control: 1, train: 3}, leaves: {eth: 1}")
    field.run("render", exits=0)
    cards = [CARD] * 8
    with field.cards("train-a01-1", [*cards, NETWORK_CARD]), field.cards("train-a01-2", [*cards, *[NETWORK_CARD] * 2]):
        assert told(field, *LIVING) == {("train", "network", "1 of 2 network ports"): {"train-a01-1": ""}}


@pytest.mark.hosts
def test_another_system_another_name_and_another_machine_are_seen(field: Field) -> None:
    table = "node,serial\ncontrol-a01-1,SN0\ntrain-a01-1,SN1\ntrain-a01-2,SN2\ntrain-a01-3,SN3\n"
    (field.folder / "assets.csv").write_text(table)
    field.edit("clusters:\n", 'assets: "path:assets.csv"\n\nclusters:\n')
    field.run("render", exits=0)
    node = WORKERS[0]
    field.write(node, "/run/os-release", 'ID="openEuler"\nVERSION_ID="24.03"\nPRETTY_NAME="openEuler 24.03 (LTS)"\n')
    field.write(node, "/run/class/dmi/id/product_serial", "SN9\n")
    overlay = ["-t", "overlay", "overlay", "-o", "lowerdir=/run/class:/sys/class", "/sys/class"]
    field.hosts.run(node, ["mount", *overlay])
    try:
        with field.over(node, "/usr/lib/os-release", "/run/os-release"), field.cards(node, [CARD] * 8):
            answer = field.asks("preflight", "--limit", node, exits=1)
    finally:
        field.hosts.run(node, ["umount", "/sys/class"])
    assert findings(answer, "error") == {
        ("train", "system", "runs openeuler 24.03, not debian 12"): {node: "openEuler 24.03 (LTS)"},
        ("train", "serial", "is another machine than the table of machines says"): {node: "SN9, not SN1"},
    }


@pytest.mark.hosts
@pytest.mark.parametrize(
    ("offset", "severity", "words"),
    [(-120, "error", "60 s ahead"), (120, "error", "60 s behind"), (-30, "warning", "1 s ahead"), (0, "", "")],
)
def test_a_clock_is_judged_only_beyond_what_the_question_took(
    field: Field, offset: int, severity: str, words: str
) -> None:
    run = [sys.executable, "-c", OFF, str(field.folder / "generated"), str(field.key), str(offset), "control-a01-1"]
    done = subprocess.run(field.network.command(run), cwd=ROOT, capture_output=True, text=True, timeout=120)
    clocks = [found for found in json.loads(done.stdout)["findings"] if found["check"] == "clock"]
    expected = [(severity, f"has a clock that is more than {words}")] if severity else []
    assert [(found["severity"], found["message"]) for found in clocks] == expected


@pytest.mark.hosts
def test_a_mirror_is_tried_from_the_node(field: Field, tmp_path: Path) -> None:
    url = f"http://{CONTROLLER}:8123/debian"
    field.edit("  ntp: [10.16.0.1]\n", f'  ntp: [10.16.0.1]\n  mirror: {{url: "{url}"}}\n')
    field.run("render", exits=0)
    release = f"{url}/dists/bookworm/Release"
    limit = ("--limit", "control-a01-1")
    refused = f"cannot get {release} ([Errno 111] Connection refused)"
    assert told(field, *limit, exits=1) == {("control", "mirror", refused): {"control-a01-1": ""}}
    (tmp_path / "debian/dists/bookworm").mkdir(parents=True)
    server = [sys.executable, "-m", "http.server", "8123", "--directory", str(tmp_path)]
    with Process(server, name="mirror", log=tmp_path / "log", netns=field.network.name) as running:
        running.wait_ready(lambda: listens(field), 20, "serving")
        missing = f"cannot get {release} (status 404)"
        assert told(field, *limit, exits=1) == {("control", "mirror", missing): {"control-a01-1": ""}}
        (tmp_path / "debian/dists/bookworm/Release").touch()
        assert told(field, *limit, exits=0) == {}


def listens(field: Field) -> bool:
    probe = ["bash", "-c", f"exec 3<>/dev/tcp/{CONTROLLER}/8123"]
    return subprocess.run(field.network.command(probe), capture_output=True).returncode == 0


@pytest.mark.hosts
def test_a_changed_host_key_is_told_apart_from_silence(field: Field, tmp_path: Path) -> None:
    other = make_ssh_key(tmp_path / "other").with_name("other.pub").read_text()
    (field.folder / "ssh_ca.pub").write_text(other)
    field.run("render", exits=0)
    message = 'shows a host key that is not known; "center trust" tells more'
    assert told(field, "--limit", "control-a01-1", exits=1) == {
        ("control", "reachable", message): {"control-a01-1": ""}
    }


@pytest.mark.hosts
def test_junit_is_what_its_readers_expect_and_a_stranger_is_wrong_usage(field: Field) -> None:
    done = field.run("preflight", "--limit", "control-a01-1", "--limit", "train-a01-3", "--format", "junit", exits=1)
    JUNIT.validate(done.stdout)
    assert done.stdout.count("<failure") == 1 and 'name="train-a01-3"' in done.stdout
    strange = field.run("preflight", "--limit", "train-a01-9", exits=64)
    assert 'no node is called "train-a01-9"' in strange.stderr


# Whatever a machine says is only data

EXPECTED: dict[str, Any] = {
    "pool": "train", "system": "debian 12", "server": "s", "cores": 4, "memory": 2**34, "mirror": "http://m/Release",
    "accelerators": {"model": "m", "count": 8, "vendor": "10de", "devices": ["2330"], "files": "/dev/x"},
    "ports": 2, "rdma-ports": 2, "mounts": ["/home"],
}  # fmt: skip
FACTS: dict[str, Any] = {
    "time": 1.0, "name": "a", "system": {"name": "debian 12", "title": "Debian"}, "memory": 2**34, "mirror": "",
    "machine": {"serial": "s", "maker": "m", "model": "x", "firmware": "1", "virtual": "yes"},
    "cores": {"cores": 4, "threads": 8}, "disks": {"/": {"free": 2**40}, "/var": {"free": 2**40}},
    "pci": {"10de:2330:030200": 8, "15b3:1021:020000": 2}, "rdma": [{"port": "a/1", "state": "ACTIVE"}] * 2,
    "mounts": ["/home"], "devices": {"/dev/x": 8}, "units": {"a.service": "active"}, "failed-units": [],
}  # fmt: skip
STRANGE: list[Any] = [
    None, True, -1, 0, 1e400, float("nan"), 2**80, "", "\x1b[2J", "x" * 10000, [], [[]], [None], {}, {"": {}},
    {"a:b:c": True}, {"10de:2330:03": "8"}, {"::": 1},
]  # fmt: skip


def judged(facts: Any) -> list[Remark]:
    machine = Machine("a", facts, EXPECTED, {"serial": "s"}, (0.0, 2.0))
    return [Remark(name, *said) for name, compare in COMPARISONS.items() for said in compare(machine)]


def test_a_machine_that_is_right_has_no_findings() -> None:
    assert [remark for remark in judged(FACTS) if remark.severity != "note"] == []


def test_nonsense_from_a_node_is_a_finding_and_never_a_fault() -> None:
    chance = random.Random(5)
    for _ in range(3000):
        facts = json.loads(json.dumps(FACTS))
        place = facts
        name = chance.choice(list(facts))
        while isinstance(place[name], dict) and place[name] and chance.random() < 0.6:
            place = place[name]
            name = chance.choice(list(place))
        place[name] = chance.choice(STRANGE)
        report = Report("preflight", {"train": ["a"]}, {"a": judged(facts)})
        assert all(line.isprintable() for _, line in report.lines())
        NODES_JSON.validate(json.loads(report.as_json()))
        JUNIT.validate(report.as_junit())


@pytest.mark.parametrize(
    ("told", "severity"),
    [
        (39.9, "error"), (40.0, "warning"), (98.9, "warning"), (99.0, ""), (150.0, ""), (201.0, ""),
        (201.1, "warning"), (260.0, "warning"), (260.1, "error"),
    ],
)  # fmt: skip
def test_a_clock_counts_only_outside_of_question_and_answer(told: float, severity: str) -> None:
    machine = Machine("a", {"time": told}, EXPECTED, asked=(100.0, 200.0))
    assert [said[0] for said in COMPARISONS["clock"](machine)] == [severity] * bool(severity)


@pytest.mark.parametrize("fact", sorted(set(FACTS) - {"time", "machine", "mirror", "failed-units", "units"}))
def test_what_a_machine_does_not_say_is_missing(fact: str) -> None:
    facts = {name: value for name, value in FACTS.items() if name != fact}
    assert [remark for remark in judged(facts) if remark.severity != "note"]
