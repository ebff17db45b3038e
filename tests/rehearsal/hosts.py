"""Booted hosts are brought to the rendered tree; what became of them is asked of the hosts themselves."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from control_plane.processes import wait_until
from tests.rehearsal.centre import MUNGE_KEY, Answer, Centre, expect
from tests.rehearsal.console import Step
from tests.rig.hosts import TestHosts, make_ssh_key
from tests.rig.network import Network
from tests.rig.packages import PACKAGES, PackageRepository

# The rig plays the mirror and the name server, the cooling units and the monitor node; by hand from center.yaml.
ADDRESSES = ("10.16.0.1/16", "10.24.0.11/20", "10.24.0.12/20", "10.24.1.1/20", "10.16.3.136/16")
SCHEDULER, WORKER, CONTROL = "scheduler-c01-1", "science-b01-1", "control-c01-1"
NODES = {SCHEDULER: "10.16.3.68", WORKER: "10.16.2.65", CONTROL: "10.16.3.65"}
# Groups with files, in the order of the inventory.
GROUPS = {
    SCHEDULER: ("system_debian_12", "member_hpc_control_debian_12"),
    WORKER: ("system_debian_12", "accounts_debian_12", "homes_debian_12", "member_hpc_worker_debian_12"),
    CONTROL: ("system_debian_12",),
}
TIME_FILE, TIME_UNIT = "/etc/chrony/chrony.conf", "chrony.service"
# Where the product notes with which files a unit was started.
TIME_NOTE = "/etc/systemd/system/chrony.service.d/50-center.conf"


class Site:
    """A network with three booted hosts and their package mirror, and the centre that describes them."""

    sample, nodes = "duo", NODES
    addresses: tuple[str, ...] = ADDRESSES
    packages: tuple[str, ...] = PACKAGES
    volumes: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ending = ExitStack()

    def __enter__(self) -> Self:
        self.centre = Centre(self._folder, self.sample)
        self.network = self._ending.enter_context(Network(*self.addresses))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.__exit__(kind, error, trace)

    def prepare(self) -> None:
        self.mirror = self._ending.enter_context(PackageRepository(self.network, self.packages))
        self.authority = make_ssh_key(self._folder / "authority")
        self.key = make_ssh_key(self._folder / "login")

    def boot(self) -> None:
        addresses = {name: f"{address}/16" for name, address in self.nodes.items()}
        self.hosts = self._ending.enter_context(
            TestHosts(
                self.network,
                addresses,
                ssh_authority=self.authority,
                login_key=self.key,
                volumes=self.volumes,
                nspawn_options=self.options,
            )
        )
        self._ending.push(self._keep_journals)

    def _keep_journals(self, kind: object, error: BaseException | None, trace: object) -> None:
        """The hosts take their journals with them; after a failure somebody wants to read them."""
        for name in self.nodes if error else ():
            with suppress(Exception):
                journal = self.hosts.run(name, ["journalctl", "--boot", "--no-pager", "--lines=2000"])
                (self._folder / f"{name}.log").write_text(journal)

    def run(self, verb: str, exits: int = 0) -> Answer:
        """Run a verb of `center` for the three hosts."""
        limit = [word for name in self.nodes for word in ("--limit", name)]
        return self.centre.run(verb, *limit, "--ssh-key", self.key, exits=exits, within=self.network)

    def groups(self, name: str) -> Sequence[str]:
        """The groups of a node that have files."""
        return GROUPS[name]


def prepare(site: Site, step: Step) -> None:
    """Say in a copy of duo what must be the rig's own; everything else stays as it is in the repository."""
    site.prepare()
    shutil.copyfile(site.authority.with_name("authority.pub"), site.centre.folder / "ssh_ca.pub")
    shutil.copyfile(site.mirror.signing_key, site.centre.folder / "mirror.asc")
    site.centre.edit(r"^  mirror: .*$", f'  mirror: {{url: "{site.mirror.url}", key: "path:mirror.asc"}}')
    site.centre.edit(r'munge: "vault:hpc#munge"', 'munge: "file:munge.key"')
    step.found = "a copy of duo with the SSH authority, the mirror and the operator of this network"


def boot(site: Site, step: Step) -> None:
    site.boot()
    for name in NODES:
        version = site.hosts.run(name, ["sh", "-c", ". /etc/os-release; echo $PRETTY_NAME"]).strip()
        step.say(f"{name} at {NODES[name]}: {version}")
    step.found = f"{len(NODES)} hosts answer over SSH"


