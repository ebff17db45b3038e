"""The vendors of the catalogue as its files have them, read by another reader than the product's, without its code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CATALOG = Path(__file__).parent.parent / "generator/catalog"
Facts = dict[str, Any]


@dataclass(frozen=True)
class Vendor:
    """A vendor, the first of its models, and how clusters offer that."""

    name: str
    model: str
    plugin: str
    resource: str
    facts: Facts

    @property
    def program(self) -> Facts | None:
        """How the device plugin runs, if somebody has published it."""
        daemon = self.facts["plugins"][self.plugin].get("daemon", self.name)
        found: Facts | None = self.facts["cluster"]["programs"][daemon]["value"]
        return found

    @property
    def exporter(self) -> Facts | None:
        """How its exporter runs in a container, if somebody has published it and the runtime that it needs."""
        found: Facts | None = self.facts["cluster"].get("exporter", {}).get("value")
        return None if found and found.get("runtime") and not self.handler else found

    @property
    def handler(self) -> str | None:
        found: str | None = self.facts["host"].get("runtime", {}).get("handler", {}).get("value")
        return found

    @property
    def port(self) -> int | None:
        found: int | None = self.facts["exporter-port"]["value"]
        return found


def _read(folder: str) -> dict[str, Facts]:
    files = sorted((CATALOG / folder).glob("*.yaml"))
    return {file.stem: yaml.safe_load(file.read_text("utf-8")) for file in files}


def vendors(runnable: bool = False) -> dict[str, Vendor]:
    """Every vendor; with the plugin that its first model has, or with one whose program is known where there is one."""
    models, found = _read("accelerators"), {}
    for name, facts in _read("vendors").items():
        first = min(model for model, told in models.items() if told["vendor"] == name)
        usual = models[first].get("plugin") or next(iter(facts["plugins"]))
        each = [
            Vendor(name, first, plugin, facts["plugins"][plugin]["resource"], facts)
            for plugin in (usual, *facts["plugins"])
        ]
        found[name] = next((vendor for vendor in each if runnable and vendor.program), each[0])
    return found


def free_ports(there: Mapping[str, Vendor]) -> dict[str, int]:
    """Other ports for all but the first of the vendors whose exporters listen on the same one."""
    taken: set[int] = set()
    moved: dict[str, int] = {}
    for name, vendor in there.items():
        if vendor.port in taken:
            moved[name] = 20000 + len(moved)
        elif vendor.port:
            taken.add(vendor.port)
    return moved
