"""Hosts are brought to a hand-written tree over SSH; the hosts themselves say what became of them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from control_plane.processes import wait_until
from generator.apply.hosts.blocks import UnknownName, choose, control_nodes
from generator.apply.hosts.lock import ACQUIRE, FOLDER
from tests.obstacles import give_way_to
from tests.rig.base import obstacle
from tests.rig.hosts import LOGIN_USER, CommandFailed, TestHosts, UnitState, make_ssh_key
from tests.rig.network import Network
from tests.rig.packages import PackageRepository
from tests.trees import HostTree

REPOSITORY = Path(__file__).parents[1]
CONTROLLER = "10.16.255.254"
NODES = {"control-1": "10.16.0.1", "train-1": "10.16.1.1", "train-2": "10.16.1.2"}
# The program under test as a process of its own, which can stand in another network and be killed.
DRIVER = """
import json, os, sys
from pathlib import Path
from generator.apply.hosts.asked import Ask
from generator.apply.hosts.runs import apply_hosts, look
from generator.apply.hosts.lock import unlock
from generator.apply.hosts.ssh import SshAccess
from generator.problems import Refused

tree, user, key, verb, *names = sys.argv[1:]
access = SshAccess(user, Path(key), connect_seconds=3)
try:
    if verb == "unlock":
        answer = {"unlocked": unlock(Path(tree), access, *names).name}
    else:
        limit = frozenset(names) or None
        given = os.environ.get
        ask = Ask(Path(tree), access, limit, up_to=given("UP_TO", "restart"), watch=int(given("WATCH_SECONDS", "2")))
        report = look(ask) if verb == "check" else apply_hosts(ask)
        answer = {**report.to_dict(), "lines": list(report.lines())}
except Refused as refused:
    answer = {"refused": [[problem.rule, problem.message, problem.hint] for problem in refused.problems]}