def apply_first(site: Site, step: Step) -> None:
    """The preview and the run name the same things, and the hosts have what the tree says."""
    foretold = deeds(site.run("diff", exits=2))
    answer = site.run("apply")
    done = deeds(answer)
    differing = placed(done) ^ placed(foretold)
    expect(not differing, f"diff and apply name different things: {sorted(differing)}")
    for name in NODES:
        compare_files(site, name)
        compare_units(site, name)
    wait_until(partial(_asks, site, CONTROL, "10.16.0.1"), 20, f"time server of {CONTROL}")
    backlog = site.hosts.run(CONTROL, ["sysctl", "-n", "net.core.somaxconn"]).strip()
    expect(backlog == "4096", f"net.core.somaxconn is {backlog}")
    step.say(*answer.lines[-1:])
    step.found = f"{len(done)} changes as the preview said; files, units and daemons are as rendered"


def apply_again(site: Site, step: Step) -> None:
    """Not one file is written and not one unit started when everything is as rendered."""
    before = state(site)
    answer = site.run("apply")
    expect(not deeds(answer), f"the second apply changes {sorted(deeds(answer))}")
    after = state(site)
    differing = sorted(f"{host}: {key}" for (host, key), value in after.items() if before.get((host, key)) != value)
    expect(before == after, f"the second apply touched {differing or 'something that is gone now'}")
    step.found = f"0 changed; {len(after)} files and units untouched"


def change_one_line(site: Site, step: Step) -> None:
    """A second time server: the stale tree is refused, then exactly one file and one unit of each host move."""
    site.centre.edit(r"^  ntp: \[10\.16\.0\.1\]$", "  ntp: [10.16.0.1, 10.16.0.2]")
    refused = site.run("apply", exits=1)
    expect("tree.stale" in refused.remarks, f"a stale tree is not refused; see {site.centre.log}")
    site.centre.run("render")
    wanted = {f"{name}: {deed}" for name in NODES for deed in (f"update {TIME_FILE}", f"restart {TIME_UNIT}")}
    before = state(site)
    preview = site.run("diff", exits=2)
    expect(deeds(preview) == wanted, f"diff names {sorted(deeds(preview) ^ wanted)} too much or too little")
    step.say(*preview.lines[:8])
    expect(state(site) == before, "diff has changed a host")
    done = deeds(site.run("apply"))
    expect(done == wanted, f"apply does {sorted(done ^ wanted)} too much or too little")
    after = state(site)
    moved = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    allowed = {(name, what) for name in NODES for what in (TIME_FILE, TIME_UNIT, TIME_NOTE)}
    expect(moved == allowed, f"other than the time service moved {sorted(moved ^ allowed)}")
    for name in NODES:
        wait_until(partial(_asks, site, name, "10.16.0.2"), 20, f"second time server of {name}")
    step.found = f"{TIME_FILE} and {TIME_UNIT} on {len(NODES)} hosts, nothing else"


def repair_drift(site: Site, step: Step) -> None:
    """Somebody edits a file on a host: status names it, apply brings it back."""
    site.hosts.run(WORKER, ["sh", "-c", f"echo 'server 192.0.2.1' >> {TIME_FILE}"])
    drifted = site.run("status", exits=2)
    expect(f"{WORKER}: update {TIME_FILE}" in deeds(drifted), f"status does not name the file; see {site.centre.log}")
    step.say(*drifted.lines[:8])
    site.run("apply")
    compare_files(site, WORKER)
    step.found = f"{TIME_FILE} on {WORKER}: named, repaired"


def check_status(site: Site, step: Step) -> None:
    answer = site.run("status")
    expect(not deeds(answer), f"status names {sorted(deeds(answer))}")
    step.found = answer.lines[-1]


def check_slurm(site: Site, step: Step) -> None:
    """A real slurmctld runs with the rendered file and knows the nodes of center.yaml, counted by hand."""
    units = site.hosts.units(SCHEDULER)
    expect(units["slurmctld.service"].active == "active", f"slurmctld: {units['slurmctld.service']}")
    wait_until(lambda: "is UP" in _slurm(site, "ping"), 30, "slurmctld", ignoring=(RuntimeError,))
    shown = _slurm(site, "show", "nodes", "--oneliner").strip().splitlines()
    nodes = {_field(line, "NodeName"): _field(line, "NodeAddr") for line in shown}
    wanted = {f"science-b01-{n}": f"10.16.2.{64 + n}" for n in (1, 2, 3, 4)}
    wanted |= {f"science-b02-{n}": f"10.16.2.{128 + n}" for n in (1, 2, 3)}
    expect(nodes == wanted, f"slurmctld knows {nodes}")
    partition = _slurm(site, "show", "partition", "--oneliner")
    found = [_field(partition, field) for field in ("PartitionName", "State", "TotalNodes")]
    expect(found == ["science", "UP", "7"], f"partitions: {partition}")
    job = site.hosts.run(SCHEDULER, ["sbatch", "--parsable", "--nodes=2", "--output=/dev/null", "--wrap=true"]).strip()
    queued = _slurm(site, "show", "job", job, "--oneliner")
    expect(_field(queued, "JobState") == "PENDING", f"job {job}: {queued}")
    site.hosts.run(SCHEDULER, ["scancel", job])
    step.say(*site.hosts.run(SCHEDULER, ["sinfo"]).strip().splitlines())
    step.found = "slurmctld is UP with 7 nodes and the partition science; it takes a job"


