"""SNMP version 2c: one socket that hears the agent alone, on a clock that nobody can set."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from pyasn1.codec.ber import decoder, encoder
from pysnmp.proto.api import v2c

from cooling_exporter.readings import ReadFailed


class Community(asyncio.DatagramProtocol):
    """Asks with a community, again and again until an answer to the last request comes."""

    def __init__(self, community: str, patience: float) -> None:
        self._community = community
        self._patience = patience
        self._transport: Any = None
        self._answer: asyncio.Future[Any] | None = None
        self._request = 0

    @classmethod
    async def connect(cls, address: str, port: int, community: str, patience: float) -> Community:
        """A socket of its own for the agent; `patience`: seconds until a datagram counts as lost."""
        loop = asyncio.get_running_loop()
        try:
            transport, made = await loop.create_datagram_endpoint(
                lambda: cls(community, patience), remote_addr=(address, port)
            )
        except OSError as error:
            raise ReadFailed("connection", f"{address} port {port}: {error.strerror}") from error
        made._transport = transport
        return made

    async def get(self, oids: Sequence[str]) -> tuple[int, Sequence[tuple[str, Any]]]:
        """The error status and the values of an answer; ReadFailed when it cannot be one."""
        pdu = v2c.GetRequestPDU()
        v2c.apiPDU.set_defaults(pdu)
        v2c.apiPDU.set_varbinds(pdu, [(oid, v2c.null) for oid in oids])
        message = v2c.Message()
        v2c.apiMessage.set_defaults(message)
        v2c.apiMessage.set_community(message, self._community)
        v2c.apiMessage.set_pdu(message, pdu)
        self._request = int(v2c.apiPDU.get_request_id(pdu))
        self._answer = asyncio.get_running_loop().create_future()
        datagram = encoder.encode(message)
        while True:
            self._transport.sendto(datagram)
            try:
                async with asyncio.timeout(self._patience):
                    found = await asyncio.shield(self._answer)
                break
            except TimeoutError:
                continue
        values = [(str(oid), value) for oid, value in v2c.apiPDU.get_varbinds(found)]
        return int(v2c.apiPDU.get_error_status(found)), values

    def datagram_received(self, data: bytes, addr: object) -> None:
        """An answer of the agent, or what pretends to be one."""
        if self._answer is None or self._answer.done():
            return
        try:
            message, rest = decoder.decode(data, asn1Spec=v2c.Message())
            pdu = v2c.apiMessage.get_pdu(message)
            fits = not rest and isinstance(pdu, v2c.GetResponsePDU)
            request = int(v2c.apiPDU.get_request_id(pdu))
        except Exception:  # Whatever the library stumbles over, the datagram is no answer.
            self._answer.set_exception(ReadFailed("protocol", "a datagram that is no answer"))
            return
        if fits and request == self._request:
            self._answer.set_result(pdu)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens at this port."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ReadFailed("connection", str(exc)))

    def close(self) -> None:
        """Close the socket."""
        if self._transport is not None:
            self._transport.close()
