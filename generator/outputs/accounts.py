"""People on hosts: a directory gives them their accounts and keys, where they work and log in."""

from __future__ import annotations

from collections.abc import Iterator

from generator.artifact import Artifact, TextTemplate
from generator.catalog.models import OperatingSystem
from generator.model import Center
from generator.nodes import Pool
from generator.outputs.groups import HostFile, Secret, Unit, group, pools_by_system
from generator.outputs.hosts import Part, command_file, together
from generator.spec.access import Ldap

UNIT = "center-accounts.service"
HOMES_UNIT = "center-homes.service"
_CAUSES = ("access.identity.ldap", "pools", "clusters")


def groups(center: Center, pool: Pool) -> Iterator[str]:
    if center.has_people(pool):
        yield group("accounts", pool.system.name)
        if not center.has_shared_homes(pool):
            yield group("homes", pool.system.name)
        if pool.role == "login":
            yield group("logins", pool.system.name)


def artifacts(center: Center) -> Iterator[Artifact]:
    identity = center.spec.access.identity
    if identity is None or identity.ldap is None:
        return
    pools = [pool for pool in center.pools.values() if center.has_people(pool)]
    for found in pools_by_system(center, pools).values():
        system = found[0].system
        yield from together(group("accounts", system.name), [_directory(center, identity.ldap, system)], _CAUSES)
        if not all(center.has_shared_homes(pool) for pool in found):
            causes = (*_CAUSES, "storage")
            yield from together(group("homes", system.name), [_homes(system, causes)], causes)
        if any(pool.role == "login" for pool in found):
            yield from together(group("logins", system.name), [_logins(system)], _CAUSES)


def _directory(center: Center, ldap: Ldap, system: OperatingSystem) -> Part:
    protected = ldap.uri.startswith("ldaps://")
    context = {"ldap": ldap, "domain": center.name, "start_tls": not protected, "roots": system.paths["trusted"]}
    holes = ("secret.ldap-bind",) if ldap.bind else ()
    body = TextTemplate("hosts/sssd.conf", context, "ini")
    causes = ("access.identity.ldap", "metadata.name")
    unit = system.units["accounts"]
    files = [HostFile("/etc/sssd/sssd.conf", body, (unit,), mode="0600", holes=holes, because=causes)]
    # The parts of the daemon start when somebody asks them; which do, is said by their sockets alone.
    units: list[str | Unit] = [unit, *(Unit(f"sssd-{part}.socket", "live") for part in ("nss", "pam", "ssh"))]
    if command := system.commands.get("accounts"):
        files.append(command_file(UNIT, "People of the directory are known to this host", command, _CAUSES))
        units.append(UNIT)
    return Part(
        files=tuple(files),
        packages=tuple(system.packages["accounts"]),
        units=tuple(units),
        secrets={"ldap-bind": Secret(ldap.bind, "ldap-bind")} if ldap.bind else {},
    )


def _homes(system: OperatingSystem, causes: tuple[str, ...]) -> Part:
    # Where a program chooses how people are known, it forgets what was added to its choice before.
    after = UNIT if "accounts" in system.commands else ""
    file = command_file(HOMES_UNIT, "A home for whoever comes the first time", system.commands["homes"], causes, after)
    return Part((file,), units=(HOMES_UNIT,))


def _logins(system: OperatingSystem) -> Part:
    """Where passwords are not taken, the directory must say which keys people have."""
    unit = system.units["ssh"]
    path = f"{system.paths['ssh'].rpartition('/')[0]}/10-center-people.conf"
    keys = TextTemplate("hosts/sshd-people.conf", {"command": system.paths["accounts-keys"]}, "ssh_config")
    return Part((HostFile(path, keys, (unit,), because=_CAUSES),), (), (unit,))
