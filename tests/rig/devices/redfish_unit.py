"""A stateful Redfish service of a coolant distribution unit or of a two-phase immersion tank.

    python -m tests.rig.devices.redfish_unit --unit cdu --listen 127.0.0.1:8443 --control /run/cdu.sock --account u:p

Inputs of the control socket, besides those of the physics: leaks {"Moisture": "Critical"} (null removes the
detector), overrides {"/redfish/v1/...": {property: value}} (null withdraws one), log {"7": "Base.1.0.Success"} (null
deletes the entry; a message with an exclamation mark is linked in the log and not shown there), mode: normal, silent,
garbage, half, drip, redirect (to `elsewhere`), oversize, error or forgetful (every session is forgotten, once).
"""

from __future__ import annotations

import argparse
import base64
import itertools
import json
import secrets
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tests.rig.devices import control
from tests.rig.devices.physics import Json, Plant, PumpedLoop, Tank

ROOT = "/redfish/v1"
MANAGER = f"{ROOT}/Managers/Unit"
SESSIONS = f"{ROOT}/SessionService/Sessions"
DETECTORS = ["Moisture", "Overflow"]
OVERSIZE = 3 * 1024 * 1024
HOLD_SECONDS = 60.0


def reading(value: Any) -> Json:
    return {"Reading": value}


def connector(shown: Json, prefix: str = "") -> Json:
    """The hydraulic readings of one side."""
    document = {
        "CoolantConnectorType": "Pair",
        "FlowLitersPerMinute": reading(shown[f"{prefix}flow"]),
        "SupplyTemperatureCelsius": reading(shown[f"{prefix}supply"]),
        "ReturnTemperatureCelsius": reading(shown[f"{prefix}return"]),
        "HeatRemovedkW": reading(shown["heat"]),
    }
    if not prefix:
        document |= {
            "SupplyPressurekPa": reading(shown["supply_pressure"]),
            "ReturnPressurekPa": reading(shown["return_pressure"]),
            "DeltaPressurekPa": reading(shown["pressure"]),
        }
    return document


def cooling_unit(shown: Json, inputs: Json) -> dict[str, Json]:
    """The resources of a CDU below its own path."""
    secondary = connector(shown) | {
        "SupplyTemperatureControlCelsius": {"SetPoint": shown["supply_target"]},
        "FlowControlLitersPerMinute": {"SetPoint": shown["flow_target"]},
    }
    pumps = {
        f"Pumps/{pump}": {
            "PumpType": "Liquid",
            "PumpSpeedPercent": {"Reading": shown["duty"] if speed else 0, "SpeedRPM": speed},
            "Status": {
                "State": "Enabled" if inputs["pumps"][pump] else "UnavailableOffline",
                "Health": "OK" if inputs["pumps"][pump] else "Critical",
            },
        }
        for pump, speed in shown["speeds"].items()
    }
    return {
        "": {"EquipmentType": "CDU"},
        "PrimaryCoolantConnectors/1": connector(shown, "cold_") | {"ValvePositionPercent": reading(shown["valve"])},
        "SecondaryCoolantConnectors/1": secondary,
        "EnvironmentMetrics": {
            "TemperatureCelsius": reading(26.5),
            "HumidityPercent": reading(shown["humidity"]),
            "DewPointCelsius": reading(shown["dew_point"]),
            "PowerWatts": reading(shown["power"]),
        },
        **pumps,
        "Reservoirs/1": {"ReservoirType": "Inline", "FluidLevelStatus": "OK", "FluidLevelPercent": reading(71.5)},
        "Filters/1": {"ServiceHours": 5791, "DeltaLiquidPressurekPa": reading(12.5)},
    }


def immersion_unit(shown: Json, inputs: Json) -> dict[str, Json]:
    """The resources of a two-phase tank below its own path."""
    return {
        "": {"EquipmentType": "ImmersionUnit"},
        "PrimaryCoolantConnectors/1": connector(shown) | {"ValvePositionPercent": reading(shown["valve"])},
        "EnvironmentMetrics": {
            "TemperatureCelsius": reading(shown["fluid"]),
            "AmbientTemperatureCelsius": reading(shown["air"]),
            "PowerWatts": reading(shown["power"]),
        },
        "Reservoirs/1": {
            "ReservoirType": "Immersion",
            "FluidLevelPercent": reading(shown["level"]),
            "FluidLevelStatus": shown["level_state"],
            "InternalPressurekPa": reading(shown["vapour"]),
        },
    }


