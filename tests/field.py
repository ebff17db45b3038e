"""The starter centre on booted hosts, for tests of the verbs that look at nodes; its third worker is never there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lessons import ROOT
from tests.rig.hosts import TestHosts, make_ssh_key
from tests.rig.network import Network

CONTROLLER = "10.16.255.254"
NODES = {"control-a01-1": "10.16.0.65", "train-a01-1": "10.16.0.66", "train-a01-2": "10.16.0.67"}
LIVING = [word for name in NODES for word in ("--limit", name)]
CARD = {"vendor": "0x10de", "device": "0x2330", "class": "0x030200"}
NETWORK_CARD = {"vendor": "0x15b3", "device": "0x1021", "class": "0x020000"}


@dataclass
class Field:
    """Hosts, and a centre on disk that describes them."""

    network: Network
    hosts: TestHosts
    folder: Path
    key: Path
    authority: Path

    @property
    def spec(self) -> Path:
        return self.folder / "center.yaml"

    def edit(self, old: str, new: str) -> None:
        text = self.spec.read_text("utf-8")
        assert text.count(old) == 1, old
        self.spec.write_text(text.replace(old, new), "utf-8")

    def command(self, *words: str) -> list[str]:
        return self.network.command([sys.executable, "-m", "generator", *words])

    def run(self, verb: str, *words: str, exits: int | None = None) -> subprocess.CompletedProcess[str]:
        key = ["--ssh-key", str(self.key)] if verb in ("preflight", "accept") else []
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            self.command(verb, str(self.folder), *words, *key),
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert exits is None or done.returncode == exits, done.stdout + done.stderr
        return done

    def asks(self, verb: str, *words: str, exits: int | None = None) -> Any:
        """What a verb found, as a program reads it."""
        return json.loads(self.run(verb, *words, "--format", "json", exits=exits).stdout)

    @contextmanager
    def over(self, host: str, place: str, by: str) -> Iterator[None]:
        """Something else in the place of a file or folder of a host."""
        self.hosts.run(host, ["mount", "--bind", by, place])
        try:
            yield
        finally:
            self.hosts.run(host, ["umount", place])

    def write(self, host: str, path: str, text: str) -> None:
        self.hosts.run(host, ["sh", "-c", f"mkdir -p {Path(path).parent}; cat >{path}"], given=text)

    @contextmanager
    def cards(self, host: str, cards: Sequence[dict[str, str]]) -> Iterator[None]:
        """A PCI bus with these devices, and nothing else, in the place of the machine's own."""
        self.hosts.run(host, ["rm", "-rf", "/run/pci"])
        self.hosts.run(host, ["mkdir", "-p", "/run/pci"])
        for number, card in enumerate(cards):
            for name, value in card.items():
                self.write(host, f"/run/pci/0000:{number:02x}:00.0/{name}", f"{value}\n")
        with self.over(host, "/sys/bus/pci/devices", "/run/pci"):
            yield


def findings(answer: Any, *severities: str) -> dict[tuple[str, str, str], dict[str, str]]:
    """What was found, without notes unless they are asked for: pool, check and message, and the nodes."""
    wanted = severities or ("error", "warning")
    return {
        (found["pool"], found["check"], found["message"]): found["nodes"]
        for found in answer["findings"]
        if found["severity"] in wanted
    }


@contextmanager
def booted(folder: Path) -> Iterator[Field]:
    authority, key = make_ssh_key(folder / "authority"), make_ssh_key(folder / "login")
    addresses = {name: f"{address}/16" for name, address in NODES.items()}
    with (
        Network(f"{CONTROLLER}/16") as network,
        TestHosts(network, addresses, ssh_authority=authority, login_key=key) as hosts,
    ):
        yield Field(network, hosts, folder / "centre", key, authority)


def make_centre(field: Field) -> None:
    """The starter centre with servers as small as the hosts, rendered."""
    shutil.rmtree(field.folder, ignore_errors=True)
    field.folder.mkdir()
    shutil.copyfile(ROOT / "inventories/starter/center.yaml", field.spec)
    shutil.copyfile(field.authority.with_name("authority.pub"), field.folder / "ssh_ca.pub")
    servers = field.folder / "catalog/servers"
    servers.mkdir(parents=True)
    for name in ("generic-1u", "generic-8-gpu"):
        text = (ROOT / f"generator/catalog/servers/{name}.yaml").read_text("utf-8")
        text = re.sub(r"^cores: .*$", f"cores: {cores()}", text, flags=re.M)
        text = re.sub(r"^memory: .*$", f"memory: {memory() / 1e9:.1f} GB", text, flags=re.M)
        (servers / f"{name}.yaml").write_text(text, "utf-8")
    field.run("render", exits=0)


def cores() -> int:
    """Cores of this machine, of which the hosts see all; lscpu counts them."""
    lines = subprocess.run(["lscpu", "--parse=core,socket"], capture_output=True, text=True, check=True).stdout
    return len({line for line in lines.splitlines() if not line.startswith("#")})


def memory() -> int:
    """Bytes of this machine, as free tells them."""
    lines = subprocess.run(["free", "--bytes"], capture_output=True, text=True, check=True).stdout
    return int(lines.splitlines()[1].split()[1])
