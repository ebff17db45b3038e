"""The table of machines against the spec: every machine has its place, every place its machine."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator

from generator.assets import Asset
from generator.model import Center
from generator.problems import did_you_mean
from generator.rules import Finding, rule

MOST_FINDINGS = 100


@rule("asset.unknown-node")
def machines_stand_where_a_node_is(center: Center) -> Iterator[Finding]:
    """A row that names no node of the centre is a typing error, or a machine that the spec has forgotten."""
    unknown = [asset for asset in center.assets if asset.node and asset.node not in center.owners]
    for asset in unknown[:MOST_FINDINGS]:
        message = f'the table of machines names node "{asset.node}", which the centre does not have'
        # Many are another centre's table, not typing errors, and looking for similar names takes time.
        hint = _nearest(center, asset.node) if len(unknown) <= 5 else None
        yield Finding(("assets",), message, hint, position=asset.position)


def _nearest(center: Center, name: str) -> str | None:
    """A node of a similar name; looked for among those of the same pool, since a centre may have very many."""
    pool = max((pool for pool in center.pools if name.startswith(f"{pool}-")), key=len, default=None)
    if pool is None:
        return None
    nodes = (node.name for nodes in center.ranges_of(center.pools[pool]) for node in nodes.nodes())
    return did_you_mean(name, (node for _, node in zip(range(2000), nodes, strict=False)))


@rule("asset.unknown-pool")
def machines_belong_to_a_pool(center: Center) -> Iterator[Finding]:
    """A machine on the shelf is a spare of some pool; one of another kind helps nobody at night."""
    wrong = ((asset, message) for asset in center.assets if (message := _wrong_pool(center, asset)))
    for asset, message in itertools.islice(wrong, MOST_FINDINGS):
        yield Finding(("assets",), message, did_you_mean(asset.pool, center.pools), position=asset.position)


def _wrong_pool(center: Center, asset: Asset) -> str | None:
    if not asset.pool:
        return None
    if asset.pool not in center.pools:
        return f'the table of machines names pool "{asset.pool}", which the spec does not define'
    owner = center.owners.get(asset.node)
    if owner and owner.name != asset.pool:
        return f'the table of machines says pool "{asset.pool}" for node "{asset.node}" of pool "{owner.name}"'
    return None


@rule("asset.incomplete", severity="warning")
def nodes_have_machines(center: Center) -> Iterator[Finding]:
    """A table with holes cannot say which machine failed, nor which is under warranty."""
    if center.spec.assets is None:
        return
    told = Counter(pool.name for pool in center.owners.values())
    for name, pool in center.pools.items():
        missing = center.counts[name] - told[name]
        if missing:
            first = next(node.name for node in center.nodes_of([pool]) if node.name not in center.owners)
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
