"""The clock of a host: who it asks, and how local time is told."""

from __future__ import annotations

from generator.artifact import TextTemplate
from generator.catalog.models import OperatingSystem
from generator.model import Center
from generator.outputs.groups import HostFile
from generator.outputs.hosts import Part


def part(center: Center, system: OperatingSystem) -> Part:
    unit = system.units["time"]
    body = TextTemplate("hosts/chrony.conf", {"servers": center.spec.network.ntp}, "hosts")
    return Part(
        files=(HostFile(system.paths["time"], body, (unit,), because=("network.ntp",)),),
        packages=tuple(system.packages["time"]),
        units=(unit,),
        links={"/etc/localtime": f"/usr/share/zoneinfo/{center.spec.site.timezone}"},
    )
