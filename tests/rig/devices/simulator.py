"""A simulated device as a supervised process, with its control socket at hand."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from control_plane.processes import Process, free_port
from tests.rig.devices import control
from tests.rig.devices.physics import Json

CHECKOUT = Path(__file__).parents[3]


class Simulator:
    """Runs `python -m tests.rig.devices.<program>`; as a context manager it ends with the block."""

    def __init__(
        self,
        program: Literal["modbus_rpu", "redfish_unit"],
        log: Path,
        *options: str,
        address: str = "127.0.0.1",
        port: int | None = None,
        netns: str | None = None,
    ) -> None:
        """Start and wait until it answers; without a port, a free one is chosen."""
        self.address = address
        self.port = port or free_port(address)
        # Not in the folder of the test: the path of a Unix socket must be short.
        self._folder = tempfile.TemporaryDirectory(prefix="center-device-")
        self._socket = Path(self._folder.name) / "control"
        place = ["--listen", f"{address}:{self.port}", "--control", str(self._socket)]
        argv = [sys.executable, "-m", f"tests.rig.devices.{program}", *place, *options]
        self.process = Process(argv, log=log, name=program, cwd=CHECKOUT, netns=netns)
        try:
            # A device opens its control socket when the service listens already.
            self.process.wait_ready(lambda: self._socket.exists() and self.state())
        except BaseException:
            self.end()
            raise

    def set(self, **inputs: Any) -> Json:
        """Change inputs of the physics or the mode; return the state after it."""
        return control.ask(self._socket, inputs)

    def state(self) -> Json:
        """Inputs, readings in the units of the device, and how often each request was made."""
        return self.set()

    def end(self) -> None:
        self.process.end()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
