"""A private folder for one run, in the folder for temporary files; those of killed runs are cleared by the next one."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from control_plane.processes import state_folder, sweep, undisturbed, wait_until

MARK = "CENTER_RUN"
"""Variable in the environment of what a run starts: a folder of that run."""
_ENDING_SECONDS = 30.0


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder that nobody else may read and that goes with the block, as does what was started with it as its mark.

    Before, processes and folders of runs that were killed are removed: a living run holds a lock in its folder, which
    the kernel gives up when it dies.
    """
    runs = state_folder() / "runs"
    runs.mkdir(mode=0o700, exist_ok=True)
    with _held(runs / "lock", fcntl.LOCK_EX):
        sweep()
        for left in filter(_is_left, runs.glob("run-*")):
            _clear(left)
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=runs))
        alive = (folder / "lock").open("w")
        fcntl.flock(alive, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        with undisturbed():
            _clear(folder)
        alive.close()


def _clear(folder: Path) -> None:
    wait_until(lambda: not _kill_marked(folder), _ENDING_SECONDS, f"end of what runs in {folder}")
    shutil.rmtree(folder, ignore_errors=True)


def _kill_marked(folder: Path) -> int:
    """Kill every process that was started for this folder; how many there were."""
    mark, found = f"{MARK}={folder}".encode(), 0
    for entry in Path("/proc").glob("[0-9]*"):
        # One that ends meanwhile, or that is somebody else's, is none of ours.
        with suppress(OSError):
            # Opened before the look: a later process with the same id cannot be meant.
            process = os.pidfd_open(int(entry.name))
            try:
                if any(each.startswith(mark) for each in (entry / "environ").read_bytes().split(b"\0")):
                    signal.pidfd_send_signal(process, signal.SIGKILL)
                    found += 1
            finally:
                os.close(process)
    return found


def _is_left(folder: Path) -> bool:
    """Whether no living run holds the folder; one without a lock died before it had any."""
    with suppress(FileNotFoundError, BlockingIOError), _held(folder / "lock", fcntl.LOCK_EX | fcntl.LOCK_NB, "r+"):
        return True
    return not (folder / "lock").exists()


@contextmanager
def _held(path: Path, how: int, mode: str = "w") -> Iterator[None]:
    with path.open(mode) as file:
        fcntl.flock(file, how)
        yield
