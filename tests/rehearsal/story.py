"""The order of the steps: the demo is the part of the rehearsal that needs no compiling."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.rehearsal import cooling, hosts, paper
from tests.rehearsal.centre import Centre, expect
from tests.rehearsal.console import Console
from tests.rehearsal.leftovers import traces
from tests.rig.base import obstacle


@contextmanager
def workplace(console: Console) -> Iterator[Path]:
    """A folder for the copy of the centre and all logs; it stays when something fails."""
    # Short, because the connections of SSH have sockets in it.
    folder = Path(tempfile.mkdtemp(prefix="duo-"))
    try:
        yield folder
    except BaseException:
        console.write(f"\nLogs and the centre as it was: {folder}")
        raise
    shutil.rmtree(folder)


def on_paper(console: Console, centre: Centre) -> None:
    """Everything before a machine is touched."""
    with console.step("Validate duo") as step:
        paper.validate(centre, step)
    with console.step("Make a mistake: halve a power feed, twice over") as step:
        paper.find_mistake(centre, step)
    with console.step("Render duo") as step:
        paper.render(centre, step)


def on_machines(console: Console, site: hosts.Site, thorough: bool) -> None:
    """Three hosts from nothing to as rendered, and one change."""
    with console.step("Boot three Debian hosts") as step:
        hosts.boot(site, step)
    with console.step("Apply with --limit to the three hosts") as step:
        hosts.apply_first(site, step)
    with console.step("Apply again") as step:
        hosts.apply_again(site, step)
    if thorough:
        with console.step("Ask slurmctld") as step:
            hosts.check_slurm(site, step)
        with console.step("Change one line: a second time server") as step:
            hosts.change_one_line(site, step)
        with console.step("Edit a file on a host behind the centre's back") as step:
            hosts.repair_drift(site, step)


def cooling_fails(console: Console, facility: cooling.Facility) -> None:
    with console.step("Watch the cooling") as step:
        cooling.watch(facility, step)
    with console.step("A pump of cdu-1 stands still") as step:
        cooling.lose_pump(facility, step)
    with console.step("Its other pumps follow, and the tank leaks") as step:
        cooling.lose_flow_and_leak(facility, step)
    with console.step("Repair") as step:
        cooling.repair(facility, step)
    with console.step("Metrics of the hosts") as step:
        cooling.scrape_nodes(facility, hosts.NODES, step)
