"""Which files exist, with what data, and because of which part of the spec; one file a family, found by scanning."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from typing import Any

from generator.artifact import Artifact
from generator.model import Center
from generator.nodes import Pool
from generator.outputs.groups import groups_of


@cache
def _families() -> tuple[Any, ...]:
    """The modules of this folder, in the order of their names."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(importlib.import_module(f"{__name__}.{name}") for name in names)


def artifacts(center: Center) -> Iterator[Artifact]:
    """Every file of the tree, lazily, in the order of the families' names."""
    for family in _families():
        if hasattr(family, "artifacts"):
            yield from family.artifacts(center)


def memberships(center: Center, pool: Pool) -> Iterator[str]:
    """The groups that the nodes of a pool are in, besides those of their pool and racks; a family may add its own."""
    yield from groups_of(pool)
    for family in _families():
        if hasattr(family, "groups"):
            yield from family.groups(center, pool)
