"""The table of machines against the spec: every machine has its place, every place its machine."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator

from generator.assets import MOST_FINDINGS, Asset
from generator.model import Center
from generator.nodes import Pool
from generator.problems import did_you_mean
from generator.rules import Finding, rule


@rule("asset.unknown-node")
def machines_stand_where_a_node_is(center: Center) -> Iterator[Finding]:
    """A row that names no node of the centre is a typing error, or a machine that the spec has forgotten."""
    unknown = [asset for asset in center.assets if asset.node and asset.node not in center.owners]
    for asset in unknown[:MOST_FINDINGS]:
        pool = _pool_of(center, asset.node)
        hint: str | None
        if pool and asset.node in pool.absent:
            message = f'the table of machines names node "{asset.node}", and the spec says that it is absent'
            hint = f'take it out of "absent" in pool "{pool.name}", or out of the table'
        else:
            message = f'the table of machines names node "{asset.node}", which the centre does not have'
            # Many are another centre's table, not typing errors, and looking for similar names takes time.
            hint = _nearest(center, pool, asset.node) if pool and len(unknown) <= 5 else None
        yield Finding(("assets",), message, hint, position=asset.position)


def _pool_of(center: Center, node: str) -> Pool | None:
    """The pool whose name a node bears."""
    name = max((pool for pool in center.pools if node.startswith(f"{pool}-")), key=len, default="")
    return center.pools.get(name)


def _nearest(center: Center, pool: Pool, name: str) -> str | None:
    """A node of a similar name; looked for among those of the same pool, since a centre may have very many."""
    nodes = (node.name for nodes in center.ranges_of(pool) for node in nodes.nodes())
    return did_you_mean(name, (node for _, node in zip(range(2000), nodes, strict=False)))


@rule("asset.unknown-pool")
def machines_belong_to_a_pool(center: Center) -> Iterator[Finding]:
    """A machine on the shelf is a spare of some pool; one of another kind helps nobody at night."""
    found = (_wrong_pool(center, asset) for asset in center.assets if asset.pool)
    yield from itertools.islice((wrong for wrong in found if wrong), MOST_FINDINGS)


def _wrong_pool(center: Center, asset: Asset) -> Finding | None:
    owner = center.owners.get(asset.node)
    if asset.pool not in center.pools:
        message = f'the table of machines names pool "{asset.pool}", which the spec does not define'
        hint = did_you_mean(asset.pool, center.pools)
    elif owner and owner.name != asset.pool:
        message = f'the table of machines says pool "{asset.pool}" for node "{asset.node}" of pool "{owner.name}"'
        hint = f'say "{owner.name}"'
    else:
        return None
    return Finding(("assets",), message, hint, position=asset.position)


@rule("asset.incomplete", severity="warning")
def nodes_have_machines(center: Center) -> Iterator[Finding]:
    """A table with holes cannot say which machine failed, nor which is under warranty."""
    if center.spec.assets is None:
        return
    told = Counter(pool.name for pool in center.owners.values())
    for name, pool in center.pools.items():
        missing = center.counts[name] - told[name]
        # Nodes that are said twice count twice, and the table may still have all of them.
        lacking = (node.name for node in center.nodes_of([pool]) if node.name not in center.owners)
        if missing and (first := next(lacking, None)):
            what = f"{missing} of the {center.counts[name]} nodes"
            yield Finding(("assets",), f'the table of machines lacks {what} of pool "{name}", first "{first}"')


@rule("asset.spares", severity="warning")
def spares_exist(center: Center) -> Iterator[Finding]:
    """A spare that is only a number in the spec replaces no broken machine."""
    if center.spec.assets is None:
        return
    spares = Counter(
        owner.name if (owner := center.owners.get(asset.node)) else asset.pool
        for asset in center.assets
        if asset.state == "spare"
    )
    for pool in center.pools.values():
        if spares[pool.name] < pool.spares:
            kept = "1 spare" if pool.spares == 1 else f"{pool.spares} spares"
            message = f'pool "{pool.name}" keeps {kept}, the table of machines has {spares[pool.name]}'
            yield Finding((*pool.path, "spares"), message)
