"""Acceptance: the mark on a node names its machine; checks are run on booted hosts and decide about the mark."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from generator.apply.hosts.accept import what_now
from generator.apply.hosts.blocks import Node
from generator.apply.hosts.field import Subject
from generator.apply.hosts.findings import Remark, Report
from tests.field import CARD, LIVING, NODES, Field, booted, findings, make_centre
from tests.obstacles import give_way_to
from tests.reports import JUNIT, NODES_JSON
from tests.rig.base import obstacle

PARTS = Path(__file__).parents[1] / "playbooks/module_utils"
# Loads the parts as a node does, by their dotted names, without Ansible.
LOADER = """
import json, sys, types
for name in ("ansible", "ansible.module_utils"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = []
for part in sys.argv[2:]:
    name = "ansible.module_utils." + part.rpartition("/")[2][:-3]
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(open(part).read(), part, "exec"), module.__dict__)
print(json.dumps(eval(sys.argv[1], module.__dict__)))
"""


def on_node(expression: str, last: str = "center_accepted") -> Any:
    """What an expression comes to inside the last of the parts."""
    parts = [str(PARTS / f"{part}.py") for part in ("center_disk", last)]
    words = [sys.executable, "-I", "-c", LOADER, expression, *parts]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The root of a machine with an id of its firmware and one of its installation."""
    identity = {"sys/class/dmi/id/product_uuid": "4c4c4544", "sys/class/dmi/id/product_serial": "SN1"}
    for path, text in {**identity, "etc/machine-id": "9f0e"}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text + "\n")
    return tmp_path


def accepted(root: Path) -> bool:
    return on_node(f"accepted_here({str(root)!r})") is True


def test_a_mark_counts_until_it_is_taken_away(root: Path) -> None:
    assert not accepted(root)
    on_node(f"give_mark('digest', {str(root)!r})")
    mark = json.loads((root / "var/lib/center/accepted.json").read_text())
    assert (mark["version"], mark["checks"], set(mark)) == (1, "digest", {"version", "checks", "date", "machine"})
    assert mark["machine"] == {"uuid": "4c4c4544", "serial": "SN1", "machine-id": "9f0e"}
    assert accepted(root)
    assert on_node(f"take_mark({str(root)!r})") is True
    assert not accepted(root)
    assert on_node(f"take_mark({str(root)!r})") is False


@pytest.mark.parametrize("path", ["sys/class/dmi/id/product_uuid", "sys/class/dmi/id/product_serial", "etc/machine-id"])
def test_a_mark_of_another_machine_or_installation_is_none(root: Path, path: str) -> None:
    on_node(f"give_mark('digest', {str(root)!r})")
    (root / path).write_text("another\n")
    assert not accepted(root)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 2}', '{"version": 1}', '{"version": 1, "machine": {}}', "\0"]
)
def test_what_is_no_mark_is_none(root: Path, text: str) -> None:
    on_node(f"give_mark('digest', {str(root)!r})")
    (root / "var/lib/center/accepted.json").write_text(text)
    assert not accepted(root)


def test_a_mark_that_others_could_have_written_is_none(root: Path, tmp_path: Path) -> None:
    on_node(f"give_mark('digest', {str(root)!r})")
    mark = root / "var/lib/center/accepted.json"
    mark.chmod(0o664)
    assert not accepted(root)
    mark.chmod(0o644)
    assert accepted(root)
    mark.rename(tmp_path / "elsewhere")
    mark.symlink_to(tmp_path / "elsewhere")
    assert not accepted(root)


def test_a_machine_without_an_id_cannot_be_accepted(root: Path) -> None:
    on_node(f"give_mark('digest', {str(root)!r})")
    (root / "etc/machine-id").write_text("")
    mark = root / "var/lib/center/accepted.json"
    mark.write_text(mark.read_text().replace("9f0e", ""))
    assert not accepted(root)


def test_what_waited_for_acceptance_is_named(tmp_path: Path) -> None:
    units = ({"name": "slurmd.service", "class": "drain", "gate": "accepted"}, {"name": "a.service", "class": "live"})
    names = ["a-1", "a-2", "b-1"]
    chosen = [Subject(Node(name, tmp_path), name[0], {}, {}, {}, (), units if name < "b" else ()) for name in names]
    report = Report("accept", {"a": names[:2], "b": names[2:]}, {"a-2": [Remark("memory", "error", "has less")]})
    assert list(what_now(report, chosen)) == [
        "a: accepted: a-1; center apply now starts slurmd.service there",
        "b: accepted: b-1",
    ]


