"""What a cluster needs so that it can offer a vendor's accelerators, and what a program needs that runs on them.

Whatever a program on a node may do beyond a pod of a tenant stands here with its reason: somebody has to answer for it.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from generator.catalog.entries import Fact
from generator.spec.common import Name, Strict, Text, refuse

# Words that stand in programs which run as root on every node: each has the narrowest form that real ones need.
Folder = Annotated[str, Field(pattern=r"^(/[A-Za-z0-9_.+-]+)+$")]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_./:=,{}-]+$")]
EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Capability = Annotated[str, Field(pattern=r"^[A-Z]+(_[A-Z]+)*$", examples=["SYS_ADMIN"])]
ImageName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]+)?(/[a-z0-9._-]+)*(:[A-Za-z0-9._-]{1,128})?$",
        examples=["registry.vendor.example/device-plugin:v1.0"],
    ),
]
Label = Annotated[str, Field(pattern=r"^[a-z0-9.-]+/[A-Za-z0-9_.-]+$")]
PciClass = Annotated[str, Field(pattern=r"^[0-9a-f]{4}$", examples=["1200"])]
DeviceClassName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]
Module = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*$")]
Privilege = Literal["root", "privileged", "host-network", "host-pid", "host-ipc"]


class HostPath(Strict):
    """A file or folder of the node that a program sees."""

    path: Folder = Field(description="On the node.")
    at: Folder | None = Field(None, description="Where the program sees it; default: at the same place.")
    writes: bool = Field(False, description="Whether the program writes there.")
    made: bool = Field(False, description="Whether the folder is made where there is none.")
    why: Text = Field(description="What the program needs it for.")


class NodeProgram(Strict):
    """A program in a container on every node with the vendor's accelerators, and the least that it runs with."""

    image: ImageName = Field(description="As it is published; a spec says where its own copy lies, and the digest.")
    command: list[Word] = Field(default_factory=list, description="Program in the image; default: the image's own.")
    arguments: list[Word] = Field(
        default_factory=list, description="Its arguments; {port} stands for the exporter's port."
    )
    environment: dict[EnvironmentName, Word] = Field(
        default_factory=dict, description="Variables; {port}, {node} and {address} stand for those of the node."
    )
    paths: list[HostPath] = Field(default_factory=list, max_length=20, description="What it sees of the node.")
    needs: dict[Privilege, Text] = Field(
        default_factory=dict, description="What it may do beyond a tenant's pod, each with its reason."
    )
    capabilities: dict[Capability, Text] = Field(
        default_factory=dict, description="Capabilities of root that it keeps, each with its reason."
    )
    selinux: Annotated[str, Field(pattern=r"^[a-z0-9_]+_t$")] | None = Field(
        None, description="Type by which SELinux lets it at devices, where hosts enforce that."
    )
    read_only: bool = Field(False, description="Whether it is known to run without writing to its own image.")
    runtime: bool = Field(False, description="Whether it sees accelerators only through the vendor's runtime.")

    @model_validator(mode="after")
    def _is_root_where_it_must(self) -> Self:
        if (self.capabilities or "privileged" in self.needs) and "root" not in self.needs:
            raise refuse('has rights that only root has; say under "needs" why it is "root"')
        return self

    @property
    def is_told_the_port(self) -> bool:
        """Whether it listens where it is told, and not at a port of its own."""
        return any("{port}" in word for word in (*self.command, *self.arguments, *self.environment.values()))


class Feature(Strict):
    """How Node Feature Discovery finds the vendor's accelerators, beside their PCI numbers."""

    label: Fact[Label] | None = Field(
        None, description="Label that the vendor's own programs look for; default: one of ours."
    )
    classes: Fact[list[PciClass]] | None = Field(
        None, description="PCI classes of its accelerators, for models whose device numbers nobody has published."
    )


class Claims(Strict):
    """How pods claim the vendor's accelerators where a driver offers them (dynamic resource allocation)."""

    device_class: Fact[DeviceClassName] = Field(description="Name of the class of whole devices.")
    selector: Fact[Text] = Field(description="Which devices are of the class, in CEL.")


class VendorCluster(Strict):
    """What a cluster needs so that pods get the vendor's accelerators; what nobody has published is null."""

    programs: dict[Name, Fact[NodeProgram]] = Field(
        description="Device plugins by name: that of the vendor, or what a plugin of the file says under daemon."
    )
    exporter: Fact[NodeProgram] | None = Field(None, description="The exporter of metrics, if it comes as a container.")
    feature: Feature = Field(default_factory=Feature, description="How nodes with its accelerators are found.")
    claims: Claims | None = Field(None, description="How pods claim them, if there is a driver for that.")
    selects: Fact[EnvironmentName] | None = Field(
        None, description="Variable by which its runtime lets a container see devices."
    )

    @model_validator(mode="after")
    def _can_be_told_the_port(self) -> Self:
        program = self.exporter.value if self.exporter else None
        if program and "host-network" in program.needs and not program.is_told_the_port:
            raise refuse('has an exporter on the network of the node that is told no port; say where it reads "{port}"')
        return self


class Torch(Strict):
    """How a PyTorch program runs on the vendor's accelerators without knowing them."""

    device: Fact[Annotated[str, Field(pattern=r"^[a-z]+$")]] = Field(description="Name of the device in PyTorch.")
    modules: Fact[list[Module]] = Field(description="Modules to import before the device is used.")
    collectives: Fact[Annotated[str, Field(pattern=r"^[a-z]+$")]] = Field(
        description="Back end of torch.distributed between accelerators."
    )
    image: Fact[ImageName] = Field(description="Image with PyTorch for it that the vendor publishes.")
