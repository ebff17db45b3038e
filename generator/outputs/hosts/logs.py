"""The journal of a host: kept over a reboot, and never larger than its disk bears."""

from __future__ import annotations

from generator.artifact import TextTemplate
from generator.catalog.models import OperatingSystem
from generator.model import Center
from generator.outputs.groups import HostFile
from generator.outputs.hosts import Part

UNIT = "systemd-journald.service"


def part(center: Center, system: OperatingSystem) -> Part:
    settings = TextTemplate("hosts/journald.conf", {}, "systemd")
    path = "/etc/systemd/journald.conf.d/90-center.conf"
    return Part(files=(HostFile(path, settings, (UNIT,), because=("pools",)),), units=(UNIT,))
