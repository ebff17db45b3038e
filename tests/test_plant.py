"""The cooling plant of the two-vendor centre, worked out by hand; its heat and its power stand in test_sums.py.

    flow of plate-1     24.57 kW x 60000 / (1022.5 x 3.92 x 10)         36.78 L/min
    tank-1              700 L x 1.55 kg/L = 1085 kg, of which 17.1 %    185.5 kg a year, 1,855 kg of CO2 at a GWP of 10
    its vapour          28 kW x 3600 / 90 kJ/kg                         1,120 kg/h
    fresh air           185.535 kg / 8760 h / 0.3 kg/mol x 24.384 L/mol / 150 ppm = 11.48 m3/h
    water of the tower  49.77 kW x 3600 / (2501 - 2.38 x 36) kJ/kg = 74.18 L/h, at 4 cycles 98.91 L/h: 1.438 L/kWh

The same machines cooled by air, whose fans take 15 % of a server: racks of train-h (75 % of their heat in liquid) would
take 36.4 / (1 - 0.15 x 0.75) = 41.014 kW, the tank 28 / 0.85 = 32.941 kW, the others their 12 kW: 85.955 kW, of which
90 % are 77.360 kW. With 24.8 % for cooling and 3.06365 % for the chain that is 98.915 kW, a PUE of 1.2786. This design
takes 76.450 kW, which saves 22.71 %; 85 % of 77.360 kW compute, so its TUE is 1.1626 and not 1.5043.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from generator import catalog
from generator.catalog.models import CoolingDevice, HeatRejection
from generator.problems import Refused
from tests.test_sums import RATED, ROOT, Edits, findings, tree

COOLANTS = sorted((ROOT / "generator/catalog/coolants").glob("*.yaml"))
DEVICES = sorted(
    file for kind in ("cooling", "rejection") for file in (ROOT / "generator/catalog" / kind).glob("*.yaml")
)
CURVE = (RATED, "at-approach: {4 K: 20 kW, 6 K: 40 kW}, flow: 120 L/min, power: 0.5 kW")
UNIT = 'device: ocp-orv3-rpu\n          at: "modbus://10.24.0.11..12:502/12"'
NO_AT = (UNIT, "device: ocp-orv3-rpu")
SILENT = (UNIT, "device: google-deschutes")
TANK = "from: fws-1\n      protection: [tank-controller]"
METERS = (
    "  redundancy: 2N",
    "  meters:\n"
    '    main-1: {device: redfish-pdu, at: "redfish://10.24.3.1", measures: utility}\n'
    '    pdu-1..2: {device: redfish-pdu, at: "redfish://10.24.3.11..12", measures: it, credentials: "env:PDU"}\n'
    "  redundancy: 2N",
)
LAKE = (
    ("wet-bulb: 28.5 °C}", "wet-bulb: 28.5 °C, water: 20 °C}"),
    (
        "rejection: {tower:",
        'rejection: {lake: {device: redfish-heat-exchanger, count: 2, at: "redfish://10.24.4.1..2", '
        "ratings: {capacity: 100 kW, approach: 2 K, power: 1 kW}}, tower:",
    ),
)


def fed_by(approach: str) -> tuple[str, str]:
    """A unit before the tank, whose coolant fills the coils."""
    unit = f'{{device: redfish-cooling-unit, at: "redfish://10.24.2.1", feeds: [west, east], {approach}}}'
    return TANK, f"{TANK}\n      units: {{pump-1: {unit}}}"


RATINGS = "ratings: {{capacity: 60 kW, power: 0.1 kW, approach: {} K}}"


@pytest.mark.parametrize(
    ("edits", "rules", "shows"),
    [
        pytest.param((CURVE,), "", "", id="30-kw-at-5-k"),
        # 24.57 kW are reached at 4 K + 2 K x 4.57 / 20 = 4.457 K above water of 32 °C.
        pytest.param((CURVE, ("supply: 37 °C", "supply: 36.457 °C")), "", "", id="a-curve-at-its-limit"),
        pytest.param((CURVE, ("supply: 37 °C", "supply: 36.45 °C")), "cooling.loop-capacity",
                     r"24\.6 kW.*24\.5 kW.* with unit", id="a-curve-beyond"),
        # Below the first point heat follows the approach: 2 K carry half of what 4 K do.
        pytest.param((CURVE, ("supply: 37 °C", "supply: 34 °C")), "cooling.loop-capacity target.pue", r"10\.0 kW|PUE",
                     id="a-curve-below-its-first-point"),
        # Electricity follows the heat: 24.57 kW x 0.5 / 80 of it, whatever the curve lets the units carry.
        pytest.param(((RATED, f"{RATED}, at-approach: {{6 K: 100 kW}}"), ("pue: 1.12", "pue: 1.11185")), "", "",
                     id="power-follows-the-heat"),
        pytest.param(((RATED, f"{RATED}, at-approach: {{6 K: 100 kW}}"), ("pue: 1.12", "pue: 1.11184")), "target.pue",
                     "the design makes 1", id="power-beyond"),
        # The coils get water of 32 °C and the approach of the unit before them; the coolant boils at 49 °C.
        pytest.param((fed_by(RATINGS.format("7")),), "", "", id="a-unit-before-the-coils"),
        pytest.param((fed_by(RATINGS.format("7.1")),), "cooling.boiling-margin",
                     r"water of 39\.1 °C behind the units is 9\.9 K below", id="a-unit-that-warms-too-much"),
        pytest.param((("capacity: 60 kW, power: 0.3", "capacity: 27.9 kW, power: 0.3"),), "cooling.rack-capacity",
                     r"28\.0 kW, which boils 1120 kg/h.*27\.9 kW", id="vapour-of-a-tank"),
        pytest.param((NO_AT,), "cooling.unread-device", 'unit "cdu-1" speaks modbus-tcp', id="nowhere-to-read"),
        pytest.param((SILENT,), "cooling.unreadable", 'cannot read "cdu-1"', id="a-unit-that-says-nothing"),
        pytest.param((METERS,), "", "", id="meters"),
        pytest.param((METERS, ("pdu-1..2:", "cdu-1..2:")), "name.device-twice", 'called "cdu-', id="names-of-meters"),
        pytest.param((METERS, ("10.24.3.11..12", "10.24.3.11")), "cooling.addresses", "1 addresses for 2",
                     id="addresses-of-meters"),
        pytest.param((METERS, ("10.24.3.11..12", "10.24.1.1..2")), "", "", id="another-port-than-the-tank"),
        pytest.param((METERS, ("10.24.3.11..12", "10.25.3.11..12")), "address.device", "outside plan facility",
                     id="meters-elsewhere"),
        pytest.param(LAKE, "", "", id="heat-rejection-that-is-read"),
        pytest.param((*LAKE, ("10.24.4.1..2", "10.24.4.1")), "cooling.addresses", "1 addresses for 2 devices",
                     id="heat-rejection-without-an-address"),
        # Two-phase tanks in a loop for one phase.
        pytest.param((("kind: two-phase-immersion\n      coolant: generic-fluid-49c",
                       "kind: single-phase-immersion\n      coolant: generic-oil\n      supply: 40 °C\n"
                       "      rise: 8 K"),),
                     "cooling.form", '"redfish-immersion-unit" is a two-phase-tank; the device of a rack',
                     id="a-tank-for-two-phases"),
        pytest.param((("wet-bulb: 28.5 °C}", "wet-bulb: 28.5 °C, winter: 36.1 °C}"),), "site.climate", "winter of 36.1",
                     id="winter-is-colder"),
    ],
)  # fmt: skip
def test_findings(edits: Edits, rules: str, shows: str, tmp_path: Path) -> None:
    found = findings(tmp_path, edits)
    assert {problem["rule"] for problem in found} == set(rules.split())
    assert all(re.search(shows, problem["message"]) for problem in found)


def row(page: str, first: str) -> list[str]:
    """The cells of the row of a table that begins with a word."""
    [line] = re.findall(rf"^\| {re.escape(first)} \|(.*)\|$", page, flags=re.M)
    return [cell.strip().replace("\\", "") for cell in line.split("|")]


def test_the_summary_shows_what_was_worked_out(tmp_path: Path) -> None:
    page = (tree(tmp_path, ()) / "summary.md").read_text("utf-8")
    plates = [cells for cells in re.findall(r"^\| plate-1 \|(.*)\|$", page, flags=re.M) if "37 °C" in cells]
    assert [cell.strip() for cell in plates[0].split("|")][:6] == ["37 °C", "10 K", "5.0", "36.8", "1.50", "120.0"]
    tank = ["east-hall", "generic-fluid-49c", "1085", "17.1 %, assumed", "186", "1855", "11.5", "200 m3/h", "yes"]
    assert row(page, "1 tank") == tank
    assert row(page, '"tower" of facility water "fws-1"') == ["98.9"]
    assert "Water usage (WUE) 1.438 L" in page and "partial PUE of 1.0812" in page
    assert row(page, "kW that compute, without fans of servers") == ["65.8", "65.8"]
    assert row(page, "kW of the racks, with these fans") == ["68.8", "77.4"]
    assert row(page, "kW from the utility") == ["76.5", "98.9"]
    assert row(page, "PUE") == ["1.1118", "1.2786"]
    assert row(page, "TUE: from the utility over what computes") == ["1.1626", "1.5043"]
    assert "The design saves 22.7 % of the power." in page


def test_a_pue_falls_less_than_the_bill(tmp_path: Path) -> None:
    """The trap of air against liquid: fans of servers leave the power of the racks, and the PUE does not see it."""
    page = (tree(tmp_path, ()) / "summary.md").read_text("utf-8")
    (_, air), (pue, old) = ((float(cell) for cell in row(page, name)) for name in ("kW from the utility", "PUE"))
    assert 1 - pue / old < 0.14 < 0.22 < 1 - 76.45 / air


def exporter(folder: Path, edits: Edits) -> dict[str, dict[str, Any]]:
    devices = json.loads((tree(folder, edits) / "exporter/cooling.json").read_text("utf-8"))["devices"]
    return {device["name"]: device for device in devices}


def test_meters_and_rejection_are_read(tmp_path: Path) -> None:
    found = exporter(tmp_path, (METERS, *LAKE))
    assert set(found) == {"cdu-1", "cdu-2", "t01", "main-1", "pdu-1", "pdu-2", "lake-1", "lake-2"}
    assert {name: device.get("measures") for name, device in found.items() if "loop" not in device} == {
        "main-1": "utility", "pdu-1": "it", "pdu-2": "it", "lake-1": None, "lake-2": None,
    }  # fmt: skip
    assert found["pdu-2"]["url"] == "https://10.24.3.12:443/redfish/v1/PowerEquipment/RackPDUs/1"
    assert found["pdu-2"]["credentials"] == {"kind": "session", "reference": "env:PDU"}
    assert found["lake-2"]["url"].startswith("https://10.24.4.2:443/")


def test_what_says_nothing_is_not_read(tmp_path: Path) -> None:
    assert set(exporter(tmp_path, (SILENT,))) == {"t01"}


@pytest.mark.parametrize(
    ("place", "rest"),
    [("snmp://10.24.2.1..2/2c", True), ("snmp://10.24.2.1..2", True), ("snmp://10.24.2.1..2:1161/3", True),
     ("snmp://10.24.2.1..2/1", False), ("snmp://10.24.2.1..2/public", False), ("modbus://10.24.2.1..2/0", False)],
)  # fmt: skip
def test_places_of_snmp(place: str, rest: bool, tmp_path: Path) -> None:
    found = findings(tmp_path, ((UNIT.partition("at: ")[2], f'"{place}"'),))
    assert {problem["rule"] for problem in found} == ({"cooling.protocol"} if rest else {"spec.value"})


@pytest.mark.parametrize("file", COOLANTS, ids=lambda file: file.stem)
def test_a_coolant_says_what_is_known_and_what_is_not(file: Path) -> None:
    told = yaml.safe_load(file.read_text("utf-8"))
    wanted = "freezing-point viscosity latent-heat molar-mass saturation exposure-limit gwp density heat-capacity"
    assert set(wanted.split()) <= set(told)
    for quality in told.get("quality", {}).values():
        low, high = quality["normal"]["value"]
        least, most = quality.get("critical", {}).get("value", (None, None))
        assert low is None or high is None or low < high
        assert (least is None or least <= low) and (most is None or most >= high)


@pytest.mark.parametrize("file", DEVICES, ids=lambda file: file.stem)
def test_points_that_travel_with_the_program_would_pass_as_a_site_s_own(file: Path, tmp_path: Path) -> None:
    own = tmp_path / "catalog" / file.parent.name
    own.mkdir(parents=True)
    (own / file.name).write_text(file.read_text("utf-8"), "utf-8")
    kind = CoolingDevice if file.parent.name == "cooling" else HeatRejection
    assert catalog.of(tmp_path).get(kind, file.stem)


@pytest.mark.parametrize(
    ("written", "hint"),
    [("F", 'write "unit: °F"'), ("degC", 'write "unit: °C"'), ("kelvin", 'write "unit: K"'), ("°R", None)],
)
def test_a_unit_that_nobody_knows_is_told_at_its_place(written: str, hint: str | None, tmp_path: Path) -> None:
    own = tmp_path / "catalog/cooling"
    own.mkdir(parents=True)
    text = (ROOT / "generator/catalog/cooling/generic-modbus-cdu.yaml").read_text("utf-8")
    (own / "generic-modbus-cdu.yaml").write_text(text.replace("unit: °C", f"unit: {written}", 1), "utf-8")
    with pytest.raises(Refused) as refused:
        catalog.of(tmp_path).get(CoolingDevice, "generic-modbus-cdu")
    [problem] = refused.value.problems
    assert problem.position and problem.rule == "catalog.points" and problem.hint == hint
    assert f'has no unit "{written}"' in problem.message
    line = text.splitlines()[problem.position.line - 1]
    assert line[problem.position.column - 1 :].startswith("°C") and "cooling_supply_temperature_celsius" in line