# On booted hosts

MARK = "/var/lib/center/accepted.json"
# What the tree wants to run and the hosts of the rig do not have; packages are not what is tried here.
OF_THE_SYSTEM = {"ssh.service", "systemd-journald.service", "systemd-sysctl.service"}
UNIT = "[Service]\nExecStart=/bin/sleep infinity\n"
NO_CLOCK = """kind: check
name: clock
title: The clock is somebody else's
why: There is no time service on the hosts of the tests.
argv: ["true"]
"""
OWN = """kind: check
name: own-number
title: The number of the day
why: It shows that a centre can have checks of its own.
when: {roles: [worker]}
argv: [cat, /etc/number]
number: {pattern: "number ([0-9.]+)", least: "50 % of {accelerators}", most: 10, unit: apples, status: X}
"""


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    give_way_to(obstacle())
    with booted(tmp_path_factory.mktemp("field")) as field:
        make_centre(field)
        wanted = sorted(units_of(field) - OF_THE_SYSTEM)
        for host in NODES:
            field.hosts.run(host, ["rm", "-r", "/etc/systemd/system/chrony.service.d"])
            for unit in wanted:
                field.write(host, f"/etc/systemd/system/{unit}", UNIT)
            field.hosts.run(host, ["systemctl", "daemon-reload"])
            field.hosts.run(host, ["systemctl", "start", *wanted])
            field.hosts.run(host, ["sh", "-c", f"echo {NODES['control-a01-1']} control-a01-1 >>/etc/hosts"])
        for host in list(NODES)[1:]:
            field.hosts.run(host, ["sh", "-c", "touch /dev/nvidia0 /dev/nvidia1 /dev/nvidia2 /dev/nvidia3"])
            field.hosts.run(host, ["sh", "-c", "touch /dev/nvidia4 /dev/nvidia5 /dev/nvidia6 /dev/nvidia7"])
            field.write(host, "/etc/number", "the number 7\n")
        with field.cards("train-a01-1", [CARD] * 8), field.cards("train-a01-2", [CARD] * 8):
            yield field


@pytest.fixture
def field(hosts: Field) -> Field:
    make_centre(hosts)
    checks = hosts.folder / "catalog/checks"
    checks.mkdir()
    for name, text in {"clock": NO_CLOCK, "own-number": OWN}.items():
        (checks / f"{name}.yaml").write_text(text)
    hosts.run("render", exits=0)
    return hosts


def units_of(field: Field) -> set[str]:
    manifests = (field.folder / "generated/hosts/groups").glob("*/manifest.json")
    return {unit["name"] for manifest in manifests for unit in json.loads(manifest.read_text())["units"]}


def mark(field: Field, host: str) -> Any:
    return json.loads(field.hosts.run(host, ["sh", "-c", f"cat {MARK} 2>/dev/null || echo null"]))


def errors(field: Field, *words: str, exits: int) -> dict[tuple[str, str, str], dict[str, str]]:
    answer = field.asks("accept", *words, exits=exits)
    NODES_JSON.validate(answer)
    return findings(answer, "error")


@pytest.mark.hosts
def test_nodes_that_pass_are_marked_and_one_that_fails_later_loses_its_mark(field: Field) -> None:
    assert errors(field, *LIVING, exits=0) == {}
    group = field.folder / "generated/hosts/groups/pool_train"
    texts = [(group / f"{name}.json").read_bytes() for name in ("expected", "checks")]
    for host in NODES:
        assert mark(field, host)["machine"]["machine-id"] == field.hosts.run(host, ["cat", "/etc/machine-id"]).strip()
    assert mark(field, "train-a01-1")["checks"] == sha256(b"\0".join(texts)).hexdigest()
    state = field.hosts.files("train-a01-1", [MARK])[MARK]
    assert (state.mode, state.owner) == ("0644", "root")

    field.hosts.run("train-a01-2", ["rm", "/dev/nvidia3"])
    try:
        found = errors(field, "--pool", "train", *LIVING, exits=1)
    finally:
        field.hosts.run("train-a01-2", ["touch", "/dev/nvidia3"])
    assert found == {("train", "device-files", "7 of 8 device files /dev/nvidia*"): {"train-a01-2": ""}}
    assert mark(field, "train-a01-2") is None and mark(field, "train-a01-1") is not None

    revoked = field.run("accept", "--revoke", *LIVING, exits=0)
    assert "no longer accepted: control-a01-1, train-a01-1" in revoked.stdout
    assert [mark(field, host) for host in NODES] == [None] * 3
    assert "no node had been accepted" in field.run("accept", "--revoke", *LIVING, exits=0).stdout


