"""Power: what racks draw at their peak, against what feeds give after derating, also with one feed lost."""

from __future__ import annotations

from collections.abc import Iterator

from generator.model import Center
from generator.nodes import Racks
from generator.rules import Finding, rule


def _survivors(center: Center, feeds: list[str]) -> Iterator[tuple[str | None, list[str]]]:
    """The feeds that are left in each situation that the design must bear: all there, or any one lost."""
    known = [feed for feed in feeds if feed in center.spec.power.feeds]
    yield None, known
    if center.spec.power.redundancy == "2N":
        for lost in known:
            yield lost, [feed for feed in known if feed != lost]


@rule("power.rack-feed")
def racks_have_enough_power(center: Center) -> Iterator[Finding]:
    """The peak of a rack stays within what its feeds give one rack after derating, with one feed lost if 2N is said."""
    for racks in center.racks:
        for lost, left in _survivors(center, list(racks.feeds)):
            feeds = [center.spec.power.feeds[name] for name in left]
            given = sum((racks.feed or feed.rack).magnitude * feed.derating.magnitude for feed in feeds)
            if left and _exceeds(racks.peak, given):
                names = " and ".join(left)
                lost_text = f' with feed "{lost}" lost' if lost else ""
                message = (
                    f"{racks.title} needs {_kw(racks.peak)}, feed {names} gives {_kw(given)} after derating{lost_text}"
                )
                yield Finding(racks.path, message, at_key=True)
                break


@rule("power.feed-capacity")
def feeds_carry_their_racks(center: Center) -> Iterator[Finding]:
    """What all racks of the halls on a feed draw together stays within its capacity, also when it takes over."""
    for name, feed in center.spec.power.feeds.items():
        limit = feed.capacity.magnitude * feed.derating.magnitude
        normal = sum(_drawn(center, racks, name, None) for racks in center.racks)
        worst, lost = normal, None
        if center.spec.power.redundancy == "2N":
            for other in center.spec.power.feeds:
                load = sum(_drawn(center, racks, name, other) for racks in center.racks)
                if other != name and load > worst:
                    worst, lost = load, other
        if _exceeds(worst, limit):
            when = f' with feed "{lost}" lost' if lost else ""
            message = f'feed "{name}" must carry {_kw(worst)}{when}, it carries {_kw(limit)} after derating'
            yield Finding(("power", "feeds", name, "capacity"), message)


@rule("power.two-feeds")
def redundant_halls_have_two_feeds(center: Center) -> Iterator[Finding]:
    """2N means that every rack has power from two independent feeds."""
    if center.spec.power.redundancy != "2N":
        return
    for hall_name, hall in center.spec.halls.items():
        if len(set(hall.feeds)) < 2:
            message = f'hall "{hall_name}" has one feed, redundancy 2N needs two'
            yield Finding(("halls", hall_name, "feeds"), message)
        for name, row in hall.rows.items():
            if row.feeds and len(set(row.feeds)) < 2:
                message = f'row "{name}" has one feed, redundancy 2N needs two'
                yield Finding(("halls", hall_name, "rows", name, "feeds"), message)


@rule("power.utility")
def the_utility_carries_the_centre(center: Center) -> Iterator[Finding]:
    """Racks at their declared simultaneity, through the losses of the chain, stay within the contract."""
    utility, chain = center.spec.power.utility, center.spec.power.chain
    if utility is None:
        return
    needed = center.power * center.simultaneity / (chain.efficiency if chain else 1.0)
    if _exceeds(needed, utility.capacity.magnitude):
        message = f"the racks need {_kw(needed)} from the utility, the contract gives {utility.capacity}"
        yield Finding(("power", "utility", "capacity"), message)


@rule("power.unknown", severity="warning")
def power_is_known(center: Center) -> Iterator[Finding]:
    """Sums of power are only as good as the catalogue: a pool of unknown power counts as zero."""
    for pool in center.pools.values():
        if pool.node_power is None:
            what = pool.accelerator.name if pool.accelerator else pool.server.name
            message = f'pool "{pool.name}" counts as 0 W: nobody has published the power of "{what}"'
            hint = f'copy the file of "{what}" into catalog/ beside the spec and give its power with a source'
            yield Finding(pool.path, message, hint)


def _drawn(center: Center, racks: Racks, feed: str, lost: str | None) -> float:
    """Watts that one feed gives these racks while another is lost; feeds share a hall's load evenly."""
    feeds = [name for name in dict.fromkeys(racks.feeds) if name != lost]
    if feed not in feeds:
        return 0.0
    return racks.power * racks.count * center.simultaneity / len(feeds)


def _exceeds(needed: float, given: float) -> bool:
    """More than given, beyond what rounding of floating-point numbers explains."""
    return needed > given * (1 + 1e-9)


def _kw(watts: float) -> str:
    return f"{watts / 1000:.1f} kW"