print(json.dumps(answer))
"""
UNIT = """[Service]
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
"""
# Stands in for the host's Python: whatever Ansible wants to do there waits while the condition holds.
GATE = """#!/bin/sh
if {condition}; then echo $$ >/run/reached; exec /bin/sleep 600; fi
exec /usr/bin/python3.11 "$@"
"""


@dataclass
class Rig:
    """Booted hosts, the tree that is applied to them, and the controller in their network."""

    network: Network
    hosts: TestHosts
    key: Path
    tree: HostTree
    temporary: Path
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(
        self, verb: str, *names: str, environment: Mapping[str, str] | None = None, folder: Path | None = None
    ) -> subprocess.Popen[str]:
        words = [sys.executable, "-c", DRIVER, str(self.tree.folder), LOGIN_USER, str(self.key), verb, *names]
        process = subprocess.Popen(
            self.network.command(words),
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder or REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(self.temporary), **(environment or {})},
        )
        self.processes.append(process)
        return process

    def run(self, verb: str, *names: str, **options: Any) -> dict[str, Any]:
        process = self.start(verb, *names, **options)
        output, _ = process.communicate(timeout=300)
        answer: dict[str, Any] = json.loads(output)
        return answer

    def states(self, answer: dict[str, Any]) -> dict[str, str]:
        return {name: host["state"] for name, host in answer["hosts"].items()}

    def unit(self, host: str, name: str) -> UnitState:
        return self.hosts.units(host)[name]

    def read(self, host: str, path: str) -> str:
        return self.hosts.run(host, ["cat", path])


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Network, TestHosts, Path, Path]]:
    give_way_to(obstacle())
    folder = tmp_path_factory.mktemp("keys")
    authority, key = make_ssh_key(folder / "authority"), make_ssh_key(folder / "login")
    addresses = {name: f"{address}/16" for name, address in NODES.items()}
    with (
        Network(f"{CONTROLLER}/16") as network,
        TestHosts(network, addresses, ssh_authority=authority, login_key=key) as hosts,
    ):
        yield network, hosts, key, authority


@pytest.fixture
def rig(booted: tuple[Network, TestHosts, Path, Path], tmp_path: Path) -> Iterator[Rig]:
    network, hosts, key, authority = booted
    groups = {"role_control": ["control-1"], "pool_train": ["train-1", "train-2"]}
    tree = HostTree(tmp_path / "generated", NODES, groups)
    tree.trusts(authority.with_name("authority.pub").read_text())
    tree.gives(
        "/etc/demo.conf", "first @{node.name} @{node.address}\n", units=["demo.service"], holes=["name", "address"]
    )
    tree.gives("/etc/other.conf", "other\n", units=["other.service"])
    for name in ("demo", "other"):
        tree.gives(f"/etc/systemd/system/{name}.service", UNIT, units=[f"{name}.service"])
    tree.wants("units", *({"name": f"{name}.service", "class": "restart"} for name in ("demo", "other")))
    with tempfile.TemporaryDirectory() as temporary:
        made = Rig(network, hosts, key, tree, Path(temporary))
        yield made
        for process in made.processes:
            end_with_descendants(process.pid)
            process.wait()
        # SSH keeps a killed run's connections open for the next; their processes belong to nobody by then.
        for process_folder in Path("/proc").glob("[0-9]*"):
            if f"{temporary}/".encode() in command_line(int(process_folder.name)):
                end_with_descendants(int(process_folder.name))


def end_with_descendants(pid: int) -> None:
    """Kill a process and all that it started, however many sessions these made."""
    for one in [pid, *descendants(pid)]:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


@contextmanager
def gate(rig: Rig, host: str, condition: str) -> Iterator[None]:
    """Hold up Ansible on a host while a condition of its shell holds."""
    script = GATE.format(condition=condition)
    rig.hosts.run(host, ["sh", "-c", f"printf '%s' '{script}' >/tmp/gate; chmod 755 /tmp/gate"])
    rig.hosts.run(host, ["mv", "/tmp/gate", "/usr/bin/python3"])
    try:
        yield
        rig.hosts.run(host, ["sh", "-c", "kill -9 $(cat /run/reached); rm /run/reached"])
    finally:
        rig.hosts.run(host, ["ln", "-sf", "python3.11", "/usr/bin/python3"])


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def descendants(pid: int) -> list[int]:
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return children + [one for child in children for one in descendants(child)]


@pytest.mark.hosts
def test_applying_does_what_the_preview_named_and_again_does_nothing(rig: Rig) -> None:
    foretold = rig.run("check")
    assert foretold["exit_code"] == 2
    assert "demo.service" not in rig.hosts.units("train-1")

    done = rig.run("apply")
    assert done["exit_code"] == 0
    assert set(rig.states(done).values()) == {"changed"}
    for name, host in done["hosts"].items():
        assert paths(host) == paths(foretold["hosts"][name])
        assert units(host) == units(foretold["hosts"][name]) == ["demo.service", "other.service"]
        assert rig.read(name, "/etc/demo.conf") == f"first {name} {NODES[name]}\n"
        demo = rig.unit(name, "demo.service")
        assert (demo.active, demo.enabled) == ("active", "enabled")

    before = {name: snapshot(rig, name) for name in NODES}
    assert rig.run("check")["exit_code"] == 0
    again = rig.run("apply")
    assert again["exit_code"] == 0
    assert set(rig.states(again).values()) == {"unchanged"}
    assert {name: snapshot(rig, name) for name in NODES} == before
    assert "center-new" not in rig.hosts.run("train-1", ["find", "/etc", "-name", ".*"])


@pytest.mark.hosts
def test_one_edit_changes_one_file_and_restarts_one_unit(rig: Rig) -> None:
    rig.run("apply")
    other = rig.unit("train-1", "other.service")
    demo = rig.unit("train-1", "demo.service")
    rig.tree.gives("/etc/train.conf", "trap: {{ lookup('pipe', 'touch /tmp/x') }}\n", to="pool_train")
    rig.tree.gives("/etc/demo.conf", "second\n", units=["demo.service"])

    foretold, done = rig.run("check"), rig.run("apply")

    for answer in (foretold, done):
        host = answer["hosts"]["control-1"]
        assert (paths(host), units(host)) == ({"/etc/demo.conf": "update"}, ["demo.service"])
        assert "-first control-1 10.16.0.1\n+second" in host["files"][0]["diff"]
        assert set(paths(answer["hosts"]["train-1"])) == {"/etc/demo.conf", "/etc/train.conf"}
    assert rig.read("train-1", "/etc/train.conf") == "trap: {{ lookup('pipe', 'touch /tmp/x') }}\n"
    assert rig.unit("train-1", "other.service") == other
    assert rig.unit("train-1", "demo.service").invocation != demo.invocation


@pytest.mark.hosts
def test_a_dead_host_stops_nobody_and_the_next_run_completes_it(rig: Rig) -> None:
    rig.run("apply")
    rig.tree.gives("/etc/demo.conf", "while one is dead\n", units=["demo.service"])
    rig.hosts.kill("train-1")
    try:
        done = rig.run("apply")
    finally:
        rig.hosts.start("train-1")

    assert done["exit_code"] == 1
    assert rig.states(done) == {"control-1": "changed", "train-1": "pending", "train-2": "changed"}
    assert any("did not answer: train-1" in line for line in done["lines"])
    assert rig.read("train-2", "/etc/demo.conf") == "while one is dead\n"
    # The host booted with its old files and noted what its units were started with.
    completed = rig.run("apply")
    assert completed["exit_code"] == 0
    assert rig.states(completed) == {"control-1": "unchanged", "train-1": "changed", "train-2": "unchanged"}
    assert units(completed["hosts"]["train-1"]) == ["demo.service"]


@pytest.mark.hosts
def test_killed_between_file_and_restart_the_next_run_restarts(rig: Rig) -> None:
    rig.run("apply")
    before = rig.unit("train-1", "demo.service")
    rig.tree.gives("/etc/demo.conf", "second\n", units=["demo.service"])
    with gate(rig, "train-1", "grep -q second /etc/demo.conf"):
        running = rig.start("apply", "train-1")
        wait_until(lambda: "reached" in rig.hosts.run("train-1", ["ls", "/run"]), 120, "the step after the file")
        end_with_descendants(running.pid)
        assert running.wait() == -signal.SIGKILL
    assert rig.read("train-1", "/etc/demo.conf") == "second\n"
    assert rig.unit("train-1", "demo.service") == before, "not restarted yet"

    (rule, message, hint), *_ = rig.run("apply", "train-1")["refused"]
    assert rule == "hosts.locked" and "control-1" in message and hint.startswith("wait; ")
    assert rig.run("unlock", "00000000")["refused"]
    assert rig.run("unlock", hint.split()[-1]) == {"unlocked": "control-1"}

    rerun = rig.run("apply", "train-1")
    assert (rerun["exit_code"], units(rerun["hosts"]["train-1"])) == (0, ["demo.service"])
    assert paths(rerun["hosts"]["train-1"]) == {}
    after = rig.unit("train-1", "demo.service")
    assert after.active == "active" and after.invocation != before.invocation
    assert rig.run("apply", "train-1")["hosts"]["train-1"]["state"] == "unchanged"


@pytest.mark.hosts
def test_a_host_that_never_answered_is_a_failure_whatever_ansible_says(rig: Rig) -> None:
    # Ansible's calls of Python have no options; looks at the host have.
    with gate(rig, "train-1", "[ $# = 0 ]"):
        running = rig.start("apply", "train-1")
        wait_until(lambda: "reached" in rig.hosts.run("train-1", ["ls", "/run"]), 120, "the first step")
        ansible, *_ = (pid for pid in descendants(running.pid) if b"ansible\0playbook" in command_line(pid))
        end_with_descendants(ansible)
        output, _ = running.communicate(timeout=60)
    answer = json.loads(output)
    assert (answer["exit_code"], rig.states(answer)) == (1, {"train-1": "failed"})
    assert rig.run("apply", "train-1")["exit_code"] == 0, "the lock was given back"


@pytest.mark.hosts
def test_a_failure_on_the_first_host_stops_before_the_others(rig: Rig) -> None:
    rig.run("apply")
    folder = "/etc/systemd/system/demo.service.d"
    broken = (
        f"mkdir -p {folder}; printf '[Service]\\nExecStartPre=/bin/false\\n' >{folder}/zz.conf; systemctl daemon-reload"
    )
    rig.hosts.run("control-1", ["sh", "-c", broken])
    rig.tree.gives("/etc/demo.conf", "other text\n", units=["demo.service"])
    done = rig.run("apply")
    assert done["exit_code"] == 1
    assert rig.states(done) == {"control-1": "failed", "train-1": "skipped", "train-2": "skipped"}
    assert rig.run("check")["hosts"]["train-1"]["state"] == "changed", "a preview looks at everybody"
    rig.hosts.run("control-1", ["sh", "-c", f"rm {folder}/zz.conf; systemctl daemon-reload; systemctl reset-failed"])
    assert rig.run("apply")["exit_code"] == 0


@pytest.mark.hosts
def test_a_host_that_cannot_be_looked_at_keeps_nobody_from_his(rig: Rig) -> None:
    rig.run("apply")
    rig.hosts.run("control-1", ["mkdir", "/etc/blocked"])
    rig.tree.gives("/etc/blocked", "a file\n")
    done = rig.run("apply")
    assert done["exit_code"] == 1
    assert rig.states(done) == {"control-1": "failed", "train-1": "changed", "train-2": "changed"}
    assert "/etc/blocked: a directory is there" in done["hosts"]["control-1"]["reason"]
    rig.hosts.run("control-1", ["rmdir", "/etc/blocked"])
    assert rig.run("apply")["exit_code"] == 0


@pytest.mark.hosts
def test_a_change_that_lets_nobody_in_any_more_stops_at_the_first_host(rig: Rig) -> None:
    rig.run("apply")
    shut = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/systemctl stop ssh.service\n"
    unit = "/etc/systemd/system/shut.service"
    rig.tree.gives(unit, f"{shut}[Install]\nWantedBy=multi-user.target\n", units=["shut.service"])
    others = [{"name": f"{name}.service", "class": "restart"} for name in ("demo", "other")]
    rig.tree.wants("units", *others, {"name": "shut.service", "class": "restart"})
    done = rig.run("apply")
    try:
        assert rig.states(done) == {"control-1": "failed", "train-1": "skipped", "train-2": "skipped"}
        assert "does not answer after the change" in done["hosts"]["control-1"]["reason"]
        assert any("center unlock" in fault for fault in done["faults"]), "nobody can give the lock back there"
    finally:
        rig.hosts.run("control-1", ["systemctl", "start", "ssh.service"])
    identity = re.search(r"center unlock ([0-9a-f]{8})", " ".join(done["faults"]))
    assert identity and rig.run("unlock", identity[1]) == {"unlocked": "control-1"}
    rig.tree.takes_back(unit)
    rig.tree.wants("units", *others)
    assert rig.run("apply")["exit_code"] == 0


@pytest.mark.hosts
def test_what_leaves_the_tree_leaves_the_host_and_its_unit_stops(rig: Rig) -> None:
    rig.run("apply")
    for path in ("/etc/other.conf", "/etc/systemd/system/other.service"):
        rig.tree.takes_back(path)
    rig.tree.wants("units", {"name": "demo.service", "class": "restart"})
    demo = rig.unit("train-1", "demo.service")
    foretold, done = rig.run("check"), rig.run("apply")
    gone = (
        "/etc/other.conf",
        "/etc/systemd/system/other.service",
        "/etc/systemd/system/other.service.d/50-center.conf",
    )
    for answer in (foretold, done):
        assert paths(answer["hosts"]["train-1"]) == dict.fromkeys(gone, "remove")
        assert unit_states(answer["hosts"]["train-1"]) == {"other.service": "stopped"}
    assert any("stop other.service" in line for line in foretold["lines"])
    assert not rig.hosts.files("train-1", gone)
    assert "other.service" not in rig.hosts.units("train-1")
    assert rig.unit("train-1", "demo.service") == demo
    assert rig.run("apply")["hosts"]["train-1"]["state"] == "unchanged"


@pytest.mark.hosts
def test_drift_is_shown_with_what_could_move_the_cursor_made_visible_and_repaired(rig: Rig) -> None:
    rig.run("apply")
    rig.hosts.run("train-2", ["sh", "-c", "printf 'edited \\033[2J\\n' >/etc/other.conf; systemctl stop demo.service"])
    foretold, done = rig.run("check", "train-2"), rig.run("apply", "train-2")
    for answer in (foretold, done):
        host = answer["hosts"]["train-2"]
        assert paths(host) == {"/etc/other.conf": "update"}
        assert units(host) == ["demo.service", "other.service"]
        assert "-edited \\x1b[2J" in host["files"][0]["diff"]
    assert rig.unit("train-2", "demo.service").active == "active"


@pytest.mark.hosts
def test_nothing_that_the_caller_set_for_ansible_or_ssh_has_an_effect(rig: Rig, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    (tmp_path / "ansible.cfg").write_text(f"[defaults]\nlog_path = {trap}\nhost_key_checking = False\n")
    (tmp_path / "bad.cfg").write_text(f"[defaults]\nlog_path = {trap}\nlibrary = /nowhere\n")
    environment = {
        "ANSIBLE_CONFIG": str(tmp_path / "bad.cfg"),
        "ANSIBLE_LOG_PATH": str(trap),
        "ANSIBLE_STDOUT_CALLBACK": "minimal",
        "ANSIBLE_INVENTORY_ENABLED": "script",
        "ANSIBLE_SSH_EXECUTABLE": "/bin/false",
        "AWX_LIB_DIRECTORY": "/nowhere",
        "RUNNER_OMIT_EVENTS": "true",
    }
    answer = rig.run("apply", "control-1", environment=environment, folder=tmp_path)
    assert answer["exit_code"] == 0
    assert not trap.exists()


@pytest.mark.hosts
def test_a_host_with_a_key_that_nobody_vouches_for_is_not_touched(rig: Rig, tmp_path: Path) -> None:
    rig.tree.trusts(make_ssh_key(tmp_path / "other").with_name("other.pub").read_text())
    answer = rig.run("apply", "train-1")
    assert answer["exit_code"] == 1
    assert answer["hosts"]["train-1"]["state"] == "pending"
    assert "Host key verification failed" in answer["hosts"]["train-1"]["reason"]


@pytest.mark.hosts
def test_packages_are_installed_once_and_a_converged_host_asks_no_repository(rig: Rig) -> None:
    with PackageRepository(rig.network) as repository:
        source = (
            f"deb [signed-by=/etc/apt/keyrings/test.asc] {repository.url} {repository.suite} {repository.component}\n"
        )
        rig.tree.gives("/etc/apt/sources.list.d/test.list", source, before_packages=True)
        rig.tree.gives("/etc/apt/keyrings/test.asc", repository.signing_key.read_bytes(), before_packages=True)
        conf = "server 10.16.0.1\nuser _chrony\n"
        rig.tree.gives("/etc/chrony/chrony.conf", conf, units=["chrony.service"], owner="root", group="_chrony")
        rig.tree.wants("packages", "chrony")
        rig.tree.wants("units", {"name": "chrony.service", "class": "restart"})

        foretold, done = rig.run("check", "train-1"), rig.run("apply", "train-1")
        for answer in (foretold, done):
            host = answer["hosts"]["train-1"]
            assert host["packages"] == ["chrony"]
            assert "/etc/chrony/chrony.conf" in paths(host)
            assert "chrony.service" in units(host)
        assert set(paths(foretold["hosts"]["train-1"])) == set(paths(done["hosts"]["train-1"]))
        assert rig.unit("train-1", "chrony.service").active == "active"
        state = rig.hosts.files("train-1", ["/etc/chrony/chrony.conf"])["/etc/chrony/chrony.conf"]
        assert (state.owner, state.group) == ("root", "_chrony")

    lists = rig.hosts.files("train-1", ["/var/lib/apt/lists", "/var/cache/apt"])
    again = rig.run("apply", "train-1")
    assert (again["exit_code"], rig.states(again)) == (0, {"train-1": "unchanged"})
    assert rig.hosts.files("train-1", ["/var/lib/apt/lists", "/var/cache/apt"]) == lists


@pytest.mark.hosts
def test_of_many_that_want_the_lock_at_once_one_gets_it(rig: Rig) -> None:
    def acquire(number: int) -> bool:
        try:
            rig.hosts.run("train-2", ["sh", "-c", ACQUIRE, "sh", FOLDER, f"{number:08x}", "whole", "me"])
        except CommandFailed as failed:
            assert "status 9" in str(failed)
            return False
        return True

    with ThreadPoolExecutor(16) as crew:
        assert sum(crew.map(acquire, range(32))) == 1
    assert len(rig.hosts.run("train-2", ["ls", f"{FOLDER}/locks"]).split()) == 1
    rig.hosts.run("train-2", ["rm", "-r", f"{FOLDER}/locks"])


def test_names_that_the_tree_lacks_are_wrong_usage(tmp_path: Path) -> None:
    tree = HostTree(tmp_path, NODES).folder
    with pytest.raises(UnknownName, match='"train-9"') as unknown:
        choose(tree, frozenset({"train-1", "train-9"}))
    assert unknown.value.problems[0].hint
    assert [node.name for node in choose(tree, frozenset({"train-2"}))] == ["train-2"]


def test_control_nodes_are_found_through_ranges_and_child_groups(tmp_path: Path) -> None:
    tree = HostTree(tmp_path, NODES)
    children: dict[str, Any] = {
        "pool_c": {"hosts": {"c-a[01:02]-[1:2]": {}}},
        "role_control": {"children": {"pool_c": {}}},
    }
    (tmp_path / "hosts/hall-1/inventory.json").write_text(json.dumps({"all": {"children": children}}))
    found = [node.name for node in control_nodes(tree.folder)]
    assert found == ["c-a01-1", "c-a01-2", "c-a02-1", "c-a02-2"]


def paths(host: dict[str, Any]) -> dict[str, str]:
    return {change["path"]: change["action"] for change in host["files"]}


def units(host: dict[str, Any]) -> list[str]:
    return sorted(unit["name"] for unit in host["units"])


def unit_states(host: dict[str, Any]) -> dict[str, str]:
    return {unit["name"]: unit["state"] for unit in host["units"]}


def snapshot(rig: Rig, host: str) -> object:
    places = ["/etc", "/var/lib/center/placed.json"]
    units = {name: state for name, state in rig.hosts.units(host).items() if name in ("demo.service", "other.service")}
    return rig.hosts.files(host, places), units, rig.hosts.run(host, ["ls", "-lR", "--full-time", "/run/center"])
