"""Reads a Redfish unit: GET only, besides the creation and deletion of its own session."""

from __future__ import annotations

import base64
import contextlib
import json
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from cooling_exporter import secrets
from cooling_exporter.configuration import Credentials, RedfishDevice
from cooling_exporter.events import Events
from cooling_exporter.origin import Answer, Origin
from cooling_exporter.points import RedfishPoint
from cooling_exporter.readings import MAX_PARTS, Raw, ReadFailed, Reason, Sample, judge, label

ROOT: Final = "/redfish/v1/"
SESSIONS: Final = "/redfish/v1/SessionService/Sessions"
MAX_REQUESTS: Final = 512
_CANNOT: Final[tuple[Reason, ...]] = ("status", "protocol", "oversize")

Resource = dict[str, Any]


def resolve(reference: str) -> tuple[str, str]:
    """Read `user:password` from its place; ReadFailed never quotes what was found there."""
    try:
        user, password = secrets.read_parts(reference, ("user", "password"))
    except secrets.Unreadable as error:
        raise ReadFailed("credentials", str(error)) from None
    return user, password


class RedfishReader:
    """Walks the resources that the points name; keeps its session while the device accepts it."""

    def __init__(self, device: RedfishDevice) -> None:
        parts = urlsplit(device.url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._root = parts.path
        self._points = device.points
        self._credentials = device.credentials
        self._http = Origin(parts, device.authority)
        self._session: tuple[str, str] | None = None
        self._renewed = False
        self._requests = 0
        self._expands: bool | None = None
        self.events = Events(self.get, self._root) if device.events else None

    async def read(self) -> list[Sample]:
        """Read all points once; ReadFailed when the device as a whole cannot be read."""
        self._requests = 0
        self._renewed = False
        unit = await self.get(self._root)
        if unit is None:
            raise ReadFailed("status", f"no unit at {self._root}")
        walk = _Walk(self, {self._root: unit}, self._root)
        samples = [sample for point in self._points for sample in await walk.samples(point)]
        if not samples:
            raise ReadFailed("empty", "the unit has none of the configured properties")
        return samples

    async def drop(self) -> None:
        """Forget the connection, and after a restart the device may be able to do more; the session may be good."""
        await self._http.close()
        self._expands = self._expands and None

    async def close(self) -> None:
        """Delete the own session and close the connection."""
        await self._log_out()
        await self._http.close()

    async def get(self, path: str) -> Resource | None:
        """GET a resource; None when the device has no such resource."""
        self._requests += 1
        if self._requests > MAX_REQUESTS:
            raise ReadFailed("oversize", f"more than {MAX_REQUESTS} resources")
        answer = await self._http.send("GET", path, await self._authorization())
        if answer.status == HTTPStatus.UNAUTHORIZED and self._session is not None and not self._renewed:
            # The device has forgotten the session (it restarted, say): one new one a reading is worth a try.
            self._renewed, self._session = True, None
            answer = await self._http.send("GET", path, await self._authorization())
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        _accept(answer, {HTTPStatus.OK}, path)
        try:
            data = json.loads(answer.body)
        except (ValueError, RecursionError):
            raise ReadFailed("protocol", f"{path} is not JSON") from None
        if not isinstance(data, dict):
            raise ReadFailed("protocol", f"{path} is not a JSON object")
        return data

    async def get_collection(self, path: str) -> Resource | None:
        """GET a collection, with its members in it where the service announces that it can."""
        if self._expands is None:
            self._expands = await self._announces_expansion()
        if not self._expands:
            return await self.get(path)
        # Until it has answered: what the service cannot do after all, or not in time, is not asked for again.
        self._expands = False
        try:
            found = await self.get(f"{path}?$expand=.")
        except ReadFailed as error:
            if error.reason not in _CANNOT:
                self._expands = None
                raise
            return await self.get(path)
        alone = await self.get(path) if found is None else None
        self._expands = alone is None
        return found or alone

    async def _announces_expansion(self) -> bool:
        try:
            found: Any = await self.get(ROOT)
        except ReadFailed as error:
            if error.reason not in _CANNOT:
                raise
            return False
        for step in ("ProtocolFeaturesSupported", "ExpandQuery", "NoLinks"):
            found = found.get(step) if isinstance(found, dict) else None
        return found is True

    async def _authorization(self) -> dict[str, str]:
        given: Credentials = self._credentials
        if given.reference is None:
            return {}
        if given.kind == "basic":
            login = ":".join(resolve(given.reference)).encode()
            return {"Authorization": f"Basic {base64.b64encode(login).decode()}"}
        if self._session is None:
            self._session = await self._log_in(*resolve(given.reference))
        return {"X-Auth-Token": self._session[0]}

    async def _log_in(self, user: str, password: str) -> tuple[str, str]:
        account = json.dumps({"UserName": user, "Password": password}).encode()
        answer = await self._http.send("POST", SESSIONS, {}, account)
        _accept(answer, {HTTPStatus.OK, HTTPStatus.CREATED}, SESSIONS)
        token = answer.headers.get("x-auth-token")
        place = urlsplit(urljoin(self._origin + SESSIONS, answer.headers.get("location", "")))
        own = f"{place.scheme}://{place.netloc}" == self._origin and place.path.startswith(f"{SESSIONS}/")
        if not token or not token.isascii() or not own:
            raise ReadFailed("protocol", "the device made a session without a token or a place of its own")
        return token, place.path

    async def _log_out(self) -> None:
        if self._session is not None:
            token, path = self._session
            self._session = None
            with contextlib.suppress(ReadFailed):
                await self._http.send("DELETE", path, {"X-Auth-Token": token})


class _Walk:
    """One reading: each resource is fetched once, however many points it holds."""

    def __init__(self, reader: RedfishReader, known: dict[str, Resource | None], root: str) -> None:
        self._reader = reader
        self._known = known
        self._members: dict[str, list[tuple[str, str]]] = {}
        self._root = root

    async def samples(self, point: RedfishPoint) -> list[Sample]:
        if point.collection is None:
            resource = await self._fetch(f"{self._root}/{point.path}".rstrip("/"))
            return _judged(point, resource, None)
        found = []
        for path, name in await self._collection(f"{self._root}/{point.collection}"):
            found += _judged(point, await self._fetch(path), name)
        return found

    async def _collection(self, path: str) -> list[tuple[str, str]]:
        """The members of a collection with their names; those that came with it are known from then on."""
        if path not in self._members:
            collection = await self._reader.get_collection(path)
            members = _members(collection)
            self._known |= {place: member for place, member in members if _is_whole(member)}
            self._members[path] = [(place, label(place.rsplit("/", 1)[1])) for place, _ in members]
        return self._members[path]

    async def _fetch(self, path: str) -> Resource | None:
        if path not in self._known:
            self._known[path] = await self._reader.get(path)
        return self._known[path]


def _accept(answer: Answer, wanted: set[int], path: str) -> None:
    code = answer.status
    if code in wanted:
        return
    reason: Reason = "unauthorized" if code in {401, 403} else "redirect" if 300 <= code < 400 else "status"
    raise ReadFailed(reason, f"{path} answers {code}")


def _is_whole(member: Resource) -> bool:
    """Whether a member came with its collection; every resource says these of itself, a link does not."""
    return "Id" in member and "@odata.type" in member


def _members(collection: Resource | None) -> list[tuple[str, Resource]]:
    links = [] if collection is None else collection.get("Members", [])
    if not isinstance(links, list):
        raise ReadFailed("protocol", "the members of a collection are not a list")
    if len(links) > MAX_PARTS:
        raise ReadFailed("oversize", f"more than {MAX_PARTS} members")
    members = []
    for link in links:
        path = link.get("@odata.id") if isinstance(link, dict) else None
        # A link with a host, a query or dots could lead away from the device.
        if not isinstance(path, str) or not path.startswith("/redfish/v1/") or set("?#\\%") & set(path) or ".." in path:
            raise ReadFailed("protocol", "a member is not a link below /redfish/v1/")
        members.append((path.rstrip("/"), link))
    return members


def _judged(point: RedfishPoint, resource: Resource | None, part: str | None) -> list[Sample]:
    if resource is None:
        return []
    value: Any = resource
    for step in point.property_.split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(value, dict):
            value = None
            break
        if step not in value:
            # Not offered, which is no fault; null is: the device has the property but no value now.
            return []
        value = value[step]
    raw: Raw = value if isinstance(value, int | float | str) else None
    return [judge(point, raw, part)]
