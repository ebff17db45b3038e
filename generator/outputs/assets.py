"""The machines behind the nodes: serial numbers and hardware addresses, one file a block; spares of each pool."""

from __future__ import annotations

from collections.abc import Iterator

from generator.artifact import Artifact, Json
from generator.model import Center


def artifacts(center: Center) -> Iterator[Artifact]:
    if center.spec.assets is None:
        return
    by_node = {asset.node: asset for asset in center.assets if asset.node}
    for block in center.blocks.values():
        machines = {
            node.name: _facts(serial=a.serial, mac=a.mac, bmc_mac=a.bmc_mac, state=a.state)
            for node, _ in block.nodes()
            if (a := by_node.get(node.name))
        }
        yield Artifact(f"hosts/{block.name}/assets.json", Json(machines), ("assets", "halls", "pools"))
    shelf: dict[str, list[dict[str, str]]] = {}
    for a in sorted(center.assets, key=lambda asset: asset.serial):
        if not a.node:
            machine = _facts(serial=a.serial, mac=a.mac, bmc_mac=a.bmc_mac, state=a.state)
            shelf.setdefault(a.pool, []).append(machine)
    if shelf:
        yield Artifact("shelf.json", Json(shelf, expand=2), ("assets",))


def _facts(**facts: str) -> dict[str, str]:
    """What the table says of a machine; an empty cell says nothing."""
    return {name: fact for name, fact in facts.items() if fact}
