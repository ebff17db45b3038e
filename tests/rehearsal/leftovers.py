"""What a rehearsal left on the machine, looked for where it could be."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from control_plane.processes import state_folder
from tests.rig.cgroups import members
from tests.rig.network import NAMESPACES


def traces(folder: Path, network: str) -> list[str]:
    """Processes, mounts, network namespaces, control groups and records that belong to this rehearsal."""
    names = str(folder), network
    found = [f"process {line}" for line in _commands() if any(name in line for name in names)]
    mounts = Path("/proc/mounts").read_text().splitlines()
    found += [f"mount {line}" for line in mounts if any(name in line for name in names)]
    found += [f"network namespace {network}"] * (NAMESPACES / network).exists()
    found += [f"process {pid} in control group {network}" for pid in sorted(members(network))]
    for record in state_folder().rglob("*"):
        with contextlib.suppress(OSError):
            if network in record.name or (record.suffix == ".json" and any(n in record.read_text() for n in names)):
                found.append(f"record {record}")
    return found


def _commands() -> Iterator[str]:
    """The processes of this machine with their command lines."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield f"{path.parent.name}: {path.read_bytes().replace(bytes(1), b' ').decode(errors='replace')[:1000]}"
