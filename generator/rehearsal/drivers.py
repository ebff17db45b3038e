"""Devices that pods claim from a driver: what the driver would publish of them, read from the rendered classes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from generator.apply.clusters.comparison import Manifest
from generator.rehearsal.services import FirstJob

_DRIVER = re.compile(r"device\.driver == '([^']+)'")
_ATTRIBUTE = re.compile(r"device\.attributes\['([^']+)'\]\.(\w+) == '([^']*)'")


@dataclass(frozen=True, slots=True)
class Device:
    """A device that a driver would publish: whose it is, and what is said of it."""

    driver: str
    attributes: Mapping[str, str]

    @classmethod
    def chosen_by(cls, selector: str) -> Self | None:
        """A device that this expression chooses; None where it says more than a driver and attributes."""
        driver, attributes = "", {}
        for clause in selector.split(" && "):
            if found := _DRIVER.fullmatch(clause):
                driver = found[1]
            elif found := _ATTRIBUTE.fullmatch(clause):
                attributes[f"{found[1]}/{found[2]}"] = found[3]
            else:
                return None
        return cls(driver, attributes) if driver else None


def devices_of(manifests: Iterable[Manifest], firsts: Mapping[str, FirstJob]) -> dict[str, Device | None]:
    """What a node of each pool has whose accelerators are claimed; None where no fake device would be chosen."""
    selectors = {
        manifest.body["metadata"]["name"]: manifest.body["spec"]["selectors"][0]["cel"]["expression"]
        for manifest in manifests
        if manifest.body["kind"] == "DeviceClass"
    }
    found: dict[str, Device | None] = {}
    for queue, first in firsts.items():
        for request in first.template["spec"]["spec"]["devices"]["requests"] if first.template else ():
            selector = selectors.get(request["exactly"]["deviceClassName"], "")
            found[queue.rpartition(".")[2]] = Device.chosen_by(selector)
    return found
