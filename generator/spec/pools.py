"""Pools of identical nodes, and the clusters that they form."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field
from pydantic.functional_validators import BeforeValidator

from generator.quantity import Percentage
from generator.spec.common import Name, Network, RangeText, SecretReference, Strict, got, refuse
from generator.spec.devices import Devices
from generator.spec.halls import MOST_IN_A_RACK
from generator.spec.parts import Part

Role = Literal["worker", "control", "login", "storage", "monitor"]
Level = Literal["leaf", "rack"]

_NODE = re.compile(r"[a-z0-9][a-z0-9-]{0,61}-([0-9]{1,3})(?:\.\.([0-9]{1,3}))?")


def _check_node(name: object) -> object:
    if isinstance(name, str) and (match := _NODE.fullmatch(name)) and int(match[2] or match[1]) <= MOST_IN_A_RACK:
        if int(match[2] or match[1]) < int(match[1]):
            raise refuse(f'the range "{name}" ends before it begins')
        return name
    raise refuse(f'needs a node or a range of nodes such as "train-h-a05-2", {got(name)}')


NodeText = Annotated[
    str, Field(pattern=r"^[a-z0-9-]+-[0-9]+(\.\.[0-9]+)?$", examples=["train-h-a05-2"]), BeforeValidator(_check_node)
]


_SOURCE = re.compile(r"(?=.{1,200}$)[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9._-]+)*")


def _check_source(place: object) -> object:
    if isinstance(place, str) and _SOURCE.fullmatch(place):
        return place
    raise refuse(f'needs a registry or a folder in one such as "registry.example/library", {got(place)}')


ImageSource = Annotated[
    str,
    Field(pattern=r"^[a-z0-9._:/-]{1,200}$", examples=["registry.example/library"]),
    BeforeValidator(_check_source),
]


class Rollout(Strict):
    """How far a change may spread before somebody can stop it."""

    batch: Percentage = Field(
        default_factory=lambda: Percentage.parse("20 %"), description="Share of the pool that changes at a time."
    )
    unreachable: Percentage = Field(
        default_factory=lambda: Percentage.parse("10 %"),
        description="Share of the pool that may not answer; with more (and more than one) a run changes nothing.",
    )


class Pool(Strict):
    """Identical nodes, named ``<pool>-<rack>-<number>``."""

    server: Name = Field(description="Server of the catalogue.")
    accelerator: Name | None = Field(None, description="Accelerator of the catalogue, in each place the server has.")
    plugin: Name | None = Field(None, description="Device plugin of the vendor; default: the vendor's first.")
    system: Name = Field("debian-12", description="Operating system of the catalogue.")
    role: Role = Field("worker", description="What the nodes are for.")
    cluster: Name | None = Field(None, description="Cluster that the nodes belong to.")
    clusters: list[Name] = Field(default_factory=list, description="Several clusters, for shared roles.")
    racks: RangeText | None = Field(None, description="Racks, when no rack kind says that it holds this pool.")
    per_rack: Annotated[int, Field(ge=1, le=MOST_IN_A_RACK)] | None = Field(
        None, description="Nodes in each of these racks."
    )
    slot: Annotated[int, Field(ge=1, le=4000)] = Field(
        1, description="First address slot that the pool takes in a rack; pools that share a rack must differ."
    )
    absent: list[NodeText] = Field(
        default_factory=list, max_length=1000, description="Nodes that do not exist; never renumbered."
    )
    spares: Annotated[int, Field(ge=0)] = Field(0, description="Nodes kept out of the quota that tenants share.")
    fabrics: dict[Name, Annotated[int, Field(ge=1, le=64)]] = Field(
        default_factory=dict, description="Ports of each node on each fabric."
    )
    rollout: Rollout = Field(default_factory=Rollout, description="How changes reach the nodes.")


class Kubernetes(Strict):
    """A Kubernetes cluster."""

    kind: Literal["kubernetes"] = Field(description="Kubernetes, for services and queued jobs in containers.")
    version: Annotated[str, Field(pattern=r"^1\.[0-9]{2}$")] = Field(description="Minor version.", examples=["1.36"])
    pods: Network = Field(description="Addresses of pods.")
    services: Network = Field(description="Addresses of services.")
    cni: Name | None = Field(None, description="Network plugin of the catalogue that connects its pods.")
    sandbox: Name | None = Field(
        None, description="Sandbox of the catalogue, for tenants that are not trusted with the kernel of a node."
    )
    images: list[ImageSource] = Field(
        default_factory=list,
        max_length=50,
        description="Registries, or folders in them, that images of tenants come from; default: any.",
    )
    queues: Annotated[str, Field(pattern=r"^0\.[0-9]{2}$")] = Field(
        "0.18", description="Minor version of Kueue, whose queues bind quota.", examples=["0.18"]
    )
    topology: list[Level] = Field(
        default_factory=lambda: list[Level](("leaf", "rack")),
        max_length=2,
        description="How near the pods of a job may ask to be: within what a leaf serves, within a rack.",
    )
    parts: dict[Name, Part] = Field(
        default_factory=dict, description="What it runs that others have made; center fetch brings it."
    )
    devices: dict[Name, Devices] = Field(
        default_factory=dict, description="What offers the accelerators of each vendor to pods."
    )
    features: bool = Field(
        False, description="Whether Node Feature Discovery runs there: then it gets a rule for each vendor in devices."
    )


class Slurm(Strict):
    """A Slurm cluster."""

    kind: Literal["slurm"] = Field(description="Slurm, for batch jobs on whole machines.")
    version: Annotated[str, Field(pattern=r"^[0-9]{2}\.[0-9]{2}$")] = Field(
        description="Release as the operating system packages it.", examples=["22.05"]
    )
    munge: SecretReference | None = Field(
        None,
        description="Reference to the key, of 32 bytes or more, by which its nodes know each other.",
        examples=["vault:hpc#munge"],
    )


Cluster = Annotated[Kubernetes | Slurm, Field(discriminator="kind")]
