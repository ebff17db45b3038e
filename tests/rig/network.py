"""A network namespace with a bridge: the whole world of the test hosts and of the controller that manages them."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from os import getpid
from pathlib import Path
from types import TracebackType
from typing import Self

from control_plane import processes
from tests.rig import cgroups
from tests.rig.base import locked

BRIDGE = "rig"
NAMESPACES = Path("/run/netns")


class Network:
    """A network of its own with the controller's addresses on it; nothing else is reachable, nothing outside changes.

    Hosts, servers and controllers of one rig join it by name; `folder` keeps their files until the network ends.
    """

    def __init__(self, *addresses: str) -> None:
        """Take the controller's addresses with their prefixes, one for each subnet, such as "10.16.255.254/14"."""
        self.interfaces: list[IPv4Interface | IPv6Interface] = [ip_interface(text) for text in addresses]
        self.name = f"center-rig-{secrets.token_hex(3)}"
        self.folder = _rigs() / self.name

    @property
    def address(self) -> str:
        """The controller's first address."""
        return str(self.interfaces[0].ip)

    def command(self, argv: Sequence[str | Path]) -> list[str]:
        """Return the command that runs `argv` as the controller: on this machine, inside this network."""
        return ["nsenter", f"--net={NAMESPACES / self.name}", "--", *map(str, argv)]

    def gateway(self, host: IPv4Interface | IPv6Interface) -> str | None:
        """Return the controller's address in the host's subnet."""
        return next((str(ours.ip) for ours in self.interfaces if ours.network == host.network), None)

    def __enter__(self) -> Self:
        sweep()
        _record(self.name).write_text(json.dumps(asdict(processes.Identity.of(getpid()))))
        self.folder.mkdir()
        try:
            _ip("netns", "add", self.name)
            self._ip("link", "set", "lo", "up")
            self._ip("link", "add", BRIDGE, "type", "bridge")
            for interface in self.interfaces:
                without_waiting = ["nodad"] if interface.version == 6 else []
                self._ip("address", "add", str(interface), "dev", BRIDGE, *without_waiting)
            self._ip("link", "set", BRIDGE, "up")
        except BaseException:
            _remove(self.name)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _remove(self.name)

    def _ip(self, *words: str) -> None:
        _ip("-netns", self.name, *words)

    def links(self) -> set[str]:
        """Name the network interfaces at the bridge, one for each running host; long names are alternative ones."""
        query = ["ip", "-netns", self.name, "-json", "link", "show", "master", BRIDGE]
        answer = subprocess.run(query, capture_output=True, text=True, check=True).stdout
        return {name for link in json.loads(answer or "[]") for name in (link["ifname"], *link.get("altnames", ()))}


def sweep() -> list[str]:
    """Remove the networks and hosts of killed runs and return the names; those of living runs are kept."""
    processes.sweep()
    swept = []
    with locked(_rigs() / "lock"):
        for record in _rigs().glob("*.json"):
            # A run that ends meanwhile removes its own record; one killed while writing it had made nothing yet.
            with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
                if processes.Identity(**json.loads(record.read_text())).alive():
                    continue
                _remove(record.stem)
                swept.append(record.stem)
    return swept


def _rigs() -> Path:
    folder = processes.state_folder() / "rigs"
    folder.mkdir(exist_ok=True)
    return folder


def _record(name: str) -> Path:
    return _rigs() / f"{name}.json"


def _remove(name: str) -> None:
    cgroups.remove(name)
    if (NAMESPACES / name).exists():
        _ip("netns", "delete", name)
    if (_rigs() / name).exists():
        shutil.rmtree(_rigs() / name)
    _record(name).unlink(missing_ok=True)


def _ip(*words: str) -> None:
    try:
        subprocess.run(["ip", *words], capture_output=True, text=True, check=True)
    except subprocess.CalledProcessError as failed:
        raise RuntimeError(f"ip {' '.join(words)}: {failed.stderr.strip()}") from None
