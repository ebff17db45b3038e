"""The configuration file: JSON, strict, every finding at once."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator

from cooling_exporter.points import ModbusPoint, Name, NameOrEmpty, RedfishPoint, SnmpPoint, Strict
from cooling_exporter.secrets import Reference

MAX_BYTES = 16 * 1024 * 1024
Seconds = Annotated[float, Field(gt=0, le=3600)]


class Refused(Exception):
    """The file cannot be used; `findings` says why, one sentence each."""

    def __init__(self, findings: list[str]) -> None:
        self.findings = findings
        super().__init__("; ".join(findings))


class Credentials(Strict):
    """Where the user and the password are, as `user:password`."""

    kind: Literal["none", "basic", "session"] = "none"
    reference: Reference | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.kind == "none") != (self.reference is None):
            raise ValueError('"basic" and "session" need a "reference", "none" has none')
        return self


class _Device(Strict):
    name: Name
    loop: Annotated[NameOrEmpty, Field(description="empty: it belongs to no loop of the racks")] = ""
    profile: Name
    measures: Annotated[
        Literal["", "utility", "it", "cooling", "other"], Field(description="what a meter counts; empty: no meter")
    ] = ""
    interval: Annotated[Seconds | None, Field(description="instead of the common one")] = None
    timeout: Annotated[Seconds | None, Field(description="instead of the common one")] = None


class ModbusDevice(_Device):
    """A device that answers Modbus TCP."""

    protocol: Literal["modbus-tcp"]
    address: str
    port: Annotated[int, Field(ge=1, le=65535)] = 502
    unit: Annotated[int, Field(ge=0, le=255)] = 1
    points: Annotated[list[ModbusPoint], Field(min_length=1)]

    @field_validator("address")
    @classmethod
    def _numeric(cls, address: str) -> str:
        return _numeric_address(address)


class RedfishDevice(_Device):
    """A device that answers Redfish; `url` is its unit, such as https://10.0.0.1/redfish/v1/ThermalEquipment/CDUs/1."""

    protocol: Literal["redfish"]
    url: str
    credentials: Credentials = Credentials()
    authority: Annotated[
        str | None, Field(pattern="^/", description="PEM file that signs the device, else the system's")
    ] = None
    events: Annotated[bool, Field(description="whether new entries in the logs of its managers are counted")] = False
    points: Annotated[list[RedfishPoint], Field(min_length=1)]

    @field_validator("url")
    @classmethod
    def _below_the_service_root(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or parts.username is not None or parts.query or parts.fragment:
            raise ValueError("needs http:// or https:// without user, query and fragment")
        if not parts.path.startswith("/redfish/v1/") or ".." in parts.path.split("/"):
            raise ValueError("needs the path of a unit below /redfish/v1/")
        _numeric_address(parts.hostname or "")
        if not 1 <= (parts.port or 443) <= 65535:
            raise ValueError("needs a port from 1 to 65535")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _secret_is_not_shouted(self) -> Self:
        parts = urlsplit(self.url)
        if self.credentials.kind != "none" and parts.scheme == "http" and not _on_this_machine(parts.hostname or ""):
            raise ValueError("credentials need https:// (http:// only to this machine)")
        return self


class SnmpCredentials(Strict):
    """Where the community is (version 2c), or `user:authentication:privacy` (version 3), which the agent may hash."""

    reference: Reference
    authentication: Literal["sha", "sha224", "sha256", "sha384", "sha512"] = "sha"
    privacy: Literal["aes128", "aes192", "aes256"] = "aes128"


class SnmpDevice(_Device):
    """A device that answers SNMP: version 3 authenticated and encrypted, or 2c, which everybody can read and forge."""

    protocol: Literal["snmp"]
    address: str
    port: Annotated[int, Field(ge=1, le=65535)] = 161
    version: Literal["2c", "3"]
    context: Annotated[str, Field(max_length=32, description="of version 3, for an agent that has several")] = ""
    credentials: SnmpCredentials
    points: Annotated[list[SnmpPoint], Field(min_length=1)]

    @field_validator("address")
    @classmethod
    def _numeric(cls, address: str) -> str:
        return _numeric_address(address)


AnyDevice = ModbusDevice | RedfishDevice | SnmpDevice
Device = Annotated[AnyDevice, Field(discriminator="protocol")]


class Tls(Strict):
    """The certificate of the page, with what leads to its authority, and its key: PEM files, read anew on change."""

    certificate: Annotated[str, Field(pattern="^/")]
    key: Annotated[str, Field(pattern="^/")]


class Configuration(Strict):
    """Which devices are read, how often, and where the metrics are served."""

    listen: str = "127.0.0.1:9841"
    tls: Tls | None = None
    users: Annotated[dict[Name, Reference], Field(description="who may see the page, and where the password is")] = {}
    token: Annotated[Reference | None, Field(description="where the bearer token is that opens the page")] = None
    interval: Annotated[Seconds, Field(description="seconds from one reading of a device to the next")] = 10.0
    timeout: Annotated[Seconds, Field(description="seconds that one whole reading of a device may take")] = 5.0
    devices: list[Device]

    @field_validator("listen")
    @classmethod
    def _place(cls, listen: str) -> str:
        address_and_port(listen)
        return listen

    @model_validator(mode="after")
    def _serves_safely(self) -> Self:
        self.check_place(self.listen)
        return self

    def check_place(self, listen: str) -> None:
        """ValueError when logins would travel in clear text to the page at this place."""
        if (self.users or self.token) and self.tls is None and not _on_this_machine(address_and_port(listen)[0]):
            raise ValueError('"users" and "token" need "tls" (without it only on this machine)')

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names = [device.name for device in self.devices]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two devices have the name: {', '.join(twice)}")
        for device in self.devices:
            given = set()
            for point in device.points:
                where = point.path if isinstance(point, RedfishPoint) and point.collection else None
                for part in _parts(point):
                    key = (point.metric, point.circuit, part, where)
                    if key in given:
                        raise ValueError(f'device "{device.name}" reads {point.metric} twice for the same part')
                    given.add(key)
        return self


def _parts(point: ModbusPoint | RedfishPoint | SnmpPoint) -> list[str | None]:
    if isinstance(point, ModbusPoint) and point.bits:
        return list(point.bits)
    if isinstance(point, SnmpPoint) and point.column:
        return list(point.expect)
    return [point.part]


def load(path: Path) -> Configuration:
    """Read and check the file; Refused with every finding, OSError if it cannot be read."""
    with path.open("rb") as file:
        raw = file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise Refused([f"larger than {MAX_BYTES} bytes"])
    try:
        data = json.loads(raw, object_pairs_hook=_no_key_twice, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refused([f"not JSON: {error}"]) from None
    try:
        return Configuration.model_validate(data)
    except ValidationError as error:
        raise Refused([_finding(dict(one)) for one in error.errors(include_url=False)]) from None


def address_and_port(listen: str) -> tuple[str, int]:
    """Split `ADDRESS:PORT` or `[ADDRESS]:PORT`; ValueError says what is wrong."""
    address, _, port = listen.rpartition(":")
    _numeric_address(address.removeprefix("[").removesuffix("]"))
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise ValueError(f'needs ADDRESS:PORT, got "{listen}"')
    return address.removeprefix("[").removesuffix("]"), int(port)


def _numeric_address(address: str) -> str:
    # Names are refused so that cooling stays visible while name resolution is broken.
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise ValueError(f'needs a numeric IP address, got "{address}"') from None
    return address


def _on_this_machine(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} is given twice")
    return dict(pairs)


def _no_constant(word: str) -> float:
    raise ValueError(f"{word} is not a number of JSON")


def _finding(error: dict[str, Any]) -> str:
    where = ""
    for step in error["loc"]:
        if isinstance(step, int):
            where += f"[{step}]"
        elif step not in {"modbus-tcp", "redfish", "snmp"}:
            where += f".{step}" if where else step
    sentence = "unknown key" if error["type"] == "extra_forbidden" else str(error["msg"]).removeprefix("Value error, ")
    return f"{where}: {sentence}" if where else sentence
