"""What immersion tanks hold of their liquid, what of it leaves them as vapour, and the fresh air that this asks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from generator import physics
from generator.model import Center
from generator.nodes import Racks
from generator.plant import CoolingLoop

OPEN_BATH_LOSS = 0.171
"""Share of the charge that evaporated in a year of one open bath in the field (Coles and Herrlin 2016, grade C)."""
HOURS = 8760.0
ROOM = 25.0
"""°C of the air of a hall that says none."""


@dataclass(frozen=True, slots=True)
class Charge:
    """The liquid of the tanks of one kind in one hall: litres in one tank, share that is lost in a year."""

    loop: CoolingLoop
    racks: Racks
    tanks: int
    litres: float | None
    loss: float
    is_assumed: bool

    @property
    def mass(self) -> float | None:
        """kg in all tanks."""
        density = self.loop.coolant.density.value
        return self.tanks * self.litres * density / 1000 if self.litres is not None and density else None

    @property
    def lost(self) -> float | None:
        """kg a year."""
        return None if self.mass is None else self.mass * self.loss

    @property
    def warming(self) -> float | None:
        """kg of CO2 that warm as much as what is lost in a year."""
        gwp = self.loop.coolant.gwp
        return self.lost * gwp.value if self.lost is not None and gwp and gwp.value is not None else None

    def fresh_air(self, temperature: float) -> float | None:
        """m3/h that keep the mean of what is lost below the exposure limit; None when something is unknown."""
        limit, molar_mass = self.loop.coolant.exposure_limit, self.loop.coolant.molar_mass
        if self.lost is None or not limit or not limit.value or not molar_mass or not molar_mass.value:
            return None
        return physics.air_change(self.lost / HOURS, limit.value, molar_mass.value, temperature)


def charges(center: Center) -> Iterator[Charge]:
    """The tanks of every two-phase loop, by hall and kind."""
    for loop in center.loops.values():
        if loop.spec.kind != "two-phase-immersion":
            continue
        counts: dict[tuple[str, str], int] = {}
        firsts: dict[tuple[str, str], Racks] = {}
        for racks in center.racks:
            if racks.loop == loop.name and racks.type.immersion:
                key = (racks.hall, racks.kind)
                firsts.setdefault(key, racks)
                counts[key] = counts.get(key, 0) + racks.count
        for key, racks in firsts.items():
            known = racks.type.charge.value if racks.type.charge else None
            losses = [tank.loss for tank in loop.tanks if tank.path[1::2] == key]
            said = losses[0] if losses else None
            litres = known.magnitude if known else None
            loss = OPEN_BATH_LOSS if said is None else said
            yield Charge(loop, racks, counts[key], litres, loss, said is None)


def temperature_of(center: Center, hall: str) -> float:
    """°C of the air of a hall."""
    air = center.airs.get(hall)
    return air.spec.supply.magnitude if air else ROOM
