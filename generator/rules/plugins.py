"""Software of vendors beside each other: device plugins and exporters that would fight over one node or one port."""

from __future__ import annotations

from collections.abc import Iterator

from generator.devices import exporter_port
from generator.model import Center
from generator.nodes import Pool
from generator.rules import Finding, rule

_EVERYWHERE = {22: "SSH", 9100: "the exporter of host metrics"}
_OF_CLUSTERS = {
    "kubernetes": {
        2379: "etcd", 2380: "etcd", 6443: "the API server", 10250: "the kubelet", 10256: "the service proxy",
        10257: "the controller manager", 10259: "the scheduler",
    },
    "slurm": {6817: "slurmctld", 6818: "slurmd", 6819: "slurmdbd"},
}  # fmt: skip
"""Ports that hosts of a cluster use already (kubernetes.io, ports and protocols; slurm.conf)."""


@rule("cluster.plugin-clash")
def vendors_run_one_device_plugin(center: Center) -> Iterator[Finding]:
    """Each program of a vendor claims all devices of a node; two in one cluster count every device twice."""
    for name, cluster in center.clusters.items():
        first: dict[str, tuple[str, Pool]] = {}
        for pool in center.pools_of(name) if cluster.kind == "kubernetes" else []:
            if pool.vendor is None or pool.plugin is None:
                continue
            daemon = pool.plugin.daemon or pool.vendor.name
            other, owner = first.setdefault(pool.vendor.name, (daemon, pool))
            if other != daemon:
                message = (
                    f'pools "{owner.name}" and "{pool.name}" need the device plugins "{other}" and "{daemon}" of '
                    f'vendor "{pool.vendor.name}" in cluster "{name}"'
                )
                yield Finding(
                    pool.path, message, "choose the same plugin, or put one of the pools into another cluster"
                )


@rule("cluster.exporter-port")
def exporters_find_their_port_free(center: Center) -> Iterator[Finding]:
    """An exporter listens on its host; where something listens already it never starts, or worse, starts first."""
    for pool in center.pools.values():
        port = exporter_port(center, pool.vendor) if pool.vendor else None
        used = dict(_EVERYWHERE)
        for name in pool.clusters:
            used |= _OF_CLUSTERS[center.clusters[name].kind]
        if pool.vendor and port in used:
            message = (
                f'the exporter of vendor "{pool.vendor.name}" listens on port {port}, which {used[port]} uses on nodes '
                f'of pool "{pool.name}"'
            )
            yield Finding((*pool.path, "accelerator"), message, f"say another port: network.ports.{pool.vendor.name}")


@rule("cluster.exporter-shared")
def exporters_can_be_told_apart(center: Center) -> Iterator[Finding]:
    """Vendors that answer on one port, some with the same names of metrics, look like one when scraped by port."""
    for name in center.clusters:
        first: dict[int, str] = {}
        for pool in center.pools_of(name):
            port = exporter_port(center, pool.vendor) if pool.vendor else None
            if pool.vendor is None or port is None:
                continue
            other = first.setdefault(port, pool.vendor.name)
            if other != pool.vendor.name:
                both = f'exporters of vendors "{other}" and "{pool.vendor.name}"'
                message = f'{both} both listen on port {port} in cluster "{name}"'
                yield Finding(pool.path, message, f"say another port for one: network.ports.{pool.vendor.name}")


@rule("network.port-unused", "warning")
def ports_have_exporters(center: Center) -> Iterator[Finding]:
    """A port is said for a vendor that no pool has: a slip, and the vendor that was meant keeps its own."""
    used = {pool.vendor.name for pool in center.pools.values() if pool.vendor}
    for name in center.spec.network.ports:
        if name not in used:
            message = f'no pool has accelerators of vendor "{name}"'
            yield Finding(("network", "ports", name), message, "remove it", at_key=True)
