"""Nodes leave the centre, alive, dead and in the middle of it; the hosts themselves say what is left on them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from control_plane.processes import wait_until
from tests.obstacles import give_way_to
from tests.rig.base import obstacle
from tests.rig.hosts import LOGIN_USER, TestHosts, make_ssh_key
from tests.rig.network import Network
from tests.test_apply_hosts import command_line, end_with_descendants
from tests.trees import HostTree

pytestmark = pytest.mark.hosts

REPOSITORY = Path(__file__).parents[1]
FIRST, SECOND, LEAVER = "control-a01-1", "control-a01-2", "train-a01-1"
NODES = {FIRST: "10.16.0.1", SECOND: "10.16.0.2", LEAVER: "10.16.1.1"}
SINFO = "/usr/local/bin/sinfo"
MEMBERS, PLACED = "/var/lib/center/members.json", "/var/lib/center/placed.json"
# The program under test as a process of its own, which can stand in another network and be killed.
DRIVER = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from generator.apply.hosts.blocks import choose, operations
from generator.apply.hosts.drain import Drains
from generator.apply.hosts.runs import Ask, apply_hosts, look
from generator.apply.hosts.leaving import preview, take_leave
from generator.apply.hosts.members import Member, compared, remember
from generator.apply.hosts.ssh import Connections, SshAccess
from generator.problems import Refused

tree, user, key, keepers, verb, *given = json.load(sys.stdin)
tree, access = Path(tree), SshAccess(user, Path(key), 3)
nodes = {node.name: node for node in choose(tree)}
keepers = [nodes[name] for name in keepers]
try:
    with Connections(access) as connections, Drains(connections, operations(tree), nodes, {}, "0a1b2c3d") as drains:
        if verb == "apply":
            report = apply_hosts(Ask(tree, access, frozenset(given), watch=2))
            answer = [report.exit_code, list(report.lines())]
        elif verb == "status":
            report = look(Ask(tree, access, watch=2), records=True)
            answer = [report.exit_code, list(report.lines())]
        elif verb == "remember":
            answer = remember(connections, keepers, tree, given)
        else:
            found = compared(connections, keepers, tree).absent
            if verb == "preview":
                answer = [str(deed) for deed in preview(connections, tree, found, drains)]
            elif verb == "leave":
                deeds = take_leave(connections, keepers, tree, found, drains, allowed=given[0])
                answer = [str(deed) for deed in deeds]
            else:
                answer = [asdict(member) for member in found]
except Refused as refused:
    answer = {"refused": [refused.problems[0].rule, refused.problems[0].message, refused.problems[0].hint]}
print(json.dumps(answer))
"""
UNIT = """[Service]
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
"""
# What a leaver of these tests has from us; by hand from `tree_of`.
REMOVED = (
    "/etc/demo.conf",
    "/etc/secret.conf",
    "/etc/systemd/system/demo.service",
    "/etc/systemd/system/demo.service.d/50-center.conf",
    "/etc/systemd/system/ssh.service.d/50-center.conf",
    "/var/lib/center/accepted.json",
)
KEPT = ("/etc/apt/sources.list.d/center.list", "/etc/hosts", "/etc/localtime", "/etc/ssh/sshd_config.d/50-center.conf")


