"""Plausibility: values that are possible and almost always a slip; whoever means them accepts the warning."""

from __future__ import annotations

from collections.abc import Iterator

from generator.model import Center
from generator.problems import Path
from generator.quantity import RackFeed
from generator.rules import Finding, rule

LEAST_SIMULTANEITY = 0.4
"""Racks of a compute centre run at their maximum for days; offices and houses do not (own figure, to be reviewed)."""
LEAST_DERATING = 0.5
"""Rules for continuous load ask for 80 %, some suppliers for less; below half nobody does (own figure)."""
DRIEST, WETTEST = 0.15, 0.85
"""Relative humidity: outside of this, sparks or drops; recommendations of the field lie well inside (own figure)."""
THREE_PHASE_VOLTS = 300
"""Volts from which an alternating voltage is one between the phases of a grid."""


@rule("power.simultaneity-low", severity="warning")
def racks_run_at_the_same_time(center: Center) -> Iterator[Finding]:
    """Training and simulation load all racks at once; a low simultaneity hides what feeds and cooling must bear."""
    if center.simultaneity < LEAST_SIMULTANEITY - 1e-9:
        told = center.spec.power.simultaneity
        message = f"a simultaneity of {told} lets all sums count on less than half of what the racks draw"
        yield Finding(("power", "simultaneity"), message, "100 % counts on everything at once")


@rule("power.derating-low", severity="warning")
def derating_is_a_share_that_may_be_used(center: Center) -> Iterator[Finding]:
    """Derating says how much of a rating may be used, not how much is taken off: 20 % taken off is 80 %."""
    for name, feed in center.spec.power.feeds.items():
        if feed.derating.magnitude < LEAST_DERATING - 1e-9:
            message = f'a derating of {feed.derating} leaves less than half of feed "{name}"'
            yield Finding(("power", "feeds", name, "derating"), message, "it is the share that may be used")


@rule("power.single-phase", severity="warning")
def high_voltages_have_three_phases(center: Center) -> Iterator[Finding]:
    """Racks of one phase have 230 V or less; 400 V is the voltage between three, which give 1.7 times the power."""
    for path, feed in _rack_feeds(center):
        if feed.volts >= THREE_PHASE_VOLTS and not feed.is_three_phase:
            message = f'"{feed}" is {feed.volts} V with one phase'
            yield Finding(path, message, f'if it has three, say "{feed} 3-phase"')


def _rack_feeds(center: Center) -> Iterator[tuple[Path, RackFeed]]:
    """What is said of the power of racks, by feed and by kind of rack."""
    for name, feed in center.spec.power.feeds.items():
        yield ("power", "feeds", name, "rack"), feed.rack
    for hall, words in center.spec.halls.items():
        for kind, rack in words.rack_kinds.items():
            if rack.power:
                yield ("halls", hall, "rack-kinds", kind, "power"), rack.power


@rule("cooling.humidity-odd", severity="warning")
def air_is_neither_dry_nor_wet(center: Center) -> Iterator[Finding]:
    """Dry air charges whoever walks in it, wet air drips; the dew point of the hall rests on this figure."""
    for name, air in center.airs.items():
        humidity = air.spec.humidity.magnitude
        if not DRIEST - 1e-9 <= humidity <= WETTEST + 1e-9:
            what = "dry" if humidity < DRIEST else "wet"
            message = f'air of {air.spec.humidity} relative humidity in hall "{name}" is too {what} for machines'
            yield Finding((*air.path, "humidity"), message)
