"""What a design must bear: a unit lost where N+1 is said, a feed lost where 2N is said. No rule of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from generator import energy
from generator.model import Center
from generator.plant import Machine


def exceeds(needed: float, given: float) -> bool:
    """More than given, beyond what rounding of floating-point numbers explains."""
    return needed > given * (1 + 1e-9)


def kw(watts: float) -> str:
    return f"{watts / 1000:.1f} kW"


def losses(center: Center) -> Iterator[tuple[str, frozenset[str]]]:
    """The feeds that are gone in each situation, and how a message says it: none, any one, all behind one supply."""
    yield "", frozenset()
    if center.spec.power.redundancy != "2N":
        return
    for feed in center.spec.power.feeds:
        yield f' with feed "{feed}" lost', frozenset({feed})
    for ups in center.spec.power.ups:
        behind = frozenset(name for name, feed in center.spec.power.feeds.items() if feed.ups == ups)
        if 1 < len(behind) < len(center.spec.power.feeds):
            yield f' with supply "{ups}" lost', behind


def loads(center: Center, cooling: Iterable[energy.Carrier], lost: frozenset[str]) -> dict[str, float]:
    """Watts on each feed in one situation: racks share their load evenly among the feeds that they have left."""
    watts = energy.drawn(cooling, lost)
    for racks in center.racks:
        left = set(racks.feeds) - lost
        for feed in left:
            watts[feed] = watts.get(feed, 0.0) + racks.power * racks.count * center.simultaneity / len(left)
    return watts


def rating(machine: Machine) -> float:
    """What counts of a machine unless a rule says otherwise: watts that it carries."""
    return machine.capacity or 0.0


def weakest(
    center: Center, machines: Sequence[Machine], redundancy: str, measure: Callable[[Machine], float] = rating
) -> tuple[str, float]:
    """The worst that the design must bear, as a message says it, and what is carried then.

    A feed that stops every machine, or a spare that is not there, is a finding of its own and left out here.
    """
    situations = [("", list(machines))]
    if redundancy == "N+1" and len(machines) > 1:
        largest = max(range(len(machines)), key=lambda index: measure(machines[index]))
        left = [machine for index, machine in enumerate(machines) if index != largest]
        situations.append((f" with {machines[largest].title} lost", left))
    if center.spec.power.redundancy == "2N":
        for feed in center.spec.power.feeds:
            powered = [machine for machine in machines if set(machine.feeds) != {feed}]
            if powered:
                situations.append((f' with feed "{feed}" lost', powered))
    sums = [(when, sum(measure(machine) for machine in left)) for when, left in situations]
    return min(sums, key=lambda situation: situation[1])


def stopped_by(center: Center, machines: Sequence[Machine]) -> str | None:
    """The feed whose loss stops all machines, where the design must survive the loss of any feed."""
    if center.spec.power.redundancy != "2N" or not machines:
        return None
    feeds = center.spec.power.feeds
    return next((feed for feed in feeds if all(set(machine.feeds) == {feed} for machine in machines)), None)
