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


def pair(needed: float, given: float, unit: str = "kW", scale: float = 1000.0) -> tuple[str, str]:
    """What is needed and what is given, in one unit, with as many decimals as it takes to tell them apart."""
    numbers = (needed / scale, given / scale)
    texts = ((f"{numbers[0]:.{decimals}f}", f"{numbers[1]:.{decimals}f}") for decimals in range(1, 6))
    left, right = next((both for both in texts if both[0] != both[1]), (f"{numbers[0]:.6f}", f"{numbers[1]:.6f}"))
    return f"{left} {unit}", f"{right} {unit}"


def losses(center: Center) -> Iterator[tuple[str, frozenset[str]]]:
    """The feeds that are gone in each situation, and how a message says it: none, any one, all behind one supply."""
    yield "", frozenset()
    for cause, lost in _outages(center):
        yield f" with {cause} lost", lost


def _outages(center: Center) -> Iterator[tuple[str, frozenset[str]]]:
    """What may be lost under 2N, as a message calls it, and the feeds that are gone with it."""
    if center.spec.power.redundancy != "2N":
        return
    for feed in center.spec.power.feeds:
        yield f'feed "{feed}"', frozenset({feed})
    for ups in center.spec.power.ups:
        behind = frozenset(name for name, feed in center.spec.power.feeds.items() if feed.ups == ups)
        if 1 < len(behind) < len(center.spec.power.feeds):
            yield f'supply "{ups}"', behind


def _stops(machine: Machine, lost: frozenset[str]) -> bool:
    """Whether nothing powers a machine any more."""
    return bool(machine.feeds) and set(machine.feeds) <= lost


def loads(center: Center, cooling: Iterable[energy.Carrier], lost: frozenset[str]) -> dict[str, float]:
    """Watts on each feed in one situation: racks share their load evenly among the feeds that they have left."""
    watts = energy.drawn(cooling, lost)
    for racks in center.racks:
        left = set(racks.feeds) - lost
        for feed in left:
            watts[feed] = watts.get(feed, 0.0) + racks.total_power * center.simultaneity / len(left)
    return watts


def rating(machine: Machine) -> float:
    """What counts of a machine unless a rule says otherwise: watts that it carries."""
    return machine.capacity or 0.0


def weakest(
    center: Center, machines: Sequence[Machine], redundancy: str, measure: Callable[[Machine], float] = rating
) -> tuple[str, float]:
    """The worst that the design must bear, as a message says it, and what is carried then.

    A loss of power that stops every machine, or a spare that is not there, is a finding of its own and left out here.
    """
    situations = [("", list(machines))]
    if redundancy == "N+1" and len(machines) > 1:
        largest = max(range(len(machines)), key=lambda index: measure(machines[index]))
        left = [machine for index, machine in enumerate(machines) if index != largest]
        situations.append((f" with {machines[largest].title} lost", left))
    for cause, lost in _outages(center):
        powered = [machine for machine in machines if not _stops(machine, lost)]
        if powered:
            situations.append((f" with {cause} lost", powered))
    sums = [(when, sum(measure(machine) for machine in left)) for when, left in situations]
    return min(sums, key=lambda situation: situation[1])


def stopped_by(center: Center, machines: Sequence[Machine]) -> str | None:
    """The feed or supply whose loss stops all machines, where the design must survive the loss of any."""
    if not machines:
        return None
    causes = (cause for cause, lost in _outages(center) if all(_stops(machine, lost) for machine in machines))
    return next(causes, None)
