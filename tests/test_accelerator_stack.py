"""Hosts get the software of their accelerators from a real repository, and say themselves whether these answer."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.obstacles import give_way_to
from tests.rig import packages, vendor_packages
from tests.rig.base import obstacle
from tests.rig.hosts import CommandFailed, TestHosts, UnitState, make_ssh_key
from tests.rig.network import Network
from tests.rig.packages import PackageRepository
from tests.rig.vendor_packages import DRIVER, EXPORTER, LOADED, TOOLKIT, VendorRepository

STARTER = Path(__file__).parents[1] / "inventories/starter"
COMMAND = Path(sys.executable).with_name("center")
RIG_ADDRESS = "10.16.0.1"
CONTROL, WORKER = "control-a01-1", "train-a01-1"
STACK, CONTAINERD = "center-stack-simulated.service", "containerd.service"
SERVICE = f"{EXPORTER}.service"
PORT = 9500
REGISTRIES = '{registry.k8s.io: "http://10.16.0.1:5000", docker.io: "http://10.16.0.1:5000/v2/hub"}'


@dataclass
class Rig:
    """A copy of the starter centre with simulated accelerators, its booted hosts, and the two repositories."""

    network: Network
    hosts: TestHosts
    vendor: VendorRepository
    folder: Path
    key: Path

    def edit(self, pattern: str, replacement: str) -> None:
        file = self.folder / "center.yaml"
        text, count = re.subn(pattern, replacement, file.read_text("utf-8"), flags=re.M)
        assert count == 1, pattern
        file.write_text(text, "utf-8")

    def center(self, verb: str, *words: str, exits: int = 0) -> str:
        command = [str(COMMAND), verb, str(self.folder), *words]
        done = subprocess.run(
            self.network.command(command), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == exits, done.stdout + done.stderr
        return done.stdout

    def apply(self, *words: str, exits: int = 0) -> str:
        self.center("render")
        return self.center("apply", *LIMIT, "--ssh-key", str(self.key), *words, exits=exits)

    def run(self, *argv: str) -> str:
        return self.hosts.run(WORKER, list(argv))

    def unit(self, name: str) -> UnitState:
        return self.hosts.units(WORKER)[name]

    def version(self, package: str) -> str:
        return self.run("dpkg-query", "--show", "--showformat=${Version}", package)

    def manifest(self, group: str) -> dict[str, Any]:
        read: dict[str, Any] = json.loads((self.folder / f"generated/hosts/groups/{group}/manifest.json").read_text())
        return read


LIMIT = ("--limit", CONTROL, "--limit", WORKER)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Everything up and applied once."""
    give_way_to(obstacle())
    keys, folder = tmp_path_factory.mktemp("keys"), tmp_path_factory.mktemp("centre") / "starter"
    authority, key = make_ssh_key(keys / "authority"), make_ssh_key(keys / "login")
    shutil.copytree(STARTER, folder, ignore=shutil.ignore_patterns("generated"))
    shutil.copyfile(authority.with_name("authority.pub"), folder / "ssh_ca.pub")
    tree = vendor_packages.pci_tree(tmp_path_factory.mktemp("pci"), accelerators=8)
    addresses = {CONTROL: "10.16.0.65/16", WORKER: "10.16.0.66/16"}
    with (
        Network(f"{RIG_ADDRESS}/16") as network,
        PackageRepository(network, (*packages.PACKAGES, "containerd")) as debian,
        VendorRepository(network) as vendor,
        TestHosts(
            network, addresses, ssh_authority=authority, login_key=key, volumes=["/var/lib/containerd"],
            nspawn_options=[f"--bind-ro={tree}:{vendor_packages.PCI}"],
        ) as hosts,
    ):  # fmt: skip
        shutil.copyfile(debian.signing_key, folder / "mirror.asc")
        shutil.copyfile(vendor.signing_key, folder / "vendor.asc")
        made = Rig(network, hosts, vendor, folder, key)
        mirror = f'{{url: "{debian.url}", key: "path:mirror.asc"}}'
        simulated = f'{{simulated: {{url: "{vendor.url}", suite: /, key: "path:vendor.asc"}}}}'
        made.edit(
            r"^  repositories: .*$", f"  mirror: {mirror}\n  repositories: {simulated}\n  registries: {REGISTRIES}"
        )
        made.edit("server: generic-8-gpu, accelerator: [a-z0-9-]+", "server: simulated-host, accelerator: simulated-8")
        vendor.publish(DRIVER, "1.0", vendor_packages.driver("1.0"))
        vendor.publish(TOOLKIT, "1.0", vendor_packages.TOOLKIT_FILES)
        vendor.publish(EXPORTER, "1.0", vendor_packages.EXPORTER_FILES, [DRIVER])
        vendor_packages.become_a_machine(hosts, WORKER)
        made.center("render")
        nodes = json.loads((folder / "generated/hosts/hall-1/nodes.json").read_text())
        assert {name: nodes[name]["address"] for name in addresses} == {
            name: address.partition("/")[0] for name, address in addresses.items()
        }
        assert "reboot waits for an empty node (apply --up-to reboot): train-a01-1" in made.apply(exits=2)
        yield made


