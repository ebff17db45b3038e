"""`python -m bench.hosts`: what it costs to apply to eight hosts, first, again with nothing to do, and after one edit.

The hosts share the processors with the controller, so seconds of wall clock are of both; seconds of processor are the
controller's alone: of `center` and of all that it starts and waits for.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.quad import HEAD, ROOT, Quad, booted

WORKERS = 6
BLOCK, CENTRE = 1_024, 100_000
AT_ONCE = 32
# The program itself, and beside it a count of what Ansible did for it.
COUNTING = """
import atexit, json, os
from generator.apply.hosts import ansible
from generator.cli import main

counts = {"runs": 0, "tasks": 0, "changed": 0}
execute, take = ansible.Run.execute, ansible.Run._take

def counted_run(self):
    counts["runs"] += 1
    return execute(self)

def counted_task(self, event):
    if event.get("event") in ("runner_on_ok", "runner_on_failed"):
        counts["tasks"] += 1
        counts["changed"] += bool((event.get("event_data", {}).get("res") or {}).get("changed"))
    return take(self, event)

ansible.Run.execute, ansible.Run._take = counted_run, counted_task
atexit.register(lambda: open(os.environ["COUNTS"], "w").write(json.dumps(counts)))
main()
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took; `processor` is the controller's, `runs` and `tasks` are Ansible's."""

    hosts: int
    seconds: float
    processor: float
    runs: int
    tasks: int
    changed: int


def apply(quad: Quad, verb: str = "apply", limit: Sequence[str] = ()) -> Cost:
    """Run a verb for these hosts, or for all; SystemExit when it fails."""
    notes = quad.folder.parent / "counts"
    notes.write_text("{}")
    words = ["--hosts", "--format", "json", *(word for name in limit for word in ("--limit", name))]
    began = time.monotonic()
    with (quad.folder.parent / "said").open("w+") as said:
        process = subprocess.Popen(
            quad.command(verb, *words, program=COUNTING), cwd=ROOT, env=quad.surroundings({"COUNTS": str(notes)}),
            stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        said.seek(0)
        if process.returncode not in (0, 2):
            raise SystemExit(f"center {verb} ended with {process.returncode}\n{said.read()[-3000:]}")
    counts = {"runs": 0, "tasks": 0, "changed": 0, **json.loads(notes.read_text())}
    hosts = len(limit) or len(quad.hosts.addresses)
    return Cost(hosts, seconds, usage.ru_utime + usage.ru_stime, counts["runs"], counts["tasks"], counts["changed"])


def show(what: str, cost: Cost) -> None:
    figures = (cost.seconds / cost.hosts, cost.processor / cost.hosts)
    print(
        f"{what:<40} {cost.hosts:>5} {cost.runs:>5} {cost.tasks / cost.hosts:>10.1f} {cost.changed / cost.hosts:>8.1f}"
        f" {cost.seconds:>8.1f} {figures[0]:>8.2f} {figures[1]:>10.2f}"
    )


def extrapolate(one: Cost, all_hosts: Cost) -> None:
    """What a look at many converged hosts costs their controllers, from what it costs for one host and for eight."""
    more = all_hosts.hosts - one.hosts
    per_host = max(0.0, (all_hosts.processor - one.processor) / more)
    fixed = max(0.0, one.processor - per_host)
    waited = max(0.0, one.seconds - one.processor)
    print(
        f"\nNothing to do: {fixed:.2f} s of processor for a run and {per_host:.3f} s for each host; "
        f"a host lets the controller wait for {waited:.2f} s.\n"
        f"If that holds for more hosts, if they are as near as here, and with {AT_ONCE} looked at in parallel:"
    )
    print(f"{'':<40} {'controllers':>12} {'processor':>12} {'wall, 2 cores':>14} {'wall, 16 cores':>15}")
    for what, hosts, controllers in (
        (f"a block of {BLOCK:,}", BLOCK, 1),
        (f"{CENTRE:,} nodes, no --shard", CENTRE, 1),
        (f"{CENTRE:,} nodes, --shard i/8", CENTRE, 8),
        (f"{CENTRE:,} nodes, --shard i/98", CENTRE, 98),
    ):
        mine = hosts / controllers
        processor = fixed + per_host * mine
        walls = [max(processor / cores, waited * mine / AT_ONCE) for cores in (2, 16)]
        shown = [f"{seconds / 60:.1f} min" for seconds in (processor, *walls)]
        print(f"{what:<40} {controllers:>12} {shown[0]:>12} {shown[1]:>14} {shown[2]:>15}")
    print(
        "Not measured: hosts far away, memory of the controller (it holds what each host gets), and Ansible for many\n"
        "hosts that differ at once. The program's own share of the work runs on one processor, that of ssh on all."
    )


def main() -> None:
    """Boot eight hosts, apply, and print the table."""
    with tempfile.TemporaryDirectory(prefix="center-bench-") as folder, booted(Path(folder), WORKERS) as quad:
        assert quad.render().returncode == 0
        print(f"{'':<40} {'':>5} {'runs':>5} {'tasks':>10} {'changed':>8} {'':>8} {'s':>8} {'processor':>10}")
        columns = f"{'of it':>5} {'a host':>10} {'a host':>8} {'s':>8} {'a host':>8} {'s a host':>10}"
        print(f"{'apply to booted hosts':<40} {'hosts':>5} {columns}")
        first = apply(quad)
        show("first, on hosts as installed", first)
        again = apply(quad)
        show("again, nothing to do", again)
        one = apply(quad, limit=[HEAD])
        show("again, one host", one)
        quad.spec["network"]["ntp"].append("10.16.255.253")
        assert quad.render().returncode == 0
        show("diff, one file and one unit differ", apply(quad, "diff"))
        show("one file and one unit differ", apply(quad))
        print(f"\nfirst / again: {first.seconds / again.seconds:.1f} (budget: at least 3)")
        extrapolate(one, again)


if __name__ == "__main__":
    main()
