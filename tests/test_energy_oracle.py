"""Heat, flow, pumps, PUE, water and vapour of three centres, computed again by somebody who only reads their files.

Formulas are this file's own, water and air are those of CoolProp and psychrolib; nothing of the product is imported.
What comes out is compared with what people are shown: ``summary.md``, limits of alarms, ``center show cooling``.
"""

from __future__ import annotations

import atexit
import itertools
import math
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import psychrolib
import pytest
import yaml
from CoolProp.CoolProp import PropsSI

ROOT = Path(__file__).parent.parent
CATALOG = ROOT / "generator/catalog"
CENTRES = {name: ROOT / name for name in ("inventories/duo", "inventories/chaohu-mingyue", "tests/centers/plant")}
PREFIX = {"": 1.0, "k": 1e3, "M": 1e6}
FIELD_LOSS = 0.171
"""Of the charge, in a year: Coles and Herrlin 2016, which is assumed where nobody says."""
LEAST_FLOW = {25: 0.4, 30: 0.5, 35: 0.7, 40: 0.9, 45: 1.3}
"""L/min for each kW by supply in °C: the table of the CDU self-qualification."""
psychrolib.SetUnitSystem(psychrolib.SI)
Said = dict[str, Any]


def number(text: Any) -> float:
    """A quantity in base units: W, share, °C or K, L, m3/h, L/min, Pa."""
    told = re.fullmatch(r"(-?[\d.]+) ?(.*)", str(text))
    assert told, text
    value, unit = float(told[1]), told[2]
    if power := re.fullmatch(r"([kM]?)W", unit):
        return value * PREFIX[power[1]]
    return value * {"%": 0.01, "kPa": 1e3, "bar": 1e5}.get(unit, 1.0)


@cache
def entry(kind: str, name: str) -> Said:
    found: Said = yaml.safe_load((CATALOG / kind / f"{name}.yaml").read_text("utf-8"))
    return found


def fact(kind: str, name: str, key: str) -> Any:
    return (entry(kind, name).get(key) or {}).get("value")


@cache
def spec(centre: str) -> Said:
    folder = CENTRES[centre]
    told: Said = yaml.safe_load((folder / "center.yaml").read_text("utf-8"))
    for other in told.pop("include", []):
        told |= yaml.safe_load((folder / other).read_text("utf-8"))
    return told


def names(text: str) -> list[str]:
    """``a01..04`` is a01, a02, a03 and a04."""
    first, _, last = text.partition("..")
    stem = first.rstrip("0123456789")
    start = first[len(stem) :]
    return [f"{stem}{one:0{len(start)}d}" for one in range(int(start), int(last or start) + 1)] if start else [first]


class Rack:
    """One rack with the watts of what stands in it, and those that its loop takes."""

    def __init__(self, centre: Said, hall: str, kind: Said, name: str) -> None:
        self.hall, self.name, self.kind, self.loop = hall, name, kind, kind.get("loop")
        self.power = self.liquid = 0.0
        held = dict(kind.get("holds", {}))
        for pool, words in centre["pools"].items():
            if any(name in names(part) for part in str(words.get("racks", "")).split(",")):
                held[pool] = words["per-rack"]
        for pool, count in held.items():
            words = centre["pools"][pool]
            there = count - sum(gone.startswith(f"{pool}-{name}-") for gone in words.get("absent", []))
            server = words["server"]
            watts = number(fact("servers", server, "base-power"))
            if "accelerator" in words:
                watts += entry("servers", server)["accelerators"] * number(
                    fact("accelerators", words["accelerator"], "power")
                )
            self._add(watts * there, number(fact("servers", server, "liquid-share") or 0))
        for fabric, count in kind.get("leaves", {}).items():
            leaf = centre["fabrics"][fabric]["leaf"]
            self._add(
                number(fact("switches", leaf, "power")) * count, number(fact("switches", leaf, "liquid-share") or 0)
            )

    def _add(self, watts: float, share: float) -> None:
        self.power += watts
        if self.loop:
            self.liquid += watts if entry("racks", self.kind["type"]).get("immersion") else watts * share


