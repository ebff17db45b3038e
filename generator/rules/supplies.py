"""Power supplies, those of servers and the uninterruptible ones: what is left when some are lost."""

from __future__ import annotations

from collections.abc import Iterator

from generator import energy
from generator.catalog.models import Supplies
from generator.model import Center
from generator.nodes import Contents, Pool, Racks
from generator.plant import Supply
from generator.rules import Finding, rule
from generator.rules.survival import exceeds, kw, loads, losses, pair


@rule("power.supplies")
def servers_survive_a_lost_feed(center: Center) -> Iterator[Finding]:
    """Power supplies are spread evenly over the feeds of a rack; under 2N those that are left must be enough."""
    if center.spec.power.redundancy != "2N":
        return
    told: set[str] = set()
    for racks in center.racks:
        feeds = len(set(racks.feeds))
        for pool, supplies in _supplied(racks):
            left = supplies.count - -(-supplies.count // feeds)
            if feeds > 1 and left < supplies.needed and pool.name not in told:
                told.add(pool.name)
                message = (
                    f'a node of pool "{pool.name}" needs {supplies.needed} of its {supplies.count} power supplies, '
                    f"with one of {feeds} feeds lost it has {left}"
                )
                yield Finding((*pool.path, "server"), message)


@rule("power.supply-rating")
def supplies_carry_their_server(center: Center) -> Iterator[Finding]:
    """The fewest supplies that a server may be left with carry its peak, with the accelerators that it holds here."""
    for pool in center.pools.values():
        supplies, peak = pool.server.supplies, pool.node_peak
        if supplies is None or supplies.rating is None or supplies.rating.value is None or peak is None:
            continue
        if exceeds(peak, supplies.needed * supplies.rating.value.magnitude):
            each, given = pair(peak / supplies.needed, supplies.rating.value.magnitude)
            message = (
                f'a node of pool "{pool.name}" draws {kw(peak)}, which is {each} from '
                f"each of {supplies.needed} power supplies; one gives {given}"
            )
            yield Finding((*pool.path, "server"), message)


@rule("power.breaker")
def circuits_carry_whole_supplies(center: Center) -> Iterator[Finding]:
    """A power supply hangs on one circuit, so a feed of several small circuits gives a rack less than their sum."""
    for racks in center.racks:
        cases = ((standing, when, lost) for standing in racks.fillings for when, lost in losses(center))
        texts = (text for standing, when, lost in cases for text in _overfull(center, racks, standing, lost, when))
        found = next(texts, None)
        if found:
            yield Finding(racks.path, found, at_key=True)


def _overfull(center: Center, racks: Racks, standing: Contents, lost: frozenset[str], when: str) -> Iterator[str]:
    """What cannot be plugged in: more supplies of at least some size than all circuits of a feed take of them.

    Whatever passes may still be plugged in badly; whatever is refused cannot be plugged in well.
    """
    feeds = list(dict.fromkeys(racks.feeds))
    for feed in feeds:
        words = center.spec.power.feeds[feed]
        given = racks.feed or words.rack
        circuits = given.circuits
        one = given.magnitude / circuits * words.derating.magnitude
        even = racks.peak / len(set(feeds) - lost) if set(feeds) - lost else 0.0
        # One circuit that is too small even for an even share is the finding of power.rack-feed.
        if feed in lost or (circuits == 1 and exceeds(even, one)):
            continue
        plugs = [plug for pool, count in standing for plug in _plugs(pool, count, feeds, feed, lost)]
        for watts in sorted({watts for watts, _ in plugs}, reverse=True):
            number = sum(count for each, count in plugs if each >= watts)
            fit = int(one / watts * (1 + 1e-9))
            if number > circuits * fit:
                each = "its circuit" if circuits == 1 else f"each of its {circuits} circuits"
                yield (
                    f'{racks.does("has")} {number} power supplies of {watts / 1000:.2f} kW or more on feed "{feed}"'
                    f"{when}, {each} carries {one / 1000:.2f} kW, which is {fit} of them"
                )


def _plugs(pool: Pool, nodes: int, feeds: list[str], feed: str, lost: frozenset[str]) -> Iterator[tuple[float, int]]:
    """Watts of each power supply on a feed and how many there are; those that are left share the node evenly."""
    supplies, peak = pool.server.supplies, pool.node_peak
    if supplies is None or not peak:
        return
    spread = {name: len(range(index, supplies.count, len(feeds))) for index, name in enumerate(feeds)}
    alive = sum(count for name, count in spread.items() if name not in lost)
    if spread[feed]:
        yield peak / alive, spread[feed] * nodes


def _supplied(racks: Racks) -> Iterator[tuple[Pool, Supplies]]:
    return ((pool, pool.server.supplies) for pool, _ in racks.contents if pool.server.supplies)


@rule("power.ups")
def uninterruptible_supplies_carry_their_feeds(center: Center) -> Iterator[Finding]:
    """What the feeds behind a supply draw, and what distribution loses, also with a unit (N+1) or a feed (2N) lost."""
    cooling = tuple(energy.carriers(center))
    situations = [(when, loads(center, cooling, lost)) for when, lost in losses(center)]
    chain = center.spec.power.chain
    efficiency = chain.distribution.magnitude if chain else 1.0
    for supply in center.supplies.values():
        sums = ((when, sum(load.get(feed, 0.0) for feed in _behind(center, supply))) for when, load in situations)
        when, worst = max(sums, key=lambda case: case[1])
        spare = supply.spec.redundancy == "N+1"
        if spare and supply.spec.count == 1:
            yield Finding((*supply.path, "count"), f'supply "{supply.name}" says N+1 and has one unit')
        elif supply.capacity is not None:
            limit = supply.capacity * (supply.spec.count - spare)
            if exceeds(worst / efficiency, limit):
                without = " with one lost" if spare else ""
                needed, given = pair(worst / efficiency, limit)
                message = f'supply "{supply.name}" must carry {needed}{when}, its units carry {given}{without}'
                yield Finding((*supply.path, "count"), message)


@rule("power.ups-unknown", severity="warning")
def capacities_of_supplies_are_known(center: Center) -> Iterator[Finding]:
    """A supply is only proven against a capacity that somebody has published or measured."""
    for supply in center.supplies.values():
        if supply.capacity is None:
            message = f'supply "{supply.name}" cannot be checked: the capacity of "{supply.device.name}" is unknown'
            hint = 'say what its data sheet says, for example "ratings: {capacity: 500 kW}"'
            yield Finding((*supply.path, "device"), message, hint)


@rule("power.ups-shared")
def redundant_feeds_do_not_share_a_supply(center: Center) -> Iterator[Finding]:
    """Feeds behind one supply are lost together: a rack on two of them has one path of power, not two."""
    if center.spec.power.redundancy != "2N":
        return
    told: set[tuple[str, str]] = set()
    for racks in center.racks:
        behind = {center.spec.power.feeds[feed].ups for feed in racks.feeds}
        [ups, *others] = behind
        if ups and not others and len(set(racks.feeds)) > 1 and (racks.hall, ups) not in told:
            told.add((racks.hall, ups))
            names = " and ".join(f'"{feed}"' for feed in dict.fromkeys(racks.feeds))
            message = (
                f'{racks.does("has")} feeds {names}, which are both lost with supply "{ups}"; 2N needs two supplies'
            )
            yield Finding(("power", "feeds", racks.feeds[-1], "ups"), message)


@rule("power.ups-unused", severity="warning")
def supplies_stand_behind_a_feed(center: Center) -> Iterator[Finding]:
    """A supply that no feed names carries nothing, and the feed that was meant is lost with the utility."""
    for supply in center.supplies.values():
        if not _behind(center, supply):
            message = f'supply "{supply.name}" stands behind no feed'
            yield Finding(supply.path, message, f'say "ups: {supply.name}" in a feed, or remove the supply')


@rule("power.ups-partly", severity="warning")
def both_paths_are_uninterruptible(center: Center) -> Iterator[Finding]:
    """When the utility fails, racks hang on the feeds with a supply alone: one path of power until it is back."""
    if center.spec.power.redundancy != "2N":
        return
    told: set[frozenset[str]] = set()
    for racks in center.racks:
        behind = {feed: center.spec.power.feeds[feed].ups for feed in racks.feeds}
        bare = [feed for feed, ups in behind.items() if ups is None]
        if bare and len(bare) < len(behind) and frozenset(behind) not in told:
            told.add(frozenset(behind))
            [backed, *_] = [feed for feed in behind if feed not in bare]
            message = f'{racks.does("has")} a supply behind feed "{backed}" and none behind feed "{bare[0]}"'
            yield Finding(("power", "feeds", bare[0]), message, at_key=True)


@rule("power.ups-efficiency", severity="warning")
def the_chain_promises_what_supplies_keep(center: Center) -> Iterator[Finding]:
    """The chain's efficiency of the supply decides the PUE; more than the catalogue knows of the unit needs a proof."""
    chain = center.spec.power.chain
    for supply in center.supplies.values():
        known = supply.device.efficiency.value
        if chain and known and exceeds(chain.ups.magnitude, known.magnitude):
            message = (
                f'the chain counts on {chain.ups} from its supplies, "{supply.device.name}" of supply '
                f'"{supply.name}" has {known}'
            )
            yield Finding(("power", "chain", "ups"), message)


@rule("power.metering", severity="warning")
def a_pue_can_be_measured(center: Center) -> Iterator[Finding]:
    """PUE is what the utility gives over what machines take: without a meter of each, a target is never confirmed."""
    measured = {meter.measures for meter in center.meters}
    missing = [what for what in ("utility", "it") if what not in measured]
    if center.spec.targets.pue is not None and measured and missing:
        message = f'the PUE cannot be measured: no meter measures "{missing[0]}"'
        yield Finding(("power", "meters"), message)


def _behind(center: Center, supply: Supply) -> list[str]:
    return [name for name, feed in center.spec.power.feeds.items() if feed.ups == supply.name]
