"""How a test talks to a simulated device: one JSON line over a Unix socket, so it works across network namespaces."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from pathlib import Path

from tests.rig.devices.physics import Json, Plant


def serve(plant: Plant, path: Path) -> None:
    """Answer on the socket from a thread of its own, as long as the program lives."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            try:
                plant.set(json.loads(self.rfile.readline()))
                answer: Json = plant.state()
            except ValueError as error:
                answer = {"error": str(error)}
            self.wfile.write(json.dumps(answer).encode() + b"\n")

    path.unlink(missing_ok=True)
    server = socketserver.ThreadingUnixStreamServer(str(path), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def ask(path: Path, changes: Json) -> Json:
    """Change inputs (none: an empty object) and return the state after it; ValueError if the device refuses."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        connection.sendall(json.dumps(changes).encode() + b"\n")
        answer: Json = json.loads(connection.makefile().readline())
    if "error" in answer:
        raise ValueError(answer["error"])
    return answer
