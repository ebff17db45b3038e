"""HTTP/1.1 to one origin over one kept connection: no redirects, proxies, cookies or compression, answers bounded.

Framing is h11's; this is what it leaves open: the connection, its limits, and when it may be used again.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, quote

import h11

from cooling_exporter.readings import ReadFailed

MAX_ANSWER: Final = 1024 * 1024
MAX_HEAD: Final = 64 * 1024
_PORTS: Final = {"http": 80, "https": 443}
_PLAIN: Final = "/?%$&'()*+,;=:@!"
"""What stays as it is in a path besides letters, digits and -._~; names that a device chose may hold anything."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; the names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Lost(Exception):
    """The connection ended before the answer did; `begun` tells whether any of it had come."""

    def __init__(self, begun: bool) -> None:
        self.begun = begun
        super().__init__("the device hung up")


class Origin:
    """Sends one request after the other; cancelled at any await, it is usable again."""

    def __init__(self, url: SplitResult, authority: str | None) -> None:
        """Contact nobody yet; OSError if the authority's file cannot be read."""
        self._address, self._port = url.hostname or "", url.port or _PORTS[url.scheme]
        self._secure, self._authority = url.scheme == "https", authority
        self._judge()
        # As clients write it: some services know themselves without the port of their scheme only.
        host = f"[{self._address}]" if ":" in self._address else self._address
        self._host = host if self._port == _PORTS[url.scheme] else f"{host}:{self._port}"
        # A compressed answer could unfold to any size.
        self._always = [
            ("Host", self._host), ("Accept", "application/json"), ("Accept-Encoding", "identity"),
            ("OData-Version", "4.0"),
        ]  # fmt: skip
        self._line: _Line | None = None

    async def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Make a request and await the whole answer; ReadFailed when there is none."""
        about = [*self._always, *headers.items()]
        about += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))] if body else []
        try:
            request = h11.Request(method=method, target=quote(path, _PLAIN), headers=about)
        except h11.LocalProtocolError as error:
            raise ReadFailed("protocol", f"{method} {path}: {error}") from error
        try:
            kept = self._line is not None and self._line.free
            try:
                return await self._exchange(request, body)
            except _Lost as lost:
                # A device may hang up on an idle connection in the moment in which it is used again.
                if not kept or lost.begun or method != "GET":
                    raise
                return await self._exchange(request, body)
        except h11.RemoteProtocolError as error:
            raise ReadFailed("protocol", f"{method} {path}: {error}") from error
        except (OSError, _Lost) as error:
            raise ReadFailed("connection", f"{method} {path}: {error}") from error

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _judge(self) -> ssl.SSLContext | None:
        return context(self._authority) if self._secure else None

    async def _exchange(self, request: h11.Request, body: bytes) -> Answer:
        if self._line is None or not self._line.free:
            self.close()
            loop = asyncio.get_running_loop()
            judge = self._judge()
            name = None if judge is None else self._address
            _, self._line = await loop.create_connection(
                _Line, self._address, self._port, ssl=judge, server_hostname=name
            )
        try:
            return await self._line.ask(request, body)
        except BaseException:
            # Half an answer may be on its way, and must not be taken for the next one.
            self.close()
            raise


class _Line(asyncio.Protocol):
    """A connection with at most one request on it; whatever comes without being asked for ends it."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._head: h11.Response | None = None
        self._body = bytearray()
        self._received = 0

    @property
    def free(self) -> bool:
        """Whether another request may be sent."""
        return self._transport is not None and not self._transport.is_closing() and self._http.our_state is h11.IDLE

    async def ask(self, request: h11.Request, body: bytes) -> Answer:
        assert self._transport is not None
        self._head, self._received = None, 0
        self._body.clear()
        self._answer = asyncio.get_running_loop().create_future()
        sent = self._http.send(request) or b""
        sent += (self._http.send(h11.Data(data=body)) or b"") if body else b""
        self._transport.write(sent + (self._http.send(h11.EndOfMessage()) or b""))
        try:
            return await self._answer
        finally:
            self._answer = None

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._answer is None or self._answer.done():
            self.close()
        elif self._received > MAX_ANSWER:
            self._fail(ReadFailed("oversize", f"an answer is larger than {MAX_ANSWER} bytes"))
        else:
            self._take(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        # An answer without a length ends with the connection; a certificate error is told by who made the connection.
        if error is None and self._answer is not None and not self._answer.done():
            self._take(b"")
        self._fail(error if isinstance(error, OSError) and self._received else _Lost(self._received > 0))

    def _take(self, data: bytes) -> None:
        try:
            self._http.receive_data(data)
            self._read()
        except h11.RemoteProtocolError as error:
            self._fail(_Lost(self._received > 0) if not data else error)

    def _read(self) -> None:
        while True:
            match self._http.next_event():
                case h11.Response() as head:
                    self._head = head
                case h11.Data(data=data):
                    self._body += data
                case h11.EndOfMessage():
                    self._finish()
                    return
                case h11.InformationalResponse():
                    pass
                case _:
                    return

    def _finish(self) -> None:
        assert self._answer is not None and self._head is not None
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in self._head.headers}
        self._answer.set_result(Answer(self._head.status_code, headers, bytes(self._body)))
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE and not self._http.trailing_data[0]:
            self._http.start_next_cycle()
        else:
            self.close()

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        self.close()


def context(authority: str | None) -> ssl.SSLContext:
    """What judges certificates: one for all devices of an authority, since each costs memory and time to make.

    Made anew when the files have changed: one that has met a root keeps it, and with it all others of its name out.
    """
    usual = ssl.get_default_verify_paths()
    places = (usual.cafile, usual.capath) if authority is None else (authority,)
    return _context(authority, tuple(Path(place).stat().st_mtime_ns for place in places if place))


@lru_cache(maxsize=64)
def _context(authority: str | None, _changed: tuple[int, ...]) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=authority)
    made.set_alpn_protocols(["http/1.1"])
    return made
