"""Reads an SNMP agent: GET only, a bounded number of objects in each request."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

from pyasn1.type import univ
from pysnmp.entity.rfc3413 import cmdgen
from pysnmp.hlapi.v3arch import asyncio as v3
from pysnmp.hlapi.v3arch.asyncio.cmdgen import LCD
from pysnmp.proto import errind, rfc1902

from cooling_exporter import secrets
from cooling_exporter.configuration import SnmpDevice
from cooling_exporter.readings import Raw, ReadFailed, Reason, Sample, judge
from cooling_exporter.snmp_community import Community

MAX_OBJECTS: Final = 16
"""In one request: the answer must fit into the 1,472 bytes that every agent can send, with texts in it too."""
MAX_TEXT: Final = 64
MIN_PASSPHRASE: Final = 8
_AUTHENTICATION: Final = {
    "sha": v3.usmHMACSHAAuthProtocol,
    "sha224": v3.usmHMAC128SHA224AuthProtocol,
    "sha256": v3.usmHMAC192SHA256AuthProtocol,
    "sha384": v3.usmHMAC256SHA384AuthProtocol,
    "sha512": v3.usmHMAC384SHA512AuthProtocol,
}
_PRIVACY: Final = {
    "aes128": v3.usmAesCfb128Protocol,
    "aes192": v3.usmAesCfb192Protocol,
    "aes256": v3.usmAesCfb256Protocol,
}
_REFUSALS: Final = (
    errind.UnknownUserName, errind.UnknownSecurityName, errind.WrongDigest, errind.AuthenticationError,
    errind.AuthenticationFailure, errind.DecryptionError, errind.UnsupportedSecurityLevel, errind.NotInView,
    errind.NoAccessEntry,
)  # fmt: skip
_REFUSED_STATUS: Final = 16
_WHOLE = re.compile(r"[+-]?[0-9]{1,30}")
_DECIMAL = re.compile(r"[+-]?[0-9]{0,30}\.?[0-9]{1,30}([eE][+-]?[0-9]{1,2})?")

Binding = tuple[str, Any]


class Agent(Protocol):
    """Asks the agent in one version of the protocol."""

    async def get(self, oids: Sequence[str]) -> tuple[int, Sequence[Binding]]:
        """The error status and the values of an answer; ReadFailed when there is none."""

    def close(self) -> None:
        """Close the socket."""


class SnmpReader:
    """Asks for all objects that the points name; keeps what it knows of the agent while that answers well."""

    def __init__(self, device: SnmpDevice, timeout: float) -> None:
        self._device = device
        self._timeout = timeout
        self._oids = sorted({oid for point in device.points for oid in point.objects})
        self._agent: Agent | None = None

    async def read(self) -> list[Sample]:
        """Read all points once; ReadFailed when the device as a whole cannot be read."""
        agent = await self._connected()
        found: dict[str, Raw] = {}
        for oids in _batches(self._oids):
            status, bindings = await agent.get(oids)
            if status:
                reason: Reason = "unauthorized" if status == _REFUSED_STATUS else "protocol"
                raise ReadFailed(reason, f"error status {status} for {oids[0]} and the objects after it")
            if [oid for oid, _ in bindings] != list(oids):
                raise ReadFailed("protocol", f"an answer that does not fit the request for {oids[0]}")
            found |= {oid: raw_value(value) for oid, value in bindings}
        if all(raw is None for raw in found.values()):
            raise ReadFailed("empty", "the agent has none of the configured objects")
        return [judge(point, found[oid], part) for point in self._device.points for oid, part in point.objects.items()]

    async def drop(self) -> None:
        """Forget the agent: another one may answer at this address next, with another secret and another clock."""
        if self._agent is not None:
            self._agent.close()
            self._agent = None

    close = drop

    async def _connected(self) -> Agent:
        if self._agent is None:
            device = self._device
            try:
                if device.version == "2c":
                    community = secrets.read(device.credentials.reference)
                    self._agent = await Community.connect(device.address, device.port, community, self._timeout / 4)
                else:
                    self._agent = await _User.connect(device, self._timeout)
            except secrets.Unreadable as error:
                raise ReadFailed("credentials", str(error)) from None
        return self._agent


class _User:
    """Version 3 with authentication and encryption."""

    def __init__(self, engine: Any, user: Any, target: Any, context: Any) -> None:
        self._engine = engine
        self._user = user
        self._target = target
        self._context = context

    @classmethod
    async def connect(cls, device: SnmpDevice, timeout: float) -> _User:
        given = device.credentials
        user, authentication, privacy = secrets.read_parts(given.reference, ("user", "authentication", "privacy"))
        if min(len(authentication), len(privacy)) < MIN_PASSPHRASE:
            raise secrets.Unreadable(f"{given.reference} holds a passphrase of less than {MIN_PASSPHRASE} characters")
        kind = v3.Udp6TransportTarget if ":" in device.address else v3.UdpTransportTarget
        # The bound on a whole reading lies outside; a datagram may be lost before.
        target = await kind.create((device.address, device.port), timeout=timeout / 4, retries=3)
        keys = {"authKey": authentication, "privKey": privacy}
        protocols = {
            "authProtocol": _AUTHENTICATION[given.authentication],
            "privProtocol": _PRIVACY[given.privacy],
        }
        context = v3.ContextData(contextName=device.context)
        return cls(v3.SnmpEngine(), v3.UsmUserData(user, **keys, **protocols), target, context)

    async def get(self, oids: Sequence[str]) -> tuple[int, Sequence[Binding]]:
        # Below the library's own "get", which would first make a compiler for descriptions that nobody has.
        target, _ = LCD.configure(self._engine, self._user, self._target, self._context.contextName)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        cmdgen.GetCommandGenerator().send_varbinds(
            self._engine,
            target,
            self._context.contextEngineId,
            self._context.contextName,
            [(rfc1902.ObjectName(oid), rfc1902.Null("")) for oid in oids],
            _hand_over,
            answer,
        )
        trouble, status, bindings = await answer
        if trouble is not None:
            if isinstance(trouble, errind.RequestTimedOut):
                raise ReadFailed("timeout", "no answer from the agent")
            raise ReadFailed("unauthorized" if isinstance(trouble, _REFUSALS) else "protocol", str(trouble))
        return int(status), [(str(name), value) for name, value in bindings]

    def close(self) -> None:
        self._engine.close_dispatcher()


def _hand_over(engine: Any, request: Any, trouble: Any, status: Any, index: Any, bindings: Any, answer: Any) -> None:
    if not answer.done():
        answer.set_result((trouble, status, bindings))


def raw_value(value: Any) -> Raw:
    """What an agent sent, as a number if it is one, also one that is spelled as text."""
    if isinstance(value, univ.Integer):
        return int(value)
    # For the library, what says "no such object" is a kind of text too.
    if not isinstance(value, univ.OctetString) or isinstance(value, univ.Null | rfc1902.IpAddress | rfc1902.Opaque):
        return None
    text = bytes(value).decode("latin-1").strip(" \t\r\n\0")[:MAX_TEXT]
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text


def _batches(oids: Sequence[str]) -> Iterator[tuple[str, ...]]:
    rest = iter(oids)
    while batch := tuple(itertools.islice(rest, MAX_OBJECTS)):
        yield batch
