"""A control group of its own for each host, in every hierarchy of this machine."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from control_plane.processes import wait_until

ROOT = Path("/sys/fs/cgroup")


def _hierarchies() -> list[Path]:
    # One unified tree (version 2), or a folder for each controller (version 1), some under two names.
    if (ROOT / "cgroup.procs").exists():
        return [ROOT]
    return sorted({path.parent.resolve() for path in ROOT.glob("*/cgroup.procs")})


def create(name: str) -> list[Path]:
    """Make the control group `name` (may hold slashes); return the files that take the process ids of its members."""
    entrances = []
    for hierarchy in _hierarchies():
        group = hierarchy
        for part in Path(name).parts:
            group /= part
            if not group.exists():
                group.mkdir()
                _inherit_cpus(group)
        entrances.append(group / "cgroup.procs")
    return entrances


def _inherit_cpus(group: Path) -> None:
    # A new cpuset of version 1 is empty and lets nobody in.
    if (group / "cgroup.clone_children").exists() and (group / "cpuset.cpus").exists():
        for setting in ("cpuset.cpus", "cpuset.mems"):
            (group / setting).write_text((group.parent / setting).read_text())
        (group / "cgroup.clone_children").write_text("1")


def _groups(name: str) -> Iterator[Path]:
    """Yield the control group and what is below it in every hierarchy, innermost first."""
    for hierarchy in _hierarchies():
        for folder, _, _ in os.walk(hierarchy / name, topdown=False):
            yield Path(folder)


def members(name: str) -> set[int]:
    """Return the ids of the processes in the control group and below it."""
    found: set[int] = set()
    for group in _groups(name):
        # It may go away between listing and reading.
        with contextlib.suppress(OSError):
            found.update(int(pid) for pid in (group / "cgroup.procs").read_text().split())
    return found


def kill_members(name: str) -> None:
    """Kill every process in the control group and wait until the last one is gone."""

    def empty() -> bool:
        remaining = members(name)
        for pid in remaining:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not remaining

    wait_until(empty, 30, f"end of all processes of {name}")


def remove(name: str) -> None:
    """Kill every process in the control group, then remove it."""

    def removed() -> bool:
        for group in list(_groups(name)):
            group.rmdir()
        return True

    kill_members(name)
    # A group stays busy for a moment after its last process.
    wait_until(removed, 10, f"removal of control group {name}")
