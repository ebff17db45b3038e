"""Targets: a promise that the design's own arithmetic can keep."""

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
    efficiency = chain.transformer.magnitude * chain.ups.magnitude * chain.distribution.magnitude
    least = 1 / efficiency
    if pue < least:
        message = (
            f"a PUE of {pue:g} cannot be reached: the power chain alone "
            f"({chain.transformer} x {chain.ups} x {chain.distribution}) makes it {least:.4f}"
        )
        yield Finding(("targets", "pue"), message, "improve the chain or raise the target")
