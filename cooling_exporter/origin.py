"""HTTP to one origin over one kept connection: no redirects, proxies, cookies or compression, answers bounded."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, quote

import httpx

from cooling_exporter.readings import ReadFailed

MAX_ANSWER: Final = 1024 * 1024
_PLAIN: Final = "/?%$&'()*+,;=:@!"
"""What stays as it is in a path besides letters, digits and -._~; names that a device chose may hold anything."""
# A compressed answer could unfold to any size.
_ALWAYS: Final = {"Accept": "application/json", "Accept-Encoding": "identity", "OData-Version": "4.0"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; names of headers are the same in any letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Origin:
    """Sends one request after the other; cancelled at any await, it is usable again."""

    def __init__(self, url: SplitResult, authority: str | None) -> None:
        """Contact nobody yet; OSError if the authority's file cannot be read."""
        self._origin = f"{url.scheme}://{url.netloc}"
        self._authority = authority
        self._judge = self._present_judge()
        self._client = self._connected_by(self._judge)
        self._kept = False

    async def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Make a request and await the whole answer; ReadFailed when there is none."""
        if (judge := self._present_judge()) is not self._judge:
            await self._client.aclose()
            self._judge, self._client = judge, self._connected_by(judge)
        kind = {"Content-Type": "application/json"} if body else {}
        kept, self._kept = self._kept, False
        try:
            url = self._origin + quote(path, _PLAIN)
            request = self._client.build_request(method, url, headers={**headers, **kind}, content=body or None)
            try:
                response = await self._client.send(request, stream=True)
            except httpx.RemoteProtocolError:
                # A device may hang up on an idle connection in the moment in which it is used again.
                if not kept or method != "GET":
                    raise
                response = await self._client.send(request, stream=True)
            found = await _body(response)
        except httpx.NetworkError as error:
            raise ReadFailed("connection", f"{method} {path}: {error}") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ReadFailed("protocol", f"{method} {path}: {error}") from error
        self._kept = True
        return Answer(response.status_code, response.headers, found)

    async def close(self) -> None:
        """Close the connection; the next request opens another."""
        await self._client.aclose()
        self._client = self._connected_by(self._judge)

    def _present_judge(self) -> ssl.SSLContext | None:
        return context(self._authority) if self._origin.startswith("https:") else None

    @staticmethod
    def _connected_by(judge: ssl.SSLContext | None) -> httpx.AsyncClient:
        # Whoever asks has a deadline for the whole reading.
        return httpx.AsyncClient(
            timeout=None, verify=judge or False, follow_redirects=False, trust_env=False, headers=_ALWAYS,
            limits=httpx.Limits(max_connections=1), cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )  # fmt: skip


async def _body(response: httpx.Response) -> bytes:
    found = bytearray()
    try:
        async for chunk in response.aiter_raw():
            found += chunk
            if len(found) > MAX_ANSWER:
                raise ReadFailed("oversize", f"{response.url.path} is larger than {MAX_ANSWER} bytes")
    finally:
        await response.aclose()
    return bytes(found)


def context(authority: str | None) -> ssl.SSLContext:
    """What judges certificates: one for all devices of an authority, since each costs memory and time to make.

    Made anew when the files have changed: one that has met a root keeps it, and with it all others of its name out.
    """
    usual = ssl.get_default_verify_paths()
    places = (usual.cafile, usual.capath) if authority is None else (authority,)
    return _context(authority, tuple(Path(place).stat().st_mtime_ns for place in places if place))


@lru_cache(maxsize=64)
def _context(authority: str | None, _changed: tuple[int, ...]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority)
