"""Operating systems: what a pool needs of one, and which have been proven."""

from __future__ import annotations

from collections.abc import Iterator

from generator.model import Center
from generator.nodes import Pool
from generator.rules import Finding, rule

Needs = dict[str, tuple[str, ...]]

# What the files of nodes ask of a system: names of packages and units, paths and commands, by their purpose.
BASE: Needs = {
    "packages": ("time", "metrics", "ssh"),
    "units": ("time", "metrics", "ssh", "kernel-settings"),
    "paths": ("time", "metrics", "ssh", "kernel-settings"),
}
MIRROR: Needs = {"paths": ("package-sources", "package-key")}
TRUST: Needs = {"packages": ("trust",), "paths": ("trust",), "commands": ("trust",)}
FIREWALL: Needs = {"packages": ("firewall",), "paths": ("firewall",)}
ACCOUNTS: Needs = {"packages": ("accounts",), "units": ("accounts",), "paths": ("trusted",)}
HOMES: Needs = {"commands": ("homes",)}
LOGINS: Needs = {"paths": ("accounts-keys",)}
MONITOR: Needs = {"packages": ("prometheus",), "units": ("prometheus",), "paths": ("prometheus",)}
EXPORTS: Needs = {"packages": ("nfs-server",), "units": ("nfs-server",), "commands": ("nfs-server",)}
SLURM: dict[str, Needs] = {
    "control": {"packages": ("slurm-controller",), "units": ("slurm-controller", "munge"), "paths": ("slurm",)},
    "login": {"packages": ("slurm-login",), "units": ("munge",), "paths": ("slurm",)},
    "worker": {"packages": ("slurm-node",), "units": ("slurm-node", "munge"), "paths": ("slurm-node",)},
}

CONTAINERS: Needs = {"packages": ("containers",), "units": ("containers",), "paths": ("containers",)}
RDMA: Needs = {"packages": ("rdma",)}
BOOT: Needs = {"paths": ("boot-parameters",), "commands": ("boot",)}


def _needs(center: Center, pool: Pool) -> Iterator[Needs]:
    yield BASE
    network, access = center.spec.network, center.spec.access
    if network.mirror:
        yield MIRROR
        if network.trust and network.mirror.url.startswith("https:") and pool.system.package_manager == "apt":
            yield {"paths": ("package-settings",)}
    if network.trust:
        yield TRUST
    if access.from_:
        yield FIREWALL
    if pool.role == "monitor":
        yield MONITOR
    if any(words.pool == pool.name and words.kind == "nfs" for words in center.spec.storage.values()):
        yield EXPORTS
    if pool.vendor and pool.vendor.name in center.spec.network.repositories:
        yield MIRROR
        if pool.vendor.host and pool.vendor.host.kernel_options and pool.vendor.host.kernel_options.value:
            yield BOOT
    if pool.containers:
        yield CONTAINERS
    if pool.rdma:
        yield RDMA
    if any(center.clusters[name].kind == "slurm" for name in pool.clusters):
        yield SLURM.get(pool.role, {})
    yield from _needs_of_people(center, pool)


def _needs_of_people(center: Center, pool: Pool) -> Iterator[Needs]:
    if not center.has_people(pool):
        return
    yield ACCOUNTS
    if not center.has_shared_homes(pool):
        yield HOMES
    if pool.role == "login":
        yield LOGINS


@rule("system.incomplete")
def systems_say_what_pools_need(center: Center) -> Iterator[Finding]:
    """Nobody has published, or nobody has checked, how this system names what the pool needs."""
    for pool in center.pools.values():
        needs = [(kind, purpose) for need in _needs(center, pool) for kind, names in need.items() for purpose in names]
        missing = sorted({purpose for kind, purpose in needs if purpose not in getattr(pool.system, kind)})
        if missing:
            message = f'system "{pool.system.name}" does not say how it does {", ".join(missing)}'
            hint = "copy its file into catalog/ beside the spec and complete it, or use another system"
            yield Finding((*pool.path, "system"), message, hint)


@rule("system.unproven", severity="warning")
def systems_are_proven(center: Center) -> Iterator[Finding]:
    """Test hosts of this product run only some systems; names and paths of the others come from reading."""
    for pool in center.pools.values():
        if not pool.system.proven:
            message = f'system "{pool.system.name}" of pool "{pool.name}" was never tried'
            yield Finding((*pool.path, "system"), message, pool.system.note)


@rule("system.mirror")
def a_mirror_serves_one_kind_of_package(center: Center) -> Iterator[Finding]:
    """A repository for apt has nothing that dnf could install, and the other way round."""
    mirror = center.spec.network.mirror
    managers: dict[str, Pool] = {}
    for pool in center.pools.values() if mirror else ():
        managers.setdefault(pool.system.package_manager, pool)
    if mirror and len(managers) > 1:
        of = " and ".join(f'{name} (pool "{managers[name].name}")' for name in sorted(managers))
        message = f'mirror "{mirror.url}" cannot serve both {of}'
        hint = "leave the mirror out, or give each system a centre of its own"
        yield Finding(("network", "mirror", "url"), message, hint)
