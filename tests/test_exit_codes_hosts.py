"""The rows of the table of exit codes that need living hosts, as one story on booted hosts.

Every situation of Ansible's own table that can occur in a run is here with what our code for it is.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from control_plane.processes import wait_until
from tests.obstacles import give_way_to
from tests.quad import HEAD, ROOT, WATCH, Quad, booted, worker
from tests.rig.base import obstacle
from tests.rig.hosts import make_ssh_key
from tests.test_exit_codes import WITHOUT_ANSIBLE

WORKER, OTHER = worker(1), worker(2)
BOTH = f"--limit {HEAD} --limit {WORKER}"
DEAD = f"--limit {WATCH}"
BREAK = "/etc/systemd/system/chrony.service.d/zz-broken.conf"
PLAYBOOK = """
from pathlib import Path
from generator import resources
from generator.cli import main
whole = resources.folder
resources.folder = lambda name: Path("{folder}") if name == "playbooks" else whole(name)
main()
"""
LOCK = "/var/lib/center/locks/0badcafe.whole"
Around = Callable[[Quad], AbstractContextManager[object]]


@pytest.fixture(scope="module")
def quad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quad]:
    give_way_to(obstacle())
    with booted(tmp_path_factory.mktemp("codes")) as made:
        made.hosts.kill(WATCH)
        assert made.render().returncode == 0
        yield made


# What is so while a command runs


@contextmanager
def edited(quad: Quad) -> Iterator[None]:
    """The spec says another time server, rendered; it stays so."""
    servers = quad.spec["network"]["ntp"]
    servers.append(f"10.16.255.{100 + len(servers)}")
    assert quad.render().returncode == 0
    yield


def broken(*names: str) -> Around:
    """The time service cannot start there: the task of Ansible that starts it fails."""

    @contextmanager
    def around(quad: Quad) -> Iterator[None]:
        for name in names:
            quad.hosts.run(name, ["sh", "-c", f"printf '[Service]\\nExecStartPre=/bin/false\\n' >{BREAK}"])
            quad.hosts.run(name, ["systemctl", "daemon-reload"])
        with edited(quad):
            try:
                yield
            finally:
                for name in names:
                    quad.hosts.run(name, ["rm", BREAK])
                    quad.hosts.run(name, ["systemctl", "daemon-reload"])

    return around


def on_host(before: str, after: str, name: str = WORKER) -> Around:
    @contextmanager
    def around(quad: Quad) -> Iterator[None]:
        quad.hosts.run(name, ["sh", "-c", before])
        try:
            yield
        finally:
            quad.hosts.run(name, ["sh", "-c", after])

    return around


@contextmanager
def stranger(quad: Quad) -> Iterator[None]:
    own, quad.key = quad.key, make_ssh_key(quad.folder.parent / "stranger")
    try:
        yield
    finally:
        quad.key = own


@contextmanager
def two_dead(quad: Quad) -> Iterator[None]:
    with edited(quad):
        quad.hosts.kill(WORKER, OTHER)
        try:
            yield
        finally:
            quad.hosts.start(WORKER, OTHER)


@contextmanager
def without_name_servers(quad: Quad) -> Iterator[None]:
    """A file leaves the tree that somebody has edited on a host."""
    quad.hosts.run(WORKER, ["sh", "-c", "echo '# mine' >>/etc/resolv.conf"])
    kept = quad.spec["network"].pop("dns")
    assert quad.render().returncode == 0
    yield
    quad.spec["network"]["dns"] = kept


HIDE_KEY = """
cd /etc/ssh
mkdir /root/old
mv ssh_host_ed25519_key* /root/old
ssh-keygen -qt ed25519 -N '' -f ssh_host_ed25519_key
systemctl restart ssh
"""
SHOW_KEY = "mv /root/old/* /etc/ssh; rmdir /root/old; systemctl restart ssh"
DIRECTORY = "/etc/security/limits.d/90-center.conf"


@dataclass(frozen=True)
class Row:
    """What is so, what is run, the code, and a fragment of what is said."""

    what: str
    words: str
    code: int
    says: str = ""
    so: Around = lambda quad: nullcontext()
    program: str = ""


R = Row
STORY = [
    R("nothing applied yet", f"diff {BOTH}", 2, "2 would change"),
    R("nothing applied yet", f"status {BOTH}", 2, "nothing was ever applied"),
    R("Ansible is not installed", f"apply {BOTH}", 1, "Ansible is not installed", program=WITHOUT_ANSIBLE),
    R("all well", f"apply {BOTH}", 0, "2 hosts: 2 changed"),
    R("again, nothing to do", f"apply {BOTH}", 0, "2 hosts: 2 unchanged"),
    R("a unit waits for acceptance", f"apply {BOTH}", 0, 'slurmd.service stays off until "center accept"'),
    R("nothing to do, and no Ansible", f"apply {BOTH}", 0, "2 unchanged", program=WITHOUT_ANSIBLE),
    R("no difference", f"diff {BOTH}", 0, "2 unchanged"),
    R("no difference, as JSON", f"diff {BOTH} --format json", 0, '"exit_code": 0'),
    R("no difference, as JUnit", f"diff {BOTH} --format junit", 0, "testsuite"),
    R("no drift", f"status {BOTH}", 0, "last apply: this tree"),
    # Something differs
    R("something differs", f"diff {BOTH}", 2, "update /etc/chrony/chrony.conf on 2 hosts", edited),
    R("something differs, as JSON", f"diff {BOTH} --format json", 2, '"exit_code": 2'),
    R("something differs, as JUnit", f"diff {BOTH} --format junit", 2, "testsuite"),
    R("something has drifted", f"status {BOTH}", 2, "update /etc/chrony/chrony.conf"),
    R("a plan is made", f"diff {BOTH} --save PLAN", 2, "2 would change"),
    R("a plan that cannot be written", f"diff {BOTH} --save /nowhere/plan", 1, "error[plan.cannot-write]"),
    R(
        "a host has moved since the plan", f"apply {BOTH} --plan PLAN", 1, "error[plan.stale]",
        on_host("echo x >>/etc/hosts", "sed -i '$d' /etc/hosts"),
    ),
    R("all that differs must wait", f"apply {BOTH} --up-to live", 2, "waits for an empty node"),
    R("the plan as it was made", f"apply {BOTH} --plan PLAN", 0, "2 changed"),
    R("the plan once more", f"apply {BOTH} --plan PLAN", 1, "error[plan.stale]"),
    R("the tree has moved since the plan", f"apply {BOTH} --plan PLAN", 1, "error[plan.stale]", edited),
    R("the same, without the plan", f"apply {BOTH}", 0, "2 changed"),
    # What Ansible's codes do not tell apart
    R("the first host fails", f"apply {BOTH}", 1, "not touched, the run had stopped", broken(HEAD)),
    R("the rest of it", f"apply {BOTH}", 0, "2 changed"),
    R("the last host fails", f"apply {BOTH}", 1, "2 hosts: 1 changed, 1 failed", broken(WORKER)),
    R("the same as JSON", f"apply {BOTH} --format json", 1, '"state": "failed"', broken(WORKER)),
    R("the rest of it", f"apply {BOTH}", 0, "1 changed, 1 unchanged"),
    R("one does not answer", f"apply {BOTH} {DEAD}", 1, "2 changed, 1 pending", edited),
    R("one does not answer, as JUnit", f"apply {BOTH} {DEAD} --format junit", 1, "testsuite"),
    R("one fails, one does not answer", f"apply {BOTH} {DEAD}", 1, "1 changed, 1 failed, 1 pending", broken(WORKER)),
    R("the rest of it", f"apply {BOTH}", 0, "1 changed, 1 unchanged"),
    R("only one that does not answer", f"apply {DEAD}", 1, "1 host: 1 pending"),
    R("only one that does not answer", f"diff {DEAD}", 1, "1 host: 1 pending"),
    R("only one that does not answer", f"status {DEAD}", 1, "1 pending"),
    R(
        "what is there is no file", f"apply {BOTH}", 1, "a directory is there",
        on_host(f"rm {DIRECTORY}; mkdir {DIRECTORY}", f"rmdir {DIRECTORY}"),
    ),
    R("the rest of it", f"apply {BOTH}", 0, "1 changed, 1 unchanged"),
    R("too many of a pool do not answer", f"apply {BOTH} --limit {OTHER}", 1, "nothing was changed", two_dead),
    R("they are back", f"apply {BOTH}", 0, "2 changed"),
    R("a broken playbook", f"apply {BOTH}", 1, "YAML parsing failed", edited, program=PLAYBOOK.format(folder="BROKEN")),
    R("a missing playbook", f"apply {BOTH}", 1, "could not be found", program=PLAYBOOK.format(folder="EMPTY")),
    R("the playbook is whole", f"apply {BOTH}", 0, "2 changed"),
    R("a file left the tree that somebody edited", f"apply {BOTH}", 0, "kept /etc/resolv.conf", without_name_servers),
    # Who may, and who is who
    R("a key that nobody knows", f"diff {BOTH}", 1, "Permission denied", stranger),
    R("another host key", f"diff --limit {WORKER}", 1, "Host key verification failed", on_host(HIDE_KEY, SHOW_KEY)),
    R("somebody else writes", f"apply {BOTH}", 1, "error[hosts.locked]", on_host(f"date +'%s me' >{LOCK}", ":", HEAD)),
    R("somebody else writes", f"diff {BOTH}", 0),
    R("a wrong id", "unlock 00000000", 1, "no node that answers holds a lock"),
    R("no id", "unlock *", 1, "no node that answers holds a lock"),
    R("the right id", "unlock 0badcafe", 0, "the lock 0badcafe is gone"),
    R("the same id again", "unlock 0badcafe", 1, "no node that answers holds a lock"),
    # Before and after service
    R("hosts prove who they are", f"trust {BOTH}", 0),
    R("one cannot be asked", f"trust {DEAD}", 1, WATCH),
    R("hosts are not what the spec says", f"preflight --limit {WORKER}", 1, "error["),
    R("the same as JSON", f"preflight --limit {WORKER} --format json", 1, '"exit_code": 1'),
    R("a check fails", f"accept --limit {WORKER}", 1, "error["),
    R("one cannot be checked", f"accept {DEAD}", 1, WATCH),
    R("taken out of acceptance", f"accept --revoke --limit {WORKER}", 0),
]  # fmt: skip


def playbooks(quad: Quad) -> tuple[Path, Path]:
    """A copy of the playbooks that is no YAML, and one without any."""
    broken, empty = quad.folder.parent / "broken", quad.folder.parent / "empty"
    if not broken.exists():
        shutil.copytree(ROOT / "playbooks", broken)
        (broken / "site.yml").write_text("- hosts: [all\n")
        shutil.copytree(ROOT / "playbooks", empty)
        (empty / "site.yml").unlink()
    return broken, empty


@pytest.mark.hosts
@pytest.mark.parametrize("row", STORY, ids=lambda row: f"{row.what}: {row.words}")
def test_a_situation_on_hosts(row: Row, quad: Quad) -> None:
    plan = str(quad.folder.parent / "plan")
    broken, empty = playbooks(quad)
    verb, *words = (word.replace("PLAN", plan) for word in row.words.split())
    hosts = ["--hosts"] if verb in ("diff", "apply", "status", "unlock") else []
    program = row.program.replace("BROKEN", str(broken)).replace("EMPTY", str(empty))
    with row.so(quad):
        done = quad.center(verb, *words, *hosts, program=program)
    said = done.stdout + done.stderr
    assert (done.returncode, "Traceback" in said) == (row.code, False), said[-3000:]
    assert row.says in said, said[-3000:]
    if "json" in words:
        assert json.loads(done.stdout)["exit_code"] == row.code
    if "junit" in words:
        failures = ElementTree.fromstring(done.stdout).iter("failure")
        assert bool(list(failures)) == (row.code == 1)  # a difference is no failure


HANG = f"""
cat >{BREAK} <<EOF
[Service]
ExecStartPre=+/bin/sh -c "touch /run/reached; exec sleep 600"
TimeoutStartSec=700
EOF
systemctl daemon-reload
"""
CEASE = f"rm -f /run/reached {BREAK}; systemctl daemon-reload; systemctl kill --signal=KILL chrony"


@pytest.mark.hosts
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_run_that_is_ended(number: signal.Signals, code: int, quad: Quad) -> None:
    """In the middle of a change; what follows is one unlock, if it could not give its lock back, and one run."""
    quad.center("apply", "--hosts", *BOTH.split())
    quad.hosts.run(HEAD, ["sh", "-c", HANG])
    with edited(quad):
        # Whoever started these tests may ignore an interrupt; then so would the run.
        process = subprocess.Popen(
            ["env", "--default-signal", *quad.command("apply", "--hosts", *BOTH.split())], cwd=ROOT,
            env=quad.surroundings(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        wait_until(lambda: "reached" in quad.hosts.run(HEAD, ["ls", "/run"]), 120, "the start of the time service")
        process.send_signal(number)
        said, _ = process.communicate(timeout=120)
    assert process.returncode == code, said
    assert "Traceback" not in said
    quad.hosts.run(HEAD, ["sh", "-c", CEASE])
    refused = quad.center("apply", "--hosts", *BOTH.split())
    assert refused.returncode == (1 if number == signal.SIGKILL else 0), refused.stdout + refused.stderr
    if refused.returncode:
        [identity] = {line.split()[-1] for line in refused.stderr.splitlines() if "center unlock" in line}
        assert quad.center("unlock", identity, "--hosts").returncode == 0
    assert quad.center("apply", "--hosts", *BOTH.split()).returncode == 0
    assert quad.center("diff", "--hosts", *BOTH.split()).returncode == 0
