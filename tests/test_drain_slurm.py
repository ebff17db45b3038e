"""Nodes of a real Slurm cluster are emptied and given back; what became of them is asked of slurmctld itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from control_plane.processes import wait_until
from generator.apply.hosts.drain_slurm import expanded
from generator.apply.hosts.occupancy import run_of
from tests.obstacles import give_way_to
from tests.rig.base import obstacle
from tests.rig.hosts import LOGIN_USER, TestHosts, make_ssh_key
from tests.rig.network import Network
from tests.rig.packages import PackageRepository
from tests.test_apply_hosts import command_line, end_with_descendants
from tests.trees import HostTree

REPOSITORY = Path(__file__).parents[1]
CONTROLLER, WORKER, NEVER_SEEN, UNKNOWN = "control-a01-1", "train-a01-1", "train-a01-2", "train-a01-9"
BOOTED = {CONTROLLER: "10.16.0.1", WORKER: "10.16.1.1"}
NODES = {**BOOTED, NEVER_SEEN: "10.16.1.2", UNKNOWN: "10.16.1.9"}
RUN, OTHER_RUN = "0a1b2c3d", "ffffffff"
SLURM_CONF = """ClusterName=hpc
SlurmctldHost=control-a01-1(10.16.0.1)
AuthType=auth/munge
SlurmUser=slurm
StateSaveLocation=/var/spool/slurmctld
SlurmdSpoolDir=/var/spool/slurmd
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SchedulerType=sched/builtin
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=1
SlurmdTimeout=3600
NodeName=train-a01-1 NodeAddr=10.16.1.1 CPUs=4 State=UNKNOWN
NodeName=train-a01-2 NodeAddr=10.16.1.2 CPUs=4 State=UNKNOWN
PartitionName=train Nodes=train-a01-[1-2] Default=YES State=UP
PartitionName=also Nodes=train-a01-[1-2] Hidden=YES State=UP
"""
SETUP = """
set -e
export DEBIAN_FRONTEND=noninteractive
rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*.sources
printf '10.16.0.1 control-a01-1\\n10.16.1.1 train-a01-1\\n' >>/etc/hosts
mkdir -p /etc/munge /etc/slurm
printf '%01024d' 7 >/etc/munge/munge.key
apt-get -qq update
apt-get -qq --yes --no-install-recommends install "$@" >/dev/null
chown munge: /etc/munge/munge.key
chmod 600 /etc/munge/munge.key
mkdir -p /var/spool/slurmctld
chown slurm /var/spool/slurmctld
systemctl restart munge "$1"
"""
# The program under test as a process of its own, which can stand in another network and be killed.
DRIVER = """
import json, sys
from pathlib import Path
from generator.apply.hosts.blocks import choose
from generator.apply.hosts.drain import Drains
from generator.apply.hosts.ssh import Connections, SshAccess

tree, user, key, run, clusters, verb, *given = json.load(sys.stdin)
nodes = {node.name: node for node in choose(Path(tree))}
operations = {"pools": {"train": {"clusters": list(clusters)}}, "clusters": clusters}
told = {"progress": lambda message: print(json.dumps(message), flush=True)} if verb == "empty" else {}
with Connections(SshAccess(user, Path(key), 3)) as connections:
    with Drains(connections, operations, nodes, {}, run) as drains:
        print(json.dumps(getattr(drains, verb)(*given, **told)))
