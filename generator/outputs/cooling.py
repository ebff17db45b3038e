"""The picture of the cooling: the way of the heat on one page, for whoever builds or runs the plant."""

from __future__ import annotations

from collections.abc import Iterator

from generator.artifact import Artifact, Xml
from generator.drawing.cooling import cooling
from generator.heatway import heatway
from generator.model import Center

CAUSES = ("cooling", "halls", "pools", "fabrics", "power", "site.climate", "site.altitude", "metadata")


def artifacts(center: Center) -> Iterator[Artifact]:
    if center.loops:
        yield Artifact("cooling.svg", Xml(cooling(heatway(center))), CAUSES)
