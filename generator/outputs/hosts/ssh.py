"""Who may log in to a host over SSH, with what, and which hosts it believes itself."""

from __future__ import annotations

from generator.artifact import Raw, TextTemplate
from generator.catalog.models import OperatingSystem
from generator.model import Center
from generator.outputs.groups import HostFile
from generator.outputs.hosts import Part


def part(center: Center, system: OperatingSystem) -> Part:
    ssh, unit = center.spec.access.ssh, system.units["ssh"]
    daemon = TextTemplate("hosts/sshd.conf", {"user": ssh.user, "keys": ssh.keys}, "ssh_config")
    files = [HostFile(system.paths["ssh"], daemon, (unit,), because=("access.ssh",))]
    if ssh.keys:
        keys = Raw(center.public_files[ssh.keys].encode())
        files.append(HostFile(f"/etc/ssh/center/{ssh.user}", keys, because=("access.ssh",)))
    if ssh.authority:
        # Recorded keys are not among them: a new node would then change a file of every other one.
        known = TextTemplate("hosts/known_hosts", {"authorities": center.ssh_authorities}, "plain")
        files.append(HostFile("/etc/ssh/ssh_known_hosts", known, because=("access.ssh.authority",)))
    return Part(files=tuple(files), packages=tuple(system.packages["ssh"]), units=(unit,))
