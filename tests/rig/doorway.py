"""A way out of a rig's network to one port of this machine's loopback, for a server that stands outside of it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from types import TracebackType
from typing import Self

from tests.rig.network import Network

# A socket belongs to the network in which it was made, whoever holds it afterwards.
LISTEN = """
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[2])))
socket.send_fds(socket.socket(fileno=int(sys.argv[1])), [b"x"], [listener.fileno()])
"""


class Doorway:
    """While the block runs, 127.0.0.1:PORT inside the network leads to 127.0.0.1:PORT outside."""

    def __init__(self, network: Network, port: int) -> None:
        self._port = port
        ours, theirs = socket.socketpair()
        with ours, theirs:
            command = [sys.executable, "-c", LISTEN, str(theirs.fileno()), str(port)]
            subprocess.run(network.command(command), pass_fds=[theirs.fileno()], check=True)
            [number] = socket.recv_fds(ours, 1, 1)[1]
        self._listener = socket.socket(fileno=number)

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, name="doorway", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):  # it is closed
            while True:
                inside, _ = self._listener.accept()
                outside = socket.create_connection(("127.0.0.1", self._port))
                for ends in ((inside, outside), (outside, inside)):
                    threading.Thread(target=_carry, args=ends, daemon=True).start()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(2**16):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
