"""What a host tells about itself."""

from __future__ import annotations

from generator.artifact import TextTemplate
from generator.catalog.models import OperatingSystem
from generator.model import Center
from generator.outputs.groups import HostFile
from generator.outputs.hosts import Part
from generator.outputs.monitoring import NODE_EXPORTER_PORT


def part(center: Center, system: OperatingSystem) -> Part:
    unit = system.units["metrics"]
    options = TextTemplate("hosts/node-exporter", {"port": NODE_EXPORTER_PORT}, "shell")
    return Part(
        files=(HostFile(system.paths["metrics"], options, (unit,), because=("pools",)),),
        packages=tuple(system.packages["metrics"]),
        units=(unit,),
    )
