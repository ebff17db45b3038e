"""What the two-vendor centre adds up to, worked out by hand: the lessons of rules have one feed, one unit and no tank.

Peaks of one node: train-h 9.1 kW, train-d 7.0 kW, science 1.2 kW, all others 0.6 kW; 77.6 kW for the whole centre.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
DUO = ROOT / "inventories/duo"

Edits = tuple[tuple[str, str], ...]


def written(folder: Path, edits: Edits) -> Path:
    """The centre with some of its text replaced."""
    shutil.copytree(DUO, folder, ignore=shutil.ignore_patterns("generated"), dirs_exist_ok=True)
    text = (folder / "center.yaml").read_text("utf-8")
    for old, new in edits:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    (folder / "center.yaml").write_text(text, "utf-8")
    return folder


def findings(folder: Path, edits: Edits) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "generator", "validate", str(written(folder, edits)), "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    problems: list[dict[str, Any]] = json.loads(done.stdout)["problems"]
    return problems


def tree(folder: Path, edits: Edits) -> Path:
    command = [sys.executable, "-m", "generator", "--quiet", "render", str(written(folder, edits))]
    subprocess.run(command, timeout=60, check=True)
    return folder / "generated"


WEAK = "1x 32 A 400 V 3-phase"  # 22.17 kW, derated to 80 %: 17.7 kW
STRONG = "2x 63 A 400 V 3-phase"
UNEQUAL = (
    "cdu-1..2:",
    'cdu-3: {device: ocp-orv3-rpu, at: "modbus://10.24.0.13:502/12", feeds: [west, east], '
    "ratings: {capacity: 20 kW, approach: 4 K, flow: 300 L/min}}\n        cdu-1:",
)

ACROSS = (
    ("c01..03: service", "c01: service, c02..03: service"),
    ("racks: c02, per-rack: 1, slot: 8", "racks: c01..03, per-rack: 1, slot: 12"),
)


@pytest.mark.parametrize(
    ("edits", "rule", "shows"),
    [
        pytest.param((), None, "", id="as-it-is"),
        pytest.param(((f"west: {{capacity: 300 kW, rack: {STRONG}", f"west: {{capacity: 300 kW, rack: {WEAK}"),),
                     "power.rack-feed", r'west .*17\.7 kW.* with feed "east" lost', id="only-west-is-weak"),
        pytest.param(((f"east: {{capacity: 300 kW, rack: {STRONG}", f"east: {{capacity: 300 kW, rack: {WEAK}"),),
                     "power.rack-feed", r'east .*17\.7 kW.* with feed "west" lost', id="only-east-is-weak"),
        # 77.6 kW x 90 % / (99 % x 98.5 % x 99.5 %) = 71.98 kW
        pytest.param((("capacity: 400 kW", "capacity: 72 kW"),), None, "", id="utility-at-its-limit"),
        pytest.param((("capacity: 400 kW", "capacity: 71.9 kW"),), "power.utility", r"72\.0 kW", id="utility-beyond"),
        # 4 nodes with 8 accelerators each, less one spare node
        pytest.param((("train-h: 16 acc", "train-h: 24 acc"),), None, "", id="quota-at-its-limit"),
        pytest.param((("train-h: 16 acc", "train-h: 25 acc"),), "quota.exceeds", r"\b25\b.*\b24\b", id="quota-beyond"),
        # 4 x 9.1 kW x 75 % x 90 % = 24.6 kW; the larger unit may be lost
        pytest.param((UNEQUAL, ("11..12:502", "11:502")), "cooling.loop-capacity", r'24\.6 kW.*20\.0 kW.*"cdu-1" lost',
                     id="the-largest-unit-is-lost"),
        # A pool that names racks of two ranges stands once in each.
        pytest.param(ACROSS, None, "", id="racks-across-two-ranges"),
    ],
)  # fmt: skip
def test_findings(edits: Edits, rule: str | None, shows: str, tmp_path: Path) -> None:
    found = findings(tmp_path, edits)
    assert {problem["rule"] for problem in found} == ({rule} if rule else set())
    assert all(re.search(shows, problem["message"]) for problem in found)


def test_a_tank_without_a_port_answers_where_https_does(tmp_path: Path) -> None:
    exporter = json.loads((tree(tmp_path, ((":8443", ""),)) / "exporter/cooling.json").read_text("utf-8"))
    [tank] = [device for device in exporter["devices"] if device["name"] == "t01"]
    assert tank["url"].startswith("https://10.24.1.1:443/redfish/v1/")


def test_what_a_tenant_borrows_is_the_limit_of_its_queue(tmp_path: Path) -> None:
    quota = "quota: {train-h: 16 accelerators, science: 4 nodes}"
    made = tree(tmp_path, ((quota, f"{quota}\n        borrow: {{train-h: 8 accelerators}}"),))
    objects = list(yaml.safe_load_all((made / "clusters/cloud/cluster.yaml").read_text("utf-8")))
    limits = {
        body["metadata"]["name"]: resource["borrowingLimit"]
        for body in objects
        if body["kind"] == "ClusterQueue"
        for resource in body["spec"]["resourceGroups"][0]["flavors"][0]["resources"]
        if resource["name"].endswith(("/gpu", "/dcu"))
    }
    assert limits == {"vision-lab.train-h": "8", "course-ai-101.train-d": "0", "rain-nowcast.train-d": "0"}


def test_slurm_knows_every_node_by_the_address_that_it_has(tmp_path: Path) -> None:
    """Also where the addresses of one rack cross a boundary of 256, which one bracket cannot say."""
    made = tree(tmp_path, (("base: 10.16.2.0", "base: 10.16.1.189"),))
    [file] = made.rglob("slurm.conf")
    lines = re.findall(r"^NodeName=(\S+) NodeAddr=(\S+)", file.read_text("utf-8"), re.MULTILINE)
    said = dict(pair for names, addresses in lines for pair in zip(spelt(names), spelt(addresses), strict=True))
    nodes = json.loads((made / "hosts/east-hall/nodes.json").read_text("utf-8"))
    assert said == {name: node["address"] for name, node in nodes.items() if name.startswith("science-")}
    assert {"10.16.1.255", "10.16.2.0"} <= set(said.values())


def spelt(pattern: str) -> list[str]:
    """``a[1,2]`` is a1 and a2."""
    parts = re.split(r"\[(.*?)\]", pattern)
    return ["".join(chosen) for chosen in product(*(part.split(",") for part in parts))]
