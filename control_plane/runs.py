"""A private folder for one run, in the folder for temporary files; those of killed runs are cleared by the next one."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from control_plane.processes import state_folder, sweep


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder that nobody else may read and that goes with the block.

    Before, processes and folders of runs that were killed are removed: a living run holds a lock in its folder, which
    the kernel gives up when it dies.
    """
    runs = state_folder() / "runs"
    runs.mkdir(mode=0o700, exist_ok=True)
    with _held(runs / "lock", fcntl.LOCK_EX):
        sweep()
        for folder in runs.iterdir():
            if folder.is_dir() and _is_left(folder):
                shutil.rmtree(folder, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=runs))
        alive = (folder / "lock").open("w")
        fcntl.flock(alive, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        alive.close()


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