class Sums:
    """Everything of a centre that this file knows, in W at once and with its own arithmetic."""

    def __init__(self, name: str) -> None:
        self.said = said = spec(name)
        self.at_once = number(said["power"].get("simultaneity", "100 %"))
        self.racks = [
            Rack(said, hall, words["rack-kinds"][kind], rack)
            for hall, words in said["halls"].items()
            for row in words["rows"].values()
            for span, kind in row["racks"].items()
            for rack in names(span)
        ]
        self.it = self.at_once * sum(rack.power for rack in self.racks)

    def loop_heat(self, loop: str) -> float:
        return self.at_once * sum(rack.liquid for rack in self.racks if rack.loop == loop)

    def air_heat(self, hall: str) -> float:
        return self.at_once * sum(rack.power - rack.liquid for rack in self.racks if rack.hall == hall)

    def water_heat(self, water: str) -> float:
        loops = [name for name, loop in self.said["cooling"]["loops"].items() if loop["from"] == water]
        halls = [name for name, hall in self.said["halls"].items() if hall.get("air", {}).get("from") == water]
        return sum(map(self.loop_heat, loops)) + sum(map(self.air_heat, halls))

    def units(self, loop: str) -> list[Said]:
        """Ratings of the units of a loop, one each."""
        found = self.said["cooling"]["loops"][loop].get("units", {})
        return [words["ratings"] for span, words in found.items() for _ in names(span)]

    def tanks(self, loop: str) -> list[Said]:
        return [rack.kind["ratings"] for rack in self.racks if rack.loop == loop and "ratings" in rack.kind]

    def carried(self, loop: str) -> float:
        """W that units carry at the approach of the loop, one lost where N+1 is said; tanks all together."""
        words, units = self.said["cooling"]["loops"][loop], self.units(loop)
        if not units:
            return sum(number(tank["capacity"]) for tank in self.tanks(loop))
        left = len(units) - (words.get("redundancy") == "N+1")
        return float(left * self.capacity(loop, units[0]))

    def capacity(self, loop: str, unit: Said) -> float:
        """On a straight line through the points of the data sheet, at the kelvin that the loop has."""
        if not (points := unit.get("at-approach")):
            return number(unit["capacity"])
        words = self.said["cooling"]["loops"][loop]
        have = number(words["supply"]) - number(self.said["cooling"]["facility"][words["from"]]["supply"])
        known = {number(text): number(watts) for text, watts in points.items()}
        line = sorted({0.0: 0.0, **known, number(unit["approach"]): number(unit["capacity"])}.items())
        for (left, low), (right, high) in itertools.pairwise(line):
            if left <= have <= right:
                return low + (high - low) * (have - left) / (right - left)
        return line[-1][1]

    def flow_of_a_kilowatt(self, loop: str) -> float:
        """L/min of the coolant that take 1 kW away at the rise of the loop."""
        words = self.said["cooling"]["loops"][loop]
        carries = (
            fact("coolants", words["coolant"], "density") / 1000 * fact("coolants", words["coolant"], "heat-capacity")
        )
        return float(60 / (carries * number(words["rise"])))

    def losses(self) -> float:
        chain = self.said["power"]["chain"]
        return 1 / math.prod(number(chain[part]) for part in ("transformer", "ups", "distribution")) - 1

    def parts(self) -> Iterator[tuple[str, float]]:
        """What cooling takes in W, by the words of the summary."""
        cooling = self.said["cooling"]
        for loop in cooling["loops"]:
            what, machines = ("cooling units", self.units(loop)) if self.units(loop) else ("tanks", self.tanks(loop))
            takes = sum(number(one["power"]) for one in machines) / sum(number(one["capacity"]) for one in machines)
            if "at-approach" in machines[0]:  # power grows with the heat, from its rating on
                takes = number(machines[0]["power"]) / number(machines[0]["capacity"])
            yield f'{what} of loop "{loop}"', self.loop_heat(loop) * takes
        for water, words in cooling["facility"].items():
            [(_, rejection)] = words["rejection"].items()
            kind, ratings = entry("rejection", rejection["device"]), rejection.get("ratings", {})
            power, capacity = (number(ratings.get(key) or kind[key]["value"]) for key in ("power", "capacity"))
            yield f'heat rejection of facility water "{water}"', self.water_heat(water) * power / capacity
        for hall, words in self.said["halls"].items():
            [(_, unit)] = words["air"]["units"].items()
            power, capacity = (number(fact("air", unit["device"], key)) for key in ("power", "capacity"))
            yield f'air handlers of hall "{hall}"', self.air_heat(hall) * power / capacity

    def pue(self) -> float:
        other = number(self.said["power"].get("other", "0 %"))
        return 1 + self.losses() + sum(watts for _, watts in self.parts()) / self.it + other

    def makeup(self, water: str) -> float:
        """L/h: what evaporates at the mean temperature of the water, by CoolProp, and what is blown down."""
        words = self.said["cooling"]["facility"][water]
        [(_, rejection)] = words["rejection"].items()
        share, cycles = (fact("rejection", rejection["device"], key) for key in ("evaporates", "cycles"))
        if share is None:
            return 0.0
        kelvin = (number(words["supply"]) + number(words["return"])) / 2 + 273.15
        vapour, liquid = (PropsSI("H", "T", kelvin, "Q", quality, "Water") for quality in (1, 0))
        evaporated = self.water_heat(water) * number(share) / (vapour - liquid) * 3600
        return float(evaporated / (1 - 1 / cycles))

    def by_air(self) -> tuple[float, float, float]:
        """W that compute, that racks take with all their fans, and that the utility gives, were all cooled by air."""
        fans, cooling = (number(fact("baselines", "generic-air-cooled", key)) for key in ("fans", "cooling"))
        racks = 0.0
        for rack in self.racks:
            if rack.power:
                # Of the power P cooled by air, (1 - fans) compute; fans take fans x P x (share left to the air).
                racks += rack.power / ((1 - fans) + fans * (1 - rack.liquid / rack.power))
        racks *= self.at_once
        other = number(self.said["power"].get("other", "0 %")) * self.it
        return racks * (1 - fans), racks, racks * (1 + cooling + self.losses()) + other


