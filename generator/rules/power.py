"""Power: what racks and cooling draw, against what feeds, halls and the utility give, also with one feed lost."""

from __future__ import annotations

from collections.abc import Iterator

from generator import energy
from generator.model import Center
from generator.nodes import Racks
from generator.rules import Finding, rule
from generator.rules.survival import exceeds, kw, loads, losses, pair


@rule("power.rack-feed")
def racks_have_enough_power(center: Center) -> Iterator[Finding]:
    """The peak of a rack stays within what its feeds give one rack after derating, with one feed lost if 2N is said.

    Servers draw evenly from their feeds, so the weakest feed of a rack limits all of them.
    """
    for racks in center.racks:
        for when, lost in losses(center):
            left = [name for name in dict.fromkeys(racks.feeds) if name not in lost]
            given = len(left) * min((_rack_limit(center, racks, name) for name in left), default=0.0)
            if left and exceeds(racks.peak, given):
                names = f"feed {left[0]} gives" if len(left) == 1 else f"feeds {' and '.join(left)} give"
                needed, limit = pair(racks.peak, given)
                message = f"{racks.does('needs')} {needed}, {names} {limit} after derating{when}"
                yield Finding(racks.path, message, at_key=True)
                break


def _rack_limit(center: Center, racks: Racks, feed: str) -> float:
    """Watts that one feed gives each of these racks."""
    words = center.spec.power.feeds[feed]
    return (racks.feed or words.rack).magnitude * words.derating.magnitude


@rule("power.feed-capacity")
def feeds_carry_their_racks(center: Center) -> Iterator[Finding]:
    """What racks and cooling on a feed draw together stays within its capacity, also when it takes over."""
    cooling = tuple(energy.carriers(center))
    situations = [(when, loads(center, cooling, lost)) for when, lost in losses(center)]
    for name, feed in center.spec.power.feeds.items():
        limit = feed.capacity.magnitude * feed.derating.magnitude
        when, worst = max(((when, load.get(name, 0.0)) for when, load in situations), key=lambda case: case[1])
        if exceeds(worst, limit):
            needed, given = pair(worst, limit)
            message = f'feed "{name}" must carry {needed}{when}, it carries {given} after derating'
            yield Finding(("power", "feeds", name, "capacity"), message)


@rule("power.hall")
def halls_distribute_enough(center: Center) -> Iterator[Finding]:
    """What the racks of a hall draw together stays within its distribution, derated as its feeds are."""
    for name, hall in center.spec.halls.items():
        racks = [group for group in center.racks if group.hall == name]
        feeds = {feed for group in racks for feed in group.feeds}
        if hall.power is None or not feeds:
            continue
        derating = min(center.spec.power.feeds[feed].derating.magnitude for feed in feeds)
        drawn = sum(group.total_power for group in racks) * center.simultaneity
        limit = hall.power.capacity.magnitude * derating
        if exceeds(drawn, limit):
            needed, given = pair(drawn, limit)
            message = f'the racks of hall "{name}" draw {needed}, its distribution carries {given} after derating'
            yield Finding(("halls", name, "power", "capacity"), message)


@rule("power.two-feeds")
def redundant_halls_have_two_feeds(center: Center) -> Iterator[Finding]:
    """2N means that every rack has power from two independent feeds."""
    if center.spec.power.redundancy != "2N":
        return
    for hall_name, hall in center.spec.halls.items():
        relied_on = any(not row.feeds for row in hall.rows.values())
        if relied_on and len(set(hall.feeds)) < 2:
            message = f'hall "{hall_name}" has one feed, redundancy 2N needs two'
            yield Finding(("halls", hall_name, "feeds"), message)
        for name, row in hall.rows.items():
            if row.feeds and len(set(row.feeds)) < 2:
                message = f'row "{name}" has one feed, redundancy 2N needs two'
                yield Finding(("halls", hall_name, "rows", name, "feeds"), message)


@rule("power.utility")
def the_utility_carries_the_centre(center: Center) -> Iterator[Finding]:
    """Racks at their declared simultaneity, losses of the chain, cooling and the rest stay within the contract."""
    utility, design = center.spec.power.utility, energy.design(center)
    if utility is None or not exceeds(design.total, utility.capacity.magnitude):
        return
    least = " at least" if design.unknown else ""
    cooling_known = all(carrier.power is not None for carrier in energy.carriers(center))
    losses_text = _part(design.watts("losses"), center.spec.power.chain is not None)
    needed, given = pair(design.total, utility.capacity.magnitude)
    message = (
        f"the centre needs {needed}{least} from the utility (racks {kw(design.racks)}, losses {losses_text}, "
        f"cooling {_part(design.watts('cooling'), cooling_known)}, other {kw(design.watts('other'))}), "
        f"the contract gives {given}"
    )
    yield Finding(("power", "utility", "capacity"), message)


def _part(watts: float, is_known: bool) -> str:
    """A part of a sum, of which some or all may be unknown."""
    if is_known:
        return kw(watts)
    return f"{kw(watts)} at least" if watts else "unknown"


@rule("power.unknown", severity="warning")
def power_is_known(center: Center) -> Iterator[Finding]:
    """Sums of power are only as good as the catalogue: a pool or a switch of unknown power counts as zero."""
    for pool in center.pools.values():
        if pool.node_power is None:
            what = pool.accelerator.name if pool.accelerator else pool.server.name
            message = f'pool "{pool.name}" counts as 0 W: nobody has published the power of "{what}"'
            yield Finding(pool.path, message, _own_file(what))
    standing = {net.name for racks in center.racks for net, _ in racks.leaves}
    for net in center.nets.values():
        if net.name in standing and net.leaf.power.value is None:
            message = (
                f'the leaves of fabric "{net.name}" count as 0 W: nobody has published the power of "{net.leaf.name}"'
            )
            yield Finding((*net.path, "leaf"), message, _own_file(net.leaf.name))


def _own_file(what: str) -> str:
    return f'copy the file of "{what}" into catalog/ beside the spec and give its power with a source'
