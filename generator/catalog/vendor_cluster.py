"""What a cluster needs so that it can offer a vendor's accelerators, and what a program needs that runs on them.

Whatever a program on a node may do beyond a pod of a tenant stands here with its reason: somebody has to answer for it.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic.functional_validators import AfterValidator

from generator.catalog.entries import Fact
from generator.problems import did_you_mean
from generator.spec.common import Name, Strict, Text, got, refuse

CAPABILITIES = (
    "AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE", "CHOWN",
    "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE",
    "LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST",
    "NET_RAW", "PERFMON", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYSLOG", "SYS_ADMIN", "SYS_BOOT", "SYS_CHROOT",
    "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG",
    "WAKE_ALARM",
)  # fmt: skip
"""Those of Linux (capabilities(7)) as Kubernetes names them; "ALL" would be everything that root may do."""


def _check_capability(name: str) -> str:
    if name not in CAPABILITIES:
        near = did_you_mean(name.removeprefix("CAP_"), CAPABILITIES)
        raise refuse(f'needs one capability of Linux such as "SYS_ADMIN", {got(name)}{f"; {near}" if near else ""}')
    return name


def placed(*known: str) -> AfterValidator:
    """Words with places for these alone: what nobody fills in would be said as it is written."""

    def check(word: str) -> str:
        for place in re.findall(r"\{[^{}]*\}|[{}]", word):
            if place not in known:
                raise refuse(f'has a place "{place}" that nobody fills in; known: {", ".join(known)}')
            if place != PORT and word != place:
                raise refuse(f'has the place "{place}" inside of a word; it must be a word of its own')
        return word

    return AfterValidator(check)


PORT = "{port}"
PATH = r"^(/[A-Za-z0-9_.+-]*[A-Za-z0-9_+-][A-Za-z0-9_.+-]*)+$"
"""A path from the root, no part of which is only dots."""
# Words that stand in programs which run as root on every node: each has the narrowest form that real ones need.
Folder = Annotated[str, Field(pattern=PATH, examples=["/var/lib/kubelet/device-plugins"])]
_Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_./:=,{}-]+$", examples=["--listen=:{port}"])]
Word = Annotated[_Word, placed(PORT)]
Value = Annotated[_Word, placed(PORT, "{node}", "{address}")]
EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", examples=["NODE_NAME"])]
Capability = Annotated[str, Field(examples=["SYS_ADMIN"]), AfterValidator(_check_capability)]
ImageName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]+)?(/[a-z0-9._-]+)*(:[A-Za-z0-9._-]{1,128})?$",
        examples=["registry.vendor.example/device-plugin:v1.0"],
    ),
]
Label = Annotated[str, Field(pattern=r"^[a-z0-9.-]+/[A-Za-z0-9_.-]+$", examples=["vendor.example/accelerator"])]
PciClass = Annotated[str, Field(pattern=r"^[0-9a-f]{4}$", examples=["1200"])]
DeviceClassName = Annotated[
    str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", examples=["accelerator.vendor.example"])
]
Module = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*$", examples=["torch_vendor"])]
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
    environment: dict[EnvironmentName, Value] = Field(
        default_factory=dict,
        description="Variables; {port} stands for the exporter's port, {node} and {address} alone for the node's own.",
    )
    paths: list[HostPath] = Field(default_factory=list, max_length=20, description="What it sees of the node.")
    needs: dict[Privilege, Text] = Field(
        default_factory=dict, description="What it may do beyond a tenant's pod, each with its reason."
    )
    capabilities: dict[Capability, Text] = Field(
        default_factory=dict, description="Capabilities of root that it keeps, each with its reason."
    )
    selinux: Annotated[str, Field(pattern=r"^[a-z0-9_]+_t$", examples=["container_device_plugin_t"])] | None = Field(
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
        return any(PORT in word for word in (*self.command, *self.arguments, *self.environment.values()))


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

    device: Fact[Annotated[str, Field(pattern=r"^[a-z]+$", examples=["cuda"])]] = Field(
        description="Name of the device in PyTorch."
    )
    modules: Fact[list[Module]] = Field(description="Modules to import before the device is used.")
    collectives: Fact[Annotated[str, Field(pattern=r"^[a-z]+$", examples=["gloo"])]] = Field(
        description="Back end of torch.distributed between accelerators."
    )
    image: Fact[ImageName] = Field(description="Image with PyTorch for it that the vendor publishes.")
