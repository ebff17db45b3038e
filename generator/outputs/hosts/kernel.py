"""Settings of the kernel, and what a login or a service may take of a host."""

from __future__ import annotations

from generator.artifact import TextTemplate
from generator.catalog.models import OperatingSystem
from generator.model import Center
from generator.outputs.groups import HostFile
from generator.outputs.hosts import Part

LIMITS = "/etc/security/limits.d"


def part(center: Center, system: OperatingSystem) -> Part:
    unit = system.units["kernel-settings"]
    settings = TextTemplate("hosts/sysctl.conf", {}, "sysctl")
    limits = TextTemplate("hosts/limits.conf", {}, "words")
    return Part(
        files=(
            HostFile(system.paths["kernel-settings"], settings, (unit,), because=("pools",)),
            HostFile(f"{LIMITS}/90-center.conf", limits, because=("pools",)),
        ),
        units=(unit,),
    )


def limits_of_rdma() -> Part:
    """Adapters read and write the memory of programs by themselves, so it must stay where it is."""
    limits = TextTemplate("hosts/limits-rdma.conf", {}, "words")
    return Part(files=(HostFile(f"{LIMITS}/91-center-rdma.conf", limits, because=("pools", "fabrics")),))
