"""A real SNMP agent (snmpsim) as a supervised process; it answers version 2c and 3 from a file of recorded objects."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from control_plane.processes import Process, free_port

COMMUNITY = "plant-7"
USER, AUTHENTICATION, PRIVACY = "reader", "correct-horse", "battery-staple"
# Tags of the kinds of values, as ASN.1 has them.
TAGS = {"integer": "2", "text": "4", "gauge": "66", "ticks": "67", "counter64": "70"}

Objects = Mapping[str, tuple[str, int | str]]


class Agent:
    """Runs the agent with these objects, OID -> (kind, value); as a context manager it ends with the block."""

    def __init__(self, objects: Objects, log: Path, *, authentication: str = "SHA", privacy: str = "AES") -> None:
        """Start it and wait until it listens."""
        self.address, self.port = "127.0.0.1", free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="center-agent-")
        folder = Path(self._folder.name)
        for name in ("data", "cache"):
            (folder / name).mkdir()
        self._file = folder / "data" / f"{COMMUNITY}.snmprec"
        self.set(objects)
        argv: list[str | Path] = [
            Path(sys.executable).with_name("snmpsim-command-responder"), "--logging-method=stderr",
            "--v3-engine-id=auto", f"--v3-user={USER}", f"--v3-auth-key={AUTHENTICATION}",
            f"--v3-auth-proto={authentication}", f"--v3-priv-key={PRIVACY}", f"--v3-priv-proto={privacy}",
            f"--data-dir={folder / 'data'}", f"--cache-dir={folder / 'cache'}",
            f"--agent-udpv4-endpoint={self.address}:{self.port}",
        ]  # fmt: skip
        if os.geteuid() == 0:
            # It wants to be told that it stays root: another user could not read an interpreter that root installed.
            argv += ["--process-user=root", "--process-group=root"]
        self.process = Process(argv, log=log, name="snmpsim")
        try:
            self.process.wait_ready(lambda: f":{self.port:04X} " in Path("/proc/net/udp").read_text())
        except BaseException:
            self.end()
            raise

    def set(self, objects: Objects) -> None:
        """Let the agent have these objects and no others from now on."""
        ordered = sorted(objects.items(), key=lambda item: [int(step) for step in item[0].split(".")])
        lines = [f"{oid}|{TAGS[kind]}|{value}\n" for oid, (kind, value) in ordered]
        fresh = self._file.with_suffix(".new")
        fresh.write_text("".join(lines))
        # The agent looks at the time of the file in whole seconds.
        later = self._file.stat().st_mtime + 2 if self._file.exists() else 0
        os.utime(fresh, (later, max(later, fresh.stat().st_mtime)))
        fresh.replace(self._file)

    def end(self) -> None:
        self.process.end()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


def snmp_device(agent: Agent, name: str, points: list[dict[str, Any]], secret: Path, **more: Any) -> dict[str, Any]:
    """A device of the exporter's configuration; version 2c unless said otherwise.

    The agent knows its objects by a name: the community of version 2c, the context of version 3.
    """
    more = {"context": COMMUNITY, **more} if more.get("version") == "3" else more
    return {
        "name": name,
        "profile": "test-meter",
        "protocol": "snmp",
        "address": agent.address,
        "port": agent.port,
        "version": "2c",
        "credentials": {"reference": f"file:{secret}"},
        "points": points,
        **more,
    }
