"""Slurm: the controllers hold the whole configuration; nodes fetch it from them (configless)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from generator.artifact import Artifact, TextTemplate
from generator.model import Center
from generator.nodes import Node, Pool
from generator.outputs.groups import HostFile, group_files, member_group, pools_by_system


@dataclass(frozen=True, slots=True)
class NodeLine:
    """Nodes of one rack as Slurm writes them: a bracketed list of names and one of addresses."""

    names: str
    addresses: str
    pool: Pool


def artifacts(center: Center) -> Iterator[Artifact]:
    for name, cluster in center.clusters.items():
        if cluster.kind == "slurm":
            yield from _controllers(center, name)
            yield from _workers(center, name)


def _controllers(center: Center, cluster: str) -> Iterator[Artifact]:
    controllers = center.pools_of(cluster, "control")
    workers = [pool for pool in center.pools_of(cluster, "worker") if center.counts[pool.name]]
    context = {
        "cluster": cluster,
        "controllers": list(center.nodes_of(controllers)),
        "lines": [line for pool in workers for line in _lines(center, pool)],
        "pools": workers,
        "gres_types": sorted({"gpu" for pool in workers if pool.accelerators_per_node}),
    }
    causes = ("pools", "halls", "network.plans.nodes", f"clusters.{cluster}")
    for pools in pools_by_system(center, controllers).values():
        system = pools[0].system
        folder, unit = system.paths["slurm"], system.units["slurm-controller"]
        files = [
            HostFile(f"{folder}/{file}", TextTemplate(f"hosts/slurm/{file}", context, "slurm"), (unit,), because=causes)
            for file in ("slurm.conf", "gres.conf", "cgroup.conf")
        ]
        state = {"path": "/var/spool/slurmctld", "mode": "0750", "owner": "slurm", "group": "slurm"}
        packages, units = system.packages["slurm-controller"], (unit, system.units["munge"])
        yield from group_files(member_group(cluster, pools[0]), files, causes, packages, units, [state])


def _workers(center: Center, cluster: str) -> Iterator[Artifact]:
    controllers = [node.name for node in center.nodes_of(center.pools_of(cluster, "control"))]
    causes = ("pools", "halls", f"clusters.{cluster}")
    for pools in pools_by_system(center, center.pools_of(cluster, "worker")).values():
        system = pools[0].system
        options = TextTemplate("hosts/slurm/slurmd", {"controllers": controllers}, "shell")
        files = [HostFile(system.paths["slurm-node"], options, because=causes)]
        yield from group_files(member_group(cluster, pools[0]), files, causes, system.packages["slurm-node"])


def _lines(center: Center, pool: Pool) -> Iterator[NodeLine]:
    """A line a rack; a rack whose addresses cross a boundary of 256 takes a line a node."""
    for nodes in center.ranges_of(pool):
        racks: dict[str, list[Node]] = {}
        for node in nodes.nodes():
            racks.setdefault(node.rack, []).append(node)
        for found in racks.values():
            prefixes = {node.address.rpartition(".")[0] for node in found}
            if len(prefixes) == 1 and len(found) > 1:
                numbers = ",".join(node.name.rpartition("-")[2] for node in found)
                last = ",".join(node.address.rpartition(".")[2] for node in found)
                stem = found[0].name.rpartition("-")[0]
                yield NodeLine(f"{stem}-[{numbers}]", f"{prefixes.pop()}.[{last}]", pool)
            else:
                yield from (NodeLine(node.name, node.address, pool) for node in found)
