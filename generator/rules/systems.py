"""Operating systems: what a pool needs of one, and which have been proven."""

from __future__ import annotations

from collections.abc import Iterator

from generator.model import Center
from generator.nodes import Pool
from generator.rules import Finding, rule

Needs = dict[str, tuple[str, ...]]

# What the files of nodes ask of a system: names of packages and units, and paths, by their purpose.
BASE: Needs = {
    "packages": ("time", "metrics", "ssh"),
    "units": ("time", "metrics", "ssh", "kernel-settings"),
    "paths": ("time", "metrics", "ssh", "kernel-settings"),
}
MIRROR: Needs = {"paths": ("package-sources", "package-key")}
SLURM: dict[str, Needs] = {
    "control": {"packages": ("slurm-controller",), "units": ("slurm-controller", "munge"), "paths": ("slurm",)},
    "worker": {"packages": ("slurm-node",), "units": ("slurm-node",), "paths": ("slurm-node",)},
}

CONTAINERS: Needs = {"packages": ("containers",), "units": ("containers",), "paths": ("containers",)}
RDMA: Needs = {"packages": ("rdma",)}
BOOT: Needs = {"paths": ("boot-parameters", "boot-update")}


def _needs(center: Center, pool: Pool) -> Iterator[Needs]:
    yield BASE
    if center.spec.network.mirror:
        yield MIRROR
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
            yield Finding((*pool.path, "system"), f'system "{pool.system.name}" of pool "{pool.name}" was never tried')
