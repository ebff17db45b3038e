"""Whoever asks a run to end is heard once; asking again does not break into what puts things in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
BETWEEN = """
import sys, time
from pathlib import Path
from generator.apply.hosts.interruption import Interruption, interruptible
from generator.apply.hosts.ssh import bounded

def work():
    try:
        WORK
    finally:
        print("puts in order", flush=True)
        answer = bounded(["cat", sys.argv[1]], b"", 60, 100)
        print(answer.output, end="", flush=True)

try:
    with interruptible():
        work()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
WAITING = "print('at work', flush=True); time.sleep(60)"
WATCHING = f"""with Interruption(Path()).watching():
            {WAITING.replace("time.sleep(60)", "sys.stdin.readline()")}"""


@pytest.mark.parametrize("work", [WAITING, WATCHING], ids=["waiting", "watching"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_impatience_breaks_into_nothing(work: str, number: signal.Signals, tmp_path: Path) -> None:
    """As a terminal does it, which asks all that is in the foreground."""
    order = tmp_path / "order"
    os.mkfifo(order)
    process = subprocess.Popen(
        ["env", "--default-signal", sys.executable, "-c", BETWEEN.replace("WORK", work), str(order)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, process_group=0,
    )  # fmt: skip
    assert process.stdin and process.stdout
    with process:
        assert process.stdout.readline() == "at work\n"
        os.killpg(process.pid, number)
        if work is WATCHING:
            process.stdin.write("the end of what watches\n")
            process.stdin.flush()
        assert process.stdout.readline() == "puts in order\n"
        with order.open("w") as command:  # which runs by then
            for again in (number, signal.SIGTERM, signal.SIGINT):
                os.killpg(process.pid, again)
            command.write("in order\n")
        assert process.stdout.read() == "in order\ninterrupted\n"
    assert process.returncode == 0


AMONG_HOSTS = """
import sys
from pathlib import Path
from generator.apply.hosts.interruption import interruptible
from generator.apply.hosts.ssh import Connections, SshAccess, bounded

def knock(host):
    print(host, flush=True)
    # As a shared connection does, something keeps what is said open after whoever was started has ended.
    return bounded(["sh", "-c", f"cat {sys.argv[1]} & wait"], b"", 600, 100)

try:
    with interruptible(), Connections(SshAccess("root", None, 3)) as connections:
        connections.for_each(knock, list("abcdefghijklmnopqrstuvwxyz"))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_whoever_interrupts_does_not_wait_for_hosts(tmp_path: Path) -> None:
    endless = tmp_path / "endless"
    os.mkfifo(endless)
    held = os.open(endless, os.O_RDWR)
    process = subprocess.Popen(
        ["env", "--default-signal", sys.executable, "-c", AMONG_HOSTS, str(endless)],
        stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, process_group=0,
    )  # fmt: skip
    assert process.stdout
    with process:
        assert process.stdout.readline() != ""
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.read().endswith("interrupted\n")
    os.close(held)
    assert process.returncode == 0
