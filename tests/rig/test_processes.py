"""Programs started for a test are ready when they answer, fail with their own words and never outlive the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from control_plane.processes import Identity, Process, ProcessError, answers, free_port, wait_until

REPOSITORY = Path(__file__).parents[2]
# A run that starts a program with a child of its own, tells their ids and is killed before it can clean up.
KILLED_RUN = """
import os, signal
from pathlib import Path
from control_plane.processes import Process
process = Process(["sh", "-c", "sleep 600 & echo $!; wait"], log=Path("killed.log"))
process.wait_ready(process.tail)
print(process.pid, process.tail(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
# A later run, which starts a program of its own, sweeps and tells what became of that program.
LATER_RUN = """
from pathlib import Path
from control_plane import processes
with processes.Process(["sleep", "600"], log=Path("later.log")) as own:
    processes.sweep()
    print("kept" if own.running() else "swept")
"""


def run_apart(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script whose records of processes are not those of any real run."""
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", script]
    return subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=False, timeout=60
    )


def test_server_is_ready_when_it_answers(tmp_path: Path) -> None:
    port = free_port()
    server = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    with Process(server, log=tmp_path / "log", name="web") as process:
        process.wait_ready(lambda: answers(port))
        assert process.resident_bytes() > 1_000_000
    with pytest.raises(ConnectionRefusedError):
        answers(port)


def test_early_end_shows_the_log(tmp_path: Path) -> None:
    with Process(["sh", "-c", "echo no licence; exit 3"], log=tmp_path / "log") as process:
        with pytest.raises(ProcessError, match="ended before it was ready\nno licence"):
            process.wait_ready(lambda: False)
        assert process.end() == 3


def test_late_program_shows_the_log(tmp_path: Path) -> None:
    with (
        Process(["sh", "-c", "echo thinking; sleep 600"], log=tmp_path / "log") as process,
        pytest.raises(ProcessError, match="not within 1 s\nthinking"),
    ):
        process.wait_ready(lambda: False, deadline=1)


def test_deaf_program_and_its_child_end(tmp_path: Path) -> None:
    script = "trap '' TERM; sleep 600 & echo $!; while :; do sleep 0.1; done"
    with Process(["sh", "-c", script], log=tmp_path / "log") as process:
        child = Identity.of(int(process.wait_ready(process.tail)))
        assert process.end(patience=0.5) == -signal.SIGKILL
        wait_until(lambda: not child.alive(), 10, "child ended")


def test_leftovers_of_a_killed_run_are_swept(tmp_path: Path) -> None:
    killed = run_apart(KILLED_RUN, tmp_path)
    assert killed.returncode == -signal.SIGKILL
    leftovers = [Identity.of(int(pid)) for pid in killed.stdout.split()]
    assert len(leftovers) == 2
    assert run_apart(LATER_RUN, tmp_path).stdout == "kept\n"
    wait_until(lambda: not any(process.alive() for process in leftovers), 10, "leftovers ended")


def test_reused_process_id_is_somebody_else() -> None:
    me = Identity.of(os.getpid())
    assert me.alive()
    assert not Identity(me.pid, me.started - 1, me.boot).alive()
    assert not Identity(me.pid, me.started, "an earlier boot").alive()


@pytest.mark.hosts
def test_program_runs_in_a_network_namespace(tmp_path: Path) -> None:
    name = f"rig-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        with Process(["ip", "-o", "link"], log=tmp_path / "log", netns=name) as process:
            wait_until(lambda: not process.running(), 10, "answer")
            [interface] = process.tail().splitlines()
            assert interface.startswith("1: lo:")
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)
