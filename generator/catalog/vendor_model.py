"""Who makes accelerators: how clusters offer them, and what a host needs so that they answer."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field
from pydantic.functional_validators import AfterValidator

from generator.catalog.entries import KIND, SAID, STATUS_HINT, SURE, Entry, Fact, Status
from generator.catalog.vendor_cluster import PATH, PORT, EnvironmentName, Label, Torch, VendorCluster, placed
from generator.spec.common import Name, Strict, Text, refuse
from generator.spec.site import PackageName

# Words that stand in files which root reads: each has the narrowest form that real ones need.
ModuleName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", examples=["vendor_core"])]
Option = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+(=[A-Za-z0-9_.,:/-]+)?$", examples=["iommu=pt"])]
DevicePattern = Annotated[
    str,
    Field(
        pattern=r"^/dev(/[A-Za-z0-9_.*\[\]-]*[A-Za-z0-9_*\[\]-][A-Za-z0-9_.*\[\]-]*)+$", examples=["/dev/accel[0-9]*"]
    ),
]
Program = Annotated[str, Field(pattern=PATH, examples=["/usr/bin/vendor-runtime"])]
ServiceUnit = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9:_.-]*\.service$", examples=["vendor-exporter.service"])
]
Command = Annotated[str, Field(pattern=r"^[A-Za-z0-9_./-]+( [A-Za-z0-9_./=-]+)*$", examples=["vendor-smi --list"])]
Listens = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:=/{}-]+$", examples=[":{port}"]), placed(PORT)]
PciId = Annotated[str, Field(pattern=r"^[0-9a-f]{4}$", examples=["2330"])]
Port = Annotated[int, Field(ge=1, le=65535)]


def _check_resource(name: str) -> str:
    domain = name.partition("/")[0]
    if domain == "kubernetes.io" or domain.endswith(".kubernetes.io"):
        raise refuse(f'needs a name in a domain of the vendor; "{domain}" is that of Kubernetes itself')
    return name


Resource = Annotated[Label, AfterValidator(_check_resource)]


class Plugin(Strict):
    """A device plugin: how a cluster offers the vendor's accelerators."""

    hints: ClassVar[dict[str, str]] = {"status": STATUS_HINT}

    resource: Resource = Field(description="Name of the resource that pods ask for.")
    daemon: Name | None = Field(None, description="Program behind it; a node runs one. Default: the vendor's own.")
    status: Status = Field(description=SURE)
    sources: list[str] = Field(default_factory=list, description=SAID)


class SlurmDevices(Strict):
    """How Slurm finds the vendor's accelerators."""

    hints: ClassVar[dict[str, str]] = {"status": STATUS_HINT}

    autodetect: Literal["nvml", "rsmi", "oneapi", "nrt"] | None = Field(
        None, description="Library that a Slurm built with it asks; file is for any other Slurm."
    )
    file: str | None = Field(None, description="Device file with the index left out, such as /dev/accel.")
    first: Annotated[int, Field(ge=0)] = Field(0, description="Index of the first device file.")
    status: Status = Field(description=SURE)
    sources: list[str] = Field(default_factory=list, description=SAID)


class HostPackages(Strict):
    """What a package manager calls the vendor's software; an empty list means that none is needed."""

    driver: Fact[list[PackageName]] | None = Field(None, description="Kernel modules and their libraries.")
    toolkit: Fact[list[PackageName]] | None = Field(None, description="What gives accelerators to containers.")
    exporter: Fact[list[PackageName]] | None = Field(None, description="What serves metrics of the accelerators.")
    tools: Fact[list[PackageName]] | None = Field(None, description="Programs for the people who look after them.")


class ContainerRuntime(Strict):
    """How containerd gives the vendor's accelerators to a container."""

    handler: Fact[Name] = Field(description="Name of the handler, which a RuntimeClass refers to.")
    binary: Fact[Program] = Field(description="Program that containerd calls in place of runc.")


class HostExporter(Strict):
    """The exporter as a service of the host, and how it is told where to listen."""

    unit: Fact[ServiceUnit] = Field(description="Unit of systemd that its package brings.")
    environment: Fact[dict[EnvironmentName, Listens]] = Field(
        description="Variables that it reads; {port} stands for the exporter's port."
    )


class VendorHost(Strict):
    """What a host needs so that the vendor's accelerators answer; what nobody has published is null or left out."""

    driver_change: Literal["drain", "reboot"] = Field(
        "reboot", description="What another driver asks of a node: that it is empty, or that it also boots."
    )
    packages: dict[Literal["apt", "dnf"], HostPackages] = Field(
        default_factory=dict, description="Packages, as each package manager calls them."
    )
    modules: Fact[list[ModuleName]] | None = Field(None, description="Kernel modules to load, in this order.")
    module_options: Fact[dict[ModuleName, list[Option]]] | None = Field(
        None, description="What each module is loaded with."
    )
    kernel_options: Fact[list[Option]] | None = Field(None, description="What the kernel is booted with.")
    devices: Fact[list[DevicePattern]] | None = Field(
        None, description="Device files; of each pattern at least one is there when the accelerators answer."
    )
    runtime: ContainerRuntime | None = Field(None, description="How containers get accelerators, if by a runtime.")
    exporter: HostExporter | None = Field(None, description="The exporter of metrics as a service of the host.")
    tool: Fact[Command] | None = Field(None, description="Program that lists the accelerators, with its arguments.")


class Vendor(Entry):
    """Who makes accelerators, and what software makes them usable."""

    folder: ClassVar[str] = "vendors"
    kind: Literal["vendor"] = Field(description=KIND)
    title_zh: Text | None = Field(None, description="Name in Chinese.")
    plugins: dict[Name, Plugin] = Field(min_length=1, description="The first is the default.")
    pci_vendor: Fact[PciId] = Field(description="PCI vendor number, four hexadecimal digits in quotes.")
    exporter_port: Fact[Port] = Field(description="Port on which the exporter of its metrics listens.")
    slurm: SlurmDevices = Field(description="How Slurm finds the devices.")
    host: VendorHost | None = Field(None, description="What a host needs so that the accelerators answer.")
    cluster: VendorCluster | None = Field(None, description="What a cluster needs so that pods get the accelerators.")
    torch: Torch | None = Field(None, description="How a PyTorch program runs on them without knowing them.")

    @property
    def handler(self) -> str | None:
        """The handler of its container runtime, which a RuntimeClass refers to."""
        return self.host.runtime.handler.value if self.host and self.host.runtime else None