@pytest.mark.hosts
def test_a_check_of_the_centres_own_decides_too(field: Field) -> None:
    rendered = json.loads((field.folder / "generated/hosts/groups/pool_train/checks.json").read_text())
    [own] = [check for check in rendered["checks"] if check["name"] == "own-number"]
    number = {"pattern": "number ([0-9.]+)", "unit": "apples", "least": 4, "most": 10}
    assert (own["argv"], own["number"]) == (["cat", "/etc/number"], number)
    cases = {
        "the number 11": "The number of the day: is 11 apples, more than 10 apples",
        "the number 3.5": "The number of the day: is 3.5 apples, less than 4 apples",
        "nothing": "The number of the day: it does not say the number that counts, it says: nothing",
    }
    for text, message in cases.items():
        field.write("train-a01-1", "/etc/number", f"{text}\n")
        assert errors(field, "--limit", "train-a01-1", exits=1) == {
            ("train", "own-number", message): {"train-a01-1": ""}
        }
    field.write("train-a01-1", "/etc/number", "the number 4\n")
    assert errors(field, "--limit", "train-a01-1", exits=0) == {}


@pytest.mark.hosts
def test_a_check_that_does_not_end_is_ended_with_all_that_it_started(field: Field) -> None:
    slow = NO_CLOCK.replace('["true"]', "[sh, -c, sleep 4711 & sleep 4711]\nseconds: 1")
    (field.folder / "catalog/checks/clock.yaml").write_text(slow)
    field.run("render", exits=0)
    message = "The clock is somebody else's: sh took longer than 1 s"
    found = errors(field, "--limit", "control-a01-1", exits=1)
    assert found == {("control", "clock", message): {"control-a01-1": ""}}
    assert field.hosts.run("control-a01-1", ["sh", "-c", "pgrep -cf '[s]leep 4711' || true"]).strip() == "0"


@pytest.mark.hosts
def test_units_that_fail_or_do_not_run_are_named(field: Field) -> None:
    host = "control-a01-1"
    field.write(host, "/run/systemd/system/broken.service", "[Service]\nType=oneshot\nExecStart=/bin/false\n")
    field.hosts.run(host, ["sh", "-c", "systemctl daemon-reload; systemctl start broken.service || true"])
    field.hosts.run(host, ["systemctl", "stop", "chrony.service"])
    try:
        found = errors(field, "--limit", host, exits=1)
    finally:
        field.hosts.run(host, ["systemctl", "reset-failed"])
        field.hosts.run(host, ["systemctl", "start", "chrony.service"])
    assert found == {
        ("control", "failed-units", "broken.service has failed"): {host: ""},
        ("control", "units", "chrony.service is inactive"): {host: ""},
    }
    assert mark(field, host) is None


@pytest.mark.hosts
def test_a_dead_node_is_not_accepted_and_a_strange_pool_is_wrong_usage(field: Field) -> None:
    done = field.run("accept", "--pool", "train", "--format", "junit", exits=1)
    JUNIT.validate(done.stdout)
    assert done.stdout.count("<failure") == 1
    strange = field.run("accept", "--pool", "trian", exits=64)
    assert 'no pool is called "trian"' in strange.stderr and 'did you mean "train"?' in strange.stderr


@pytest.mark.hosts
def test_a_disk_that_cannot_keep_the_mark_is_a_failure(field: Field) -> None:
    host = "control-a01-1"
    field.hosts.run(host, ["mkdir", "-p", "/var/lib/center"])
    field.hosts.run(host, ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", "/var/lib/center"])
    try:
        found = errors(field, "--limit", host, exits=1)
    finally:
        field.hosts.run(host, ["umount", "/var/lib/center"])
    [((_, check, message), _)] = found.items()
    assert check == "mark" and "cannot keep its mark: /var/lib/center/accepted.json" in message
