"""Fabrics whose adapters read and write the memory of other nodes: libraries and tools, modules, settings."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from generator.artifact import Artifact, TextTemplate
from generator.model import Center
from generator.nodes import Pool
from generator.outputs.groups import HostFile, group, group_files, pools_by_group

MODULES = {"infiniband": ("ib_uverbs", "rdma_ucm", "ib_umad", "ib_ipoib"), "roce": ("ib_uverbs", "rdma_ucm")}
"""What user programs need of each kind of fabric (rdma-core, kernel-boot/modules)."""


def groups(center: Center, pool: Pool) -> Iterator[str]:
    """Nodes with ports on fabrics of one kind and the same operating system get the same."""
    yield from (_name(pool, kind) for kind in pool.rdma)


def artifacts(center: Center) -> Iterator[Artifact]:
    for kind, modules in MODULES.items():
        for name, pools in pools_by_group(center, partial(_group, kind)).items():
            system = pools[0].system
            settings = system.units["kernel-settings"]
            load = TextTemplate("hosts/fabrics/modules-load", {"modules": modules}, "words")
            files = [HostFile(f"/etc/modules-load.d/center-{kind}.conf", load)]
            units = []
            if kind == "roce":
                sysctl = TextTemplate("hosts/fabrics/sysctl.conf", {}, "sysctl")
                files.append(HostFile("/etc/sysctl.d/91-center-roce.conf", sysctl, (settings,)))
                units.append(settings)
            yield from group_files(name, files, ("pools", "fabrics"), system.packages["rdma"], units)


def _group(kind: str, center: Center, pool: Pool) -> str | None:
    return _name(pool, kind) if kind in pool.rdma else None


def _name(pool: Pool, kind: str) -> str:
    return group("fabric", f"{kind}-{pool.system.name}")
