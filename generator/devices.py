"""What offers accelerators in each cluster: vendors in use, what the spec says of them and what the catalogue knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from generator.catalog.models import Vendor
from generator.catalog.vendor_cluster import Claims, NodeProgram
from generator.catalog.vendor_model import VendorHost
from generator.model import Center, ServiceUse, Tenant
from generator.nodes import Pool
from generator.problems import Path
from generator.spec.devices import Devices


@dataclass(frozen=True, slots=True)
class Feature:
    """How nodes with a vendor's accelerators are found: what their cards answer on the PCI bus, and its label."""

    label: str
    vendor: str
    devices: frozenset[str]
    classes: frozenset[str]

    def meets(self, other: Feature) -> bool:
        """Whether one card could be taken for both."""
        if self.vendor != other.vendor:
            return False
        if self.devices and other.devices:
            return bool(self.devices & other.devices)
        return not (self.classes and other.classes) or bool(self.classes & other.classes)


@dataclass(frozen=True, slots=True)
class Offer:
    """The accelerators of one vendor in one cluster; without words, nobody has said who offers them."""

    cluster: str
    vendor: Vendor
    pools: tuple[Pool, ...]
    words: Devices | None
    port: int | None
    """Where the exporter of the vendor listens on its hosts."""

    @property
    def path(self) -> Path:
        return ("clusters", self.cluster, "devices", self.vendor.name)

    @property
    def daemon(self) -> str:
        """The device plugin of its pools; that they need the same one is a rule."""
        plugin = self.pools[0].plugin
        return (plugin.daemon if plugin else None) or self.vendor.name

    @property
    def known_plugin(self) -> NodeProgram | None:
        """How the catalogue runs the device plugin."""
        known = self.vendor.cluster.programs.get(self.daemon) if self.vendor.cluster else None
        return known.value if known else None

    @property
    def known_exporter(self) -> NodeProgram | None:
        """How the catalogue runs the exporter in a container."""
        known = self.vendor.cluster.exporter if self.vendor.cluster else None
        return known.value if known else None

    @property
    def resources(self) -> list[str]:
        """What pods ask for to get its accelerators."""
        return sorted({pool.plugin.resource for pool in self.pools if pool.plugin})

    @property
    def runtime(self) -> str | None:
        """The runtime in which containers get the accelerators, if they need one."""
        return self.vendor.handler

    @property
    def known_claims(self) -> Claims | None:
        """How pods claim its devices, as far as somebody has published it."""
        known = self.vendor.cluster.claims if self.vendor.cluster else None
        return known if known and known.device_class.value and known.selector.value else None

    @property
    def device_class(self) -> str | None:
        """The class of devices that pods claim, where they do not ask for a resource."""
        known = self.known_claims if self.words and self.words.claims else None
        return known.device_class.value if known else None

    @property
    def selecting_variable(self) -> str | None:
        """The variable by which that runtime lets a container see accelerators."""
        known = self.vendor.cluster.selects if self.vendor.cluster else None
        return known.value if known else None

    @property
    def feature(self) -> Feature | None:
        """How its nodes are found; None where nobody has published enough to tell its cards from others."""
        number, known = self.vendor.pci_vendor.value, self.vendor.cluster.feature if self.vendor.cluster else None
        models = [pool.accelerator for pool in self.pools if pool.accelerator]
        numbers = [model.pci_devices.value if model.pci_devices else None for model in models]
        # One model without numbers, and its nodes would not be found by those of the others.
        devices = frozenset(number for each in numbers for number in each or ()) if all(numbers) else frozenset()
        classes = frozenset((known.classes.value if known and known.classes else None) or ())
        if number is None or not (devices or classes):
            return None
        label = known.label.value if known and known.label else None
        return Feature(label or f"feature.node.kubernetes.io/center-{self.vendor.name}", number, devices, classes)

    def programs(self) -> Iterator[tuple[str, NodeProgram, str]]:
        """What runs on its nodes by our hand: which program, how, and its image."""
        named = self.words or Devices.model_construct()
        for kind, known, image in (
            ("plugin", self.known_plugin, named.plugin),
            ("exporter", self.known_exporter, named.exporter),
        ):
            if known and image:
                yield kind, known, image


def offers(center: Center, cluster: str) -> list[Offer]:
    """The vendors whose accelerators a cluster of Kubernetes has workers with, by name."""
    words = center.clusters[cluster]
    if words.kind != "kubernetes":
        return []
    pools: dict[str, list[Pool]] = {}
    for pool in center.pools_of(cluster, "worker"):
        if pool.vendor:
            pools.setdefault(pool.vendor.name, []).append(pool)
    return [
        Offer(cluster, vendor, tuple(found), words.devices.get(name), exporter_port(center, vendor))
        for name, found in sorted(pools.items())
        if (vendor := found[0].vendor)
    ]


def exporter_port(center: Center, vendor: Vendor) -> int | None:
    """Where the exporter of a vendor listens: as the spec says, or else the catalogue."""
    return center.spec.network.ports.get(vendor.name, vendor.exporter_port.value)


def stack_of(center: Center, pool: Pool) -> VendorHost | None:
    """What the hosts of a pool get of their vendor's software, where the spec says which repository it comes from."""
    vendor = pool.vendor
    return vendor.host if vendor and vendor.name in center.spec.network.repositories else None


def host_exporter(center: Center, pool: Pool) -> str | None:
    """The unit by which the hosts of a pool run the exporter of their vendor from a package."""
    host = stack_of(center, pool)
    packages = host.packages.get(pool.system.package_manager) if host else None
    if host and host.exporter and packages and packages.exporter and packages.exporter.value:
        return host.exporter.unit.value
    return None


def metrics_port(center: Center, pool: Pool) -> int | None:
    """Where the nodes of a pool tell how their accelerators are; None where no exporter is ours."""
    in_containers = any(
        kind == "exporter"
        for cluster in pool.clusters
        for offer in offers(center, cluster)
        if pool in offer.pools
        for kind, _, _ in offer.programs()
    )
    if pool.vendor and (in_containers or host_exporter(center, pool)):
        return exporter_port(center, pool.vendor)
    return None


def offer_of(center: Center, pool: Pool, cluster: str) -> Offer | None:
    """How the accelerators of a pool are offered in a cluster, where the spec says so."""
    found = (offer for offer in offers(center, cluster) if offer.words and pool in offer.pools)
    return next(found, None)


def runtime_class(center: Center, tenant: Tenant, pool: Pool, cluster: str) -> str | None:
    """The runtime that pods of a tenant must name: its sandbox, or else what gives them the accelerators of a pool.

    What keeps a tenant off the kernel hands accelerators out itself; that it can is a rule. What is claimed comes
    without a runtime.
    """
    if sandbox := center.sandbox_of(tenant, cluster):
        return sandbox.name
    offer = offer_of(center, pool, cluster)
    return offer.runtime if offer and not offer.device_class else None


def device_class(center: Center, pool: Pool, cluster: str) -> str | None:
    """The class of devices that pods claim to get the accelerators of a pool, where a driver offers them."""
    offer = offer_of(center, pool, cluster)
    return offer.device_class if offer else None


def torch_image(service: ServiceUse) -> str | None:
    """The image of a PyTorch program: as the service is told, or else what the vendor of its pool publishes."""
    known = service.pool.vendor.torch if service.pool.vendor else None
    return service.inputs.get("image") or (known.image.value if known else None)
