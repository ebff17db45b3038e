"""Cables from nodes to the leaves of their row: copper ends after a few metres, and optics are ordered in lengths."""

from __future__ import annotations

import bisect
import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from generator.model import Center
from generator.nodes import Racks
from generator.plant import Net
from generator.rules import Finding, rule
from generator.rules.fabrics import Place, counted, members, place_of
from generator.rules.survival import exceeds

RACK_WIDTH = 0.6
"""Metres from rack to rack where the catalogue does not know: the usual 600 mm."""
UP_AND_DOWN = 4.0
"""Metres of cable from a port up to the tray and from there down to another port (own figure, to be reviewed)."""
FARTHEST = 1_000_000
"""Places between two racks of a row: their numbers have at most six digits."""


@dataclass(frozen=True)
class Leaves:
    """The leaves of a fabric in one row: ranges of racks, in order, with so many leaves in each rack."""

    spans: tuple[tuple[int, int, int], ...]
    rails: int

    @cached_property
    def _before(self) -> list[int]:
        """Leaves before each span, and at the end all of them."""
        sizes = ((last - first + 1) * count for first, last, count in self.spans)
        return [0, *itertools.accumulate(sizes)]

    def _up_to(self, number: int) -> int:
        """Leaves in racks up to a number."""
        index = bisect.bisect_right(self.spans, (number, FARTHEST, 0)) - 1
        if index < 0:
            return 0
        first, last, count = self.spans[index]
        return self._before[index] + (min(number, last) - first + 1) * count

    def apart(self, number: int) -> int:
        """How many places from a rack the nearest leaves are, one for each rail."""
        wanted = min(self.rails, self._before[-1])

        def reached(places: int) -> int:
            return self._up_to(number + places) - self._up_to(number - places - 1)

        return bisect.bisect_left(range(FARTHEST), wanted, key=reached)

    @cached_property
    def middles(self) -> list[int]:
        """Racks that may be farther from their leaves than their neighbours are.

        On its way along the row, the distance begins to fall where the next leaf takes the place of the one that was
        left behind: halfway between leaf number N and leaf number N + rails. Inside a long range all racks are alike,
        so that only its ends are looked at.
        """
        rails = self.rails
        leaves: list[int] = []
        for first, last, count in self.spans:
            racks = sorted(
                {*range(first, min(first + rails, last + 1)), *range(max(first, last - rails + 1), last + 1)}
            )
            leaves += [rack for rack in racks for _ in range(min(count, rails))]
        return sorted({(left + right) // 2 for left, right in zip(leaves, leaves[rails:], strict=False)})


@rule("fabric.cable")
def cables_are_long_enough(center: Center) -> Iterator[Finding]:
    """A cable goes up to the tray, along the row and down again; those of a node go to a leaf of every rail."""
    for net in center.nets.values():
        if net.spec.cable is None or net.spec.serves != "row":
            continue
        rows = _rows(center, net)
        served = {(nodes.racks.row, nodes.racks.first): nodes.racks for nodes, _ in members(center, net)}
        ways = [_way(racks, rows[place]) for racks in served.values() if (place := place_of(net, racks)) in rows]
        needed, apart, rack, known = max(ways, default=(0.0, 0, "", True))
        if exceeds(needed, net.spec.cable.magnitude):
            width = "" if known else f", at {RACK_WIDTH} m a rack"
            message = (
                f'rack "{rack}" {_reaches(net, counted(apart, "place", "places"))}, '
                f"which takes a cable of {needed:.1f} m{width}; the longest is {net.spec.cable.show('m')}"
            )
            yield Finding((*net.path, "cable"), message)


def _reaches(net: Net, places: str) -> str:
    if net.spec.rails == 1:
        return f'is {places} from the nearest leaf of fabric "{net.name}"'
    return f'reaches the leaves of {net.spec.rails} rails of fabric "{net.name}" within {places}'


def _rows(center: Center, net: Net) -> dict[Place, Leaves]:
    spans: dict[Place, list[tuple[int, int, int]]] = defaultdict(list)
    for racks in center.racks:
        count = sum(count for leaf, count in racks.leaves if leaf is net)
        if count:
            spans[place_of(net, racks)].append((racks.first, racks.last, count))
    return {place: Leaves(tuple(sorted(found)), net.spec.rails) for place, found in spans.items()}


def _way(racks: Racks, leaves: Leaves) -> tuple[float, int, str, bool]:
    """Metres to its leaves from the rack of a range that is farthest from them, how many racks apart, which rack.

    The last says whether the width of racks is known.
    """
    middles = leaves.middles
    between = middles[bisect.bisect_left(middles, racks.first) : bisect.bisect_right(middles, racks.last)]
    apart, number = max((leaves.apart(number), number) for number in (racks.first, racks.last, *between))
    width = racks.type.width.value if racks.type.width else None
    along = apart * (width.magnitude if width else RACK_WIDTH)
    return (along + UP_AND_DOWN if apart else 0.0), apart, racks.name(number), width is not None