@cache
def tree(centre: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="center-oracle-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    words = [
        sys.executable,
        "-m",
        "generator",
        "--quiet",
        "render",
        str(CENTRES[centre]),
        "--out",
        str(folder / "tree"),
    ]
    subprocess.run(words, check=True, capture_output=True, timeout=120, cwd=ROOT)
    return folder / "tree"


@cache
def summary(centre: str) -> str:
    return (tree(centre) / "summary.md").read_text("utf-8")


def line(centre: str, first: str, header: str = "") -> dict[str, str]:
    """A line of a table of the summary by its first cell, with the words above each cell."""
    head: list[str] = []
    for text in summary(centre).splitlines():
        cells = [cell.strip() for cell in text.strip("|").split("|")] if text.startswith("|") else []
        if not cells:
            head = []
        elif not head:
            head = cells
        elif cells[0] == first and (not header or header in head):
            return dict(zip(head, cells, strict=True))
    raise AssertionError(f"{centre} has no line {first} below {header}")


def shown(text: str) -> float:
    return number(text.split(",")[0])


def limits(centre: str) -> dict[tuple[str, str, str], float]:
    told = yaml.safe_load((tree(centre) / "monitoring/rules/cooling-limits.yaml").read_text("utf-8"))
    found = {}
    for rule in told["groups"][0]["rules"]:
        labels = rule.get("labels", {})
        key = (rule["record"], labels.get("loop", ""), labels.get("level") or labels.get("circuit", ""))
        found[key] = float(rule["expr"].removeprefix("vector(").removesuffix(")"))
    return found


each_centre = pytest.mark.parametrize("centre", CENTRES)


@each_centre
def test_heat_of_loops_halls_and_waters(centre: str) -> None:
    sums = Sums(centre)
    for loop in sums.said["cooling"]["loops"]:
        told = line(centre, loop, "heat kW at once")
        assert shown(told["heat kW at once"]) == pytest.approx(sums.loop_heat(loop) / 1000, abs=0.051)
        assert shown(told["carried kW"]) == pytest.approx(sums.carried(loop) / 1000, abs=0.051)
        assert limits(centre)["cooling:design_heat_watts", loop, ""] == pytest.approx(sums.loop_heat(loop))
    for water in sums.said["cooling"]["facility"]:
        told = line(centre, water, "rejected by")
        assert shown(told["heat kW at once"]) == pytest.approx(sums.water_heat(water) / 1000, abs=0.051)
    for hall in sums.said["halls"]:
        told = line(centre, hall, "kW into the air at once")
        assert shown(told["kW into the air at once"]) == pytest.approx(sums.air_heat(hall) / 1000, abs=0.051)


