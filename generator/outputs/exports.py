"""File systems that nodes of the centre serve themselves: NFS, from the first node of a pool of storage nodes."""

from __future__ import annotations

from collections.abc import Iterator

from generator.artifact import Artifact, TextTemplate
from generator.model import Center
from generator.nodes import Pool
from generator.outputs.groups import HostFile, Unit, group
from generator.outputs.hosts import Part, command_file, together
from generator.spec.storage import FileSystem

UNIT = "center-exports.service"


def groups(center: Center, pool: Pool) -> Iterator[str]:
    if _served_by(center, pool):
        yield group("exports", pool.name)


def _served_by(center: Center, pool: Pool) -> dict[str, FileSystem]:
    return {n: words for n, words in center.spec.storage.items() if words.pool == pool.name and words.kind == "nfs"}


def artifacts(center: Center) -> Iterator[Artifact]:
    for pool in center.pools.values():
        served = _served_by(center, pool)
        if not served or not center.counts[pool.name]:
            continue
        causes = ("pools", "network.plans.nodes", *(f"storage.{name}" for name in served))
        folders = sorted({words.export for words in served.values()})
        body = TextTemplate(
            "hosts/storage/exports", {"folders": folders, "network": center.spec.network.plans.nodes}, "exports"
        )
        command = pool.system.commands["nfs-server"]
        part = Part(
            files=(
                HostFile("/etc/exports.d/center.exports", body, (UNIT,), because=causes),
                command_file(UNIT, "What this node serves", command, causes),
            ),
            packages=tuple(pool.system.packages["nfs-server"]),
            # Its clients wait while it restarts; what it serves it reads again without.
            units=(Unit(pool.system.units["nfs-server"], "live"), UNIT),
            directories=tuple({"path": path, "mode": "0755", "owner": "root", "group": "root"} for path in folders),
        )
        yield from together(group("exports", pool.name), [part], causes)
