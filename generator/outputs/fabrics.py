"""Fabrics whose adapters read and write the memory of other nodes: libraries and tools, modules, settings."""

from __future__ import annotations

from collections.abc import Iterator

from generator.artifact import Artifact, TextTemplate
from generator.model import Center
from generator.nodes import Pool
from generator.outputs.groups import HostFile, fabric_group, group_files, pools_by_group

MODULES = {"infiniband": ("ib_uverbs", "rdma_ucm", "ib_umad", "ib_ipoib"), "roce": ("ib_uverbs", "rdma_ucm")}
"""What user programs need of each kind of fabric (rdma-core, kernel-boot/modules)."""


def artifacts(center: Center) -> Iterator[Artifact]:
    for kind in MODULES:
        groups = pools_by_group(center, lambda pool, kind=kind: _group(pool, kind))  # type: ignore[misc]
        for name, pools in groups.items():
            system = pools[0].system
            settings = system.units["kernel-settings"]
            modules = TextTemplate("hosts/fabrics/modules-load", {"modules": MODULES[kind]}, "words")
            files = [HostFile(f"/etc/modules-load.d/center-{kind}.conf", modules)]
            units = []
            if kind == "roce":
                sysctl = TextTemplate("hosts/fabrics/sysctl.conf", {}, "sysctl")
                files.append(HostFile("/etc/sysctl.d/91-center-roce.conf", sysctl, (settings,)))
                units.append(settings)
            yield from group_files(name, files, ("pools", "fabrics"), system.packages["rdma"], units)


def _group(pool: Pool, kind: str) -> str | None:
    return fabric_group(pool, kind) if kind in pool.rdma else None
