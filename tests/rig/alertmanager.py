"""Debian's Alertmanager with the rendered routes, and somebody who takes what it sends."""

from __future__ import annotations

import json
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from control_plane.processes import Process, free_port
from tests.rig.prometheus import CACHE, fetch, program

# Debian's build reads its texts from /usr/share: those of the unpacked package are laid over it for this process.
_OVER = 'mount -t overlay center -o "lowerdir=$1/usr/share:/usr/share" /usr/share && shift && exec "$@"'


def _command() -> list[str]:
    binary = program("prometheus-alertmanager")
    if not binary.is_relative_to(CACHE):
        return [str(binary)]
    return ["unshare", "--mount", "--", "sh", "-c", _OVER, "sh", str(binary.parents[2]), str(binary)]


class Pager:
    """A webhook that remembers every alert that it was told, in order."""

    def __init__(self) -> None:
        told: list[dict[str, Any]] = []
        self.told = told

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                told.extend({**alert, "login": self.headers.get("Authorization")} for alert in body["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                """What was told is the record."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def names(self, status: str = "firing") -> list[str]:
        """Names of the alerts that it was told, each once, in order."""
        return list(dict.fromkeys(one["labels"]["alertname"] for one in self.told if one["status"] == status))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Alertmanager:
    """A running Alertmanager; as a context manager it ends with the block."""

    def __init__(self, configuration: Path, log: Path, *, port: int | None = None, netns: str | None = None) -> None:
        self.port = port or free_port()
        self._netns = netns
        self._data = tempfile.TemporaryDirectory(prefix="center-alertmanager-")
        self.process = Process(
            [
                *_command(),
                f"--config.file={configuration}",
                f"--storage.path={self._data.name}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--cluster.listen-address=",
            ],
            log=log,
            name="alertmanager",
            netns=netns,
        )
        try:
            self.process.wait_ready(lambda: fetch(f"http://127.0.0.1:{self.port}/-/ready", netns) == b"OK")
        except BaseException:
            self.end()
            raise

    def alerts(self, active: bool = True) -> list[str]:
        """Names of the alerts that are told to people, or of those that others silence."""
        words = f"active={str(active).lower()}&inhibited={str(not active).lower()}&silenced=false"
        found = json.loads(fetch(f"http://127.0.0.1:{self.port}/api/v2/alerts?{words}", self._netns))
        return sorted(alert["labels"]["alertname"] for alert in found)

    def end(self) -> None:
        self.process.end()
        self._data.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
