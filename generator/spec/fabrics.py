"""Fabrics: the networks between nodes, as leaf switches that rack kinds hold and spines behind them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from generator.quantity import Length
from generator.spec.common import Name, Strict


class Spine(Strict):
    """The switches that connect the leaves."""

    switch: Name = Field(description="Switch of the catalogue.")
    count: Annotated[int, Field(ge=1, le=10_000)] = Field(description="Switches.")


class Fabric(Strict):
    """One network: its leaves stand in racks (``leaves`` of a rack kind), nodes reach them with cables."""

    kind: Literal["ethernet", "roce", "infiniband"] = Field(description="Principle.")
    leaf: Name = Field(description="Leaf switch of the catalogue.")
    serves: Literal["rack", "row", "hall", "center"] = Field("row", description="How far the nodes of a leaf stand.")
    oversubscription: Annotated[float, Field(ge=1, le=64)] = Field(
        1.0, description="Bandwidth to nodes over bandwidth to spines; 1 never blocks.", examples=[1.5]
    )
    rails: Annotated[int, Field(ge=1, le=16)] = Field(
        1, description="Rails: the port number N of every node goes to a leaf of rail N."
    )
    spine: Spine | None = Field(None, description="Spine switches; without them, leaves are connected elsewhere.")
    cable: Length | None = Field(None, description="Longest cable between a node and its leaf.")