UNITS = {
    "cdu": (f"{ROOT}/ThermalEquipment/CDUs/1", cooling_unit),
    "immersion": (f"{ROOT}/ThermalEquipment/ImmersionUnits/1", immersion_unit),
}


def manager(log: Json) -> dict[str, Json]:
    """The manager of the unit with its log, two entries a page."""
    entries = f"{MANAGER}/LogServices/Log/Entries"
    documents: dict[str, Json] = {
        SESSIONS: {"Members": []},
        f"{ROOT}/Managers": {"Members": [{"@odata.id": MANAGER}]},
        MANAGER: {"LogServices": {"@odata.id": f"{MANAGER}/LogServices"}, "Links": {"ManagerForChassis": []}},
        f"{MANAGER}/LogServices": {"Members": [{"@odata.id": f"{MANAGER}/LogServices/Log"}]},
        f"{MANAGER}/LogServices/Log": {"Entries": {"@odata.id": entries}},
    }
    shown = []
    for number, message in log.items():
        link = {"@odata.id": f"{entries}/{number}"}
        said = {"MessageId": message.removeprefix("!"), "Created": "2026-11-27T03:00:00Z", "EntryType": "Event"}
        documents[f"{entries}/{number}"] = described(f"{entries}/{number}", said)
        shown.append(link if message.startswith("!") else link | documents[f"{entries}/{number}"])
    for first in range(0, max(1, len(shown)), 2):
        page = {"Members": shown[first : first + 2], "Members@odata.count": len(shown)}
        if first + 2 < len(shown):
            page["Members@odata.nextLink"] = f"{entries}?$skip={first + 2}"
        documents[f"{entries}?$skip={first}" if first else entries] = page
    return documents


TYPES = {
    "CDUs": "CoolingUnit.v1_5_0", "ImmersionUnits": "CoolingUnit.v1_5_0", "Sessions": "Session.v1_8_0",
    "EnvironmentMetrics": "EnvironmentMetrics.v1_5_0",
    "PrimaryCoolantConnectors": "CoolantConnector.v1_3_0", "SecondaryCoolantConnectors": "CoolantConnector.v1_3_0",
    "Pumps": "Pump.v1_2_0", "Reservoirs": "Reservoir.v1_0_2", "Filters": "Filter.v1_1_0",
    "LeakDetection": "LeakDetection.v1_2_0", "LeakDetectors": "LeakDetector.v1_6_0", "Managers": "Manager.v1_24_0",
    "LogServices": "LogService.v1_9_0", "Entries": "LogEntry.v1_20_0",
}  # fmt: skip


def described(path: str, document: Json) -> Json:
    """The document with what every resource says of itself: its place, type and name."""
    folder, _, name = path.partition("?")[0].rpartition("/")
    if "Members" in document:
        # Of two names for the connectors of a side, and the names of the others, one collection type each.
        kind = TYPES.get(name, "").partition(".")[0]
        kind = f"{kind}Collection.{kind}Collection"
    else:
        version = TYPES.get(name) or TYPES.get(folder.rpartition("/")[2], "")
        kind = f"{version}.{version.partition('.')[0]}"
    about: Json = {"@odata.id": path, "@odata.type": f"#{kind}", "Name": name}
    if "Members" in document:
        about["Members@odata.count"] = len(document["Members"])
    else:
        about["Id"] = name
    return {**about, **document}


