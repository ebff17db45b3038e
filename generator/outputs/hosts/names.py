"""Names and addresses that a host knows by itself, and whom it asks for all others."""

from __future__ import annotations

from generator.artifact import TextTemplate
from generator.catalog.models import OperatingSystem
from generator.model import Center
from generator.outputs.groups import HostFile
from generator.outputs.hosts import Part


def part(center: Center, system: OperatingSystem) -> Part:
    network = center.spec.network
    # Hosts know themselves and the controllers; a new worker therefore touches no other worker.
    controllers = [pool for pool in center.pools.values() if pool.role == "control"]
    names = {"domain": network.domain, "controllers": list(center.nodes_of(controllers))}
    hosts = TextTemplate("hosts/hosts", names, "hosts")
    causes = ("network.domain", "network.plans.nodes", "pools", "halls")
    files = [HostFile("/etc/hosts", hosts, holes=("address", "name"), because=causes)]
    if network.dns:
        resolver = TextTemplate("hosts/resolv.conf", {"domain": network.domain, "servers": network.dns}, "hosts")
        files.append(HostFile("/etc/resolv.conf", resolver, because=("network.dns", "network.domain")))
    return Part(files=tuple(files))
