"""Tanks whose coolant boils: what they hold, what they lose, and the people who breathe beside them."""

from __future__ import annotations

from collections.abc import Iterator

from generator import vapour
from generator.model import Center
from generator.rules import Finding, rule
from generator.rules.survival import exceeds, pair
from generator.vapour import Charge


@rule("cooling.charge", severity="warning")
def charges_are_known(center: Center) -> Iterator[Finding]:
    """Without the charge of a tank nobody can order its liquid, or say how much of it is lost in a year."""
    for charge in vapour.charges(center):
        if charge.mass is None:
            what, whose = (
                ("charge", charge.racks.type.name) if charge.litres is None else ("density", charge.loop.coolant.name)
            )
            message = f'what the tanks of loop "{charge.loop.name}" lose in a year is unknown: "{whose}" says no {what}'
            path = ("halls", charge.racks.hall, "rack-kinds", charge.racks.kind, "type")
            yield Finding(path, message)


@rule("cooling.ventilation")
def vapour_stays_below_its_limit(center: Center) -> Iterator[Finding]:
    """What tanks lose is in the air that people breathe: fresh air has to keep its mean below the exposure limit."""
    for hall, charges in _limited(center):
        temperature, words = vapour.temperature_of(center, hall), center.spec.halls[hall]
        limit = _limit(charges[0])
        told = f"the exposure limit of {limit:g} ppm of" if limit else "the limit of"
        fluid = charges[0].loop.coolant.name
        if words.ventilation is None:
            message = f'hall "{hall}" has tanks of "{fluid}" and says no ventilation; {told} its vapour holds there'
            yield Finding(("halls", hall), message, 'for example "ventilation: 2000 m3/h"', at_key=True)
            continue
        # Limits of several vapours add up: each takes its share of the air.
        needed = sum(charge.fresh_air(temperature) or 0.0 for charge in charges)
        if exceeds(needed, words.ventilation.magnitude):
            asked, given = pair(needed, words.ventilation.magnitude, "m3/h", 1)
            lost = sum(charge.lost or 0.0 for charge in charges)
            message = (
                f'the tanks of hall "{hall}" lose {lost:.1f} kg a year; {told} "{fluid}" asks for {asked} of '
                f"fresh air, the hall has {given}"
            )
            yield Finding(("halls", hall, "ventilation"), message)


@rule("cooling.vapour-detection")
def vapour_is_noticed(center: Center) -> Iterator[Finding]:
    """The vapour is heavier than air and has hardly a smell: a lid left open is noticed by a detector or by nobody."""
    for hall, charges in _by_hall(center):
        if not center.spec.halls[hall].vapour_detection:
            fluid = next((each for each in charges if _limit(each)), charges[0])
            has = "which has an exposure limit" if _limit(fluid) else "whose exposure limit nobody knows"
            message = f'hall "{hall}" has tanks of "{fluid.loop.coolant.name}", {has}, and no vapour detection'
            hint = 'say "vapour-detection: true" once it is planned'
            yield Finding(("halls", hall), message, hint, at_key=True)


@rule("cooling.exposure-unknown", severity="warning")
def exposure_limits_are_known(center: Center) -> Iterator[Finding]:
    """Without the limit of its vapour nobody knows the fresh air that a hall needs, and no alarm has a limit."""
    for charge in {charge.loop.name: charge for charge in vapour.charges(center)}.values():
        loop = charge.loop
        if not _limit(charge):
            name = loop.coolant.name
            message = (
                f'the fresh air beside the tanks of loop "{loop.name}" cannot be judged, nor vapour in it be an alarm: '
                f'the exposure limit of "{name}" is unknown'
            )
            hint = "take it from the safety data sheet of the fluid, into a file of your own"
            yield Finding((*loop.path, "coolant"), message, hint)


def _limited(center: Center) -> Iterator[tuple[str, list[Charge]]]:
    """Halls with tanks of boiling liquids that have an exposure limit, and these tanks."""
    found = ((hall, [each for each in charges if _limit(each)]) for hall, charges in _by_hall(center))
    yield from ((hall, charges) for hall, charges in found if charges)


def _by_hall(center: Center) -> Iterator[tuple[str, list[Charge]]]:
    """Halls with tanks of boiling liquids."""
    halls: dict[str, list[Charge]] = {}
    for charge in vapour.charges(center):
        halls.setdefault(charge.racks.hall, []).append(charge)
    yield from halls.items()


def _limit(charge: Charge) -> float | None:
    """ppm of its vapour that people may breathe; None where nobody has said."""
    limit = charge.loop.coolant.exposure_limit
    return limit.value if limit else None
