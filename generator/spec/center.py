"""The whole spec: one field for each subject."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from generator.spec.common import Name, Strict
from generator.spec.halls import CoolingSubject, Hall
from generator.spec.organizations import Acceptance, Organization, Service
from generator.spec.pools import AccessSubject, Cluster, Pool
from generator.spec.site import Metadata, NetworkSubject, PowerSubject, Site, Targets


class Center(Strict):
    """A compute centre, described once."""

    api_version: Literal["center/v1"] = Field(alias="apiVersion", description="Version of this language.")
    kind: Literal["Center"] = Field(description="Always Center.")
    metadata: Metadata
    site: Site
    network: NetworkSubject
    power: PowerSubject
    cooling: CoolingSubject = Field(default_factory=CoolingSubject)
    halls: dict[Name, Hall] = Field(min_length=1)
    pools: dict[Name, Pool] = Field(min_length=1)
    clusters: dict[Name, Cluster] = Field(default_factory=dict)
    access: AccessSubject
    organizations: dict[Name, Organization] = Field(default_factory=dict)
    services: dict[Name, Service] = Field(default_factory=dict)
    targets: Targets = Field(default_factory=Targets)
    accepted: dict[str, Acceptance] = Field(default_factory=dict)
