"""What a file of the catalogue may say, one model for each kind of thing.

Every number from the outside world is a fact: a value with its status and sources, ``null`` where nobody knows.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from generator.catalog.cooling_model import AirBaseline as AirBaseline
from generator.catalog.cooling_model import AirHandler as AirHandler
from generator.catalog.cooling_model import Coolant as Coolant
from generator.catalog.cooling_model import CoolingDevice as CoolingDevice
from generator.catalog.cooling_model import HeatRejection as HeatRejection
from generator.catalog.entries import GRADES as GRADES
from generator.catalog.entries import KIND, SAID, STATUS_HINT, SURE
from generator.catalog.entries import STATUSES as STATUSES
from generator.catalog.entries import Entry as Entry
from generator.catalog.entries import Fact as Fact
from generator.catalog.entries import Grade as Grade
from generator.catalog.entries import SourcePointer as SourcePointer
from generator.catalog.entries import Status as Status
from generator.catalog.entries import facts as facts
from generator.catalog.vendor_model import PciId
from generator.catalog.vendor_model import Plugin as Plugin
from generator.catalog.vendor_model import Vendor as Vendor
from generator.quantity import (
    Capacity,
    Duration,
    Efficiency,
    Length,
    Mass,
    Money,
    Percentage,
    Power,
    Pressure,
    Quantity,
    Temperature,
    Volume,
)
from generator.spec.common import Date, Isolation, Name, Strict, Text, refuse


class Memory(Quantity):
    """Gigabytes (10^9 bytes)."""

    dimension, example = "memory size", "80 GB"
    units: ClassVar[dict[str, float]] = {"GB": 1.0, "TB": 1e3}


class Throughput(Quantity):
    """Tera-operations per second, peak, dense."""

    dimension, example = "throughput", "67 TFLOPS"
    units: ClassVar[dict[str, float]] = {"TFLOPS": 1.0, "TOPS": 1.0, "PFLOPS": 1e3}


Precision = Literal["fp64", "fp64-matrix", "fp32", "tf32", "bf16", "fp16", "fp8", "fp4", "int8"]
Performance = dict[Precision, Fact[Throughput]]


class Accelerator(Entry):
    """One model of accelerator; power is what it draws under sustained load."""

    folder: ClassVar[str] = "accelerators"
    kind: Literal["accelerator"] = Field(description=KIND)
    vendor: Name = Field(description="Vendor of the catalogue; names of our own files begin with it.")
    plugin: Name | None = Field(None, description="Plugin that offers this model; default: the vendor's first.")
    memory: Fact[Memory] = Field(description="Memory of one, as the system reports it.")
    power: Fact[Power] = Field(description="Of one, under sustained load.")
    performance: Performance = Field(description="Peak of one, dense; what it cannot do is null with a note.")
    form: Fact[str] = Field(description="Form factor.")
    cooling: Fact[str] = Field(description="How it gets rid of its heat.")
    pci_devices: Fact[list[PciId]] | None = Field(None, description="PCI device numbers of this model alone.")
    pci_functions: Fact[int] | None = Field(None, description="PCI devices that one shows; 1 if unsaid.")


class Supplies(Strict):
    """The power supplies of a server, spread evenly over its feeds."""

    hints: ClassVar[dict[str, str]] = {"status": STATUS_HINT}

    count: Annotated[int, Field(ge=1, le=24)] = Field(description="Supplies in the server.")
    needed: Annotated[int, Field(ge=1, le=24)] = Field(description="Fewest that carry the server at its maximum.")
    rating: Fact[Power] | None = Field(None, description="What one supply gives.")
    status: Status = Field(description=SURE)
    sources: list[str] = Field(default_factory=list, description=SAID)


class Server(Entry):
    """One model of server: a whole node; without accelerators, whose power and performance are their own."""

    folder: ClassVar[str] = "servers"
    kind: Literal["server"] = Field(description=KIND)
    height: Annotated[int, Field(ge=1, le=60)] | None = Field(None, description="Rack units; or say the blade.")
    blade: Name | None = Field(None, description="Kind of slot that takes it, for servers that are blades.")
    per_blade: Annotated[int, Field(ge=1, le=16)] = Field(1, description="Nodes on one blade.")
    mass: Fact[Mass] = Field(description="Of one node.")
    cores: Annotated[int, Field(ge=1)] = Field(description="Of all processors together.")
    memory: Memory = Field(description="Of the processors.")
    accelerators: Annotated[int, Field(ge=0)] = Field(description="Places for accelerators.")
    base_power: Fact[Power] = Field(description="Without accelerators, all else at its maximum.")
    peak: Fact[float] | None = Field(
        None, description="What the node draws for moments, over its maximum; 1 if unsaid."
    )
    supplies: Supplies | None = Field(None, description="Power supplies.")
    liquid_share: Fact[Percentage] = Field(description="Share of the heat that cold plates take.")
    liquid_inlet: Fact[Temperature] | None = Field(None, description="Warmest coolant that its cold plates bear.")
    liquid_pressure: Fact[Pressure] | None = Field(None, description="Most that its cold plates and hoses bear.")
    filter: Fact[Length] | None = Field(None, description="Coarsest filter that its cold plates ask for.")
    air_inlet: Fact[Temperature] | None = Field(None, description="Warmest air that it bears.")
    performance: Performance = Field(default_factory=dict, description="Of its processors together.")

    @model_validator(mode="after")
    def _takes_one_kind_of_place(self) -> Self:
        if (self.height is None) == (self.blade is None):
            raise refuse('needs either "height" in rack units or the kind of "blade" slot that it takes')
        return self


class RackType(Entry):
    """A rack, or a tank that stands in for one; a tank's mass is without its liquid."""

    folder: ClassVar[str] = "racks"
    kind: Literal["rack"] = Field(description=KIND)
    units: Annotated[int, Field(ge=0, le=120)] = Field(description="Rack units.")
    slots: dict[Name, Annotated[int, Field(ge=1, le=1000)]] = Field(
        default_factory=dict, description="Places for blades of each kind."
    )
    mass: Fact[Mass] = Field(description="Empty, with power strips and manifolds.")
    width: Fact[Length] | None = Field(None, description="Outside.")
    depth: Fact[Length] | None = Field(None, description="Outside.")
    immersion: bool = Field(False, description="Whether it is a tank.")
    charge: Fact[Volume] | None = Field(None, description="Liquid that a tank holds.")


