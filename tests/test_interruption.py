"""Whoever asks a run to end is heard once; asking again does not break into what puts things in order."""

from __future__ import annotations

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

def work():
    try:
        WORK
    finally:
        print("puts in order", flush=True)
        sys.stdin.readline()
        print("in order", flush=True)

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
def test_impatience_breaks_into_nothing(work: str, number: signal.Signals) -> None:
    process = subprocess.Popen(
        ["env", "--default-signal", sys.executable, "-c", BETWEEN.replace("WORK", work)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY,
    )  # fmt: skip
    assert process.stdin and process.stdout
    with process:
        assert process.stdout.readline() == "at work\n"
        process.send_signal(number)
        if work is WATCHING:
            process.stdin.write("the end of what watches\n")
            process.stdin.flush()
        assert process.stdout.readline() == "puts in order\n"
        for again in (number, signal.SIGTERM, signal.SIGINT):
            process.send_signal(again)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.read() == "in order\ninterrupted\n"
    assert process.returncode == 0
