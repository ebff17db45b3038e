"""A gate before an API server that counts requests and calls somebody at one of them, before or after its answer."""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from control_plane.certificates import write_kubeconfig
from control_plane.cluster import ControlPlane

HOP = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive"})


class Gate:
    """While the block runs, `kubeconfig` leads to the control plane through here, as its administrator."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.count = self.turned_away = 0
        self.open = threading.Event()
        self.open.set()
        self._lock = threading.Lock()
        self._armed: tuple[str, int, Callable[[], None]] | None = None
        admin = plane.authority.user("gate", ["system:masters"])
        context = ssl.create_default_context(cafile=plane.authority.certificate)
        context.load_cert_chain(admin.certificate, admin.key)
        place = urlsplit(plane.server)
        assert place.hostname and place.port
        local = threading.local()

        def forward(request: _Handler) -> None:
            if not hasattr(local, "connection"):
                local.connection = http.client.HTTPSConnection(place.hostname or "", place.port, context=context)
            request.forward(self, local.connection)

        verbs = {f"do_{verb}": forward for verb in ("GET", "POST", "PUT", "PATCH", "DELETE")}
        handler = type("Handler", (_Handler,), verbs)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        serving = plane.authority.server(f"gate-{self._server.server_port}", ["127.0.0.1"])
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        own.load_cert_chain(serving.certificate, serving.key)
        self._server.socket = own.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        url = f"https://127.0.0.1:{self._server.server_port}"
        self.kubeconfig = write_kubeconfig(folder / "gate", url, plane.authority.certificate, "gate", admin)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def arm(self, when: str, number: int, call: Callable[[], None]) -> None:
        """Count from zero; `when` is "before" (the server never hears of the request) or "after" its answer."""
        with self._lock:
            self.count, self._armed = 0, (when, number, call)

    def disarm(self) -> None:
        with self._lock:
            self._armed = None

    def shut(self, seconds: float) -> None:
        """For so long whoever comes, or is waiting for an answer, is turned away without one."""
        self.open.clear()
        threading.Timer(seconds, self.open.set).start()

    def pass_by(self) -> tuple[str, Callable[[], None]] | None:
        """Count one request; what is to be called for it, and when."""
        with self._lock:
            self.count += 1
            if self._armed and self._armed[1] == self.count:
                return self._armed[0], self._armed[2]
            return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def forward(self, gate: Gate, connection: http.client.HTTPSConnection) -> None:
        """Let a request through and its answer back, or do what is due at this one."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        due = gate.pass_by()
        if not gate.open.is_set():
            gate.turned_away += 1
            self.close_connection = True
            return
        if due and due[0] == "before":
            due[1]()
            self.close_connection = True
            return
        headers = {name: value for name, value in self.headers.items() if name.lower() not in {*HOP, "host"}}
        try:
            connection.request(self.command, self.path, body=body or None, headers=headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            self.close_connection = True
            return
        if due:
            due[1]()
        if not gate.open.is_set():
            gate.turned_away += 1
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {*HOP, "date", "server"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass
