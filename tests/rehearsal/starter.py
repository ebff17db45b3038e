"""The smallest centre on fresh hosts: from the first contact to the last node that leaves, each judged by the hosts."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from control_plane.cluster import ControlPlane
from control_plane.tools import build_tools
from tests.rehearsal import hosts
from tests.rehearsal.centre import Answer, Centre, expect
from tests.rehearsal.console import Step
from tests.rehearsal.hosts import compare_files, compare_units, deeds, placed, state
from tests.rehearsal.paper import groups_of
from tests.rig import packages, vendor_packages
from tests.rig.doorway import Doorway
from tests.rig.hosts import LOGIN_USER
from tests.rig.vendor_packages import DRIVER, EXPORTER, TOOLKIT, VendorRepository

# By hand from center.yaml: one row, so its racks begin at the first address of the plan.
CONTROL, FIRST, SECOND, THIRD = "control-a01-1", "train-a01-1", "train-a01-2", "train-a01-3"
WORKERS = (FIRST, SECOND, THIRD)
NODES = {CONTROL: "10.16.0.65", FIRST: "10.16.0.66", SECOND: "10.16.0.67", THIRD: "10.16.0.68"}
BLOCK = "hosts/hall-1"
TIME_FILE, TIME_UNIT, TIME_NOTE = hosts.TIME_FILE, hosts.TIME_UNIT, hosts.TIME_NOTE
MARK = "/var/lib/center/accepted.json"
MEMBERS = "/var/lib/center/members.json"
STACK = "center-stack-simulated.service"
# No time server answers here, and nobody may set the clock of a test host: only its daemon is asked.
OWN_CHECK = """kind: check
name: clock
title: The time service answers
why: In this network there is no time server that the product's own check could be satisfied with.
argv: [chronyc, -n, sources]
"""


class Site(hosts.Site):
    """Four fresh hosts, a mirror, a vendor's repository, and the API server of the cluster that they are for."""

    sample, nodes = "starter", NODES
    addresses = ("10.16.0.1/16",)
    volumes = ("/var/lib/containerd",)
    packages = (*packages.PACKAGES, "containerd")

    def prepare(self) -> None:
        super().prepare()
        devices = vendor_packages.pci_tree(self._folder / "devices", accelerators=8)
        self.options = (f"--bind-ro={devices}:{vendor_packages.PCI}",)
        self.vendor = self._ending.enter_context(VendorRepository(self.network))
        self.vendor.publish(DRIVER, "1.0", vendor_packages.driver("1.0"))
        self.vendor.publish(TOOLKIT, "1.0", vendor_packages.TOOLKIT_FILES)
        self.vendor.publish(EXPORTER, "1.0", vendor_packages.EXPORTER_FILES, [DRIVER])

    def start_cluster(self, step: Step) -> None:
        tools = build_tools(step.say)
        plane = ControlPlane(tools, self._folder / "starter-cluster", kueue=False, kwok=False)
        self.plane = self._ending.enter_context(plane)
        self._ending.enter_context(Doorway(self.network, int(self.plane.server.rpartition(":")[2])))
        for name in WORKERS:
            self.plane.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
        self._record()

    def _record(self) -> None:
        """What an apply to this cluster has left: by it a run knows that the nodes are looked for in the right one."""
        self.plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "center-system"}})
        uid = self.plane.read("namespace", "center-system")["metadata"]["uid"]
        marks = {"centre": "starter", "cluster": "cloud", "tree": "of-yesterday"}
        annotations = {f"center.internal/{name}": value for name, value in marks.items()}
        metadata = {"name": "center", "namespace": "center-system", "annotations": annotations}
        data = {"Namespace": f"/center-system {uid}"}
        self.plane.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})

    def center(self, verb: str, *words: str | Path, exits: int = 0) -> Answer:
        """Run a verb for all hosts, with the key to log in and, where the verb takes it, the way to the cluster."""
        key: Sequence[str | Path] = () if verb == "trust" else ("--ssh-key", self.key)
        cluster = ("--hosts", "--kubeconfig", self.plane.kubeconfig) if verb in ("diff", "apply", "status") else ()
        return self.centre.run(verb, *key, *cluster, *words, exits=exits, within=self.network)

    def groups(self, name: str) -> Sequence[str]:
        return groups_with_files(self.centre, name)

    def run_on(self, name: str, *argv: str) -> str:
        return self.hosts.run(name, list(argv))

    def registered(self) -> set[str]:
        """The nodes that the API server knows."""
        return {node["metadata"]["name"] for node in self.plane.read("nodes")["items"]}