@dataclass
class Rig:
    network: Network
    hosts: TestHosts
    key: Path
    authority: str
    folder: Path
    temporary: Path

    def tree_of(self, *names: str, block: str = "hall-1", **described: Any) -> Path:
        """A tree with these nodes only, the control nodes among them as such."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        controls = [name for name in names if name.startswith("control")]
        nodes = {name: NODES.get(name, "10.16.9.9") for name in names}
        tree = HostTree(folder, nodes, {"role_control": controls}, block)
        tree.trusts(self.authority)
        (folder / "hosts/operations.json").write_text(json.dumps({"pools": {}, "clusters": {}, **described}))
        tree.gives("/etc/demo.conf", "demo\n", units=["demo.service"])
        tree.gives("/etc/edited.conf", "as rendered\n")
        tree.gives("/etc/secret.conf", "secret\n", mode="0600")
        tree.gives("/etc/systemd/system/demo.service", UNIT, units=["demo.service"])
        tree.gives("/etc/ssh/sshd_config.d/50-center.conf", "MaxAuthTries 5\n", units=["ssh.service"])
        tree.gives("/etc/hosts", "127.0.0.1 localhost @{node.name}\n", holes=["name"])
        tree.gives("/etc/apt/sources.list.d/center.list", "# none\n")
        tree.wants("links", {"path": "/etc/localtime", "target": "/usr/share/zoneinfo/Asia/Shanghai"})
        tree.wants("units", *({"name": f"{name}.service", "class": "restart"} for name in ("demo", "ssh")))
        return folder

    def start(self, tree: Path, verb: str, *given: Any, keepers: tuple[str, ...] = (FIRST,)) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            self.network.command([sys.executable, "-c", DRIVER]),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY,
            env={**os.environ, "TMPDIR": str(self.temporary)},
        )  # fmt: skip
        assert process.stdin
        process.stdin.write(json.dumps([str(tree), LOGIN_USER, str(self.key), keepers, verb, *given]))
        process.stdin.close()
        process.stdin = None  # so that communicate() does not flush it
        return process

    def run(self, tree: Path, verb: str, *given: Any, **options: Any) -> Any:
        output, _ = self.start(tree, verb, *given, **options).communicate(timeout=300)
        return json.loads(output)

    def members(self, keeper: str = FIRST) -> dict[str, Any]:
        members: dict[str, Any] = json.loads(self.hosts.run(keeper, ["cat", MEMBERS]))
        return members

    def note(self, keeper: str, text: str) -> None:
        self.hosts.run(keeper, ["sh", "-c", f"mkdir -p /var/lib/center; cat >{MEMBERS}"], given=text)


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    give_way_to(obstacle())
    folder = tmp_path_factory.mktemp("leaving")
    authority, key = make_ssh_key(folder / "authority"), make_ssh_key(folder / "login")
    addresses = {name: f"{address}/16" for name, address in NODES.items()}
    with (
        Network("10.16.255.254/16") as network,
        TestHosts(network, addresses, ssh_authority=authority, login_key=key) as hosts,
        tempfile.TemporaryDirectory() as temporary,
    ):
        yield Rig(network, hosts, key, authority.with_name("authority.pub").read_text(), folder, Path(temporary))


@pytest.fixture
def rig(booted: Rig) -> Iterator[Rig]:
    for keeper in (FIRST, SECOND):
        booted.hosts.run(keeper, ["rm", "-f", MEMBERS])
    yield booted
    # SSH keeps a killed run's connections open for the next; their processes belong to nobody by then.
    for process in Path("/proc").glob("[0-9]*"):
        if f"{booted.temporary}/".encode() in command_line(int(process.name)):
            end_with_descendants(int(process.name))


def make_member(rig: Rig) -> Path:
    """Bring the later leaver to its tree, accept it, and note it as a member; the tree without it and its block."""
    whole = rig.tree_of(FIRST, LEAVER)
    code, lines = rig.run(whole, "apply", LEAVER)
    assert code == 0, lines
    rig.hosts.run(LEAVER, ["sh", "-c", "echo {} >/var/lib/center/accepted.json; echo more >>/etc/edited.conf"])
    rig.run(whole, "remember", FIRST, LEAVER)
    return rig.tree_of(FIRST, block="hall-2")


def test_a_living_node_leaves_as_previewed_and_stays_reachable(rig: Rig) -> None:
    without = make_member(rig)
    before = rig.hosts.files(LEAVER, ["/etc", "/root", "/usr/local", "/var/lib/center"])
    foretold = rig.run(without, "preview")
    assert rig.hosts.files(LEAVER, ["/etc", "/root", "/usr/local", "/var/lib/center"]) == before
    assert rig.members().keys() == {FIRST, LEAVER}

    assert rig.run(without, "leave", 0) == foretold
    assert foretold == [
        f"{LEAVER}: stop demo.service",
        *(f"{LEAVER}: remove {path}" for path in REMOVED),
        *(f"{LEAVER}: keep {path} (needed to reach it)" for path in KEPT),
        f"{LEAVER}: keep /etc/edited.conf (edited there)",
        f"{LEAVER}: forget that it was a member",
    ]
    after = rig.hosts.files(LEAVER, ["/etc", "/root", "/usr/local", "/var/lib/center"])
    enabled = "/etc/systemd/system/multi-user.target.wants/demo.service"
    assert {path for path, file in before.items() if file.kind != "directory"} - after.keys() == {*REMOVED, enabled}
    assert {path: after[path] for path in (*KEPT, "/etc/edited.conf")} == {
        path: before[path] for path in (*KEPT, "/etc/edited.conf")
    }
    units = rig.hosts.units(LEAVER)
    assert "demo.service" not in units or units["demo.service"].active == "inactive"
    assert units["ssh.service"].active == "active"
    assert rig.members().keys() == {FIRST}

    assert rig.run(without, "preview") == []
    code, _ = rig.run(rig.tree_of(FIRST, LEAVER), "apply", LEAVER)
    assert code == 0, "it can come back"


def test_killed_in_the_middle_the_next_run_ends_the_same(rig: Rig) -> None:
    without = make_member(rig)
    before = rig.hosts.files(LEAVER, ["/etc", "/var/lib/center"])
    # A unit that does not stop before it may holds the program up on the host, where it is then killed as well.
    slow = "[Service]\nExecStop=/bin/sh -c 'touch /run/reached; while [ ! -e /run/go ]; do sleep 0.1; done'\n"
    rig.hosts.run(LEAVER, ["mkdir", "-p", "/run/systemd/system/demo.service.d"])
    rig.hosts.run(LEAVER, ["sh", "-c", "cat >/run/systemd/system/demo.service.d/slow.conf"], given=slow)
    rig.hosts.run(LEAVER, ["systemctl", "daemon-reload"])
    running = rig.start(without, "leave", 0)
    wait_until(lambda: "reached" in rig.hosts.run(LEAVER, ["ls", "/run"]), 120, "the stop of the unit")
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    rig.hosts.run(LEAVER, ["sh", "-c", "kill -KILL $(pgrep -f '^/usr/bin/python3 -I -c'); touch /run/go"])
    # Some of the files went meanwhile, as if the rest of that run had been killed later.
    rig.hosts.run(LEAVER, ["rm", "-r", "/run/systemd/system/demo.service.d", REMOVED[0], REMOVED[3]])
    assert rig.members().keys() == {FIRST, LEAVER}

    deeds = rig.run(without, "leave", 0)
    assert deeds[-1] == f"{LEAVER}: forget that it was a member"
    assert f"{LEAVER}: remove {REMOVED[1]}" in deeds
    after = rig.hosts.files(LEAVER, ["/etc", "/var/lib/center"])
    assert not after.keys() & {*REMOVED}
    assert {path: after[path] for path in KEPT} == {path: before[path] for path in KEPT}
    assert json.loads(rig.hosts.run(LEAVER, ["cat", PLACED]))["files"].keys() == {*KEPT}
    assert rig.members().keys() == {FIRST}


def test_a_dead_node_leaves_too_and_is_named(rig: Rig) -> None:
    without = make_member(rig)
    rig.hosts.kill(LEAVER)
    try:
        foretold = rig.run(without, "preview")
        assert rig.run(without, "leave", 0) == foretold
    finally:
        rig.hosts.start(LEAVER)
    unreached, forgotten = foretold
    assert unreached.startswith(f"{LEAVER}: left unreached: ssh: connect to port 22: ")
    assert unreached.endswith("; it keeps what it has")
    assert forgotten == f"{LEAVER}: forget that it was a member"
    assert rig.members().keys() == {FIRST}
    assert rig.hosts.files(LEAVER, [PLACED])


def test_what_a_cluster_still_counts_on_stays_a_member(rig: Rig) -> None:
    pools = {"train": {"clusters": ["hpc"]}, "old": {"clusters": ["gone"]}}
    hpc = {"kind": "slurm", "controllers": [SECOND]}
    clusters = {"hpc": hpc, "gone": {"kind": "kubernetes", "controllers": []}}
    whole = rig.tree_of(FIRST, SECOND, LEAVER, "old-a01-1", pools=pools, clusters=clusters)
    rig.run(whole, "remember", FIRST, LEAVER, "old-a01-1")
    assert rig.members()[LEAVER] == {
        "address": NODES[LEAVER], "block": "hall-1", "clusters": ["hpc"], "pool": "train",
    }  # fmt: skip

    without = rig.tree_of(FIRST, SECOND, clusters={"hpc": hpc})
    rig.hosts.kill(SECOND)
    try:
        deeds = rig.run(without, "leave", 2)
    finally:
        rig.hosts.start(SECOND)
    waits, *others = sorted(deeds, key=lambda deed: not deed.startswith(LEAVER))
    assert waits.startswith(f"{LEAVER}: waits: no controller of cluster hpc answers ({SECOND}: ")
    assert others[0] == "old-a01-1: not drained: there is no cluster gone"
    assert rig.members().keys() == {FIRST, LEAVER}


def test_who_moves_to_another_cluster_leaves_the_first_one_before(rig: Rig) -> None:
    clusters = {
        "hpc": {"kind": "slurm", "controllers": [SECOND]},
        "cloud": {"kind": "kubernetes", "controllers": []},
    }
    before, after = ({"train": {"clusters": [name], "batch": 1.0, "unreachable": 1.0}} for name in ("hpc", "cloud"))
    control = {"control": {"clusters": [], "batch": 1.0, "unreachable": 1.0}}
    whole = rig.tree_of(FIRST, SECOND, LEAVER, pools=control | before, clusters=clusters)
    rig.run(whole, "remember", FIRST, SECOND, LEAVER)
    rig.hosts.run(LEAVER, ["rm", "-f", "/etc/demo.conf"])
    # What slurmctld says of a node with a job, without one.
    says = f"printf '#!/bin/sh\\necho \"{LEAVER}|allocated|none\"\\n' >{SINFO}; chmod 755 {SINFO}"
    rig.hosts.run(SECOND, ["sh", "-c", says])

    moved = rig.tree_of(FIRST, SECOND, LEAVER, pools=control | after, clusters=clusters)
    code, lines = rig.run(moved, "apply", SECOND, LEAVER)
    assert code == 2, lines
    reason = "all of it waits: it has to leave cluster hpc first: take it out of the spec"
    assert any(line.startswith(reason) and line.endswith(LEAVER) for line in lines), lines
    assert any(line.startswith(f"all of it waits for {LEAVER}: it has to leave") and SECOND in line for line in lines)
    assert not rig.hosts.files(LEAVER, ["/etc/demo.conf"])
    assert rig.members()[LEAVER]["clusters"] == ["hpc"]
    code, lines = rig.run(moved, "status")
    assert any(line.startswith(reason) and line.endswith(LEAVER) for line in lines), lines

    # Once the first cluster counts on it no more, there is nothing to leave.
    rig.hosts.run(SECOND, ["rm", SINFO])
    code, lines = rig.run(moved, "apply", SECOND, LEAVER)
    assert code == 0, lines
    assert rig.hosts.files(LEAVER, ["/etc/demo.conf"])
    assert rig.members()[LEAVER]["clusters"] == ["cloud"]
    for name in (SECOND, LEAVER):
        rig.hosts.run(name, ["rm", "/etc/demo.conf"])


def test_many_leave_only_when_somebody_says_how_many(rig: Rig) -> None:
    names = [f"gone-a01-{number}" for number in range(1, 5)]
    rig.run(rig.tree_of(FIRST, *names[:2]), "remember", FIRST, *names[:2])
    without = rig.tree_of(FIRST)
    rule, message, hint = rig.run(without, "leave", 0)["refused"]
    assert rule == "hosts.leaving"
    assert message == "2 of 3 members are no longer in the tree and would be removed"
    assert hint == "is the tree complete? if they shall all leave: --leaving 2"
    assert rig.run(without, "leave", 1)["refused"]
    assert rig.members().keys() == {FIRST, *names[:2]}
    assert len(rig.run(without, "leave", 2)) == 4
    assert rig.members().keys() == {FIRST}


def test_an_empty_tree_removes_nobody(rig: Rig) -> None:
    rig.run(rig.tree_of(FIRST), "remember", FIRST)
    empty = rig.tree_of(FIRST)
    (empty / "hosts/hall-1/nodes.json").write_text("{}")
    (empty / "hosts/hall-1/inventory.json").write_text('{"all": {}}')
    rule, message, _ = rig.run(empty, "leavers", keepers=())["refused"]
    assert (rule, "no node at all" in message) == ("hosts.leaving", True)


def test_the_record_outlives_the_control_node_that_keeps_it(rig: Rig) -> None:
    whole = rig.tree_of(FIRST, LEAVER)
    rig.run(whole, "remember", FIRST, LEAVER)
    # A control node that is new, and sorts behind: it gets all that is known, not only its own.
    both = rig.tree_of(FIRST, SECOND)
    rig.run(both, "remember", SECOND, keepers=(FIRST, SECOND))
    assert rig.members(SECOND) == rig.members(FIRST)
    assert rig.members(SECOND).keys() == {FIRST, SECOND, LEAVER}

    found = rig.run(rig.tree_of(SECOND), "leavers", keepers=(SECOND,))
    assert [member["name"] for member in found] == [FIRST, LEAVER]


def test_status_tells_of_the_hosts_when_the_record_is_damaged(rig: Rig) -> None:
    tree = rig.tree_of(FIRST, SECOND)
    rig.run(tree, "remember", FIRST, SECOND)
    rig.hosts.run(FIRST, ["sh", "-c", f"echo '[' >{MEMBERS}"])
    code, lines = rig.run(tree, "status")
    assert code == 1
    assert any(line.startswith("create /etc/demo.conf on 2 hosts") for line in lines)
    assert any("record of members" in line and f"move {MEMBERS} away" in line for line in lines)


def test_a_damaged_record_is_named_with_the_way_out(rig: Rig) -> None:
    whole = rig.tree_of(FIRST)
    strange = {"address": "-oProxyCommand=x", "block": "hall-1", "pool": "p", "clusters": []}
    for text in ("not json", "[]", '{"a": {}}', json.dumps({"x": strange}), json.dumps({"x;y": strange})):
        rig.note(FIRST, text)
        rule, message, hint = rig.run(whole, "leavers")["refused"]
        assert rule == "hosts.members"
        assert message.startswith(f'the record of members on "{FIRST}" cannot be used: ')
        assert hint.startswith(f'move {MEMBERS} away on "{FIRST}"')
        assert rig.hosts.run(FIRST, ["cat", MEMBERS]) == text


def test_remembering_twice_writes_once(rig: Rig) -> None:
    whole = rig.tree_of(FIRST, LEAVER)
    rig.run(whole, "remember", FIRST, LEAVER)
    before = rig.hosts.files(FIRST, ["/var/lib/center"])
    rig.run(whole, "remember", LEAVER)
    assert rig.hosts.files(FIRST, ["/var/lib/center"]) == before
