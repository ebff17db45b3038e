"""Targets and the climate they are promised in: what the design's own arithmetic and physics allow."""

from __future__ import annotations

from collections.abc import Iterator

from generator import energy
from generator.model import Center
from generator.problems import Path
from generator.rules import Finding, rule
from generator.rules.survival import exceeds
from generator.rules.water import too_warm

TIER_TWO = 0.99741
"""Availability quoted for tier II of the Uptime Institute, the last tier in which one failure may stop the centre.

The tiers themselves are structural; the institute publishes no percentages any more. Tier III (99.982 %) is the first
that can lose or maintain any one part.
"""


@rule("target.pue")
def the_design_allows_the_pue(center: Center) -> Iterator[Finding]:
    """PUE = 1 + losses of the power chain + cooling + other; what is known of it must leave room below the target."""
    pue, design = center.spec.targets.pue, energy.design(center)
    if pue is not None and exceeds(design.pue, pue):
        largest = max(design.terms, key=lambda term: term.share)
        message = (
            f"a PUE of {pue:g} cannot be reached: the design makes {design.sums}; "
            f"the largest part is {largest.share:.4f} {largest.name} ({largest.text})"
        )
        yield Finding(("targets", "pue"), message, "improve that part or raise the target; summary.md lists all")


@rule("target.pue-unproven", severity="warning")
def the_pue_is_proven(center: Center) -> Iterator[Finding]:
    """A target that the known part allows may still be missed by what nobody has said."""
    pue, design = center.spec.targets.pue, energy.design(center)
    # Water that nothing cools enough is an error of its own, and the reason why that power is unknown.
    told = {f"power of {energy.rejection_of(water)}" for water, _ in too_warm(center)}
    unknown = [name for name in design.unknown if name not in told]
    if pue is not None and unknown and not exceeds(design.pue, pue):
        first, rest = unknown[:4], len(unknown) - 4
        more = f" and {rest} more" if rest > 0 else ""
        message = f"a PUE of {pue:g} is not proven: unknown {', '.join(first)}{more}; the rest makes {design.pue:.4f}"
        yield Finding(("targets", "pue"), message)


@rule("target.saving")
def the_design_saves_what_is_promised(center: Center) -> Iterator[Finding]:
    """A saving is arithmetic: power from the utility beside that of the same machines cooled by air."""
    target, compared = center.spec.targets.saving, energy.comparison(center)
    if target is not None and compared and exceeds(target.magnitude, compared.saving):
        message = (
            f"a saving of {target} cannot be reached: the design takes {compared.design.total / 1000:.1f} kW, "
            f"{compared.total / 1000:.1f} kW if cooled by air, which saves {100 * compared.saving:.2f} %"
        )
        yield Finding(("targets", "saving"), message, "summary.md shows both part by part")


@rule("target.saving-unproven", severity="warning")
def the_saving_is_proven(center: Center) -> Iterator[Finding]:
    """What nobody has said of the design counts as nothing, so that it seems to save more than it does."""
    target, compared = center.spec.targets.saving, energy.comparison(center)
    if target is None or (compared and exceeds(target.magnitude, compared.saving)):
        return
    if compared is None:
        message = f"a saving of {target} is not proven: nothing is known to compare"
        yield Finding(("targets", "saving"), message)
    elif compared.design.unknown:
        message = f"a saving of {target} is not proven: unknown {', '.join(compared.design.unknown[:4])}"
        yield Finding(("targets", "saving"), message)


@rule("target.availability")
def nothing_hangs_on_one_part(center: Center) -> Iterator[Finding]:
    """Above what tier II is quoted with, a centre must survive the loss of any one feed, unit or air handler."""
    target = center.spec.targets.availability
    if target is None or target.magnitude <= TIER_TWO + 1e-9:
        return
    for path, part, need in _single_points(center):
        message = f"an availability of {target} needs {need}: {part}"
        yield Finding(path, message)


def _single_points(center: Center) -> Iterator[tuple[Path, str, str]]:
    """Where one lost part stops something: its place, what is lost, and the redundancy that would bear it."""
    if center.spec.power.redundancy != "2N":
        yield ("power", "redundancy"), "the racks may be lost with one feed", "redundancy 2N"
    for loop in center.loops.values():
        if loop.units and loop.spec.redundancy == "N":
            yield (*loop.path, "redundancy"), f'loop "{loop.name}" may be lost with one unit', "redundancy N+1"
    for water in center.waters.values():
        if water.spec.redundancy == "N":
            part = f'facility water "{water.name}" may be lost with one unit of its heat rejection'
            yield (*water.path, "redundancy"), part, "redundancy N+1"
    for air in center.airs.values():
        if air.spec.redundancy == "N":
            part = f'the air of hall "{air.hall}" may be lost with one air handler'
            yield (*air.path, "redundancy"), part, "redundancy N+1"


@rule("site.climate")
def temperatures_of_design_days_are_in_order(center: Center) -> Iterator[Finding]:
    """Evaporation cools: the wet-bulb temperature of air is at most its dry-bulb temperature; so is that of winter."""
    climate = center.spec.site.climate
    if climate and climate.wet_bulb.magnitude > climate.dry_bulb.magnitude:
        message = f"a wet bulb of {climate.wet_bulb} is above the dry bulb of {climate.dry_bulb}"
        yield Finding(("site", "climate", "wet-bulb"), message)
    if climate and climate.winter and climate.winter.magnitude > climate.dry_bulb.magnitude:
        message = f"a winter of {climate.winter} is above the dry bulb of {climate.dry_bulb}"
        yield Finding(("site", "climate", "winter"), message)
