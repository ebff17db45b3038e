"""What a killed controller has begun on a node may still be at work there: who comes next waits for it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from control_plane.processes import wait_until
from tests.test_place_tree import Centre

GUARD = "run/center/guard"


@contextmanager
def at_work(guard: Path) -> Iterator[None]:
    """Somebody changes the node within the block."""
    with guard.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def waiting(guard: Path) -> bool:
    """Whether another process has the guard in its hands."""
    for folder in Path("/proc").glob("[0-9]*/fd"):
        if int(folder.parent.name) != os.getpid():
            with suppress(OSError):
                if any(link.readlink() == guard for link in folder.iterdir()):
                    return True
    return False


@pytest.mark.parametrize("options", [(), ("--check",)])
def test_nobody_writes_or_judges_while_another_one_writes(tmp_path: Path, options: tuple[str, ...]) -> None:
    centre = Centre(tmp_path)
    centre.gives("/etc/demo.conf", "first\n")
    centre.run()
    centre.gives("/etc/demo.conf", "second\n")
    placed, guard = centre.root / "etc/demo.conf", centre.root / GUARD
    with ThreadPoolExecutor(1) as crew:
        with at_work(guard):
            result = crew.submit(centre.run, *options)
            wait_until(lambda: waiting(guard), 100, "the second one at the guard")
            placed.write_text("by the one before\n")
        answer = result.result(100)
    assert "-by the one before\n+second\n" in answer["diff"][0]["prepared"]
    assert placed.read_text() == ("by the one before\n" if options else "second\n")


def test_who_only_looks_leaves_no_guard(tmp_path: Path) -> None:
    centre = Centre(tmp_path)
    centre.gives("/etc/demo.conf", "first\n")
    centre.run("--check")
    assert list(centre.root.iterdir()) == []
