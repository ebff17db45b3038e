"""Who makes accelerators: how clusters offer them, and what a host needs to make them usable."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from generator.catalog.entries import KIND, SAID, STATUS_HINT, SURE, Entry, Fact, Status
from generator.spec.common import Name, Strict, Text


class Plugin(Strict):
    """A device plugin: how a cluster offers the vendor's accelerators."""

    hints: ClassVar[dict[str, str]] = {"status": STATUS_HINT}

    resource: Annotated[str, Field(pattern=r"^[a-z0-9.-]+/[A-Za-z0-9_.-]+$")] = Field(
        description="Name of the resource that pods ask for.", examples=["vendor.example/accelerator"]
    )
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


class Vendor(Entry):
    """Who makes accelerators, and what software makes them usable."""

    folder: ClassVar[str] = "vendors"
    kind: Literal["vendor"] = Field(description=KIND)
    title_zh: Text | None = Field(None, description="Name in Chinese.")
    plugins: dict[Name, Plugin] = Field(min_length=1, description="The first is the default.")
    pci_vendor: Fact[str] = Field(description="PCI vendor number, four hexadecimal digits in quotes.")
    exporter_port: Fact[int] = Field(description="Port on which the exporter of its metrics listens.")
    slurm: SlurmDevices = Field(description="How Slurm finds the devices.")
