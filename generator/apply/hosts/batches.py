"""In which order and how many at a time: a change reaches one host first, then a share of each pool, round by round."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from generator.apply.hosts.blocks import Node, Policy

DEFAULT = Policy()


def batches(nodes: Sequence[Node], policies: Mapping[str, Policy], sizes: Mapping[str, int]) -> Iterator[list[Node]]:
    """Batches of nodes; `sizes` are the nodes of each pool, of which a batch takes the pool's share at most."""
    waiting = list(nodes)
    if waiting:
        yield [waiting.pop(0)]
    while waiting:
        room = {pool: portion(policies.get(pool, DEFAULT).batch, size) for pool, size in sizes.items()}
        batch = []
        for node in waiting:
            if room.get(node.pool, 1) > 0:
                room[node.pool] = room.get(node.pool, 1) - 1
                batch.append(node)
        yield batch
        waiting = [node for node in waiting if node not in set(batch)]


def by_block(batch: Sequence[Node]) -> Iterator[list[Node]]:
    """The nodes of a batch, block by block: one run of Ansible knows one inventory."""
    for _, nodes in groupby(sorted(batch, key=lambda node: node.block), key=lambda node: node.folder):
        yield list(nodes)


def too_many_silent(asked: Sequence[Node], silent: Sequence[Node], policies: Mapping[str, Policy]) -> Iterator[str]:
    """A sentence for each pool of which more than its share does not answer; one node may always be missing."""
    of, missing = Counter(node.pool for node in asked), Counter(node.pool for node in silent)
    for pool, count in missing.items():
        share = policies.get(pool, DEFAULT).unreachable
        if count > max(1, math.floor(share * of[pool])):
            many = f"{count} of {of[pool]} hosts of {pool}"
            yield f"{many} do not answer as they should, more than its share of {share:.0%}"


def portion(share: float, size: int) -> int:
    return max(1, math.floor(share * size))
