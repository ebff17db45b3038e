"""The limits and alerts of the catalogue, read when somebody asks: who only validates needs few of them."""

from __future__ import annotations

from functools import cached_property
from typing import TypeVar

from generator.catalog import Catalog
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

    def _all(self, kind: type[Kind]) -> tuple[Kind, ...]:
        if self._catalog is None:
            return ()
        found = (self._catalog.get(kind, name) for name in self._catalog.names(kind))
        return tuple(thing for thing in found if thing is not None)