@each_centre
def test_flows_and_pumps(centre: str) -> None:
    sums = Sums(centre)
    for loop, words in sums.said["cooling"]["loops"].items():
        told = line(centre, loop, "needs L/min")
        if "rise" not in words:
            assert told["needs L/min"] == "" and told["supply"] == "boils"
            continue
        each = sums.flow_of_a_kilowatt(loop)
        assert shown(told["L/min for each kW"]) == pytest.approx(each, abs=0.0051)
        assert shown(told["needs L/min"]) == pytest.approx(each * sums.loop_heat(loop) / 1000, abs=0.051)
        units = sums.units(loop)
        if units and "flow" in units[0]:
            left = len(units) - (words.get("redundancy") == "N+1")
            assert shown(told["pumped L/min"]) == pytest.approx(left * number(units[0]["flow"]))
        if "drop" in words:  # flow times pressure over 65 % is what the pumps must be rated for
            watts = number(units[0]["flow"]) / 60_000 * number(words["drop"]) / 0.65
            assert 0.5 * number(units[0]["power"]) < watts <= number(units[0]["power"])


@pytest.mark.parametrize(
    ("coolant", "fluid", "close"), [("water", "Water", 1e-3), ("pg25", "INCOMP::MPG[0.25]", 0.025)]
)
def test_what_a_litre_carries(coolant: str, fluid: str, close: float) -> None:
    density, capacity = (PropsSI(what, "T", 313.15, "P", 101_325, fluid) for what in "DC")
    told = fact("coolants", coolant, "density") * fact("coolants", coolant, "heat-capacity") * 1000
    assert told == pytest.approx(density * capacity, rel=close)


@each_centre
def test_the_design_pue_and_its_parts(centre: str) -> None:
    sums = Sums(centre)
    assert shown(line(centre, "power chain")["share of the racks' power"]) == pytest.approx(sums.losses(), abs=5.1e-5)
    cooling = dict(sums.parts())
    for part, watts in cooling.items():
        told = shown(line(centre, part)["share of the racks' power"])
        assert told == pytest.approx(watts / sums.it, abs=5.1e-5), part
    assert shown(line(centre, "together with the racks themselves")["share of the racks' power"]) == pytest.approx(
        sums.pue(), abs=5.1e-5
    )
    assert limits(centre)["cooling:design_pue", "", ""] == pytest.approx(sums.pue())
    [partial] = re.findall(r"partial PUE of ([\d.]+)\.", summary(centre))
    assert float(partial) == pytest.approx(1 + sum(cooling.values()) / sums.it, abs=5.1e-5)


@each_centre
def test_fresh_water(centre: str) -> None:
    """CoolProp's heat of evaporation is within 0.2 % of the line that the product draws through the tables."""
    sums = Sums(centre)
    litres = 0.0
    for water, words in sums.said["cooling"]["facility"].items():
        wanted = sums.makeup(water)
        litres += wanted
        if wanted:
            [name] = words["rejection"]
            told = line(centre, f'"{name}" of facility water "{water}"')
            assert shown(told["L/h"]) == pytest.approx(wanted, rel=2e-3)
    [usage] = re.findall(r"\(WUE\) ([\d.]+) L", summary(centre))
    assert float(usage) == pytest.approx(litres / (sums.it / 1000), rel=2e-3)


@each_centre
def test_the_centre_cooled_by_air(centre: str) -> None:
    sums = Sums(centre)
    compute, racks, total = sums.by_air()
    utility = sums.it * sums.pue()
    wanted = {
        "kW that compute, without fans of servers": (compute / 1000, compute / 1000, 0.051),
        "kW of the racks, with these fans": (sums.it / 1000, racks / 1000, 0.051),
        "kW from the utility": (utility / 1000, total / 1000, 0.051),
        "PUE": (sums.pue(), total / racks, 5.1e-5),
        "TUE: from the utility over what computes": (utility / compute, total / compute, 5.1e-5),
    }
    for name, (design, baseline, close) in wanted.items():
        told = line(centre, name, "generic-air-cooled")
        assert shown(told["this design"]) == pytest.approx(design, abs=close), name
        assert shown(told["generic-air-cooled"]) == pytest.approx(baseline, abs=close), name
    [saving] = re.findall(r"saves ([\d.]+) % of the power", summary(centre))
    assert float(saving) == pytest.approx(100 * (1 - utility / total), abs=0.051)