@pytest.mark.hosts
def test_packages_come_from_the_repository_of_the_vendor(rig: Rig) -> None:
    for package in (DRIVER, TOOLKIT, EXPORTER):
        assert rig.version(package) == "1.0"
        assert f"{rig.vendor.url} " in rig.run("apt-cache", "policy", package)
    with pytest.raises(CommandFailed):
        rig.hosts.run(CONTROL, ["dpkg-query", "--show", DRIVER])


@pytest.mark.hosts
def test_device_files_answer_for_the_devices_of_the_bus(rig: Rig) -> None:
    assert rig.run("center-simulated-list").split() == [f"/dev/center-simulated{number}" for number in range(8)]
    assert rig.run("cat", LOADED).split() == ["1.0", "verbose=1"]
    stack = rig.unit(STACK)
    assert (stack.active, stack.enabled) == ("active", "enabled")


@pytest.mark.hosts
def test_a_device_that_does_not_answer_is_a_failure_with_its_name(rig: Rig) -> None:
    program = "/usr/local/lib/center/accelerators"
    rig.run(program, "load", "0", "-", "--", "/dev/center-simulated[0-9]*", "/dev/null")
    with pytest.raises(CommandFailed, match="does not answer: /dev/absent"):
        rig.run(program, "load", "1", "center-simulated-list", "--", "/dev/null", "/dev/absent*")
    with pytest.raises(CommandFailed, match="kernel module center_absent cannot be loaded"):
        rig.run(program, "load", "0", "-", "center_absent", "--", "/dev/null")
    # Without known device files it is the vendor's own tool that says so.
    rig.run(program, "load", "0", "center-simulated-list", "--")
    with pytest.raises(CommandFailed, match="does not answer: ls /absent"):
        rig.run(program, "load", "0", "ls /absent", "--")


@pytest.mark.hosts
def test_containerd_runs_with_the_runtime_of_the_vendor(rig: Rig) -> None:
    dump = rig.run("containerd", "config", "dump")
    runtime = dump[dump.index("containerd.runtimes.simulated]") :]
    assert 'BinaryName = "/usr/bin/center-simulated-runtime"' in runtime and "SystemdCgroup = true" in runtime
    assert 'config_path = "/etc/containerd/certs.d"' in dump
    assert "Server:" in rig.run("ctr", "version")
    assert rig.unit(CONTAINERD).active == "active"
    hosts = rig.run("cat", "/etc/containerd/certs.d/docker.io/hosts.toml")
    assert '[host."http://10.16.0.1:5000/v2/hub"]' in hosts and "override_path = true" in hosts
    assert "override_path" not in rig.run("cat", "/etc/containerd/certs.d/registry.k8s.io/hosts.toml")
    assert CONTAINERD not in rig.hosts.units(CONTROL)