class Switch(Entry):
    """One model of network switch."""

    folder: ClassVar[str] = "switches"
    kind: Literal["switch"] = Field(description=KIND)
    height: Annotated[int, Field(ge=0, le=60)] = Field(description="Rack units; 0 for one with a place of its own.")
    ports: Annotated[int, Field(ge=2, le=4096)] = Field(description="Ports.")
    node_ports: Annotated[int, Field(ge=1, le=4096)] | None = Field(
        None, description="Ports for nodes, where the build of the switch fixes them, as in a dragonfly."
    )
    speed: Text = Field(description="Of one port, such as 400 Gbit/s.")
    mass: Fact[Mass] = Field(description="Of one switch.")
    power: Fact[Power] = Field(description="At its maximum, transceivers included.")
    liquid_share: Fact[Percentage] | None = Field(None, description="Share of the heat that cold plates take.")


class Ups(Entry):
    """One model of uninterruptible supply."""

    folder: ClassVar[str] = "ups"
    kind: Literal["ups"] = Field(description=KIND)
    capacity: Fact[Power] = Field(description="Power that one unit gives.")
    efficiency: Fact[Efficiency] = Field(description="At the load that it is planned for.")


class PricePlan(Entry):
    """A price list; a model that it does not name has no price."""

    folder: ClassVar[str] = "prices"
    kind: Literal["price-plan"] = Field(description=KIND)
    currency: Literal["CNY", "EUR", "USD", "CHF"] = Field(description="Of all its amounts.")
    rounding: Literal["second", "minute", "hour"] = Field(description="Usage is rounded up to whole ones of these.")
    free: Money | None = Field(None, description="What each tenant has free in a month.")
    accelerators: dict[Name, Money] = Field(default_factory=dict, description="An hour of each model of accelerator.")
    nodes: dict[Name, Money] = Field(default_factory=dict, description="An hour of a node of each model of server.")
    storage: Money | None = Field(None, description="A terabyte for a month.")


class OperatingSystem(Entry):
    """What differs between operating systems: names of packages, units and paths."""

    folder: ClassVar[str] = "systems"
    kind: Literal["system"] = Field(description=KIND)
    proven: bool = Field(description="Whether the test hosts run it.")
    release: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+ [A-Za-z0-9._-]+$", examples=["debian 12"])] | None = Field(
        None, description="ID and version as its os-release says them; default: as the name of the file does."
    )
    package_manager: Literal["apt", "dnf"] = Field(description="What installs packages.")
    packages: dict[Name, list[str]] = Field(description="Packages for each purpose.")
    units: dict[Name, str] = Field(description="Units of systemd for each purpose.")
    paths: dict[Name, str] = Field(description="Files and folders for each purpose.")
    commands: dict[Name, list[str]] = Field(
        default_factory=dict, description="Programs with their arguments for each purpose."
    )
    versions: dict[Name, str] = Field(default_factory=dict, description="Releases that the system packages.")
    note: Text | None = Field(
        None, description="What of it comes from reading or from a relative, if not all is tried."
    )


class Release(Entry):
    """A version of a program that clusters run, and how long its makers repair it."""

    folder: ClassVar[str] = "releases"
    kind: Literal["release"] = Field(description=KIND)
    ends: Fact[Date] = Field(description="Last day on which its makers repair it.")