@each_centre
def test_vapour_of_tanks(centre: str) -> None:
    """Charge, yearly loss and the air that keeps its mean below the limit: an ideal gas at the air of the hall."""
    sums = Sums(centre)
    for loop, words in sums.said["cooling"]["loops"].items():
        if words["kind"] != "two-phase-immersion":
            continue
        tanks = [rack for rack in sums.racks if rack.loop == loop]
        coolant, hall = words["coolant"], sums.said["halls"][tanks[0].hall]
        litres = number(fact("racks", tanks[0].kind["type"], "charge"))
        mass = len(tanks) * litres / 1000 * fact("coolants", coolant, "density")
        told = line(centre, f"{len(tanks)} tank", "kg in them")
        assert shown(told["kg in them"]) == pytest.approx(mass, abs=0.51)
        assert shown(told["kg"]) == pytest.approx(mass * FIELD_LOSS, abs=0.51)
        assert shown(told["as kg of CO2"]) == pytest.approx(
            mass * FIELD_LOSS * fact("coolants", coolant, "gwp"), abs=0.51
        )
        limit = fact("coolants", coolant, "exposure-limit")
        if limit is None:
            assert told["fresh air m3/h: needs"] == "unknown"
            continue
        moles = mass * FIELD_LOSS / 8760 / (fact("coolants", coolant, "molar-mass") / 1000)
        cubic = moles * 8.314462618 * (number(hall["air"]["supply"]) + 273.15) / 101_325
        assert shown(told["fresh air m3/h: needs"]) == pytest.approx(cubic / (limit * 1e-6), abs=0.051)


def test_a_two_phase_tank_boils_as_coolprop_says() -> None:
    told, fluid = limits("tests/centers/plant"), "Novec649"
    boiling = PropsSI("T", "P", 101_325, "Q", 0, fluid) - 273.15
    for level, above, below in (("warning", 2, 8), ("critical", 4, 5)):
        assert told["cooling:limit:boiling_too_warm", "boil", level] == pytest.approx(boiling + above, abs=0.05)
        assert told["cooling:limit:condenser_margin", "boil", level] == pytest.approx(boiling - below, abs=0.05)
    a, b, c = (told[f"cooling:saturation_{letter}", "boil", ""] for letter in "abc")
    for kilopascals in (95, 101.325, 104.3, 110):
        wanted = PropsSI("T", "P", kilopascals * 1000, "Q", 0, fluid)
        assert b / (a - math.log(kilopascals * 1000)) - c == pytest.approx(wanted, abs=0.05)


@each_centre
def test_limits_of_loops_follow_their_design(centre: str) -> None:
    sums, told = Sums(centre), limits(centre)
    steps = sorted(LEAST_FLOW.items())
    for loop, words in sums.said["cooling"]["loops"].items():
        if words["kind"] != "cold-plate":
            continue
        supply = number(words["supply"])
        [(left, low), (right, high)] = next(
            pair for pair in itertools.pairwise(steps) if pair[0][0] <= supply <= pair[1][0]
        )
        least = low + (high - low) * (supply - left) / (right - left)
        for level, factor in (("warning", 1.1), ("critical", 1.0)):
            found = told["cooling:limit:flow_for_heat", loop, level]
            assert found == pytest.approx(least * factor / 60_000 / 1000)
        assert sums.flow_of_a_kilowatt(loop) > least * 1.1  # or the alarm would stand on the first day
        carries = fact("coolants", words["coolant"], "density") * fact("coolants", words["coolant"], "heat-capacity")
        name = "cooling:heat_capacity_joules_per_cubic_meter_kelvin"
        assert told[name, loop, "secondary"] == pytest.approx(carries * 1000)


@each_centre
def test_the_picture_says_the_dew_points_of_psychrolib(centre: str) -> None:
    words = [sys.executable, "-m", "generator", "--quiet", "show", "cooling", str(CENTRES[centre])]
    page = subprocess.run(words, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False).stdout
    found = re.findall(r"dew point \+ 2 K, (\S+) +([\d.]+) °C", page)
    assert found
    for hall, told in found:
        air = spec(centre)["halls"][hall]["air"]
        dew = psychrolib.GetTDewPointFromRelHum(number(air["supply"]), number(air["humidity"]))
        assert float(told) == pytest.approx(dew + 2, abs=0.12)
