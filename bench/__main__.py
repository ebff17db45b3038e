"""`make bench`: the budgets as a table of measured over allowed; below 1 is within the budget."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.centers import SSH_AUTHORITY, center

CENTER = Path(sys.executable).with_name("center")
RUNS = 3


@dataclass(frozen=True, slots=True)
class Measure:
    """The best of a few runs of a process: seconds of wall clock and MiB of memory at its peak."""

    seconds: float
    memory: float


def measure(command: list[str | Path], runs: int = RUNS) -> Measure:
    """Run a command a few times; the best run is the one that other work on the machine disturbed least."""
    found = []
    for _ in range(runs):
        start = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert process.stderr is not None
        complaint = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{command}: exit code {process.returncode}\n{complaint.decode()[:1000]}")
        found.append(Measure(time.monotonic() - start, usage.ru_maxrss / 1024))
    return min(found, key=lambda run: run.seconds)


def make(folder: Path, nodes: int, tenants: int = 3) -> Path:
    """A centre of so many nodes in a folder of its own."""
    place = folder / f"center-{nodes}-{tenants}"
    place.mkdir()
    (place / "center.yaml").write_text(center(nodes, tenants), "utf-8")
    (place / "ssh_ca.pub").write_bytes(SSH_AUTHORITY.read_bytes())
    return place


def show(what: str, measured: float, allowed: float, unit: str) -> None:
    print(f"{what:<58} {measured:>9.2f} {unit:<4} {allowed:>8.2f} {measured / allowed:>7.2f}")


def main() -> None:
    """Measure everything that needs no test hosts and no cluster."""
    print(f"{'budget':<58} {'measured':>9} {'':<4} {'allowed':>8} {'ratio':>7}")
    with tempfile.TemporaryDirectory(prefix="center-bench-") as name:
        folder = Path(name)
        long = make(folder, 1000, 820)
        size = (long / "center.yaml").stat().st_size / 1024
        found = measure([CENTER, "-q", "validate", long])
        show(f"validate, spec of {size:.0f} KB", found.seconds, 0.5, "s")
        show(f"validate, spec of {size:.0f} KB, memory", found.memory, 80, "MiB")

        for nodes, seconds, memory in ((1_000, 0.6, None), (100_000, 3.0, 150)):
            place = make(folder, nodes)
            tree = place / "generated"
            found = measure([CENTER, "-q", "render", place], runs=1)
            show(f"render {nodes:,} nodes, all outputs", found.seconds, seconds, "s")
            if memory:
                show(f"render {nodes:,} nodes, memory", found.memory, memory, "MiB")
            before = {path: path.stat().st_mtime_ns for path in tree.rglob("*") if path.is_file()}
            again = measure([CENTER, "-q", "render", place], runs=1)
            written = sum(path.stat().st_mtime_ns != when for path, when in before.items())
            print(f"{'  rendered again: files written':<58} {written:>9} {'':<4} {0:>8}   ({again.seconds:.2f} s)")

        small, large = (measure([CENTER, "-q", "render", make(folder, nodes)], runs=1) for nodes in (5_000, 20_000))
        show("time(20,000 nodes) / time(5,000 nodes)", large.seconds / small.seconds, 5, "")

        inventory = folder / "center-100000-3" / "generated" / "hosts" / "hall-1" / "inventory.json"
        environment = Path(sys.executable).with_name("ansible")
        found = measure([environment, "all", "--list-hosts", "-i", inventory])
        show("ansible all --list-hosts, block of 1,024", found.seconds, 1.5, "s")


main()
