"""Slurm: controllers and login nodes hold the configuration; workers fetch it from the controllers (configless)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from generator.artifact import Artifact, TextTemplate
from generator.catalog.models import OperatingSystem
from generator.model import Center
from generator.nodes import Node, Pool
from generator.outputs.groups import HostFile, Secret, Unit, member_group, pools_by_system
from generator.outputs.hosts import NOTHING, UNITS, Part, together

NEWS_UNIT = "center-slurm-news.service"


@dataclass(frozen=True, slots=True)
class NodeLine:
    """Nodes of one rack as Slurm writes them: a bracketed list of names and one of addresses."""

    names: str
    addresses: str
    pool: Pool


def artifacts(center: Center) -> Iterator[Artifact]:
    for name, cluster in center.clusters.items():
        if cluster.kind == "slurm":
            context = _context(center, name)
            yield from _controllers(center, name, cluster.munge, context)
            yield from _logins(center, name, cluster.munge, context)
            yield from _workers(center, name, cluster.munge)


def _context(center: Center, cluster: str) -> dict[str, Any]:
    """What the configuration of a cluster is made of."""
    workers = [pool for pool in center.pools_of(cluster, "worker") if center.counts[pool.name]]
    return {
        "cluster": cluster,
        "controllers": list(center.nodes_of(center.pools_of(cluster, "control"))),
        "lines": [line for pool in workers for line in _lines(center, pool)],
        "pools": workers,
        "gres_types": sorted({"gpu" for pool in workers if pool.accelerators_per_node}),
    }


def _key(reference: str | None, system: OperatingSystem, cluster: str) -> Part:
    """The key by which the nodes of a cluster know each other; whoever has it can act as anybody in Slurm."""
    unit = system.units["munge"]
    if reference is None:
        return NOTHING
    key = HostFile(
        "/etc/munge/munge.key",
        TextTemplate("hosts/slurm/munge.key", {}, "plain"),
        (unit,),
        mode="0400",
        owner="munge",
        holes=("secret.munge",),
        because=(f"clusters.{cluster}", "pools", "halls"),
    )
    return Part((key,), (), (unit,), secrets={"munge": Secret(reference, "slurm-munge")})


def _controllers(center: Center, cluster: str, key: str | None, context: dict[str, Any]) -> Iterator[Artifact]:
    causes = ("pools", "halls", "network.plans.nodes", f"clusters.{cluster}")
    for pools in pools_by_system(center, center.pools_of(cluster, "control")).values():
        system = pools[0].system
        folder, unit = system.paths["slurm"], system.units["slurm-controller"]
        # Restarting slurmctld ends no job; only that makes it take nodes that are new.
        files = [
            HostFile(f"{folder}/{file}", TextTemplate(f"hosts/slurm/{file}", context, "slurm"), (unit,), because=causes)
            for file in ("slurm.conf", "gres.conf", "cgroup.conf")
        ]
        news = TextTemplate("hosts/slurm/news.service", {"controller": unit}, "systemd")
        files.append(HostFile(f"{UNITS}/{NEWS_UNIT}", news, because=causes))
        state = {"path": "/var/spool/slurmctld", "mode": "0750", "owner": "slurm", "group": "slurm"}
        # Not a unit that apply starts: it follows slurmctld, which has to be up first.
        follows = {f"{UNITS}/{unit}.wants/{NEWS_UNIT}": f"../{NEWS_UNIT}"}
        units = (unit, system.units["munge"])
        part = Part(tuple(files), tuple(system.packages["slurm-controller"]), units, (state,), follows)
        yield from together(member_group(cluster, pools[0]), [part, _key(key, system, cluster)], causes)


def _logins(center: Center, cluster: str, key: str | None, context: dict[str, Any]) -> Iterator[Artifact]:
    causes = ("pools", "halls", "network.plans.nodes", f"clusters.{cluster}")
    for pools in pools_by_system(center, center.pools_of(cluster, "login")).values():
        system = pools[0].system
        configuration = TextTemplate("hosts/slurm/slurm.conf", context, "slurm")
        file = HostFile(f"{system.paths['slurm']}/slurm.conf", configuration, because=causes)
        part = Part((file,), tuple(system.packages["slurm-login"]), (system.units["munge"],))
        yield from together(member_group(cluster, pools[0]), [part, _key(key, system, cluster)], causes)


def _workers(center: Center, cluster: str, key: str | None) -> Iterator[Artifact]:
    controllers = [node.name for node in center.nodes_of(center.pools_of(cluster, "control"))]
    causes = ("pools", "halls", f"clusters.{cluster}")
    for pools in pools_by_system(center, center.pools_of(cluster, "worker")).values():
        system = pools[0].system
        options = TextTemplate("hosts/slurm/slurmd", {"controllers": controllers}, "shell")
        # Jobs outlive a restart of slurmd; it begins to take them once the node has passed its acceptance checks.
        daemon = Unit(system.units["slurm-node"], gate="accepted")
        start = TextTemplate("hosts/slurm/configless.conf", {}, "systemd")
        files = (
            HostFile(system.paths["slurm-node"], options, (daemon.name,), because=causes),
            HostFile(f"{UNITS}/{daemon.name}.d/40-center-configless.conf", start, (daemon.name,), because=causes),
        )
        part = Part(files, tuple(system.packages["slurm-node"]), (daemon, system.units["munge"]))
        yield from together(member_group(cluster, pools[0]), [part, _key(key, system, cluster)], causes)


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
