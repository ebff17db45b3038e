"""Targets and the climate they are promised in: what the design's own arithmetic and physics allow."""

from __future__ import annotations

from collections.abc import Iterator

from generator.model import Center
from generator.rules import Finding, rule


@rule("target.pue")
def the_power_chain_allows_the_pue(center: Center) -> Iterator[Finding]:
    """PUE = 1 + losses of the power chain + cooling; the chain's losses alone must leave room below the target."""
    chain, pue = center.spec.power.chain, center.spec.targets.pue
    if chain is None or pue is None:
        return
    least = 1 / chain.efficiency
    if pue < least:
        message = (
            f"a PUE of {pue:g} cannot be reached: the power chain alone "
            f"({chain.transformer} x {chain.ups} x {chain.distribution}) makes it {least:.4f}"
        )
        yield Finding(("targets", "pue"), message, "improve the chain or raise the target")


@rule("site.climate")
def wet_bulbs_are_below_dry_bulbs(center: Center) -> Iterator[Finding]:
    """Evaporation cools: the wet-bulb temperature of air is at most its dry-bulb temperature."""
    climate = center.spec.site.climate
    if climate and climate.wet_bulb > climate.dry_bulb:
        message = f"a wet bulb of {climate.wet_bulb} is above the dry bulb of {climate.dry_bulb}"
        yield Finding(("site", "climate", "wet-bulb"), message)
