"""Temperatures of loops, as far as the spec and the catalogue say them."""

from __future__ import annotations

from generator.plant import CoolingLoop

TWO_PHASE = "two-phase-immersion"


def magnitude(value: object) -> float | None:
    """That of a quantity, where there is one."""
    return getattr(value, "magnitude", None)


def boiling(loop: CoolingLoop) -> float | None:
    """The boiling point of the coolant in °C."""
    return loop.boiling


def warmest(loop: CoolingLoop) -> float | None:
    """Coolant back from the racks in °C; vapour is as warm as what boils."""
    supply, rise = loop.spec.supply, loop.spec.rise
    if loop.spec.kind == TWO_PHASE:
        return boiling(loop)
    return supply.magnitude + rise.magnitude if supply and rise else None


def kelvin(value: float | None) -> str:
    """A difference of temperatures as the page writes it."""
    return "unknown" if value is None else f"{value:g} K"