class NetworkPlugin(Entry):
    """What connects the pods of a cluster."""

    folder: ClassVar[str] = "networks"
    kind: Literal["network"] = Field(description=KIND)
    policies: Fact[bool] = Field(description="Whether it enforces NetworkPolicies.")


RuntimeType = Annotated[str, Field(pattern=r"^([a-z0-9-]+\.)+v[0-9]+$", examples=["io.containerd.kata.v2"])]
OptionName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9]*$", examples=["SystemdCgroup"])]
OptionValue = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/+-]+$", examples=["true"])]


class Sandbox(Entry):
    """A runtime that keeps pods off the kernel of their node."""

    folder: ClassVar[str] = "sandboxes"
    kind: Literal["sandbox"] = Field(description=KIND)
    handler: Fact[Name] = Field(description="Its name in the configuration of the container runtime.")
    runtime_type: Fact[RuntimeType] = Field(
        description="What containerd starts for it: io.containerd.kata.v2 is the program containerd-shim-kata-v2."
    )
    options: Fact[dict[OptionName, OptionValue]] | None = Field(
        None, description="What containerd hands to that program, such as where its configuration is."
    )
    vendors: Fact[list[Name]] = Field(description="Vendors whose accelerators it can hand to pods.")
    cores: Fact[float] = Field(description="Cores that it takes itself for each pod, beside what the pod asks for.")
    memory: Fact[Memory] = Field(description="Memory that it takes itself for each pod.")

    @property
    def handled_by(self) -> str:
        """Its name in the configuration of the container runtime; where nobody has said one, its own."""
        return self.handler.value or self.name

    @property
    def millicores(self) -> int:
        """Thousandths of a core that it takes for each pod; 0 where nobody has said."""
        return round((self.cores.value or 0) * 1000)

    @property
    def megabytes(self) -> int:
        """MB that it takes for each pod; 0 where nobody has said."""
        return round(self.memory.value.magnitude * 1000) if self.memory.value else 0


class Counts(Strict):
    """Most objects of each kind in one environment."""

    pods: Annotated[int, Field(ge=1)] = Field(description="Pods, beside one for each accelerator it may hold.")
    jobs: Annotated[int, Field(ge=0)] = Field(
        description="Jobs, waiting and finished ones too, and as many templates of claims."
    )
    deployments: Annotated[int, Field(ge=0)] = Field(description="Deployments, and as many stateful sets.")
    services: Annotated[int, Field(ge=0)] = Field(description="Services of Kubernetes.")
    configmaps: Annotated[int, Field(ge=1)] = Field(description="Configuration maps.")
    secrets: Annotated[int, Field(ge=0)] = Field(description="Secrets.")
    claims: Annotated[int, Field(ge=0)] = Field(description="Volume claims.")
    autoscalers: Annotated[int, Field(ge=0)] = Field(description="Autoscalers.")
    policies: Annotated[int, Field(ge=0)] = Field(description="Network policies of its own.")
    roles: Annotated[int, Field(ge=0)] = Field(description="Roles of its own, and as many bindings.")


class Size(Strict):
    """Cores and memory of one container."""

    cores: Annotated[float, Field(gt=0, le=1000)] = Field(description="Cores, also parts of one.")
    memory: Memory = Field(description="Memory.")


class TenantClass(Entry):
    """What tenants of a class may do."""

    folder: ClassVar[str] = "classes"
    kind: Literal["tenant-class"] = Field(description=KIND)
    priority: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        description="Of work that names the class: in its queue it goes before work that names none and is ended after "
        "it. Among tenants it decides where shares are equal, and never ends another's work."
    )
    may_borrow: bool = Field(description="Whether its tenants may use what others leave idle.")
    ends: bool = Field(False, description="Whether a tenant of this class has a last day.")
    longest: Duration | None = Field(
        None, description="How far ahead that day may lie, judged with --as-of; if unsaid, as far as a tenant says."
    )
    preempt: Literal["Never", "LowerPriority", "Any"] = Field(
        description="Whose jobs a more important job of the same tenant may end."
    )
    isolation: Isolation = Field(
        "shared",
        description="What stands between its pods and those of other organizations: the kernel that they share, "
        "a sandbox, or nodes of their own.",
    )
    counts: Counts = Field(description="Most objects in one environment.")
    storage: Capacity = Field(description="All volume claims of one environment together.")
    request: Size = Field(description="What a container asks for that says nothing.")
    limit: Size = Field(description="What a container may use that says nothing; no less than it asks for.")

    @field_validator("limit")
    @classmethod
    def _is_no_less_than_the_request(cls, limit: Size, info: ValidationInfo) -> Size:
        request: Size | None = info.data.get("request")
        if request and limit.cores < request.cores:
            raise refuse(f"gives a container {limit.cores:g} cores that asks for {request.cores:g}")
        if request and limit.memory.magnitude < request.memory.magnitude:
            raise refuse(f"gives a container {limit.memory.text} of memory that asks for {request.memory.text}")
        return limit
