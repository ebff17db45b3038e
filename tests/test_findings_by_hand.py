"""Physics findings on both sides of their limits, with numbers that were worked out by hand.

Racks of the plant: four with 3 x 9.1 kW on cold plates that take 75 %, 81.9 kW; tanks of 27.3 kW each.

    coolant pg25      1022.5 kg/m3 x 3.92 kJ/(kg K) = 4008.2 kJ/(m3 K): 1.4970 L/min/kW at 10 K, 122.60 L/min
    oil               800 x 2.2 = 1760 kJ/(m3 K): 27.3 kW at 8 K are 116.34 L/min
    pump              600 L/min x 195 kPa / 0.65 = 3.000 kW
    novec-649         boils at 49.05 °C; at 2000 m (79.50 kPa) at 42.24 °C: 10 K below are 39.05 and 32.24 °C
    least flow        0.74 L/min/kW at 36 °C: 14.970 / 0.74 = 20.23 K
    air               35 °C at 79 % has a dew point of 30.8 °C (psychrolib), at 80 % one of 31.0 °C
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PLANT = ROOT / "tests/centers/plant"
Edit = tuple[str, str]

OIL, PLATES = "flow: 120 L/min, filter-drop", "ratings: {capacity: 400 kW, approach: 4 K, flow: 600 L/min"
TANK = "ratings: {capacity: 60 kW, approach: 5 K"
BATH = "supply: 38 °C\n      rise: 8 K"
N1 = "      redundancy: N+1\n      protection: [cdu-interlock, bmc]"
WARM, SITE, PEOPLE = "warm: {supply: 30 °C", "site: {timezone", "    vapour-detection: true\n"
HIGH = (SITE, "site: {altitude: 2000 m, timezone")
AIR = "air: {supply: 24 °C, humidity: 45 %"


@pytest.mark.parametrize(
    ("edits", "rule", "shows"),
    [
        ([(PLATES, PLATES.replace("400", "81.9"))], "", ""),
        ([(PLATES, PLATES.replace("400", "81.8"))], "cooling.loop-capacity", "must carry 81.9 kW, its units carry"),
        ([(PLATES, PLATES.replace("600", "122.6"))], "", ""),
        ([(PLATES, PLATES.replace("600", "122.5"))], "cooling.flow", "needs 122.6 L/min of pg25 for a rise of 10 K"),
        ([(OIL, OIL.replace("120", "116.4"))], "", ""),
        ([(OIL, OIL.replace("120", "116.2"))], "cooling.flow", "need 116.3 L/min of generic-oil for a rise of 8 K"),
        ([(TANK, TANK.replace("60", "27.3"))], "", ""),
        ([(TANK, TANK.replace("60", "27.2"))], "cooling.rack-capacity", "must carry 27.3 kW, the device of each"),
        ([(BATH, BATH.replace("38", "35"))], "", ""),
        ([(BATH, BATH.replace("38", "34.9"))], "cooling.facility-too-warm", 'unit "b01" reaches 35.0 °C from'),
        ([(N1, f"      drop: 194.9 kPa\n{N1}")], "", ""),
        ([(N1, f"      drop: 196 kPa\n{N1}")], "cooling.pump-power", "600 L/min over 196 kPa, which takes 3.02 kW"),
        ([HIGH, (WARM, WARM.replace("30", "32.2")), ("supply: 36 °C", "supply: 37 °C")], "", ""),
        ([HIGH, (WARM, WARM.replace("30", "32.4")), ("supply: 36 °C", "supply: 37 °C")], "cooling.boiling-margin",
         "water of 32.4 °C is 9.8 K below"),
        ([("rise: 10 K", "rise: 14.9 K")], "", ""),
        ([("rise: 10 K", "rise: 20.3 K")], "cooling.flow-guidance", "0.737 L/min for each kW at a rise of 20.3 K"),
        ([(AIR, "air: {supply: 35 °C, humidity: 79 %")], "", ""),
        ([(AIR, "air: {supply: 35 °C, humidity: 80 %")], "cooling.dew-point-close", "4.97 K above the dew point 31.0"),
        ([(AIR, "air: {supply: 34.2 °C, humidity: 100 %")], "cooling.dew-point", "1.8 K above the dew point 34.2 °C"),
        ([("wet-bulb: 25 °C", "wet-bulb: 26.5 °C")], "", ""),
        ([("wet-bulb: 25 °C", "wet-bulb: 26.6 °C")], "cooling.rejection-temperature", '"towers" ends at 30.1 °C'),
        ([("return: 38 °C", "return: 50 °C")], "", ""),
        ([("return: 38 °C", "return: 50.1 °C")], "cooling.return-too-warm", "coolant that heats it has 50.0 °C"),
        ([(PEOPLE, "")], "cooling.vapour-detection", '"novec-649", whose exposure limit nobody knows, and no vapour'),
    ],
)  # fmt: skip
def test_a_finding_says_the_number_that_a_hand_finds(edits: list[Edit], rule: str, shows: str, tmp_path: Path) -> None:
    shutil.copytree(PLANT, tmp_path / "plant")
    file = tmp_path / "plant/center.yaml"
    text = file.read_text("utf-8")
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    file.write_text(text, "utf-8")
    words = [sys.executable, "-m", "generator", "validate", str(file.parent), "--format", "json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, cwd=ROOT, check=False)
    # What the plant is told anyway: its fluid has no confirmed limit; odd air and little flow are warned of besides.
    besides = {"cooling.exposure-unknown", "cooling.humidity-odd", "cooling.flow-unusual"}
    found = [
        (one["rule"], one["message"])
        for one in json.loads(done.stdout)["problems"]
        if one["rule"].startswith("cooling.") and one["rule"] not in besides
    ]
    assert bool(found) == bool(rule), found
    assert not rule or any(rule == name and shows in message for name, message in found), found