def groups_with_files(centre: Centre, name: str) -> list[str]:
    """The groups of a node as Ansible finds them, those that give files."""
    found = groups_of(centre.tree / BLOCK / "inventory.json", name)
    return [group for group in found if (centre.tree / "hosts/groups" / group / "manifest.json").exists()]


def prepare(site: Site, step: Step) -> None:
    """Say in a copy of starter what must be the rig's own: its mirror and authority, and accelerators nobody needs."""
    site.prepare()
    for source, name in (
        (site.authority.with_name("authority.pub"), "ssh_ca.pub"),
        (site.mirror.signing_key, "mirror.asc"),
        (site.vendor.signing_key, "vendor.asc"),
    ):
        shutil.copyfile(source, site.centre.folder / name)
    adapt(site.centre, site.mirror.url, site.vendor.url)
    site.centre.run("render")
    places = site.centre.read(f"{BLOCK}/nodes.json")
    expect({name: place["address"] for name, place in places.items()} == NODES, f"nodes of starter: {places}")
    site.start_cluster(step)
    site.boot()
    for name in WORKERS:
        vendor_packages.become_a_machine(site.hosts, name)
    step.found = (
        f"a copy of starter, {len(NODES)} fresh hosts, an API server that knows {len(site.registered())} of them"
    )


def adapt(centre: Centre, mirror: str, vendor: str) -> None:
    """Machines of the rig instead of real ones, and packages from there; their keys are to lie beside the spec."""
    centre.edit(
        r"^  repositories: .*$",
        f'  mirror: {{url: "{mirror}", key: "path:mirror.asc"}}\n'
        f'  repositories: {{simulated: {{url: "{vendor}", suite: /, key: "path:vendor.asc"}}}}',
    )
    # All workers at a time, so that a rehearsal is short.
    centre.edit("slot: 2}", "slot: 2, rollout: {batch: 100 %}}")
    centre.edit("server: generic-1u", "server: simulated-host")
    centre.edit("server: generic-8-gpu, accelerator: [a-z0-9-]+", "server: simulated-host, accelerator: simulated-8")


def trust(site: Site, step: Step) -> None:
    """Each node has a certificate of the authority for its own name; OpenSSH itself agrees."""
    answer = site.center("trust")
    step.say(*answer.lines)
    known = site.centre.folder.parent / "known"
    known.write_text(f"@cert-authority * {site.authority.with_name('authority.pub').read_text('utf-8')}")
    for name, address in NODES.items():
        options = [f"UserKnownHostsFile={known}", "StrictHostKeyChecking=yes", f"HostKeyAlias={name}", "BatchMode=yes"]
        words = [word for option in options for word in ("-o", option)]
        command = ["ssh", "-F", "none", "-i", str(site.key), *words, f"{LOGIN_USER}@{address}", "hostname"]
        said = subprocess.run(site.network.command(command), capture_output=True, text=True, check=False)
        expect(said.stdout.strip() == name, f"ssh does not trust {name}: {said.stderr}")
    step.found = f"{len(NODES)} nodes are vouched for; OpenSSH says the same"


def preflight(site: Site, step: Step) -> None:
    """The nodes are looked at and stay as they are; what is said of their memory is what they say themselves."""
    before = _all_of_etc(site)
    answer = site.center("preflight")
    step.say(*answer.lines)
    expect(_all_of_etc(site) == before, "preflight has changed a host")
    gib = int(site.run_on(FIRST, "sh", "-c", "grep MemTotal /proc/meminfo").split()[1]) / 2**20
    wanted = 2e9 / 2**30
    differs = gib < 0.92 * wanted or gib > 1.15 * wanted
    expect((f"{gib:.1f} GiB" in answer.output) == differs, f"a host has {gib:.1f} GiB of memory")
    step.found = answer.lines[-1]