"""


@dataclass
class Rig:
    network: Network
    hosts: TestHosts
    key: Path
    tree: Path
    temporary: Path

    def start(
        self, verb: str, *given: Any, run: str = RUN, controllers: Sequence[str] = (CONTROLLER,)
    ) -> subprocess.Popen[str]:
        clusters = {"hpc": {"kind": "slurm", "controllers": list(controllers)}}
        words = [str(self.tree), LOGIN_USER, str(self.key), run, clusters, verb, *given]
        process = subprocess.Popen(
            self.network.command([sys.executable, "-c", DRIVER]),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY,
            env={**os.environ, "TMPDIR": str(self.temporary)},
        )  # fmt: skip
        assert process.stdin
        process.stdin.write(json.dumps(words))
        process.stdin.close()
        process.stdin = None  # so that communicate() does not flush it
        return process

    def ask(self, verb: str, *given: Any, **options: Any) -> dict[str, str]:
        """What the program answers; what it says meanwhile is left out."""
        process = self.start(verb, *given, **options)
        assert process.stdout
        answers = [json.loads(line) for line in process.stdout]
        assert process.wait() == 0
        answer: dict[str, str] = answers[-1]
        return answer

    def slurm(self, *words: str) -> str:
        return self.hosts.run(CONTROLLER, words).strip()

    def node(self, name: str) -> tuple[str, str]:
        """State and reason, by scontrol, which the program uses for changes only."""
        shown = self.slurm("scontrol", "show", "node", name)
        fields = [line.strip() for line in shown.splitlines()]
        state = next(word for line in fields for word in line.split() if word.startswith("State="))
        reason = next((line for line in fields if line.startswith("Reason=")), "Reason=")
        state = state.removeprefix("State=").removesuffix("+NOT_RESPONDING")
        return state, reason.removeprefix("Reason=").partition(" [")[0]

    def submit(self) -> str:
        job = self.slurm("sbatch", "--parsable", "--ntasks=1", "--output=/dev/null", "--wrap=sleep 900")
        wait_until(lambda: self.job(job) == "RUNNING", 60, f"start of job {job}")
        return job

    def job(self, number: str) -> str:
        shown = self.slurm("scontrol", "show", "job", number, "--oneliner")
        return next(word for word in shown.split() if word.startswith("JobState=")).removeprefix("JobState=")

    def is_idle(self) -> bool:
        return self.node(WORKER)[0] == "IDLE"


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    give_way_to(obstacle())
    folder = tmp_path_factory.mktemp("slurm")
    authority, key = make_ssh_key(folder / "authority"), make_ssh_key(folder / "login")
    tree = HostTree(folder / "generated", NODES, {"role_control": [CONTROLLER]})
    tree.trusts(authority.with_name("authority.pub").read_text())
    addresses = {name: f"{address}/16" for name, address in BOOTED.items()}
    with (
        Network("10.16.255.254/16") as network,
        PackageRepository(network) as repository,
        TestHosts(network, addresses, ssh_authority=authority, login_key=key) as hosts,
        tempfile.TemporaryDirectory() as temporary,
    ):
        source = f"{repository.url} {repository.suite} {repository.component}\n"
        files = {
            "/etc/apt/sources.list.d/test.list": f"deb [signed-by=/etc/apt/keyrings/test.asc] {source}",
            "/etc/apt/keyrings/test.asc": repository.signing_key.read_text(),
            "/etc/slurm/slurm.conf": SLURM_CONF,
        }
        for name, daemon in ((CONTROLLER, "slurmctld"), (WORKER, "slurmd")):
            for path, text in files.items():
                hosts.run(name, ["sh", "-c", 'mkdir -p "${0%/*}" && cat >"$0"', path], given=text)
            client = ["slurm-client"] if name == CONTROLLER else []
            hosts.run(name, ["sh", "-c", SETUP, "sh", daemon, "munge", *client])
        yield Rig(network, hosts, key, tree.folder, Path(temporary))
        # SSH keeps a killed run's connections open for the next; their processes belong to nobody by then.
        for process in Path("/proc").glob("[0-9]*"):
            if f"{temporary}/".encode() in command_line(int(process.name)):
                end_with_descendants(int(process.name))


@pytest.fixture
def rig(booted: Rig) -> Rig:
    """The cluster with its worker idle, no job, and the other node as if it were never there."""
    booted.hosts.run(CONTROLLER, ["systemctl", "start", "slurmctld"])
    wait_until(lambda: "UP" in booted.slurm("scontrol", "ping"), 60, "slurmctld", ignoring=(RuntimeError,))
    booted.slurm("scancel", "--user=root")
    if "DRAIN" in booted.node(WORKER)[0]:
        booted.slurm("scontrol", "update", f"NodeName={WORKER}", "State=RESUME")
    # Slurm takes a node that goes back into service for silent until it says something, as it does at its start.
    booted.hosts.run(WORKER, ["systemctl", "restart", "slurmd"])
    wait_until(booted.is_idle, 60, "the worker to be idle")
    return booted


@pytest.mark.hosts
def test_an_idle_node_is_drained_with_our_mark_and_given_back(rig: Rig) -> None:
    assert rig.ask("empty", [WORKER, NEVER_SEEN, UNKNOWN, CONTROLLER], 0) == {}
    assert rig.node(WORKER) == ("IDLE+DRAIN", f"center {RUN}")

    assert rig.ask("left_behind") == {WORKER: RUN, NEVER_SEEN: RUN}
    assert rig.ask("give_back", [WORKER, NEVER_SEEN, UNKNOWN]) == {}
    wait_until(rig.is_idle, 30, "the worker to be idle")
    assert rig.ask("left_behind") == {}


@pytest.mark.hosts
def test_a_busy_node_is_named_and_not_disturbed_by_who_cannot_wait(rig: Rig) -> None:
    jobs = [rig.submit(), rig.submit()]
    assert rig.ask("empty", [WORKER, NEVER_SEEN], 0) == {WORKER: f"2 jobs run there: {', '.join(jobs)}"}
    assert rig.node(WORKER) == ("MIXED", "")
    assert [rig.job(job) for job in jobs] == ["RUNNING", "RUNNING"]
    assert rig.ask("left_behind") == {NEVER_SEEN: RUN}
    assert rig.ask("give_back", [WORKER, NEVER_SEEN], run=OTHER_RUN) == {}


@pytest.mark.hosts
def test_jobs_end_only_when_all_of_them_may(rig: Rig) -> None:
    jobs = [rig.submit(), rig.submit()]
    assert rig.ask("empty", [WORKER], 1, 1) == {WORKER: f"2 jobs run there: {', '.join(jobs)}"}
    assert rig.node(WORKER) == ("MIXED", "")
    assert [rig.job(job) for job in jobs] == ["RUNNING", "RUNNING"]

    assert rig.ask("empty", [WORKER], 0, 2) == {}
    assert rig.node(WORKER) == ("IDLE+DRAIN", f"center {RUN}")
    assert [rig.job(job) for job in jobs] == ["CANCELLED", "CANCELLED"]


@pytest.mark.hosts
def test_a_job_that_ends_by_itself_is_waited_for_and_none_follows_it(rig: Rig) -> None:
    job = rig.submit()
    waiting = rig.start("empty", [WORKER], 300)
    assert waiting.stdout
    assert json.loads(waiting.stdout.readline()) == f"{WORKER}: drained; 1 job runs there: {job}"
    late = rig.slurm("sbatch", "--parsable", f"--nodelist={WORKER}", "--output=/dev/null", "--wrap=true")
    rig.slurm("scancel", job)
    output, _ = waiting.communicate(timeout=120)
    assert [json.loads(line) for line in output.splitlines()] == [f"{WORKER}: empty", {}]
    assert rig.job(late) == "PENDING"


@pytest.mark.hosts
def test_what_a_person_drained_counts_as_empty_and_stays_drained(rig: Rig) -> None:
    job = rig.submit()
    rig.slurm("scontrol", "update", f"NodeName={WORKER}", "State=DRAIN", "Reason=center | maintenance")
    assert rig.ask("empty", [WORKER], 0) == {WORKER: f"1 job runs there: {job}"}
    rig.slurm("scancel", job)
    wait_until(lambda: rig.node(WORKER)[0] == "IDLE+DRAIN", 60, "the end of the job")
    assert rig.ask("empty", [WORKER], 60) == {}
    assert rig.ask("left_behind") == {}
    assert rig.ask("give_back", [WORKER]) == {}
    assert rig.node(WORKER) == ("IDLE+DRAIN", "center | maintenance")


@pytest.mark.hosts
def test_of_nodes_that_are_down_only_silent_ones_are_ours_to_drain(rig: Rig) -> None:
    for reason, state in (("Not responding", "DOWN+DRAIN"), ("bad memory", "DOWN")):
        rig.slurm("scontrol", "update", f"NodeName={NEVER_SEEN}", "State=DOWN", f"Reason={reason}")
        assert rig.ask("empty", [NEVER_SEEN], 0) == {}
        marked = f"center {RUN}" if "DRAIN" in state else reason
        assert rig.node(NEVER_SEEN) == (state, marked)
        assert rig.ask("give_back", [NEVER_SEEN]) == {}
    assert rig.node(NEVER_SEEN) == ("DOWN", "bad memory")
    rig.slurm("scontrol", "update", f"NodeName={NEVER_SEEN}", "State=RESUME")


@pytest.mark.hosts
def test_what_a_killed_run_drained_is_found_and_given_back_by_the_next(rig: Rig) -> None:
    rig.submit()
    running = rig.start("empty", [WORKER], 600)
    wait_until(lambda: "DRAIN" in rig.node(WORKER)[0], 60, "the drain")
    os.kill(running.pid, signal.SIGKILL)
    running.wait()

    assert rig.ask("left_behind", run=OTHER_RUN) == {WORKER: RUN}
    assert rig.ask("give_back", [WORKER], run=OTHER_RUN) == {}
    assert rig.node(WORKER) == ("MIXED", "")


@pytest.mark.hosts
def test_without_an_answer_of_slurm_nothing_is_empty(rig: Rig) -> None:
    rig.hosts.run(CONTROLLER, ["systemctl", "stop", "slurmctld"])
    reason = rig.ask("empty", [WORKER], 0, controllers=(NEVER_SEEN, CONTROLLER))[WORKER]
    assert reason.startswith(f"no controller of cluster hpc answers ({NEVER_SEEN}: ssh: ")
    assert f"; {CONTROLLER}: " in reason
    assert "Unable to contact slurm controller" in reason
    # One of them has no Slurm yet, but nobody knows of the other.
    assert WORKER in rig.ask("empty", [WORKER], 0, controllers=(WORKER, NEVER_SEEN))


@pytest.mark.hosts
def test_where_slurm_is_not_installed_yet_no_job_can_run(rig: Rig) -> None:
    assert rig.ask("empty", [NEVER_SEEN], 0, controllers=[WORKER]) == {}


@pytest.mark.hosts
def test_lists_of_nodes_are_read_as_slurm_reads_them(rig: Rig) -> None:
    lists = ("a", "a,b-1", "train-a01-[1-3,7],io-1", "a[1-2]b[08-11]", "x[5],y[009-011]", "a[01-02]-[1-2,9]")
    read = partial(rig.slurm, "scontrol", "show", "hostnames")
    assert [list(expanded(text)) for text in lists] == [read(text).splitlines() for text in lists]


def test_only_the_id_of_a_run_makes_a_mark() -> None:
    assert run_of("center 0a1b2c3d", "center ") == "0a1b2c3d"
    assert run_of("center root@admin/17/0a1b2c3d", "center ") == "root@admin/17/0a1b2c3d"
    for words in ("center maintenance", "0a1b2c3d", "center 0a1b2c3d until noon", "center 0A1B2C3D", None):
        assert run_of(words, "center ") == ""
