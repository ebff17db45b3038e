"""Events of a Redfish unit, polled: new entries in the logs of the managers that look after it, counted by message."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

from cooling_exporter.readings import ReadFailed, label

MAX_LOGS: Final = 8
MAX_PAGES: Final = 64
MAX_ENTRIES: Final = 4096
MAX_NEW: Final = 32
"""Entries that are looked at in one go; what is left is looked at the next time."""
MAX_MESSAGES: Final = 64
OTHER: Final = "other"
# Shown as 0 from the start, so that the first one is an increase. Messages of the registry Environmental of DMTF.
EXPECTED: Final = tuple(
    f"Environmental.{message}"
    for message in (
        "LeakDetectedCritical", "LeakDetectedWarning", "LeakDetectorFailure", "LeakDetectorDisconnected",
        "PumpFailed", "PumpRemoved", "FilterRequiresService", "FilterRemoved", "FanFailed",
        "FlowRateWarning", "FlowRateCritical", "PressureWarning", "PressureCritical",
        "TemperatureWarning", "TemperatureCritical", "FluidLevelWarning", "FluidLevelCritical",
        "FluidQualityWarning", "FluidQualityCritical", "ValveUnableToReachSetPoint",
        "CoolingUnitGroupWarning", "CoolingUnitGroupCritical",
    )
)  # fmt: skip
_LINK = re.compile(r"/redfish/v1/[A-Za-z0-9._/-]+(\?[A-Za-z0-9$&=._-]+)?")

Resource = dict[str, Any]
Get = Callable[[str], Awaitable[Resource | None]]


class Events:
    """Counts what appears in the logs after the first look; what stood there before is old news."""

    def __init__(self, get: Get, unit: str) -> None:
        self._get = get
        self._unit = unit
        self._logs: list[str] | None = None
        self._seen: dict[str, set[str]] = {}
        self.counts: Counter[str] = Counter(dict.fromkeys(EXPECTED, 0))
        self.readable = False

    async def look(self) -> None:
        """Read the logs once; ReadFailed when one cannot be read, and what is new in it waits for the next look."""
        self.readable = False
        if self._logs is None:
            self._logs = [log async for log in self._find()]
        for log in self._logs:
            await self._look_at(log)
        self.readable = bool(self._logs)

    async def _find(self) -> Any:
        unit = await self._get(self._unit)
        found = 0
        for manager in _links(_at(unit, "Links", "ManagedBy")):
            kept = _at(await self._get(manager), "LogServices")
            services = None if kept is None else await self._get(_link(kept))
            for service in _links(_at(services, "Members")):
                if (entries := _at(await self._get(service), "Entries")) is not None and found < MAX_LOGS:
                    found += 1
                    yield _link(entries)

    async def _look_at(self, log: str) -> None:
        entries = {_name(entry): entry for entry in await self._entries(log)}
        if log not in self._seen:
            self._seen[log] = set(entries)
            return
        # What left the log is forgotten: when its name comes again, it is something new.
        seen = self._seen[log] = self._seen[log] & set(entries)
        for name in [name for name in entries if name not in seen][:MAX_NEW]:
            entry: Resource | None = entries[name]
            if entry is not None and "MessageId" not in entry:
                entry = await self._get(_link(entry))
            self._count(entry)
            seen.add(name)

    async def _entries(self, log: str) -> list[Resource]:
        found: list[Resource] = []
        page: str | None = log
        for _ in range(MAX_PAGES):
            if page is None or len(found) > MAX_ENTRIES:
                break
            if (collection := await self._get(page)) is None:
                raise ReadFailed("status", f"no log at {page}")
            found += [entry for entry in _list(_at(collection, "Members")) if isinstance(entry, dict)]
            following = _at(collection, "Members@odata.nextLink")
            page = None if following is None else _link({"@odata.id": following})
        return found[:MAX_ENTRIES]

    def _count(self, entry: Resource | None) -> None:
        said = None if entry is None else entry.get("MessageId")
        # The version of the registry stands between its name and the message; alerts outlive versions.
        parts = said.split(".") if isinstance(said, str) else []
        message = label(f"{parts[0]}.{parts[-1]}") if len(parts) > 1 else OTHER
        full = len(self.counts) >= len(EXPECTED) + MAX_MESSAGES
        self.counts[OTHER if full and message not in self.counts else message] += 1


def _at(resource: Resource | None, *steps: str) -> Any:
    found: Any = resource
    for step in steps:
        found = found.get(step) if isinstance(found, dict) else None
    return found


def _list(found: Any) -> list[Any]:
    return found if isinstance(found, list) else []


def _links(found: Any) -> Iterator[str]:
    return (_link(link) for link in _list(found)[:MAX_LOGS])


def _link(found: Any) -> str:
    path = found.get("@odata.id") if isinstance(found, dict) else None
    if not isinstance(path, str) or not _LINK.fullmatch(path) or ".." in path:
        raise ReadFailed("protocol", "a link of a log does not stay below /redfish/v1/")
    return path


def _name(entry: Resource) -> str:
    """The place of an entry and, where the collection tells it, its time: logs that are full use places again."""
    return f"{entry.get('@odata.id')} {entry.get('Created', '')}"[:512]
