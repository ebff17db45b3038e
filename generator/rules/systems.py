"""Operating systems: what a pool needs of one, and which have been proven."""

from __future__ import annotations

from collections.abc import Iterator

from generator.model import Center, Pool
from generator.rules import Finding, rule

BASE = ("time", "metrics", "ssh", "kernel-settings")


def _needs(center: Center, pool: Pool) -> Iterator[str]:
    """The purposes that the files of a pool's nodes serve; each needs a path and most a unit of the system."""
    yield from BASE
    for name in pool.clusters:
        if center.clusters[name].kind == "slurm" and pool.role == "control":
            yield "slurm-controller"
        if center.clusters[name].kind == "slurm" and pool.role == "worker":
            yield "slurm-node"


@rule("system.incomplete")
def systems_say_what_pools_need(center: Center) -> Iterator[Finding]:
    """Nobody has published, or nobody has checked, how this system names what the pool needs."""
    for pool in center.pools.values():
        missing = [need for need in _needs(center, pool) if need not in pool.system.units]
        if missing:
            message = f'system "{pool.system.name}" does not say how it does {", ".join(missing)}'
            hint = 'copy its file into catalog/ beside the spec and complete it, or use another system'
            yield Finding((*pool.path, "system"), message, hint)


@rule("system.unproven", severity="warning")
def systems_are_proven(center: Center) -> Iterator[Finding]:
    """Test hosts of this product run only some systems; names and paths of the others come from reading."""
    for pool in center.pools.values():
        if not pool.system.proven:
            yield Finding((*pool.path, "system"), f'system "{pool.system.name}" of pool "{pool.name}" was never tried')
