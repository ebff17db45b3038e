"""Where the centre stands, what its network and its power are."""

from __future__ import annotations

import contextlib
import re
import zoneinfo
from typing import Annotated

from pydantic import Field
from pydantic.functional_validators import BeforeValidator

from generator.quantity import CarbonIntensity, EnergyPrice, Length, Percentage, Temperature
from generator.spec.common import (
    Address,
    Domain,
    Host,
    Name,
    Network,
    PublicFile,
    Strict,
    Text,
    got,
    refuse,
    refuse_login,
)


class Metadata(Strict):
    """What the centre is called."""

    name: Name = Field(description="Short name of the centre; appears in names of objects.", examples=["starter"])
    title: Text | None = Field(None, description="Free text in any language.", examples=["示例智算中心"])
    description: Text | None = Field(None, description="A sentence for readers of the summary.")


class Climate(Strict):
    """The design days: the hottest outdoor air that cooling must bear, and the coldest."""

    dry_bulb: Temperature = Field(description="Dry-bulb temperature of the design day.")
    wet_bulb: Temperature = Field(description="Wet-bulb temperature of the design day.")
    winter: Temperature | None = Field(None, description="Dry-bulb temperature of the coldest design day.")
    water: Temperature | None = Field(None, description="Warmest water of a lake, river or sea that cools the centre.")


class Grid(Strict):
    """The electricity that the centre buys."""

    carbon: CarbonIntensity | None = Field(None, description="Carbon intensity of the grid.")
    price: EnergyPrice | None = Field(None, description="Price of a kilowatt-hour.")


def _check_timezone(name: object) -> object:
    # Opening the one zone is a hundred times faster than listing all of them.
    if isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}", name):
        with contextlib.suppress(OSError, ValueError, zoneinfo.ZoneInfoNotFoundError):
            zoneinfo.ZoneInfo(name)
            return name
    raise refuse(f'needs a time zone such as "Asia/Shanghai", {got(name)}')


TimeZone = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_+/-]+$", examples=["Asia/Shanghai"]), BeforeValidator(_check_timezone)
]


class Site(Strict):
    """The place."""

    timezone: TimeZone = Field(description="Time zone of hosts, reports and alarms.")
    region: Text | None = Field(None, description="Free text: town, province, country.")
    altitude: Length | None = Field(None, description="Above the sea: in thinner air tanks boil at less; default: 0 m.")
    climate: Climate | None = Field(None, description="Design day of the outdoor air.")
    grid: Grid | None = Field(None, description="Electricity bought.")


class Plans(Strict):
    """The address plan; plans may not overlap each other or the networks of clusters."""

    nodes: Network = Field(description="Addresses of nodes.")
    bmc: Network | None = Field(None, description="Addresses of management controllers.")
    facility: Network | None = Field(None, description="Addresses of cooling and power devices.")


_URL = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?")


def _check_url(url: object) -> object:
    refuse_login(url)
    if isinstance(url, str) and _URL.fullmatch(url):
        return url
    raise refuse(f'needs a URL such as "http://mirror.mingyue.example/debian", {got(url)}')


def _check_https(url: object) -> object:
    refuse_login(url)
    if isinstance(url, str) and url.startswith("https://") and _URL.fullmatch(url):
        return url
    raise refuse(f'needs a URL with https such as "https://id.mingyue.example", {got(url)}')


Url = Annotated[
    str, Field(pattern=r"^https?://", examples=["http://mirror.mingyue.example/debian"]), BeforeValidator(_check_url)
]
HttpsUrl = Annotated[
    str, Field(pattern=r"^https://", examples=["https://id.mingyue.example"]), BeforeValidator(_check_https)
]


class Mirror(Strict):
    """The package repository that hosts install from."""

    url: Url = Field(description="Base URL of the repository.")
    suite: Annotated[str, Field(pattern=r"^[a-z][a-z0-9./-]*$")] = Field(
        "bookworm", description="Suite, where packages come by apt.", examples=["bookworm"]
    )
    components: list[Name] = Field(default_factory=lambda: ["main"], description="Components, for apt.")
    key: PublicFile | None = Field(None, description="Public key that signs it, if the system does not know it.")


PackageName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9+._-]*$", examples=["vendor-driver"])]
_Version = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+~:_-]*$", examples=["2.1.0-1"])]


class Repository(Mirror):
    """Where the software of one vendor of accelerators comes from."""

    suite: Annotated[str, Field(pattern=r"^(/|[a-z][a-z0-9./-]*)$")] = Field(
        description='Suite; "/" for a repository without suites and components.', examples=["bookworm"]
    )
    versions: dict[PackageName, _Version] = Field(
        default_factory=dict, description="Packages of the vendor that stay at one version until another is said."
    )


_REGISTRY = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")


def _check_registry(name: object) -> object:
    if isinstance(name, str) and _REGISTRY.fullmatch(name):
        return name
    raise refuse(f'needs a registry such as "registry.k8s.io", {got(name)}')


Registry = Annotated[str, Field(pattern=r"^[a-z0-9.:-]{1,253}$"), BeforeValidator(_check_registry)]


Port = Annotated[int, Field(ge=1, le=65535)]


class NetworkSubject(Strict):
    """Addresses, names and the services that every host needs."""

    domain: Domain = Field(description="DNS domain of the nodes.")
    plans: Plans = Field(description="Address plan.")
    dns: list[Address] = Field(default_factory=list, description="Name servers of the hosts.", max_length=3)
    ntp: list[Host] = Field(min_length=1, description="Time servers of the hosts.")
    mirror: Mirror | None = Field(None, description="Package repository of the hosts; default: what they came with.")
    repositories: dict[Name, Repository] = Field(
        default_factory=dict, description="Package repository of each vendor whose software hosts get."
    )
    registries: dict[Registry, Url] = Field(
        default_factory=dict, description="Mirror of each image registry; what is not named is asked itself."
    )
    ports: dict[Name, Port] = Field(
        default_factory=dict, description="Port of the exporter of each vendor, where it is not the catalogue's."
    )
    trust: PublicFile | None = Field(
        None,
        description="Certificates of authorities that hosts trust besides those of their system, in PEM.",
        examples=["path:roots.pem"],
    )
    growth: Percentage = Field(
        default_factory=lambda: Percentage.parse("0 %"),
        description="How much of every plan must stay free for racks that come later.",
    )


class Targets(Strict):
    """What the design promises; checked, not hoped."""

    pue: Annotated[float, Field(gt=1, lt=5)] | None = Field(
        None, description="Power usage effectiveness by design.", examples=[1.1]
    )
    saving: Percentage | None = Field(
        None, description="Power from the utility that is saved against a centre cooled by air, on the design day."
    )
    baseline: Name = Field("generic-air-cooled", description="Centre cooled by air, of the catalogue.")
    availability: Percentage | None = Field(
        None, description="Share of the year in which the centre serves; above 99.741 % nothing may hang on one part."
    )