def service(units: str) -> dict[str, Json]:
    """What a client walks from: the root of the service and the place of the equipment."""
    equipment = f"{ROOT}/ThermalEquipment"
    return {
        "/redfish": {"v1": f"{ROOT}/"},
        ROOT: {
            "@odata.id": f"{ROOT}/", "@odata.type": "#ServiceRoot.v1_19_0.ServiceRoot", "Id": "RootService",
            "Name": "Unit", "RedfishVersion": "1.22.0", "ThermalEquipment": {"@odata.id": equipment},
            "Managers": {"@odata.id": f"{ROOT}/Managers"}, "Links": {"Sessions": {"@odata.id": SESSIONS}},
        },
        equipment: {
            "@odata.id": equipment, "@odata.type": "#ThermalEquipment.v1_2_0.ThermalEquipment",
            "Id": "ThermalEquipment", "Name": "Equipment", units: {"@odata.id": f"{equipment}/{units}"},
        },
    }  # fmt: skip


def tree(kind: str, plant: Plant) -> dict[str, Json]:
    """All resources by path, collections included."""
    root, make = UNITS[kind]
    state = plant.state()
    inputs = state["inputs"]
    below = make(state["readings"], inputs)
    for detector, leak in inputs["leaks"].items():
        dry = 1.72 if leak == "OK" else 1.1
        below[f"LeakDetection/LeakDetectors/{detector}"] = {
            "LeakDetectorType": "Moisture",
            "DetectorState": leak,
            "Voltage": reading(dry),
        }
    below.setdefault("LeakDetection/LeakDetectors", {"Members": []})
    documents = {f"{root}/{name}".rstrip("/"): dict(body) for name, body in below.items()}
    for path in list(documents):
        folder = path.rpartition("/")[0]
        if folder != root and "Members" not in documents[path]:
            documents.setdefault(folder, {}).setdefault("Members", []).append({"@odata.id": path})
    for path in list(documents):
        folder, _, name = path.rpartition("/")
        if folder == root:
            documents[root][name] = {"@odata.id": path}
    documents[f"{root}/LeakDetection"] = {"LeakDetectors": {"@odata.id": f"{root}/LeakDetection/LeakDetectors"}}
    documents[root]["LeakDetection"] = {"@odata.id": f"{root}/LeakDetection"}
    documents[root]["Links"] = {"ManagedBy": [{"@odata.id": MANAGER}]}
    documents |= manager(inputs["log"])
    for path, properties in inputs["overrides"].items():
        documents[path] = documents.get(path, {}) | properties
    roots = service(root.rpartition("/")[0].rpartition("/")[2])
    return {**roots, **{path: described(path, body) for path, body in documents.items()}}


def expanding(documents: dict[str, Json]) -> dict[str, Json]:
    """The same service, which announces that members can come with their collection, and does it."""
    features = {"ProtocolFeaturesSupported": {"ExpandQuery": {"NoLinks": True}}}
    whole = {
        f"{path}?$expand=.": {**one, "Members": [documents[link["@odata.id"]] for link in one["Members"]]}
        for path, one in documents.items()
        if "Members" in one and all(link["@odata.id"] in documents for link in one["Members"])
    }
    return {**documents, **whole, f"{ROOT}/": {**documents[ROOT], **features}}


