"""Files of hosts that no booted host of ours could use to the end, judged by the programs that would read them."""

from __future__ import annotations

import json
import random
import re
import subprocess
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from generator.outputs.mounts import unit_name
from tests.lessons import ROOT, STARTER
from tests.test_samples import center

SYSTEM = (ROOT / "generator/catalog/systems/debian-12.yaml").read_text("utf-8")
KINDS = {
    "nfs": ("[nas.starter.example]", "nas.starter.example:/export/data"),
    "cephfs": ("[10.16.0.8, 10.16.0.9]", "10.16.0.8,10.16.0.9:/export/data"),
    "lustre": ("[10.16.0.8, 10.16.0.9]", "10.16.0.8@tcp:10.16.0.9@tcp:/export/data"),
    "beegfs": ("[10.16.0.8]", "beegfs_nodev"),
    "gpfs": ("[10.16.0.8]", "export/data"),
}
SECRET = ("cephfs", "beegfs")


def tree(folder: Path, storage: str) -> Path:
    """The starter with these file systems and a firewall, on a system that has a client for each kind."""
    clients = "".join(f"  {kind}-client: [{kind}-utils]\n" for kind in KINDS if kind not in ("nfs", "cephfs"))
    system = SYSTEM.replace("name: debian-12", "name: own-12").replace("proven: true", "proven: false")
    (folder / "catalog/systems").mkdir(parents=True)
    (folder / "catalog/systems/own-12.yaml").write_text(system.replace("packages:\n", f"packages:\n{clients}"))
    (folder / "ssh_ca.pub").write_bytes((STARTER / "ssh_ca.pub").read_bytes())
    words = (STARTER / "center.yaml").read_text("utf-8").replace("train: {server:", "train: {system: own-12, server:")
    words = words.replace("access:\n", f"storage:\n{storage}access:\n  from: [10.8.0.0/24]\n", 1)
    (folder / "center.yaml").write_text(words, "utf-8")
    done = center("-q", "render", str(folder), "--out", str(folder / "tree"))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "tree"


def file_system(name: str, kind: str) -> str:
    secret = f', secret: "vault:storage#{name}"' if kind in SECRET else ""
    servers, mount = KINDS[kind][0], f"/mnt/{name}-x"
    words = f"kind: {kind}, servers: {servers}, export: /export/data, mount: {mount}, purpose: data, clusters: [cloud]"
    return f"  {name}: {{{words}{secret}}}\n"


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tree(tmp_path_factory.mktemp("centre"), "".join(file_system(f"a-{kind}", kind) for kind in KINDS))


@pytest.mark.parametrize("kind", KINDS)
def test_systemd_understands_each_mount(kind: str, rendered: Path, tmp_path: Path) -> None:
    name = rf"mnt-a\x2d{kind}\x2dx.mount"
    group = rendered / f"hosts/groups/storage_a_{kind}"
    links = json.loads((group / "manifest.json").read_text("utf-8"))["links"]
    assert {link["path"].removeprefix("/etc/systemd/system/"): link["target"] for link in links} == {
        name: f"/etc/center/mounts/a-{kind}.mount",
        f"remote-fs.target.wants/{name}": f"../{name}",
    }
    unit = group / f"files/etc/center/mounts/a-{kind}.mount"
    (tmp_path / name).write_bytes(unit.read_bytes())
    verify = ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)]
    done = subprocess.run(verify, capture_output=True, text=True)
    # Units of this machine may have faults of their own.
    assert [line for line in done.stderr.splitlines() if "mnt-a" in line] == []
    words = dict(line.split("=", 1) for line in unit.read_text("utf-8").splitlines() if re.match(r"\w+=", line))
    assert (words["What"], words["Where"], words["TimeoutSec"]) == (KINDS[kind][1], f"/mnt/a-{kind}-x", "90")
    assert {"_netdev", "nofail"} < set(words["Options"].split(","))


