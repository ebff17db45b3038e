"""Where the packages of a host come from."""

from __future__ import annotations

from collections.abc import Iterator

from generator.artifact import Raw, TextTemplate
from generator.catalog.models import OperatingSystem
from generator.model import Center
from generator.outputs.groups import HostFile
from generator.outputs.hosts import Part
from generator.outputs.hosts.trust import ALL_ROOTS

_TEMPLATES = {"apt": ("hosts/apt.sources", "hosts"), "dnf": ("hosts/yum.repo", "ini")}


def part(center: Center, system: OperatingSystem) -> Part:
    return Part(files=tuple(_files(center, system)))


def _files(center: Center, system: OperatingSystem) -> Iterator[HostFile]:
    mirror = center.spec.network.mirror
    if mirror is None:
        return
    signed = mirror.key is not None
    # A mirror behind TLS must be believed before the first package comes, which is before the system's own store is.
    roots = ALL_ROOTS if center.spec.network.trust and mirror.url.startswith("https:") else ""
    context = {"mirror": mirror, "system": system, "signed": signed, "roots": roots}
    template, syntax = _TEMPLATES[system.package_manager]
    causes = ("network.mirror", "network.trust")
    path = system.paths["package-sources"]
    yield HostFile(path, TextTemplate(template, context, syntax), before_packages=True, because=causes)
    if roots and system.package_manager == "apt":
        settings = TextTemplate("hosts/apt.conf", {"roots": roots}, "words")
        yield HostFile(system.paths["package-settings"], settings, before_packages=True, because=causes)
    if mirror.key:
        key = Raw(center.public_files[mirror.key].encode())
        yield HostFile(system.paths["package-key"], key, before_packages=True, because=("network.mirror",))
