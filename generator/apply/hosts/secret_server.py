"""Secrets for the process that needs them: over a socket while it runs, never through its arguments or a file.

The other end is `playbooks/plugin_utils/center_secrets.py`. A line of JSON asks, a line of JSON answers.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import tempfile
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingMixIn, UnixStreamServer
from typing import Any

from generator.apply.secrets import Secrets
from generator.problems import Refused

VARIABLE = "CENTER_SECRETS"
"""The environment variable that tells the other end where the socket is."""
QUESTION_BYTES = 4096
IDLE_SECONDS = 30
# The kernel ends a socket's path at 108 bytes.
_PATH_BYTES = 100
_CREDENTIALS = struct.Struct("3i")


@contextmanager
def serving(secrets: Secrets, allowed: Collection[tuple[str, str]], folder: Path) -> Iterator[Path]:
    """Answer for these (reference, use) alone while the block runs, at a socket in a private folder below `folder`."""
    with _private(folder) as private:
        place = private / "secrets"
        with _Server(str(place), secrets, frozenset(allowed)) as server:
            place.chmod(0o600)
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="secrets", daemon=True)
            thread.start()
            try:
                yield place
            finally:
                server.shutdown()
                thread.join()


@contextmanager
def _private(folder: Path) -> Iterator[Path]:
    near = len(os.fsencode(folder / "secrets-12345678/secrets")) < _PATH_BYTES
    with tempfile.TemporaryDirectory(prefix="secrets-", dir=folder if near else "/tmp") as made:
        yield Path(made)


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, place: str, secrets: Secrets, allowed: frozenset[tuple[str, str]]) -> None:
        self.secrets, self.allowed = secrets, allowed
        super().__init__(place, _Conversation)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Only who runs this may ask, whatever became of the socket's permissions."""
        credentials = request.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        _, user, _ = _CREDENTIALS.unpack(credentials)
        return bool(user == os.geteuid())

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked has gone away; there is nobody to tell."""

    def answer(self, line: bytes) -> dict[str, str]:
        try:
            asked = json.loads(line)
            reference, use = asked["reference"], asked["use"]
        except (ValueError, TypeError, KeyError, RecursionError):
            return {"refused": "the question is no question"}
        if not isinstance(reference, str) or not isinstance(use, str) or (reference, use) not in self.allowed:
            return {"refused": "this run does not need such a secret"}
        try:
            value = self.secrets.resolve(reference, use)
        except Refused as refused:
            return {"refused": str(refused)}
        return {"value": base64.b64encode(value.reveal()).decode("ascii")}


class _Conversation(StreamRequestHandler):
    timeout = IDLE_SECONDS
    server: _Server

    def handle(self) -> None:
        while (line := self.rfile.readline(QUESTION_BYTES + 1)) and line.endswith(b"\n"):
            self.wfile.write(json.dumps(self.server.answer(line)).encode("ascii") + b"\n")
