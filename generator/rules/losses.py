"""Losses that a control plane must bear: any one rack, feed or loop, as long as its workers go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from generator.model import Center
from generator.nodes import NodeRange, Pool, Racks, share_to_liquid
from generator.rules import Finding, rule

Falls = Callable[[NodeRange], bool]


@dataclass(frozen=True, slots=True)
class _Loss:
    """Something that fails, and which nodes stop with it."""

    title: str
    rack: tuple[str, int] | None = None
    feed: str | None = None
    loop: str | None = None

    def takes(self, nodes: NodeRange) -> int:
        """How many of these nodes it stops."""
        racks = nodes.racks
        if self.rack:
            row, number = self.rack
            inside = racks.row == row and racks.first <= number <= racks.last
            gone = sum(name.startswith(f"{nodes.pool.name}-{racks.name(number)}-") for name in nodes.absent)
            return nodes.per_rack - gone if inside else 0
        hit = set(racks.feeds) == {self.feed} if self.feed else racks.loop == self.loop and _is_wet(nodes.pool, racks)
        return nodes.count if hit else 0


def _is_wet(pool: Pool, racks: Racks) -> bool:
    """Whether a node stops with its loop: it stands in a tank, or cold plates or a rear door take some of its heat."""
    return racks.type.immersion or racks.door or share_to_liquid(pool.server) > 0


def _losses(control: list[NodeRange]) -> Iterator[_Loss]:
    """What can be lost where control nodes stand."""
    for racks in (nodes.racks for nodes in control):
        # Racks of a range are alike but for absent nodes, of which there are at most a thousand.
        for number in range(racks.first, min(racks.last, racks.first + 1000) + 1):
            yield _Loss(f'rack "{racks.name(number)}"', rack=(racks.row, number))
    for feed in dict.fromkeys(feed for nodes in control for feed in nodes.racks.feeds):
        yield _Loss(f'feed "{feed}"', feed=feed)
    for loop in dict.fromkeys(nodes.racks.loop for nodes in control if nodes.racks.loop):
        yield _Loss(f'loop "{loop}"', loop=loop)


@rule("cluster.quorum")
def control_planes_survive_any_one_loss(center: Center) -> Iterator[Finding]:
    """Three control nodes behind one switch, breaker or pump are one control node; a majority must stay.

    A loss that stops all workers of the cluster too asks nothing of its control plane.
    """
    for name, cluster in center.clusters.items():
        control = [nodes for pool in center.pools_of(name, "control") for nodes in center.ranges_of(pool)]
        workers = [nodes for pool in center.pools_of(name, "worker") for nodes in center.ranges_of(pool)]
        count, working = sum(n.count for n in control), sum(n.count for n in workers)
        if cluster.kind != "kubernetes" or count < 3:
            continue
        for loss in _losses(control):
            left = count - sum(loss.takes(nodes) for nodes in control)
            if left <= count // 2 and sum(loss.takes(nodes) for nodes in workers) < working:
                message = (
                    f'cluster "{name}" keeps {left} of its {count} control nodes when {loss.title} is lost; '
                    f"a majority is {count // 2 + 1}"
                )
                yield Finding(("clusters", name), message, "let control nodes stand apart", at_key=True)
                break
