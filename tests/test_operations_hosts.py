"""What the operator's page promises, tried on booted hosts: plans, a dead controller, a rollback, another machine."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from control_plane.processes import wait_until
from tests.obstacles import give_way_to
from tests.rehearsal import starter
from tests.rehearsal.centre import COMMAND, Answer
from tests.rehearsal.hosts import Site, deeds, state
from tests.rehearsal.starter import CONTROL, FIRST, TIME_FILE, TIME_UNIT
from tests.rig.base import obstacle
from tests.rig.hosts import make_ssh_key

pytestmark = pytest.mark.hosts
NTP = r"^  ntp: \[.*\]$"


class Small(Site):
    """A control node and a worker of starter, without accelerators to install."""

    sample = "starter"
    nodes = {name: starter.NODES[name] for name in (CONTROL, FIRST)}
    addresses = ("10.16.0.1/16",)
    volumes = starter.Site.volumes
    packages = starter.Site.packages

    def center(self, verb: str, *words: str | Path, exits: int = 0) -> Answer:
        options = () if verb == "trust" else ("--hosts", "--ssh-key", self.key)
        return self.centre.run(verb, *words, *options, exits=exits, within=self.network)

    def groups(self, name: str) -> list[str]:
        return starter.groups_with_files(self.centre, name)

    def has_time_servers(self, text: str) -> None:
        """Change one line of the spec and render it."""
        self.centre.edit(NTP, f"  ntp: [{text}]")
        self.centre.run("render")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    give_way_to(obstacle())
    with Small(tmp_path_factory.mktemp("day")) as made:
        made.prepare()
        made.centre.edit(r"^  repositories: .*$", f'  mirror: {{url: "{made.mirror.url}", key: "path:mirror.asc"}}')
        made.centre.edit("server: generic-1u", "server: simulated-host")
        made.centre.edit(
            "server: generic-8-gpu, accelerator: [a-z0-9-]+", "server: simulated-host, accelerator: simulated-8"
        )
        made.centre.edit("train: 3}", "train: 1}")
        made.centre.edit("train: 16 accelerators", "train: 8 accelerators")
        (made.centre.folder / "mirror.asc").write_bytes(made.mirror.signing_key.read_bytes())
        (made.centre.folder / "ssh_ca.pub").write_bytes(made.authority.with_name("authority.pub").read_bytes())
        made.centre.run("render")
        made.boot()
        made.center("apply")
        yield made


def changes_of_time(*names: str) -> set[str]:
    return {f"{name}: {deed}" for name in names for deed in (f"update {TIME_FILE}", f"restart {TIME_UNIT}")}


def test_a_plan_does_what_was_reviewed_once_and_nothing_after_that(site: Small, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    site.has_time_servers("10.16.0.1, 10.16.0.2")
    site.center("diff", "--save", plan, exits=2)
    site.hosts.run(FIRST, ["sh", "-c", f"echo '# by hand' >>{TIME_FILE}"])
    refused = site.center("apply", "--plan", plan, exits=1)
    assert f"plan.stale]: since the plan was made, something has changed on {FIRST}" in refused.remarks
    site.center("diff", "--save", plan, exits=2)
    assert deeds(site.center("apply", "--plan", plan)) == changes_of_time(*site.nodes)
    assert "plan.stale" in site.center("apply", "--plan", plan, exits=1).remarks
    site.center("status")


def test_what_was_reverted_is_as_it_was(site: Small) -> None:
    site.has_time_servers("10.16.0.1")
    site.center("apply")
    before = state(site)
    site.has_time_servers("10.16.0.9")
    site.center("apply")
    site.has_time_servers("10.16.0.1")
    assert deeds(site.center("apply")) == changes_of_time(*site.nodes)
    after = state(site)
    unchanged = {key for key in before if getattr(before[key], "digest", "") == getattr(after.get(key), "digest", "")}
    assert unchanged == before.keys() == after.keys()


def test_the_controller_dies_and_another_run_completes_its_work(site: Small) -> None:
    site.has_time_servers("10.16.0.7")
    controller = started(site)
    wait_until(lambda: _locks(site), 60, "the lock of a run")
    # The first host has its file; the others are still to come.
    wait_until(lambda: "10.16.0.7" in site.hosts.run(CONTROL, ["cat", TIME_FILE]), 180, "a run at work")
    for pid in [controller.pid, *_descendants(controller.pid)]:
        os.kill(pid, signal.SIGKILL)
    controller.wait()

    refused = site.center("apply", exits=1)
    assert "hosts.locked" in refused.remarks and f"/{controller.pid}" in refused.remarks
    [command] = re.findall(r"center unlock ([0-9a-f]{8})", refused.remarks)
    told = site.center("status", exits=2).output
    assert "a run writes to the hosts: " in told and command in told
    assert f"the lock {command} is gone" in site.center("unlock", command).output
    told = site.center("status", exits=2).output
    assert f"the run {command} of" in told and "never ended: center apply completes its work" in told
    site.center("apply")
    for name in site.nodes:
        assert "10.16.0.7" in site.hosts.run(name, ["chronyc", "-n", "sources"])
    assert "never ended" not in site.center("status").output


def test_another_machine_under_the_same_name_is_nobody_until_its_key_is_known(site: Small, tmp_path: Path) -> None:
    key = "/etc/ssh/ssh_host_ed25519_key"
    site.hosts.run(FIRST, ["sh", "-c", f"rm {key}*; ssh-keygen -q -t ed25519 -N '' -f {key}; systemctl restart ssh"])
    assert "offers a key that the authority did not sign" in site.center("trust", exits=1).output
    told = site.center("diff", exits=1).output
    assert f"did not answer: {FIRST} (Host key verification failed.)" in told
    # Whoever signs does it elsewhere; here a second authority, which takes over from the first.
    authority = make_ssh_key(tmp_path / "next")
    (tmp_path / "host.pub").write_text(site.hosts.run(FIRST, ["cat", f"{key}.pub"]))
    sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", FIRST, "-h", "-n", FIRST, str(tmp_path / "host.pub")]
    subprocess.run(sign, check=True)
    site.hosts.run(FIRST, ["sh", "-c", f"cat >{key}-cert.pub"], (tmp_path / "host-cert.pub").read_text())
    site.hosts.run(FIRST, ["systemctl", "restart", "ssh"])
    with (site.centre.folder / "ssh_ca.pub").open("a") as file:
        file.write(authority.with_name("next.pub").read_text())
    site.centre.run("render")
    assert "2 nodes: 2 fine" in site.center("trust").output
    site.center("apply")
    site.center("status")


def started(site: Small) -> subprocess.Popen[bytes]:
    """A run of apply of its own, to be killed."""
    words = [str(COMMAND), "apply", str(site.centre.folder), "--hosts", "--ssh-key", str(site.key)]
    return subprocess.Popen(
        site.network.command(words), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _locks(site: Small) -> list[str]:
    return site.hosts.run(CONTROL, ["sh", "-c", "ls /var/lib/center/locks/*.whole 2>/dev/null || true"]).split()


def _descendants(pid: int) -> list[int]:
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return children + [one for child in children for one in _descendants(child)]
