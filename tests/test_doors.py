"""Rear doors and pump skids: what they carry, worked out by hand.

Three racks hold two servers of 10.2 kW (4.6 kW and eight times 700 W) each: 61.2 kW, all of it given to air that the
doors cool again, so that it reaches the loop and not the hall. Water carries 0.06911 kW for each L/min and K, which
makes 147.6 L/min at 6 K. Doors stop no fan: in a centre cooled by air the racks take the same power.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOORS = ROOT / "tests/centers/doors"


def run(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "generator", *words], capture_output=True, text=True, timeout=60, cwd=ROOT, check=False
    )
    return done.stdout + done.stderr


@cache
def page() -> str:
    return " ".join(run("--quiet", "show", "cooling", str(DOORS)).split())


@pytest.mark.parametrize(
    "line",
    [
        "a01..03 3 aired 61.2 147.6",
        'heat with unit "skid-1" lost 61.2 kW 200.0 kW 138.8 kW',
        'flow with unit "skid-1" lost 147.6 L/min 500.0 L/min 352.4 L/min',
        "fullest of a01..03 20.4 kW 30.0 kW 9.6 kW",
        "+ 0 K approach of units 20.0 °C 0.0 K",
        "heat 0.6 kW 200.0 kW 199.4 kW",
    ],
)
def test_doors_take_the_heat_of_air_to_the_loop(line: str) -> None:
    assert line in page()


def test_fans_still_blow_before_a_door(tmp_path: Path) -> None:
    run("--quiet", "render", str(DOORS), "--out", str(tmp_path / "tree"))
    summary = (tmp_path / "tree/summary.md").read_text("utf-8")
    assert "| kW of the racks, with these fans | 61.8 | 61.8 |" in summary
    assert '| rear doors of loop "doors" | 0.0066 |' in summary  # 61.2 kW x 0.6 kW / 90 kW / 61.8 kW


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("capacity: 30 kW", "capacity: 20.4 kW", ""),
        ("capacity: 30 kW", "capacity: 20.3 kW", '"a01..03" must carry 20.4 kW, the device of each carries 20.3 kW'),
        ("supply: 20 °C\n      rise", "supply: 24 °C\n      rise", ""),
        (
            "supply: 20 °C\n      rise",
            "supply: 24.1 °C\n      rise",
            'air of 24 °C cannot be kept by the rear doors of racks "a01..03": loop "doors" supplies 24.1 °C',
        ),
        ("supply: 20 °C\n      rise", "supply: 19.9 °C\n      rise", 'unit "skid-1" reaches 20.0 °C from'),
        (
            'generic-rear-door, at: "modbus://10.24.1.1..3:502/1"',
            'redfish-pump-skid, at: "redfish://10.24.1.1..3"',
            '"redfish-pump-skid" is a pump-skid; the device of a rack on the cold-plate loop',
        ),
    ],
)  # fmt: skip
def test_both_sides_of_what_doors_and_skids_can_do(old: str, new: str, told: str, tmp_path: Path) -> None:
    shutil.copytree(DOORS, tmp_path / "doors")
    file = tmp_path / "doors/center.yaml"
    text = file.read_text("utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), "utf-8")
    said = run("validate", str(tmp_path / "doors"))
    assert told in said if told else "error[" not in said, said


def test_guides_of_cold_plates_say_nothing_of_doors() -> None:
    """2.4 L/min for each kW would be much for cold plates."""
    assert "cooling.flow" not in run("validate", str(DOORS))
