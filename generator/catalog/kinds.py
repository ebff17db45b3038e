"""Every kind of thing that the catalogue has a folder for: one model each, wherever it is written."""

from __future__ import annotations

from generator.catalog import alarm_models, check  # noqa: F401 - a model is a kind by being there
from generator.catalog.models import Entry

KINDS: dict[str, type[Entry]] = {kind.folder: kind for kind in Entry.__subclasses__()}
