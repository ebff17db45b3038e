"""The limits and alerts of the catalogue, read when somebody asks: who only validates needs few of them."""

from __future__ import annotations

from functools import cached_property
from typing import TypeVar

from generator.catalog import BUILT_IN, Catalog
from generator.catalog.alarm_models import Alert, Limit

Kind = TypeVar("Kind", Limit, Alert)


class Alarms:
    """When somebody is told about cooling: the catalogue's limits and alerts and the centre's own, by name."""

    def __init__(self, catalog: Catalog | None = None) -> None:
        self._catalog = catalog

    @cached_property
    def limits(self) -> tuple[Limit, ...]:
        return self._all(Limit)

    @cached_property
    def alerts(self) -> tuple[Alert, ...]:
        return self._all(Alert)

    def own(self) -> list[tuple[type[Limit] | type[Alert], str]]:
        """What stands in the centre's own catalogue, and may be at fault."""
        kinds: tuple[type[Limit] | type[Alert], ...] = (Limit, Alert)
        found = [(kind, name) for kind in kinds for name in (self._catalog.names(kind) if self._catalog else [])]
        return [(kind, name) for kind, name in found if not self._is_ours(kind, name)]

    def _is_ours(self, kind: type[Limit] | type[Alert], name: str) -> bool:
        file = self._catalog.file(kind, name) if self._catalog else None
        return file is not None and BUILT_IN in file.parents

    def _all(self, kind: type[Kind]) -> tuple[Kind, ...]:
        if self._catalog is None:
            return ()
        found = (self._catalog.get(kind, name) for name in self._catalog.names(kind))
        return tuple(thing for thing in found if thing is not None)
