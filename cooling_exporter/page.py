"""The page of metrics over HTTP or HTTPS: GET only, bounded in every direction, one answer a connection."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import gzip
import hashlib
import hmac
import logging
import ssl
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder, gzip_accepted

from cooling_exporter import secrets
from cooling_exporter.configuration import Configuration, Tls, address_and_port

log = logging.getLogger("cooling_exporter")

PATH: Final = "/metrics"
MAX_HEAD: Final = 8192
MAX_CONNECTIONS: Final = 64
HEAD_SECONDS: Final = 10.0
SEND_SECONDS: Final = 30.0
CERTIFICATE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class _Answer:
    status: HTTPStatus
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def encode(self) -> bytes:
        headers = {**self.headers, "Content-Length": str(len(self.body)), "Connection": "close"}
        lines = [f"HTTP/1.1 {self.status.value} {self.status.phrase}", *(f"{k}: {v}" for k, v in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


class Doorkeeper:
    """Lets in who gives a password or the token; secrets are read anew each time, so they can change at any hour."""

    def __init__(self, users: dict[str, str], token: str | None) -> None:
        self._users = users
        self._token = token
        self._told: set[str] = set()

    def admits(self, authorization: str) -> bool:
        """Whether this header of a request opens the page."""
        if not self._users and self._token is None:
            return True
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() == "bearer" and self._token is not None:
            return self._is(given.strip().encode(), "", self._token)
        if scheme.lower() != "basic":
            return False
        try:
            login = base64.b64decode(given.strip(), validate=True)
        except binascii.Error:
            return False
        # Every user is compared, so that the time tells nobody which names there are.
        found = [self._is(login, f"{name}:", reference) for name, reference in self._users.items()]
        return any(found)

    @property
    def challenge(self) -> str:
        """What a refused client is asked for."""
        return 'Basic realm="cooling-exporter"' if self._users else "Bearer"

    def _is(self, given: bytes, before: str, reference: str) -> bool:
        try:
            wanted = f"{before}{secrets.read(reference)}".encode()
        except secrets.Unreadable as error:
            if reference not in self._told:
                self._told.add(reference)
                log.warning("nobody can log in: %s", error)
            return False
        return hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(wanted).digest())


class Page:
    """Serves the registry until it is closed."""

    def __init__(self, configuration: Configuration, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._door = Doorkeeper(configuration.users, configuration.token)
        self._tls = configuration.tls
        self._context = None if self._tls is None else _context(self._tls)
        self._connections = 0
        self._server: asyncio.Server | None = None
        self._renewing: asyncio.Task[None] | None = None

    async def open(self, listen: str) -> None:
        """Listen; OSError when the place is taken."""
        address, port = address_and_port(listen)
        handshake = {"ssl_handshake_timeout": HEAD_SECONDS} if self._context else {}
        self._server = await asyncio.start_server(
            self._meet, address, port, limit=MAX_HEAD, ssl=self._context, **handshake
        )
        if self._tls is not None and self._context is not None:
            self._renewing = asyncio.create_task(_renew(self._tls, self._context))

    def close(self) -> None:
        """Stop listening."""
        if self._renewing is not None:
            self._renewing.cancel()
        if self._server is not None:
            self._server.close()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            # Who is one too many is hung up on; a scraper comes again.
            if self._connections <= MAX_CONNECTIONS and (answer := await self._answer(reader)) is not None:
                async with asyncio.timeout(SEND_SECONDS):
                    writer.write(answer.encode())
                    await writer.drain()
                    writer.close()
                    await writer.wait_closed()
        except (OSError, TimeoutError) as error:
            log.debug("a scraper went away: %s", error)
        finally:
            self._connections -= 1
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader) -> _Answer | None:
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _Answer(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        except (asyncio.IncompleteReadError, TimeoutError):
            return None
        method, target, *rest = [*head.split(b"\r\n", 1)[0].decode("latin-1").split(" "), ""]
        headers = _headers(head)
        if headers is None or len(rest) != 2 or not rest[0].startswith("HTTP/1."):
            return _Answer(HTTPStatus.BAD_REQUEST)
        if method != "GET":
            return _Answer(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET"})
        if not self._door.admits(headers.get("authorization", "")):
            return _Answer(HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": self._door.challenge})
        if target.partition("?")[0] != PATH:
            return _Answer(HTTPStatus.NOT_FOUND)
        # In a thread: devices are read on while thousands of lines are written.
        return await asyncio.to_thread(self._show, headers)

    def _show(self, headers: dict[str, str]) -> _Answer:
        encode, kind = choose_encoder(headers.get("accept", ""))
        body = encode(self._registry)
        shown = {"Content-Type": kind, "Cache-Control": "no-store"}
        if gzip_accepted(headers.get("accept-encoding", "")):
            body, shown["Content-Encoding"] = gzip.compress(body, compresslevel=1), "gzip"
        return _Answer(HTTPStatus.OK, shown, body)


def _headers(head: bytes) -> dict[str, str] | None:
    """The headers of a request by their names in small letters; None when they are none."""
    found: dict[str, str] = {}
    for line in head.decode("latin-1").split("\r\n")[1:-2]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            return None
        if name.lower() == "authorization" and "authorization" in found:
            return None
        found[name.lower()] = value.strip()
    return found


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tls.certificate, tls.key)
    return context


async def _renew(tls: Tls, context: ssl.SSLContext) -> None:
    """Take a new certificate when its files change; new connections get it, and a broken one changes nothing."""
    seen = _seen(tls)
    while True:
        await asyncio.sleep(CERTIFICATE_SECONDS)
        if (now := _seen(tls)) == seen:
            continue
        seen = now
        try:
            # Tried apart first: half a pair must not get into the context that serves.
            _context(tls)
            context.load_cert_chain(tls.certificate, tls.key)
            log.info("the certificate of the page is renewed")
        except OSError as error:
            log.warning("the certificate of the page cannot be renewed: %s", error)


def _seen(tls: Tls) -> list[tuple[int, int]]:
    seen = []
    for file in (tls.certificate, tls.key):
        with contextlib.suppress(OSError):
            about = Path(file).stat()
            seen.append((about.st_mtime_ns, about.st_ino))
    return seen
