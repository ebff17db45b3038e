"""What a rehearsal left on the machine, looked for where it could be."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from tests.rig.cgroups import members
from tests.rig.network import NAMESPACES
from tests.rig.processes import state_folder


def traces(folder: Path, network: str | None = None) -> list[str]:
    """Processes, mounts, network namespaces, control groups and records that belong to this rehearsal."""
    names = [str(folder), *([network] if network else [])]
    found = [f"process {pid}: {command[:120]}" for pid, command in _commands() if any(n in command for n in names)]
    found += [f"mount {line}" for line in Path("/proc/mounts").read_text().splitlines() if any(n in line for n in names)]
    found += [f"record of process {path.stem}" for path in _records()]
    if network:
        found += [f"network namespace {network}"] * (NAMESPACES / network).exists()
        found += [f"process {pid} in control group {network}" for pid in sorted(members(network))]
        found += [f"file {path}" for path in (state_folder() / "rigs").glob(f"{network}*")]
    return found


def _commands() -> list[tuple[int, str]]:
    """The command lines of all processes but this one, which was started with names of its own."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append((int(path.parent.name), path.read_bytes().replace(b"\0", b" ").decode(errors="replace")))
    return [(pid, command) for pid, command in found if pid != os.getpid()]


def _records() -> list[Path]:
    """Notes of the rig on processes that this one started and did not end."""
    found = []
    for path in (state_folder() / "processes").glob("*.json"):
        with contextlib.suppress(OSError, json.JSONDecodeError):
            if json.loads(path.read_text())["owner"]["pid"] == os.getpid():
                found.append(path)
    return found
