"""Ansible inventories: one a block, ranges instead of hosts, groups instead of variables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from generator.artifact import Artifact, Json, TextTemplate
from generator.model import Center
from generator.nodes import Block, NodeRange, Pool
from generator.outputs import memberships
from generator.outputs.groups import group
from generator.problems import dotted

# What decides which nodes a block has and where they are.
_CAUSES = ("halls", "pools", "network.plans.nodes")
# What decides in which groups they are.
_GROUPS = ("clusters", "fabrics", "network.repositories", "storage", "access.from", "access.identity.ldap")


def artifacts(center: Center) -> Iterator[Artifact]:
    serials = {asset.node: asset.serial for asset in center.assets if asset.node}
    yield Artifact("hosts/operations.json", Json(_operations(center), expand=2), ("pools", "halls", "clusters"))
    for block in center.blocks.values():
        folder = f"hosts/{block.name}"
        causes = (*_CAUSES, *_GROUPS)
        yield Artifact(f"{folder}/inventory.json", Json(_inventory(center, block), expand=4), causes)
        yield Artifact(
            f"{folder}/nodes.json", Json(_places(center, block, serials)), (*_CAUSES, *_place_causes(center))
        )
        yield _known_hosts(center, block)


def _operations(center: Center) -> dict[str, Any]:
    """What a run must know of pools and clusters: how many nodes may change or be missing, and who drains them."""
    pools = {
        pool.name: {
            "role": pool.role,
            "clusters": list(pool.clusters),
            "nodes": center.counts[pool.name],
            "batch": pool.batch,
            "unreachable": pool.unreachable,
        }
        for pool in center.pools.values()
    }
    clusters = {
        name: {
            "kind": cluster.kind,
            "controllers": [node.name for node in center.nodes_of(center.pools_of(name, "control"))],
        }
        for name, cluster in center.clusters.items()
    }
    return {"pools": pools, "clusters": clusters}


def _known_hosts(center: Center, block: Block) -> Artifact:
    """What the nodes of a block prove themselves by: authorities, their recorded keys, or both."""
    vouching = center.ssh_authorities
    names = (node.name for node, _ in block.nodes()) if center.known_hosts else ()
    keys = [key for name in names for key in center.known_hosts.get(name, ())]
    body = TextTemplate("hosts/block_known_hosts", {"authorities": vouching, "keys": keys}, "plain")
    causes = [f"access.ssh.{name}" for name, said in (("authority", vouching), ("known-hosts", keys)) if said]
    return Artifact(f"hosts/{block.name}/known_hosts", body, (*causes, *(_CAUSES if keys else (dotted(block.path),))))


def _place_causes(center: Center) -> tuple[str, ...]:
    bmc = () if center.bmc_offset is None else ("network.plans.bmc",)
    return (*bmc, *(("assets",) if center.spec.assets else ()))


def _places(center: Center, block: Block, serials: dict[str, str]) -> dict[str, dict[str, str]]:
    """Where each node and its management controller answer, and which machine it is."""
    offset = center.bmc_offset
    places = {}
    for node, _ in block.nodes():
        place = places[node.name] = {"address": node.address}
        if offset is not None:
            place["bmc"] = node.shifted(offset)
        if node.name in serials:
            place["serial"] = serials[node.name]
    return places


def _inventory(center: Center, block: Block) -> dict[str, Any]:
    """Nodes stand in their pool's group; racks repeat them, everything else is made of pools."""
    groups: dict[str, dict[str, Any]] = {}
    pools: dict[str, Pool] = {}
    for nodes in block.ranges:
        pool_group = groups.setdefault(group("pool", nodes.pool.name), {"hosts": {}})
        pool_group["hosts"] |= {key: {} for key in _patterns(nodes)}
        pools[nodes.pool.name] = nodes.pool
        for number in range(nodes.racks.first, nodes.racks.last + 1):
            rack = groups.setdefault(group("rack", nodes.racks.name(number)), {"hosts": {}})
            rack["hosts"] |= {key: {} for key in _rack_patterns(nodes, number)}
    for pool in pools.values():
        for name in memberships(center, pool):
            children = groups.setdefault(name, {"children": {}})
            children["children"][group("pool", pool.name)] = {}
    return {"all": {"children": groups}}


def _patterns(nodes: NodeRange) -> Iterator[str]:
    """The fewest patterns for a range: one if nobody is absent, else one a rack."""
    racks = nodes.racks
    if nodes.absent or racks.count == 1:
        for number in range(racks.first, racks.last + 1):
            yield from _rack_patterns(nodes, number)
    else:
        numbers = f"[{racks.first:0{racks.width}d}:{racks.last:0{racks.width}d}]"
        yield f"{nodes.pool.name}-{racks.row}{numbers}-{_span(1, nodes.per_rack)}"


def _rack_patterns(nodes: NodeRange, rack: int) -> Iterator[str]:
    prefix = f"{nodes.pool.name}-{nodes.racks.name(rack)}-"
    numbers = [n for n in range(1, nodes.per_rack + 1) if f"{prefix}{n}" not in nodes.absent]
    if len(numbers) == nodes.per_rack:
        yield f"{prefix}{_span(1, nodes.per_rack)}"
    else:
        yield from (f"{prefix}{number}" for number in numbers)


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"[{first}:{last}]"
