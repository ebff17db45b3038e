"""Which files exist, with what data, and because of which part of the spec; one file a family, found by scanning."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from generator.artifact import Artifact
from generator.model import Center


def artifacts(center: Center) -> Iterator[Artifact]:
    """Every file of the tree, lazily, in the order of the families' names."""
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        family = importlib.import_module(f"{__name__}.{module.name}")
        if hasattr(family, "artifacts"):
            yield from family.artifacts(center)
