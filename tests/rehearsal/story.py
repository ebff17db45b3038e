"""The order of the steps; the demo is the part of the rehearsal that needs no compiling."""

from __future__ import annotations

import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.rehearsal import cluster, cooling, hosts, paper, starter
from tests.rehearsal.centre import Centre, expect
from tests.rehearsal.console import Console, Step
from tests.rehearsal.leftovers import traces
from tests.rig.base import obstacle
from tests.rig.prometheus import ProgramMissing, program

MORE = """
`make rehearse` adds what needs compiling once (about 20 minutes on two cores, then kept):
  - a real slurmctld that runs with the rendered slurm.conf
  - one changed line that touches one file and one unit of each host, and a drift that is named and repaired
  - a real API server with Kueue and simulated nodes: the rendered manifests are applied, a job of a tenant runs,
    the job over its quota waits, a service is admitted, tenants stay apart
  - the smallest centre on four fresh hosts: first contact, acceptance, boots of empty nodes, a host that dies, nodes
    that leave
  - the end of the cooling alarms, the metrics of the hosts, and a clean `center status` of hosts and cluster"""
LEFT_OUT = """
Left out: three booted hosts that are brought to what you see, and the cooling alarm.
Why:      {reason}"""


def why_not() -> str | None:
    """Say why hosts cannot be booted and watched on this machine, or None if they can."""
    if reason := obstacle():
        return reason
    try:
        program("prometheus")
    except ProgramMissing as missing:
        return str(missing)
    return None


def demo(console: Console) -> None:
    """Show in minutes what the product does; without root, or elsewhere than on Debian, what can be shown there."""
    if reason := why_not():
        with workplace(console) as folder:
            centre = Centre(folder)
            design(console, centre)
            with console.step("Read the summary") as step:
                paper.show_summary(centre, step)
        console.table()
        console.write(LEFT_OUT.format(reason=reason))
        return
    with workplace(console) as folder:
        with prepared(console, folder) as site:
            design(console, site.centre)
            with cooling.Facility(folder, site.centre, site.network) as facility:
                bring_up(console, site)
                fail_cooling(console, facility)
        check_traces(console, folder, site)
    console.table()
    console.write(MORE)


def rehearse(console: Console) -> None:
    """The whole path, each step judged by somebody else than the product."""
    if reason := why_not():
        raise RuntimeError(reason)
    with workplace(console) as folder:
        with prepared(console, folder) as site:
            design(console, site.centre)
            with cooling.Facility(folder, site.centre, site.network) as facility:
                bring_up(console, site)
                operate(console, site)
                serve_tenants(console, folder, site.centre)
                fail_cooling(console, facility)
                with console.step("Repair the cooling") as step:
                    cooling.repair(facility, step)
                with console.step("Read the metrics of the hosts") as step:
                    cooling.scrape_nodes(facility, hosts.NODES, step)
            with console.step("Status of the three hosts") as step:
                hosts.check_status(site, step)
        check_traces(console, folder, site)
    begin_small(console)
    console.table()


def live_with_it(console: Console) -> None:
    """The part of the rehearsal with the smallest centre alone."""
    if reason := why_not():
        raise RuntimeError(reason)
    begin_small(console)
    console.table()


def begin_small(console: Console) -> None:
    """The smallest centre, from the first contact with its hosts to the last that leaves."""
    with workplace(console, "starter-") as folder:
        with starter.Site(folder) as site:
            for title, act in STARTER.items():
                with console.step(title) as step:
                    act(site, step)
        check_traces(console, folder, site)


STARTER: dict[str, Callable[[starter.Site, Step], None]] = {
    "Prepare starter: four fresh hosts and an empty cluster": starter.prepare,
    "Ask the nodes who they are": starter.trust,
    "Compare the machines with the spec": starter.preflight,
    "Look, then apply to all hosts": starter.apply_first,
    "Let empty workers boot": starter.reboot,
    "Status of the four hosts": starter.check_status,
    "Accept the nodes": starter.accept,
    "Change one line, look, apply": starter.change_one_line,
    "Kill a host before a change, bring it back": starter.lose_one,
    "Remove a node from the spec": starter.remove_living,
    "Remove a node that is dead": starter.remove_dead,
}


@contextmanager
def workplace(console: Console, prefix: str = "duo-") -> Iterator[Path]:
    """A folder for the copy of the centre and all logs; it stays when something fails."""
    # Short, because the connections of SSH have sockets in it.
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield folder
    except BaseException:
        (folder / "failure.log").write_text(traceback.format_exc())
        console.table()
        console.write(f"\nLook at {folder}: failure.log, center.log, the other logs and the centre as it was")
        raise
    shutil.rmtree(folder)


@contextmanager
def prepared(console: Console, folder: Path) -> Iterator[hosts.Site]:
    """A network of its own with a package mirror; at the first time packages are fetched."""
    with hosts.Site(folder) as site:
        with console.step("Prepare a network and a package mirror") as step:
            hosts.prepare(site, step)
        yield site


def design(console: Console, centre: Centre) -> None:
    """Everything before a machine is touched."""
    with console.step("Validate duo") as step:
        paper.validate(centre, step)
    with console.step("Make a mistake: a feed of 60 instead of 300 kW") as step:
        paper.find_mistake(centre, step)
    with console.step("Render duo") as step:
        paper.render(centre, step)
    with console.step("Load the inventories with ansible-inventory") as step:
        paper.load_inventories(centre, step)


def bring_up(console: Console, site: hosts.Site) -> None:
    """Three hosts, from nothing to as rendered."""
    with console.step("Boot three Debian hosts") as step:
        hosts.boot(site, step)
    with console.step("Apply with --limit to the three hosts") as step:
        hosts.apply_first(site, step)
    with console.step("Apply again") as step:
        hosts.apply_again(site, step)


def operate(console: Console, site: hosts.Site) -> None:
    """What happens to hosts in the years after."""
    with console.step("Ask slurmctld") as step:
        hosts.check_slurm(site, step)
    with console.step("Change one line: a second time server") as step:
        hosts.change_one_line(site, step)
    with console.step("Edit a file on a host behind the centre's back") as step:
        hosts.repair_drift(site, step)


def serve_tenants(console: Console, folder: Path, centre: Centre) -> None:
    """The cluster `cloud`, from an empty API server to tenants at work."""
    with cluster.Cluster(folder, centre) as cloud:
        with console.step("Start a Kubernetes control plane with Kueue") as step:
            cluster.start(cloud, step)
        with console.step("Apply the manifests of cluster cloud") as step:
            cluster.apply(cloud, step)
        with console.step("Start two jobs, the second over the quota") as step:
            cluster.run_jobs(cloud, step)
        with console.step("Look at the inference service") as step:
            cluster.look_at_service(cloud, step)
        with console.step("Trespass as a tenant") as step:
            cluster.trespass(cloud, step)
        with console.step("Status of cluster cloud") as step:
            cluster.check_status(cloud, step)


def fail_cooling(console: Console, facility: cooling.Facility) -> None:
    with console.step("Watch the cooling with Prometheus") as step:
        cooling.watch(facility, step)
    with console.step("Stop a pump of cdu-1") as step:
        cooling.lose_pump(facility, step)
    with console.step("Stop its other pumps, and let the tank leak") as step:
        cooling.lose_flow_and_leak(facility, step)


def check_traces(console: Console, folder: Path, site: hosts.Site) -> None:
    with console.step("Look for what is left on this machine") as step:
        found = [*traces(folder, site.network.name), *site.centre.leftovers()]
        expect(not found, f"left behind: {found}")
        step.found = "no process, mount, network, control group or temporary file"