def apply_first(site: Site, step: Step) -> None:
    """Everything but what needs a boot, exactly as the preview said, and then nothing more."""
    foretold = deeds(site.center("diff", exits=2))
    answer = site.center("apply", exits=2)
    differing = placed(deeds(answer)) ^ placed(foretold)
    expect(not differing, f"diff and apply name different things: {sorted(differing)}")
    for name in NODES:
        compare_files(site, name)
    waiting = [line for line in answer.lines if "waits for an empty node" in line]
    expect(waiting and FIRST.rpartition("-")[0] in waiting[0], f"nothing waits for a boot: {answer.lines[-5:]}")
    step.say(*waiting, answer.lines[-1])
    for name in WORKERS:
        devices = site.run_on(name, "systemctl", "is-active", STACK).strip()
        expect(devices == "active", f"{STACK} on {name} is {devices}")
    step.found = f"{len(deeds(answer))} changes as the preview said; the kernel option waits for a boot"


def reboot(site: Site, step: Step) -> None:
    """Nodes that are empty boot, one after the other, and serve again: no cordon is left."""
    booted = {name: _boot_time(site, name) for name in NODES}
    answer = site.center("apply", "--up-to", "reboot")
    step.say(*answer.lines)
    expect("reboot on 3 hosts: train-a01-1..3" in answer.lines, "the report does not tell who has booted")
    again = {name for name in NODES if _boot_time(site, name) != booted[name]}
    expect(again == {*WORKERS}, f"booted: {sorted(again)}")
    cordoned = [
        node["metadata"]["name"] for node in site.plane.read("nodes")["items"] if node["spec"].get("unschedulable")
    ]
    expect(not cordoned, f"still out of service: {cordoned}")
    cordons = [e for e in site.plane.audit_events() if e["verb"] == "patch" and e["objectRef"]["resource"] == "nodes"]
    named = {event["objectRef"]["name"] for event in cordons if event["user"]["username"] == "admin"}
    expect(named == {*WORKERS}, f"taken out of service before: {sorted(named)}")
    for name in WORKERS:
        compare_units(site, name)
    step.found = f"{len(again)} workers, each emptied in the cluster first; {CONTROL} stayed up"


def check_status(site: Site, step: Step) -> None:
    before = state(site)
    answer = site.center("status")
    expect(not deeds(answer), f"status names {sorted(deeds(answer))}")
    expect(state(site) == before, "status has changed a host")
    step.say(*answer.lines)
    step.found = answer.lines[-1]


def accept(site: Site, step: Step) -> None:
    """A test host has no time server: that alone is found. With a check of the centre's own the nodes pass."""
    failed = site.center("accept", exits=1)
    step.say(*failed.lines)
    errors = {line.partition("]")[0] for line in failed.lines if line.startswith("error")}
    expect(errors == {"error[clock"}, f"other checks fail as well: {sorted(errors)}")
    expect(not _marked(site), f"accepted in spite of it: {_marked(site)}")
    checks = site.centre.folder / "catalog" / "checks"
    checks.mkdir(parents=True)
    (checks / "clock.yaml").write_text(OWN_CHECK)
    site.centre.run("render")
    answer = site.center("accept")
    step.say(*answer.lines[-3:])
    expect(_marked(site) == {*NODES}, f"accepted: {sorted(_marked(site))}")
    step.found = "the clock failed and nobody was accepted; with a check of the centre's own 4 nodes are"


def change_one_line(site: Site, step: Step) -> None:
    """A second time server: the preview names one file and one unit on each host, and that is what happens."""
    site.centre.edit(r"^  ntp: \[10\.16\.0\.1\]$", "  ntp: [10.16.0.1, 10.16.0.2]")
    site.centre.run("render")
    wanted = {f"{name}: {deed}" for name in NODES for deed in (f"update {TIME_FILE}", f"restart {TIME_UNIT}")}
    before = state(site)
    preview = site.center("diff", exits=2)
    expect(deeds(preview) == wanted, f"diff names {sorted(deeds(preview) ^ wanted)} too much or too little")
    step.say(*preview.lines)
    expect(state(site) == before, "diff has changed a host")
    done = deeds(site.center("apply"))
    expect(done == wanted, f"apply does {sorted(done ^ wanted)} too much or too little")
    _expect_moved(before, state(site), NODES)
    step.found = f"{TIME_FILE} and {TIME_UNIT} on {len(NODES)} hosts, nothing else"


