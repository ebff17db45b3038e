"""What every host gets: package sources, time, kernel settings, SSH, names, metrics."""

from __future__ import annotations

from collections.abc import Iterator

from generator.artifact import Artifact, Raw, TextTemplate
from generator.catalog.models import OperatingSystem
from generator.model import Center
from generator.outputs.groups import HostFile, group_files, pools_by_system, system_group

# What decides which files, packages and units there are.
_DECIDES = ("pools", "site.timezone", "network.mirror", "network.dns", "access.ssh")


def artifacts(center: Center) -> Iterator[Artifact]:
    for pools in pools_by_system(center, center.pools.values()).values():
        system = pools[0].system
        packages = [package for purpose in ("time", "metrics", "ssh") for package in system.packages[purpose]]
        units = [system.units[purpose] for purpose in ("time", "metrics", "ssh", "kernel-settings")]
        files = _files(center, system)
        zone = {"/etc/localtime": f"/usr/share/zoneinfo/{center.spec.site.timezone}"}
        yield from group_files(system_group(pools[0]), files, _DECIDES, packages, units, links=zone)


def _files(center: Center, system: OperatingSystem) -> Iterator[HostFile]:
    network, ssh = center.spec.network, center.spec.access.ssh
    if network.mirror:
        mirror = {"mirror": network.mirror, "system": system, "signed": network.mirror.key is not None}
        sources = TextTemplate("hosts/apt.sources", mirror, "hosts")
        path = system.paths["package-sources"]
        yield HostFile(path, sources, before_packages=True, because=("network.mirror",))
        if network.mirror.key:
            key = Raw(center.public_files[network.mirror.key].encode())
            yield HostFile(system.paths["package-key"], key, before_packages=True, because=("network.mirror",))
    time = TextTemplate("hosts/chrony.conf", {"servers": network.ntp}, "hosts")
    yield HostFile(system.paths["time"], time, (system.units["time"],), because=("network.ntp",))
    settings = TextTemplate("hosts/sysctl.conf", {}, "sysctl")
    unit = system.units["kernel-settings"]
    yield HostFile(system.paths["kernel-settings"], settings, (unit,), because=("pools",))
    daemon = TextTemplate("hosts/sshd.conf", {"user": ssh.user, "keys": ssh.keys}, "ssh_config")
    yield HostFile(system.paths["ssh"], daemon, (system.units["ssh"],), because=("access.ssh",))
    if ssh.keys:
        keys = Raw(center.public_files[ssh.keys].encode())
        yield HostFile(f"/etc/ssh/center/{ssh.user}", keys, because=("access.ssh",))
    if ssh.authority:
        # Recorded keys are not among them: a new node would then change a file of every other one.
        known = TextTemplate("hosts/known_hosts", {"authority": center.public_files[ssh.authority].strip()}, "plain")
        yield HostFile("/etc/ssh/ssh_known_hosts", known, because=("access.ssh.authority",))
    # Workers know themselves and the controllers; a new worker therefore touches no other worker.
    controllers = [pool for pool in center.pools.values() if pool.role == "control"]
    names = {"domain": network.domain, "controllers": list(center.nodes_of(controllers))}
    hosts = TextTemplate("hosts/hosts", names, "hosts")
    causes = ("network.domain", "network.plans.nodes", "pools", "halls")
    yield HostFile("/etc/hosts", hosts, holes=("address", "name"), because=causes)
    if network.dns:
        resolver = TextTemplate("hosts/resolv.conf", {"domain": network.domain, "servers": network.dns}, "hosts")
        yield HostFile("/etc/resolv.conf", resolver, because=("network.dns", "network.domain"))
    metrics = TextTemplate("hosts/node-exporter", {"port": 9100}, "shell")
    yield HostFile(system.paths["metrics"], metrics, (system.units["metrics"],), because=("pools",))
