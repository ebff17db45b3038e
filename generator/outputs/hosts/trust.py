"""Authorities whose certificates a host believes, besides those that came with its system."""

from __future__ import annotations

import hashlib
import re

from generator.artifact import Raw
from generator.catalog.models import OperatingSystem
from generator.model import Center
from generator.outputs.groups import HostFile
from generator.outputs.hosts import NOTHING, Part, command_file

UNIT = "center-trust.service"
ALL_ROOTS = "/etc/center/trust.pem"
"""Where the site's certificates lie together, for programs that want one file."""

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
_CAUSES = ("network.trust",)


def part(center: Center, system: OperatingSystem) -> Part:
    reference = center.spec.network.trust
    if reference is None:
        return NOTHING
    found = list(dict.fromkeys(_CERTIFICATE.findall(center.public_files[reference])))
    together = Raw("".join(f"{text}\n" for text in found).encode())
    # One file each: some readers of the store look up a certificate by its hash and pass over files with several.
    paths = {f"{system.paths['trust']}/center-{name_of(text)}.crt": Raw(f"{text}\n".encode()) for text in found}
    return Part(
        files=(
            *(HostFile(path, body, (UNIT,), because=_CAUSES) for path, body in paths.items()),
            HostFile(ALL_ROOTS, together, before_packages=True, because=_CAUSES),
            command_file(UNIT, "Certificates that this centre trusts", system.commands["trust"], _CAUSES),
        ),
        packages=tuple(system.packages["trust"]),
        units=(UNIT,),
    )


def name_of(certificate: str) -> str:
    """A short name that stays with a certificate wherever it stands in the file."""
    return hashlib.sha256("".join(certificate.split()).encode()).hexdigest()[:12]