def lose_one(site: Site, step: Step) -> None:
    """A host dies before a change: the others get it, it is named; when it is back, the next run completes it alone."""
    site.centre.edit(r"^  ntp: \[10\.16\.0\.1, 10\.16\.0\.2\]$", "  ntp: [10.16.0.1, 10.16.0.3]")
    site.centre.run("render")
    site.hosts.kill(SECOND)
    answer = site.center("apply", exits=1)
    step.say(*answer.lines)
    expect(any(f"did not answer: {SECOND}" in line for line in answer.lines), "the dead host is not named")
    for name in NODES.keys() - {SECOND}:
        compare_files(site, name)
    site.hosts.start(SECOND)
    site.run_on(SECOND, "systemctl", "is-system-running", "--wait")
    before = state(site)
    answer = site.center("apply")
    step.say(*answer.lines)
    compare_files(site, SECOND)
    _expect_moved(before, state(site), [SECOND])
    step.found = f"{SECOND} was pending, exit code 1; then it alone was changed, exit code 0"


def remove_living(site: Site, step: Step) -> None:
    """A node that the spec lacks is cleaned of what was placed there, and forgotten by cluster and centre."""
    _remove(site, step, SECOND)
    left = site.hosts.files(SECOND, [TIME_FILE, f"/etc/systemd/system/{STACK}", MARK])
    expect(not left, f"{SECOND} still has {sorted(left)}")
    units = site.hosts.units(SECOND)
    expect(STACK not in units or units[STACK].active != "active", f"{STACK} still runs on {SECOND}")
    expect(site.run_on(SECOND, "dpkg-query", "--show", "chrony"), "packages stay")
    step.found = f"{SECOND}: as previewed; it runs on without what was placed there"


def remove_dead(site: Site, step: Step) -> None:
    """The same for a node that is dead; it keeps what it has, and that is said.

    With one worker left there is less than the tenant was promised, so that is said in the spec first.
    """
    site.centre.edit("train: 16 accelerators", "train: 8 accelerators")
    site.hosts.kill(THIRD)
    lines = _remove(site, step, THIRD)
    expect(any("left unreached" in line for line in lines), "nobody says that the dead node keeps what it has")
    step.found = f"{THIRD}: as previewed; gone from the cluster and the record"


def _remove(site: Site, step: Step, name: str) -> list[str]:
    """Take a node out of the spec: its deeds are the same in preview and run, and then the centre is as rendered."""
    number = int(name.rpartition("-")[2])
    if number == 2:
        site.centre.edit(r"(^  train: \{.*)\}$", rf"\1, absent: [{name}]}}")
    else:
        site.centre.edit(r"absent: \[([a-z0-9-]+)\]", rf"absent: [\1, {name}]")
    site.centre.run("render")
    foretold = [line for line in site.center("diff", exits=2).lines if line.startswith(f"{name}:")]
    step.say(*foretold)
    answer = site.center("apply")
    done = [line for line in answer.lines if line.startswith(f"{name}:")]
    expect(foretold and done == foretold, f"diff and apply tell different things of {name}: {foretold} {done}")
    expect(name not in site.registered(), f"the API server still knows {name}")
    members = json.loads(site.run_on(CONTROL, "cat", MEMBERS))
    expect(name not in members and FIRST in members, f"members: {sorted(members)}")
    site.center("status")
    return done


def _expect_moved(
    before: dict[tuple[str, str], object], after: dict[tuple[str, str], object], names: Iterable[str]
) -> None:
    """The time service of these hosts has moved, and nothing else anywhere."""
    moved = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    allowed = {(name, what) for name in names for what in (TIME_FILE, TIME_UNIT, TIME_NOTE)}
    expect(moved == allowed, f"other than the time service moved {sorted(moved ^ allowed)}")


def _all_of_etc(site: Site) -> dict[str, object]:
    return {name: site.hosts.files(name, ["/etc", "/var/lib/center"]) for name in NODES}


def _boot_time(site: Site, name: str) -> str:
    return site.run_on(name, "systemctl", "show", "--property=UserspaceTimestamp")


def _marked(site: Site) -> set[str]:
    return {name for name in NODES if site.hosts.files(name, [MARK])}