class Handler(BaseHTTPRequestHandler):
    """One connection; the mode decides how well it behaves."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Service

    def do_GET(self) -> None:
        self._enter()
        if self._trouble():
            return
        # Who may log in must be able to find out where.
        is_open = self.path.rstrip("/") in {"/redfish", ROOT}
        if not is_open and not self.server.admits(self.headers):
            self._refuse(401, "NoValidSession")
        elif (document := tree(self.server.kind, self.server.plant).get(unquote(self.path).rstrip("/"))) is None:
            self._refuse(404, "ResourceMissing")
        else:
            self._reply(200, document)

    def do_POST(self) -> None:
        self._enter()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self._trouble():
            return
        account = json.loads(body or b"{}")
        given = f"{account.get('UserName')}:{account.get('Password')}"
        if self.path != SESSIONS or given != self.server.account:
            self._refuse(401, "NoValidSession")
        else:
            path, token = self.server.open_session()
            self._reply(201, {"@odata.id": path}, {"X-Auth-Token": token, "Location": path})

    def do_DELETE(self) -> None:
        self._enter()
        if self.server.close_session(self.path, self.headers.get("X-Auth-Token", "")):
            self.send_response(204)
            self.end_headers()
        else:
            self._refuse(404, "ResourceMissing")

    def __getattr__(self, name: str) -> Any:
        # Every other method is refused like a real service does, but its use is on record.
        if name.startswith("do_"):
            self._enter()
            return lambda: self._refuse(405, "OperationNotAllowed")
        raise AttributeError(name)

    def log_message(self, *arguments: Any) -> None:
        """The record of the plant says more."""

    def _enter(self) -> None:
        self.server.plant.record(f"{self.command} {self.path}")

    def _refuse(self, code: int, message: str) -> None:
        self._reply(code, {"error": {"code": f"Base.1.0.{message}"}})

    def _reply(self, code: int, document: Json, headers: dict[str, str] | None = None) -> None:
        self._send(code, json.dumps(document).encode(), headers)

    def _send(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _trouble(self) -> bool:
        """Misbehave as the mode says; False when the request is to be answered properly."""
        plant = self.server.plant
        match plant.input("mode"):
            case "silent":
                self._hold("silent")
            case "garbage":
                self.wfile.write(bytes(range(256)) * 16)
            case "half":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{")
                self.wfile.flush()
                self._hold("half")
            case "drip":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                self._hold("drip", lambda: self.wfile.write(b" "))
            case "redirect":
                self._send(302, b"", {"Location": plant.input("elsewhere") + self.path})
            case "oversize":
                self._send(200, b'{"Filler": "' + b"x" * OVERSIZE + b'"}')
            case "error":
                self._refuse(500, "InternalError")
            case "forgetful":
                plant.set({"mode": "normal"})
                self.server.sessions.clear()
                return False
            case _:
                return False
        self.close_connection = True
        return True

    def _hold(self, mode: str, meanwhile: Any = lambda: None) -> None:
        end = time.monotonic() + HOLD_SECONDS
        while self.server.plant.input("mode") == mode and time.monotonic() < end:
            meanwhile()
            time.sleep(0.05)


class Service(ThreadingHTTPServer):
    """Accounts, sessions and the plant behind the handlers."""

    daemon_threads = True

    def __init__(self, place: tuple[str, int], kind: str, plant: Plant, account: str | None) -> None:
        super().__init__(place, Handler)
        self.kind = kind
        self.plant = plant
        self.account = account
        self.sessions: dict[str, str] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def admits(self, headers: Any) -> bool:
        if self.account is None or headers.get("X-Auth-Token") in self.sessions.values():
            return True
        kind, _, word = headers.get("Authorization", "").partition(" ")
        return kind == "Basic" and base64.b64decode(word).decode() == self.account

    def open_session(self) -> tuple[str, str]:
        with self._lock:
            path, token = f"{SESSIONS}/{next(self._numbers)}", secrets.token_hex(16)
            self.sessions[path] = token
        return path, token

    def close_session(self, path: str, token: str) -> bool:
        with self._lock:
            known = self.sessions.get(path) == token
            if known:
                del self.sessions[path]
        return known

    def handle_error(self, request: socket.socket | tuple[bytes, socket.socket], client_address: Any) -> None:
        """A client that hangs up early is no news."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--unit", required=True, choices=sorted(UNITS))
    parser.add_argument("--listen", required=True, metavar="ADDRESS:PORT")
    parser.add_argument("--control", required=True, type=Path, metavar="SOCKET")
    parser.add_argument("--account", metavar="USER:PASSWORD", help="without it, everybody may read")
    parser.add_argument("--certificate", type=Path, metavar="PEM", help="serve HTTPS with this certificate and key")
    parser.add_argument("--inertia", type=float, default=0.0, help="time constant of temperatures, seconds")
    options = parser.parse_args()
    plant: Plant = (
        PumpedLoop(2, DETECTORS, good="OK", inertia=options.inertia)
        if options.unit == "cdu"
        else Tank(DETECTORS, inertia=options.inertia)
    )
    address, _, port = options.listen.rpartition(":")
    service = Service((address, int(port)), options.unit, plant, options.account)
    control.serve(plant, options.control)
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate)
        service.socket = context.wrap_socket(service.socket, server_side=True)
    service.serve_forever()


if __name__ == "__main__":
    main()
