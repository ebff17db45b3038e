"""Physics of the rules against tables that were worked out without them, and against what nature conserves.

The tables come from a calculator, from CoolProp and psychrolib outside this project, and from published tables; none of
their numbers was made by the code below test.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from generator import energy, limits, physics
from generator.model import Center
from generator.rules import survival
from generator.validate import validate
from tests.lessons import ROOT

DUO = (ROOT / "inventories/duo/center.yaml").read_text("utf-8")


def center(folder: Path, *edits: tuple[str, str]) -> Center:
    """The two-vendor centre with some of its text replaced."""
    text = DUO
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (folder / "ssh_ca.pub").write_text((ROOT / "inventories/duo/ssh_ca.pub").read_text("utf-8"))
    (folder / "center.yaml").write_text(text, "utf-8")
    found = validate(folder / "center.yaml").center
    assert found
    return found


@pytest.mark.parametrize(
    ("temperature", "humidity", "dew"),
    # psychrolib 2.5.0
    [(22, 0.50, 11.1), (25, 0.50, 13.9), (27, 0.60, 18.6), (30, 0.60, 21.4), (32, 0.70, 25.8), (24, 1.0, 24.0)],
)
def test_dew_points(temperature: float, humidity: float, dew: float) -> None:
    assert physics.dew_point(temperature, humidity) == pytest.approx(dew, abs=0.06)


@pytest.mark.parametrize(
    ("supply", "flow"),
    # The table itself, the middles of its steps, and beyond its ends.
    [(2, 0.4), (25, 0.4), (27.5, 0.45), (30, 0.5), (32.5, 0.6), (35, 0.7), (36, 0.74), (40, 0.9), (42.5, 1.1),
     (45, 1.3), (60, 1.3)],
)  # fmt: skip
def test_least_flows(supply: float, flow: float) -> None:
    assert physics.between(limits.LEAST_FLOW, supply) == pytest.approx(flow)


@pytest.mark.parametrize(
    ("coolant", "rise", "flow"),
    # L/min for each kW: water 0.0691 kW per L/min and K at 40 °C, water with 25 % glycol 0.0668
    [("water", "5 K", 2.894), ("water", "10 K", 1.447), ("water", "20 K", 0.7236),
     ("pg25", "5 K", 2.994), ("pg25", "10 K", 1.497), ("pg25", "12 K", 1.248), ("pg25", "20 K", 0.7485)],
)  # fmt: skip
def test_flows_that_carry_a_kilowatt(coolant: str, rise: str, flow: float, tmp_path: Path) -> None:
    made = center(tmp_path, ("coolant: pg25", f"coolant: {coolant}"), ("rise: 10 K", f"rise: {rise}"))
    assert made.loops["plate-1"].flow_per_kw == pytest.approx(flow, rel=1e-3)


@pytest.mark.parametrize(
    ("chain", "losses"),
    [(("96 %", "99 %", "99 %"), 0.0628), (("99 %", "98.5 %", "99.5 %"), 0.0306), (("99 %", "99 %", "99.5 %"), 0.0254)],
)
def test_losses_of_power_chains(chain: tuple[str, str, str], losses: float, tmp_path: Path) -> None:
    words = "{{transformer: {}, ups: {}, distribution: {}}}"
    made = center(tmp_path, (words.format("99 %", "98.5 %", "99.5 %"), words.format(*chain)))
    [term] = [term for term in energy.design(made).terms if term.kind == "losses"]
    assert term.share == pytest.approx(losses, abs=5e-5)


@pytest.mark.parametrize(
    ("device", "coldest"),
    # A day of 36 °C dry bulb and 28.5 °C wet bulb: approaches of 5 K to the one, of 3.5 and 6 K to the other.
    [("generic-dry-cooler", 41.0), ("generic-cooling-tower", 32.0), ("generic-adiabatic-cooler", 34.5),
     ("generic-chiller", float("-inf"))],
)  # fmt: skip
def test_the_coldest_water_of_a_day(device: str, coldest: float, tmp_path: Path) -> None:
    made = center(tmp_path, ("generic-cooling-tower", device))
    climate = made.spec.site.climate
    assert climate
    [rejecter] = made.waters["fws-1"].rejecters
    assert rejecter.coldest(climate) == pytest.approx(coldest)
    assert bool(made.waters["fws-1"].able(climate)) == (coldest <= 32)


@pytest.mark.parametrize("seed", range(8))
def test_power_is_conserved(seed: int, tmp_path: Path) -> None:
    """Whatever feed is lost, those that are left carry all racks and all cooling, no watt more and none less."""
    dice = random.Random(seed)
    rows = [
        (f"{row}: {{racks", f"{row}: {{feeds: {dice.choice(['[west, east]', '[east, west, east]'])}, racks")
        for row in "abct"
    ]
    share = ("simultaneity: 90 %", f"simultaneity: {dice.randint(50, 100)} %")
    made = center(tmp_path, share, ("train-h: 2}", f"train-h: {dice.randint(1, 4)}}}"), *rows)
    parts = tuple(energy.carriers(made))
    watts = made.power * made.simultaneity + sum(part.power or 0.0 for part in parts)
    situations = list(survival.losses(made))
    assert len(situations) == 3
    for _, lost in situations:
        assert sum(survival.loads(made, parts, lost).values()) == pytest.approx(watts)
        assert not lost & set(survival.loads(made, parts, lost))


@pytest.mark.parametrize("seed", range(8))
def test_heat_is_conserved(seed: int, tmp_path: Path) -> None:
    """All power of the racks ends in water: that of the loops, or that which cools the air."""
    dice = random.Random(seed)
    held = ("train-h: 2}", f"train-h: {dice.randint(1, 4)}}}"), ("science: 4}", f"science: {dice.randint(1, 9)}}}")
    made = center(tmp_path, *held)
    heat = sum(made.heat_into(water) for water in made.waters.values())
    assert heat == pytest.approx(made.power * made.simultaneity)
    design = energy.design(made)
    assert not design.unknown
    assert design.total == pytest.approx(
        design.racks + design.watts("losses") + design.watts("cooling") + design.watts("other")
    )
