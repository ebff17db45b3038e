"""Devices that speak Redfish: a small stateful service a device, in the shape that DMTF publishes."""

from __future__ import annotations

import base64
import json
import secrets
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from simulator.encode import resources
from simulator.live import Live
from simulator.physics import Device
from simulator.plan import Json
from simulator.readings import parts

SESSIONS = "/redfish/v1/SessionService/Sessions"


class Service(ThreadingHTTPServer):
    """One unit, its account and its sessions."""

    daemon_threads = True

    def __init__(
        self, live: Live, device: Device, address: str, port: int, account: str | None, certificate: Path | None
    ) -> None:
        super().__init__((address, port), Handler)
        self.live, self.device, self.account = live, device, account
        self.root = urlsplit(device.plan.said["url"]).path.rstrip("/")
        self.sessions: dict[str, str] = {}
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def documents(self) -> dict[str, Json]:
        """All resources by path, from the service's root down to the readings."""
        points = self.device.plan.points
        named = {number: parts(point, self.device) for number, point in enumerate(points)}
        found = resources(self.root, points, self.live.shown(self.device), named)
        return {**_above(self.root), **found}

    def admits(self, headers: Any) -> bool:
        if self.account is None or headers.get("X-Auth-Token") in self.sessions.values():
            return True
        kind, _, word = headers.get("Authorization", "").partition(" ")
        return kind == "Basic" and base64.b64decode(word).decode() == self.account

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up early is no news."""


class Handler(BaseHTTPRequestHandler):
    """GET of resources, POST and DELETE of sessions; nothing else is allowed."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Service

    def do_GET(self) -> None:
        if not self.server.device.condition.answers:
            self.close_connection = True
            return
        document = self.server.documents().get(self.path.rstrip("/") or "/")
        if self.path.rstrip("/") != "/redfish/v1" and not self.server.admits(self.headers):
            self._reply(401, {"error": {"code": "Base.1.0.NoValidSession"}})
        elif document is None:
            self._reply(404, {"error": {"code": "Base.1.0.ResourceMissing"}})
        else:
            self._reply(200, document)

    def do_POST(self) -> None:
        said = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        if self.path != SESSIONS or f"{said.get('UserName')}:{said.get('Password')}" != self.server.account:
            self._reply(401, {"error": {"code": "Base.1.0.NoValidSession"}})
            return
        path, token = f"{SESSIONS}/{len(self.server.sessions) + 1}", secrets.token_hex(16)
        self.server.sessions[path] = token
        self._reply(201, {"@odata.id": path}, {"X-Auth-Token": token, "Location": path})

    def do_DELETE(self) -> None:
        known = self.server.sessions.pop(self.path, None)
        self._reply(200 if known else 404, {})

    def log_message(self, *arguments: Any) -> None:
        """The plant is the record."""

    def _reply(self, code: int, document: Json, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("OData-Version", "4.0")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _above(root: str) -> dict[str, Json]:
    """The way from the root of the service to the unit."""
    found: dict[str, Json] = {}
    steps = root.strip("/").split("/")
    for depth in range(2, len(steps)):
        path, below = "/" + "/".join(steps[:depth]), "/" + "/".join(steps[: depth + 1])
        found[path] = {
            "@odata.id": path,
            "Id": steps[depth - 1],
            "Name": steps[depth - 1],
            steps[depth]: {"@odata.id": below},
        }
    folder = root.rpartition("/")[0]
    found.setdefault(folder, {"@odata.id": folder, "Name": folder.rpartition("/")[2]})["Members"] = [
        {"@odata.id": root}
    ]
    found["/redfish/v1"]["RedfishVersion"] = "1.20.0"
    return found