@pytest.mark.parametrize("kind", SECRET)
def test_keys_of_file_systems_are_holes_that_only_root_reads(kind: str, rendered: Path) -> None:
    manifest = json.loads((rendered / f"hosts/groups/storage_a_{kind}/manifest.json").read_text("utf-8"))
    [file] = [file for file in manifest["files"] if file["holes"]]
    assert (file["mode"], file["owner"], file["holes"]) == ("0600", "root", [f"secret.storage-a-{kind}"])
    reference = {"reference": f"vault:storage#a-{kind}", "use": "storage-key"}
    assert manifest["secrets"] == {f"storage-a-{kind}": reference}
    body = rendered / f"hosts/groups/storage_a_{kind}/files{file['path']}"
    assert body.read_text("utf-8") == f"@{{secret.storage-a-{kind}}}\n"
    assert {(unit["name"], unit["class"]) for unit in manifest["units"]} == {(rf"mnt-a\x2d{kind}\x2dx.mount", "drain")}


def test_servers_that_call_back_are_let_in(rendered: Path) -> None:
    found = {file.parts[-6]: file.read_text("utf-8") for file in rendered.rglob("firewall.d/storage-*.nft")}
    assert sorted(found) == ["storage_a_beegfs", "storage_a_gpfs", "storage_a_lustre"]
    assert found["storage_a_lustre"].splitlines()[-1] == "add element inet center inside { 10.16.0.8, 10.16.0.9 }"


def test_mount_units_have_the_names_that_systemd_wants() -> None:
    chance = random.Random(8)
    letters = "abcXYZ019._-"
    parts = ["".join(chance.choices(letters, k=chance.randint(1, 9))) for _ in range(400)]
    paths = ["/home", "/data-x", "/a/.b", *(f"/a/{one}/{two}" for one, two in pairwise(parts))]
    plain = [path for path in paths if "/../" not in f"{path}/" and "/./" not in f"{path}/"]
    done = subprocess.run(
        ["systemd-escape", "--path", "--suffix=mount", *plain], capture_output=True, text=True, check=True
    )
    assert [unit_name(path) for path in plain] == done.stdout.split()


def test_a_pool_of_one_node_serves_nfs_to_the_nodes_of_the_centre(tmp_path: Path) -> None:
    words = (STARTER / "center.yaml").read_text("utf-8")
    words = words.replace("{control: 1, train: 3}", "{control: 1, train: 3, store: 1}")
    words = words.replace("slot: 2}\n", "slot: 2}\n  store: {server: generic-1u, role: storage, slot: 10}\n")
    storage = "  data: {kind: nfs, pool: store, export: /data, mount: /data, purpose: data, clusters: [cloud]}\n"
    words = words.replace("access:\n", f"storage:\n{storage}access:\n", 1)
    (tmp_path / "ssh_ca.pub").write_bytes((STARTER / "ssh_ca.pub").read_bytes())
    (tmp_path / "center.yaml").write_text(words, "utf-8")
    assert center("-q", "render", str(tmp_path)).returncode == 0
    group = tmp_path / "generated/hosts/groups/exports_store"
    lines = (group / "files/etc/exports.d/center.exports").read_text("utf-8").splitlines()
    assert lines[1:] == ["/data 10.16.0.0/16(rw,sync,no_subtree_check,root_squash)"]
    manifest = json.loads((group / "manifest.json").read_text("utf-8"))
    assert manifest["directories"] == [{"group": "root", "mode": "0755", "owner": "root", "path": "/data"}]
    classes = {unit["name"]: unit["class"] for unit in manifest["units"]}
    assert classes == {"center-exports.service": "restart", "nfs-server.service": "live"}
    [mount] = (tmp_path / "generated").rglob("data.mount")
    assert "What=10.16.0.74:/data\n" in mount.read_text("utf-8"), "row base 0 + rack 1 x 64 + slot 10"


KATA = "/opt/kata/share/defaults/kata-containers"
SANDBOXES = {
    "gvisor": (
        "runsc",
        "io.containerd.runsc.v1",
        {"TypeUrl": "io.containerd.runsc.v1.options", "ConfigPath": "/etc/containerd/runsc.toml"},
    ),
    "kata-qemu": ("kata-qemu", "io.containerd.kata.v2", {"ConfigPath": f"{KATA}/configuration-qemu.toml"}),
}


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_containerd_knows_the_sandbox_of_its_cluster_alone(sandbox: str, tmp_path: Path) -> None:
    """The table that gVisor and Kata Containers tell their users to write by hand."""
    words = (STARTER / "center.yaml").read_text("utf-8").replace("train: 3}", "train: 3, other: 1, lead: 1}")
    words = words.replace(
        "slot: 2}\n",
        "slot: 2}\n  other: {server: generic-1u, cluster: second, slot: 10}\n"
        "  lead: {server: generic-1u, role: control, cluster: second, slot: 12}\n",
    )
    words = words.replace("cni: calico", f"cni: calico, sandbox: {sandbox}")
    second = '  second: {kind: kubernetes, version: "1.36", pods: 10.160.0.0/16, services: 10.112.0.0/16}\n'
    words = words.replace("\naccess:\n", f"{second}\naccess:\n")
    (tmp_path / "ssh_ca.pub").write_bytes((STARTER / "ssh_ca.pub").read_bytes())
    (tmp_path / "center.yaml").write_text(words, "utf-8")
    done = center("-q", "render", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    runtimes = {
        file.parts[-5]: tomllib.loads(file.read_text("utf-8"))["plugins"]["io.containerd.grpc.v1.cri"]["containerd"][
            "runtimes"
        ]
        for file in tmp_path.rglob("etc/containerd/config.toml")
    }
    handler, kind, options = SANDBOXES[sandbox]
    inside = f"containers_debian_12_nvidia_sandbox_{sandbox.replace('-', '_')}"
    assert set(runtimes) == {inside, "containers_debian_12"}
    assert set(runtimes["containers_debian_12"]) == {"runc"}
    assert set(runtimes[inside]) == {"runc", "nvidia", handler}
    assert runtimes[inside][handler] == {
        "runtime_type": kind,
        "privileged_without_host_devices": True,
        "options": options,
    }


def test_a_system_with_dnf_gets_a_repository_of_its_form(tmp_path: Path) -> None:
    system = (ROOT / "generator/catalog/systems/rocky-9.yaml").read_text("utf-8").replace("rocky-9", "own-9")
    for part, metrics, containers in (
        ("packages", "[node-exporter]", "[containerd.io]"),
        ("units", "node-exporter.service", "containerd.service"),
        ("paths", "/etc/sysconfig/node-exporter", "/etc/containerd/config.toml"),
    ):
        system = system.replace(f"\n{part}:\n", f"\n{part}:\n  metrics: {metrics}\n  containers: {containers}\n")
    (tmp_path / "catalog/systems").mkdir(parents=True)
    (tmp_path / "catalog/systems/own-9.yaml").write_text(system)
    words = (
        (STARTER / "center.yaml").read_text("utf-8").replace("{server: generic-", "{system: own-9, server: generic-")
    )
    words = words.replace(
        "ntp: [10.16.0.1]\n",
        'ntp: [10.16.0.1]\n  trust: "path:roots.pem"\n'
        '  mirror: {url: "https://mirror.starter.example/9", key: "path:key.asc"}\n',
    )
    (tmp_path / "center.yaml").write_text(words, "utf-8")
    (tmp_path / "roots.pem").write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    for name in ("ssh_ca.pub", "key.asc"):
        (tmp_path / name).write_bytes((STARTER / "ssh_ca.pub").read_bytes())
    done = center("-q", "render", str(tmp_path))
    assert done.returncode == 0, done.stderr
    group = tmp_path / "generated/hosts/groups/system_own_9"
    assert (group / "files/etc/yum.repos.d/center.repo").read_text("utf-8").splitlines()[1:] == [
        "[center]",
        "name=center",
        "baseurl=https://mirror.starter.example/9",
        "enabled=1",
        "gpgcheck=1",
        "gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-center",
        "sslcacert=/etc/center/trust.pem",
    ]
    trust = (group / "files/etc/systemd/system/center-trust.service").read_text("utf-8")
    assert "\nExecStart=/usr/bin/update-ca-trust extract\n" in trust
