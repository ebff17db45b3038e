"""The whole spec: one field for each subject."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from generator.spec.access import AccessSubject
from generator.spec.common import Name, PublicFile, Strict
from generator.spec.cooling import CoolingSubject
from generator.spec.fabrics import Fabric
from generator.spec.halls import Hall
from generator.spec.monitoring import MonitoringSubject
from generator.spec.offers import DataSet, Prices
from generator.spec.organizations import Acceptance, Organization, Service
from generator.spec.pools import Cluster, Pool
from generator.spec.power import PowerSubject
from generator.spec.site import Metadata, NetworkSubject, Site, Targets
from generator.spec.storage import FileSystem


class Center(Strict):
    """A compute centre, described once."""

    api_version: Literal["center/v1"] = Field(alias="apiVersion", description="Version of this language.")
    kind: Literal["Center"] = Field(description="Always Center.")
    metadata: Metadata = Field(description="What the centre is called.")
    site: Site = Field(description="Where it stands.")
    network: NetworkSubject = Field(description="Addresses, names, time.")
    fabrics: dict[Name, Fabric] = Field(default_factory=dict, description="Networks between nodes.")
    power: PowerSubject = Field(description="The power chain.")
    cooling: CoolingSubject = Field(default_factory=CoolingSubject, description="Liquid cooling.")
    monitoring: MonitoringSubject = Field(default_factory=MonitoringSubject, description="Whom alerts reach.")
    halls: dict[Name, Hall] = Field(min_length=1, description="Rooms with racks.")
    pools: dict[Name, Pool] = Field(min_length=1, description="Identical nodes.")
    assets: PublicFile | None = Field(
        None,
        description="Table of serial numbers, MAC addresses and states of machines.",
        examples=["path:assets.csv"],
    )
    clusters: dict[Name, Cluster] = Field(default_factory=dict, description="Kubernetes and Slurm clusters.")
    storage: dict[Name, FileSystem] = Field(default_factory=dict, description="Shared file systems.")
    access: AccessSubject = Field(description="Who reaches hosts and clusters.")
    organizations: dict[Name, Organization] = Field(default_factory=dict, description="Institutions and their tenants.")
    services: dict[Name, Service] = Field(default_factory=dict, description="What tenants run.")
    data: dict[Name, DataSet] = Field(default_factory=dict, description="Data that the centre keeps and shares.")
    prices: Prices | None = Field(None, description="What tenants pay.")
    targets: Targets = Field(default_factory=Targets, description="What the design promises.")
    accepted: dict[str, Acceptance] = Field(default_factory=dict, description="Warnings that somebody answers for.")