def deeds(answer: Answer) -> set[str]:
    """What is or would be done, a line each: `HOST: VERB WHAT`, from lines such as `update /x on 2 hosts: a-1..2`."""
    found = set()
    for line in answer.lines:
        if match := _DEED.match(line):
            verb = "restart" if match["verb"] == "start" else match["verb"]
            found |= {f"{host}: {verb} {match['what']}" for host in expanded(match["hosts"])}
    return found


_DEED = re.compile(
    r"(?P<verb>create|update|remove|install|start|restart|enable) (?P<what>\S+)(?: \[.*\])? "
    r"on (?:\d+ hosts: )?(?P<hosts>[^:]+)"
)


def expanded(names: str) -> Iterator[str]:
    """Nodes as the command writes them: "a-1, b-1..2"."""
    for name in names.split(", "):
        stem, _, numbers = name.rpartition("-")
        first, _, last = numbers.partition("..")
        yield from (f"{stem}-{number}" for number in range(int(first), int(last or first) + 1))


def placed(found: Iterable[str]) -> set[str]:
    """Deeds whatever a file was before: a package brings files of its own, so one may be there at its turn."""
    return {deed.replace(": create ", ": place ").replace(": update ", ": place ") for deed in found}


def manifests(site: Site, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for group in site.groups(name):
        yield group, site.centre.read(f"hosts/groups/{group}/manifest.json")


def compare_files(site: Site, name: str) -> None:
    """Each file on the host is the tree's, with the node's own name and address in its holes."""
    for group, manifest in manifests(site, name):
        on_host = site.hosts.files(name, [file["path"] for file in manifest["files"]])
        for file in manifest["files"]:
            path = file["path"]
            content = (site.centre.tree / "hosts/groups" / group / "files" / path.lstrip("/")).read_text("utf-8")
            if file["holes"]:
                content = content.replace("@{node.name}", name).replace("@{node.address}", site.nodes[name])
                content = content.replace("@{secret.munge}", MUNGE_KEY.strip())
            there = on_host.get(path)
            expect(there is not None, f"{name} has no {path}")
            assert there is not None
            same = there.digest == hashlib.sha256(content.encode()).hexdigest()
            expect(same and "@{" not in content, f"{path} on {name} is not as rendered")
            expect(int(there.mode, 8) & 0o7777 == int(file["mode"], 8), f"{path} on {name} has mode {there.mode}")


def compare_units(site: Site, name: str) -> None:
    there = site.hosts.units(name)
    for _, manifest in manifests(site, name):
        for unit in manifest["units"]:
            if "gate" in unit:  # it waits for the acceptance of the node
                continue
            found = there.get(unit["name"])
            expect(found and found.active == "active", f"{unit['name']} on {name} is {found}")


def state(site: Site) -> dict[tuple[str, str], object]:
    """All below /etc with the times of change, and when each unit was started, of each host."""
    found: dict[tuple[str, str], object] = {}
    for name in site.nodes:
        there = site.hosts.units(name)
        wanted = [unit for _, manifest in manifests(site, name) for unit in manifest["units"]]
        units = {unit["name"] for unit in wanted if "gate" not in unit}
        found |= {(name, unit): there[unit] for unit in units}
        found |= {(name, path): file for path, file in site.hosts.files(name, ["/etc"]).items() if file.kind == "file"}
    return found


def _asks(site: Site, name: str, server: str) -> bool:
    """Whether the running time daemon asks this server."""
    return server in site.hosts.run(name, ["chronyc", "-n", "sources"])


def _slurm(site: Site, *words: str) -> str:
    return site.hosts.run(SCHEDULER, ["scontrol", *words])


def _field(line: str, name: str) -> str:
    found = re.search(rf"\b{name}=(\S+)", line)
    return found[1] if found else ""