@pytest.mark.hosts
def test_the_exporter_answers_on_its_port(rig: Rig) -> None:
    address = str(rig.hosts.addresses[WORKER].ip)
    fetch = ["curl", "--silent", "--fail", "--retry", "20", "--retry-delay", "1", "--retry-all-errors"]
    got = subprocess.run(rig.network.command([*fetch, f"http://{address}:{PORT}"]), capture_output=True, text=True)
    assert got.stdout == "simulated_devices 8\n", got


@pytest.mark.hosts
def test_boot_parameters_reach_the_boot_loader_once(rig: Rig) -> None:
    assert rig.run("cat", "/var/lib/boot-loader") == " center.simulated=1\n"
    rig.run("systemctl", "restart", "center-grub.service")
    assert rig.run("cat", "/var/lib/boot-loader") == " center.simulated=1\n"
    units = {unit["name"]: unit for unit in rig.manifest("stack_simulated_debian_12")["units"]}
    assert units["center-boot.service"]["class"] == "reboot"
    assert rig.unit("center-boot.service").enabled == "enabled"


@pytest.mark.hosts
def test_after_a_boot_everything_answers_again(rig: Rig) -> None:
    rig.hosts.stop(WORKER)
    rig.hosts.start(WORKER)
    rig.run("systemctl", "is-system-running", "--wait")
    assert len(rig.run("center-simulated-list").split()) == 8
    for unit in (STACK, SERVICE, CONTAINERD, "center-boot.service"):
        assert rig.unit(unit).active == "active"
    assert rig.run("cat", "/var/lib/boot-loader") == " center.simulated=1\n", "a boot asks nothing of the boot loader"


@pytest.mark.hosts
def test_a_second_apply_changes_nothing(rig: Rig) -> None:
    before = rig.hosts.files(WORKER, ["/etc", "/usr/local"]), rig.hosts.units(WORKER)
    rig.apply()
    after = rig.hosts.files(WORKER, ["/etc", "/usr/local"]), rig.hosts.units(WORKER)
    assert before[0] == after[0]
    for unit in (STACK, SERVICE, CONTAINERD, "center-grub.service"):
        assert before[1][unit] == after[1][unit]


@pytest.mark.hosts
def test_another_driver_waits_for_an_empty_node(rig: Rig) -> None:
    """The repository has a newer one, the spec says it: nothing happens to the node until it is empty."""
    rig.vendor.publish(DRIVER, "1.1", vendor_packages.driver("1.1"))
    rig.apply()
    assert rig.version(DRIVER) == "1.0", "a version in the repository alone changes nothing"
    rig.edit('key: "path:vendor.asc"', f'key: "path:vendor.asc", versions: {{{DRIVER}: "1.1"}}')
    before = rig.unit(STACK)
    told = rig.apply(exits=2)
    manifest = rig.manifest("stack_simulated_debian_12")
    units = {unit["name"]: unit for unit in manifest["units"]}
    assert units[STACK] == {"name": STACK, "class": "drain", "packages": [f"{DRIVER}=1.1"]}
    assert f"{DRIVER}=1.1" in manifest["packages"]
    assert "waits for an empty node (apply --up-to drain)" in told
    assert (rig.version(DRIVER), rig.unit(STACK), rig.run("cat", LOADED).split()[0]) == ("1.0", before, "1.0")

    # What nobody uses has no reason to wait: the old driver has left, its device files with it.
    rig.run("systemctl", "stop", STACK)
    with pytest.raises(CommandFailed):
        rig.run("center-simulated-list")
    rig.apply()
    assert (rig.version(DRIVER), rig.run("cat", LOADED).split()[0]) == ("1.1", "1.1")
    assert len(rig.run("center-simulated-list").split()) == 8
    assert rig.unit(STACK).active == rig.unit(SERVICE).active == "active"
