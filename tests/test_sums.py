"""What the two-vendor centre adds up to, worked out by hand: the lessons of rules have one feed, one unit and no tank.

Peaks of one node: train-h 9.1 kW, train-d 7.0 kW, science 1.2 kW, all others 0.6 kW; science has seven nodes, since
the eighth is absent. That makes 76.4 kW for the whole centre, of which 90 % draw at the same time: 68.76 kW. Of these,
cold plates take 75 % of train-h: 24.57 kW; the tank takes all of train-d: 25.20 kW; the air has the rest: 18.99 kW.
Electricity for it, at 90 %:

    cooling units   24.57 kW x 0.5 / 80      0.15356 kW
    tank            25.20 kW x 0.3 / 60      0.12600 kW
    tower           49.77 kW x 1.5 / 100     0.74655 kW
    chiller         18.99 kW x 12 / 60       3.79800 kW
    air handlers    18.99 kW x 1.6 / 40      0.75960 kW
    together                                 5.58371 kW
    power chain     68.76 kW x (1 / (0.99 x 0.985 x 0.995) - 1) = 68.76 kW x 0.0306365 = 2.10657 kW
    all             68.76 + 2.10657 + 5.58371 = 76.45028 kW, a PUE of 1.111843
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
    "ratings: {capacity: 20 kW, approach: 4 K, flow: 300 L/min, power: 0.1 kW}}\n        cdu-1:",
)

OTHER = (("pue: 1.12", "pue: 1.2"), ("redundancy: 2N", "redundancy: 2N\n  other: 5 %"))
WEST = "west: {capacity: 300 kW"
ALONE = (
    ("redundancy: 2N", "redundancy: N"),
    ("b: {racks: {b01..02: cpu}", "b: {feeds: [west], racks: {b01..02: cpu}"),
)
PARTLY = "  power.ups-partly: {why: the other feed is a second grid}\n"
SUPPLY = (
    ("ups: 98.5 %", "ups: 97 %"),
    ("pue: 1.12}\n\naccepted:\n", f"pue: 1.14}}\n\naccepted:\n{PARTLY}"),
    (f"{WEST}, rack: {STRONG}", f"{WEST}, ups: ups-1, rack: {STRONG}"),
    (
        "  redundancy: 2N",
        "  redundancy: 2N\n  ups: {ups-1: {device: generic-500kw, count: 1, ratings: {capacity: 500 kW}}}",
    ),
)
KIND = "gpu: {type: rack-48u, "
TOWER = "capacity: 100 kW, power: 1.5 kW"
DRY = ("rejection: {tower:", "rejection: {dry: {device: generic-dry-cooler, count: 2}, tower:")
HANDLERS = "device: generic-in-row"
AVAILABLE = ("pue: 1.12", "pue: 1.12, availability: 99.9 %")

THIRD = (
    (f"{WEST}, rack: {STRONG}", f"{WEST}, ups: ups-1, rack: {STRONG}"),
    (
        "    east: {capacity",
        f"    mid: {{capacity: 300 kW, ups: ups-1, rack: {STRONG}, derating: 80 %}}\n    east: {{capacity",
    ),
    *SUPPLY[:2],
    SUPPLY[3],
)
LEFT = (
    UNEQUAL,
    ("11..12:502", "11:502"),
    ("feeds: [west, east]\n          ratings", "feeds: [west, mid]\n          ratings"),
    ("redundancy: N+1\n      protection", "redundancy: N\n      protection"),
)
SPARE = ("generic-cooling-tower, count: 2", "generic-cooling-tower, count: 1")
DRY_BESIDE = ("rejection: {tower:", "rejection: {dry: {device: generic-dry-cooler, count: 2}, tower:")
DRY_FEEDS = (
    "rejection: {tower: {device: generic-cooling-tower, count: 2,",
    "rejection: {dry: {device: generic-dry-cooler, count: 2}, "
    "tower: {device: generic-cooling-tower, count: 2, feeds: [west],",
)
BOTH = tuple((f"{row}: {{racks: {{{row}0", f"{row}: {{feeds: [west, east], racks: {{{row}0") for row in "abct")
LACKING = ("[science-b02-4]", "[science-b01-1, science-b02-4]")
BEYOND = (
    ("10.16.1.0}", "255.255.255.0, stride: 4096}"),
    ("10.16.2.0}", "255.255.255.0, stride: 4096}"),
)
RATED = "capacity: 80 kW, approach: 4 K, flow: 120 L/min, power: 0.5 kW"
SCANT = (RATED, "capacity: 12.2849 kW, approach: 4 K, flow: 120 L/min, power: 0.07 kW")
# 24 ports of a leaf are for nodes: four nodes with seven ports each are too many, three are not.
PORTS = (
    ("power:\n  utility", "fabrics: {eth: {kind: ethernet, leaf: generic-48x25g, serves: rack}}\n\npower:\n  utility"),
    ("holds: {science: 4}", "holds: {science: 4}, leaves: {eth: 1}"),
    ("cluster: hpc, absent", "cluster: hpc, fabrics: {eth: 7}, absent"),
    ("pue: 1.12", "pue: 1.2"),
)
UNITS = """
        cdu-1..2:
          device: ocp-orv3-rpu
          at: "modbus://10.24.0.11..12:502/12"
          feeds: [west, east]
          ratings: {capacity: 80 kW, approach: 4 K, flow: 120 L/min, power: 0.5 kW}
      redundancy: N+1"""
INSIDE = (
    (UNITS, " {}"),
    (
        KIND,
        f'{KIND}device: ocp-orv3-rpu, at: "modbus://10.24.0.11..12:502/12", '
        "ratings: {capacity: 80 kW, approach: 4 K, power: 0.1 kW}, ",
    ),
)
BARE = """
        device: redfish-immersion-unit
        at: "redfish://10.24.1.1:8443"
        credentials: "env:TANK_LOGIN"
        ratings: {capacity: 60 kW, power: 0.3 kW}"""

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
        pytest.param((("capacity: 400 kW", "capacity: 76.46 kW"),), None, "", id="utility-at-its-limit"),
        pytest.param((("capacity: 400 kW", "capacity: 76.4 kW"),), "power.utility",
                     r"needs 76\.5 kW from .*racks 68\.8 kW, losses 2\.1 kW, cooling 5\.6 kW, other 0\.0 kW",
                     id="utility-beyond"),
        # 5 % of 68.76 kW are 3.44 kW more
        pytest.param((("capacity: 400 kW", "capacity: 79.89 kW"), *OTHER), None, "", id="other-at-its-limit"),
        pytest.param((("capacity: 400 kW", "capacity: 79.88 kW"), *OTHER), "power.utility", r"79\.89 kW.*other 3\.4 kW",
                     id="other-beyond"),
        pytest.param((("pue: 1.12", "pue: 1.1119"),), None, "", id="pue-at-its-limit"),
        pytest.param((("pue: 1.12", "pue: 1.1117"),), "target.pue", r"makes 1\.1118 = 1 \+ 0\.0306 losses "
                     r"\+ 0\.0812 cooling; .* 0\.0552 heat rejection", id="pue-beyond"),
        # Without east, west has all racks and all cooling: 74.34371 kW; derated to 80 %.
        pytest.param(((WEST, "west: {capacity: 92.93 kW"),), None, "", id="feed-at-its-limit"),
        pytest.param(((WEST, "west: {capacity: 92.92 kW"),), "power.feed-capacity",
                     r'west" must carry 74\.344 kW with feed "east" lost', id="feed-beyond"),
        # One feed for row b: 7.56 kW, and half of the other 61.2 kW and of 5.58371 kW: 40.952 kW
        pytest.param((*ALONE, (WEST, "west: {capacity: 51.19 kW")), None, "", id="row-of-one-feed-at-its-limit"),
        pytest.param((*ALONE, (WEST, "west: {capacity: 51.18 kW")), "power.feed-capacity", r"must carry 41\.0 kW, it",
                     id="row-of-one-feed-beyond"),
        # 74.34371 kW / 99.5 %, all behind one supply while east is lost: 74.71730 kW
        pytest.param((*SUPPLY, ("capacity: 500 kW}", "capacity: 74.72 kW}")), None, "", id="ups-at-its-limit"),
        pytest.param((*SUPPLY, ("capacity: 500 kW}", "capacity: 74.71 kW}")), "power.ups",
                     r'74\.72 kW with feed "east" lost', id="ups-beyond"),
        # A kind of rack has feeds of its own: 33 A are 18.29 kW after derating, 32 A 17.74 kW; two nodes need 18.2 kW.
        pytest.param(((KIND, f"{KIND}power: 1x 33 A 400 V 3-phase, "),), None, "", id="kind-of-rack-at-its-limit"),
        pytest.param(((KIND, f"{KIND}power: 1x 32 A 400 V 3-phase, "),), "power.rack-feed", r"18\.2 kW.*17\.7 kW",
                     id="kind-of-rack-beyond"),
        # 24.57 kW / (1022.5 x 3.92 / 60000 x 10) = 36.78 L/min, from one unit while the other is lost
        pytest.param((("flow: 120 L/min", "flow: 36.8 L/min"),), None, "", id="flow-at-its-limit"),
        pytest.param((("flow: 120 L/min", "flow: 36.7 L/min"),), "cooling.flow",
                     r'36\.8 L/min.*36\.7 L/min with unit "cdu-1" lost', id="flow-beyond"),
        pytest.param(((TOWER, "capacity: 49.77 kW, power: 0.7 kW"),), None, "", id="tower-at-its-limit"),
        pytest.param(((TOWER, "capacity: 49.7 kW, power: 0.7 kW"),), "cooling.rejection-capacity",
                     r'49\.8 kW.*49\.7 kW with a unit of "tower" lost', id="tower-beyond"),
        # The tower ends 3.5 K above the wet bulb; then nothing cools the water.
        pytest.param((("wet-bulb: 28.5 °C", "wet-bulb: 28.6 °C"),),
                     "cooling.rejection-temperature", r'"tower" ends at 32\.1 °C',
                     id="tower-too-warm"),
        # A dry cooler beside it helps on no day of 36 °C: 41 °C.
        pytest.param((DRY, (TOWER, "capacity: 20 kW, power: 0.1 kW")), "cooling.rejection-capacity",
                     r'49\.8 kW.*20\.0 kW with a unit of "tower" lost, "dry" not counted',
                     id="dry-cooler-on-a-hot-day"),
        pytest.param(((HANDLERS, f"{HANDLERS}, ratings: {{capacity: 18.99 kW, power: 0.8 kW}}"),), None, "",
                     id="air-at-its-limit"),
        pytest.param(((HANDLERS, f"{HANDLERS}, ratings: {{capacity: 18.9 kW, power: 0.8 kW}}"),),
                     "cooling.air-capacity", r'19\.0 kW.*18\.9 kW with "cooler-1" lost', id="air-beyond"),
        # Everything of the centre survives the loss of one part.
        pytest.param((AVAILABLE,), None, "", id="available"),
        pytest.param((AVAILABLE, ("redundancy: 2N", "redundancy: N")), "target.availability", "needs redundancy 2N",
                     id="one-feed-short"),
        pytest.param((AVAILABLE, ("redundancy: N+1\n      protection", "redundancy: N\n      protection")),
                     "target.availability", 'loop "plate-1"', id="one-unit-short"),
        # 4 nodes with 8 accelerators each, less one spare node
        pytest.param((("train-h: 16 acc", "train-h: 24 acc"),), None, "", id="quota-at-its-limit"),
        pytest.param((("train-h: 16 acc", "train-h: 25 acc"),), "quota.exceeds", r"\b25\b.*\b24\b", id="quota-beyond"),
        # A share of nothing would pass every rule.
        pytest.param((("simultaneity: 90 %", "simultaneity: 9.9 %"),), "spec.value", "at least 10 %",
                     id="simultaneity"),
        pytest.param((("derating: 80 %", "derating: 9.9 %"),), "spec.value", "at least 10 %", id="derating"),
        pytest.param((("simultaneity: 90 %", "simultaneity: 10 %"), ("pue: 1.12", "pue: 1.2")),
                     "power.simultaneity-low", "10 %", id="least-simultaneity"),
        # Three feeds, of which two hang on one supply: the cooling units lose two at once.
        pytest.param((*THIRD, ("feeds: [west, east]\n          ratings", "feeds: [west, mid]\n          ratings")),
                     "cooling.pump-feeds", 'supply "ups-1" alone powers all units', id="all-units-behind-one-supply"),
        pytest.param(THIRD, None, "", id="units-behind-a-supply-and-a-feed"),
        # The one cdu of 20 kW that the supply leaves cannot carry 24.6 kW.
        pytest.param((*THIRD, *LEFT), "cooling.loop-capacity", r'24\.6 kW.*20\.0 kW with supply "ups-1" lost',
                     id="one-small-unit-left-by-a-supply"),
        # A dry cooler that a day of 36 °C stops is no spare, and no second feed.
        pytest.param((SPARE, DRY_BESIDE), "cooling.no-spare", '"fws-1" says N\\+1 and has one unit',
                     id="a-dry-cooler-is-no-spare"),
        pytest.param((DRY_FEEDS,), "cooling.rejection-feeds", 'feed "west" alone', id="a-dry-cooler-is-no-second-feed"),
        # A hall whose rows all say their feeds does not need two of its own.
        pytest.param((("feeds: [west, east]\n    floor", "feeds: [west]\n    floor"), *BOTH,
                      ("cooler-1..2: {", "cooler-1..2: {feeds: [west, east], ")), None, "", id="feeds-of-rows"),
        pytest.param((("feeds: [west, east]\n    floor", "feeds: [west]\n    floor"), *BOTH[1:],
                      ("cooler-1..2: {", "cooler-1..2: {feeds: [west, east], ")),
                     "power.two-feeds", 'hall "east-hall"', id="feeds-of-all-rows-but-one"),
        # The rack that lacks a node of each range draws less: three nodes of 1.2 kW, 3.6 kW; 8 A 4.43 kW, 6 A 3.33 kW.
        pytest.param((LACKING, ("cpu: {", "cpu: {power: 1x 7 A 400 V 3-phase, ")), None, "", id="absent-in-every-rack"),
        pytest.param((("cpu: {", "cpu: {power: 1x 7 A 400 V 3-phase, "),), "power.rack-feed", r"needs? 4\.8 kW",
                     id="absent-in-one-rack"),
        pytest.param((*PORTS, LACKING), "fabric.no-port", "", id="ports-of-racks-that-lack-a-node"),
        pytest.param(PORTS, "fabric.no-port fabric.ports", "28 ports|no port", id="ports-of-the-fullest-rack"),
        # Two rows that end beyond the last address there is.
        pytest.param((*BEYOND,), "address.outside-plan address.rows-overlap", "",
                     id="addresses-beyond-the-last"),
        # A unit in each rack cools without units of the loop; a tank without a device does not.
        pytest.param(INSIDE, None, "", id="units-in-racks"),
        pytest.param(((BARE, ""),), "cooling.no-units target.pue-unproven", 'loop "tank-1"',
                     id="tank-without-a-device"),
        # Less than a watt too much: two units carry 24.5698 kW of 24.57 kW.
        pytest.param((("redundancy: N+1\n      protection", "redundancy: N\n      protection"),
                      SCANT), "cooling.loop-capacity",
                     r"carry 24\.5700 kW, its units carry 24\.5698 kW", id="a-few-watts-beyond"),
        # 4 x 9.1 kW x 75 % x 90 % = 24.6 kW; the larger unit may be lost
        pytest.param((UNEQUAL, ("11..12:502", "11:502")), "cooling.loop-capacity", r'24\.6 kW.*20\.0 kW.*"cdu-1" lost',
                     id="the-largest-unit-is-lost"),
        # A pool that names racks of two ranges stands once in each.
        pytest.param(ACROSS, None, "", id="racks-across-two-ranges"),
    ],
)  # fmt: skip
def test_findings(edits: Edits, rule: str | None, shows: str, tmp_path: Path) -> None:
    found = findings(tmp_path, edits)
    assert {problem["rule"] for problem in found} == set((rule or "").split())
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
        if resource["name"].endswith(("/gpu", "/hcu"))
    }
    assert limits == {"vision-lab.train-h": "8", "course-ai-101.train-d": "0", "rain-nowcast.train-d": "0"}


def test_slurm_knows_every_node_by_the_address_that_it_has(tmp_path: Path) -> None:
    """Also where the addresses of one rack cross a boundary of 256, which one bracket cannot say."""
    made = tree(tmp_path, (("base: 10.16.2.0", "base: 10.16.1.189"),))
    [file] = made.glob("hosts/groups/member_hpc_control_*/files/etc/slurm/slurm.conf")
    lines = re.findall(r"^NodeName=(\S+) NodeAddr=(\S+)", file.read_text("utf-8"), re.MULTILINE)
    said = dict(pair for names, addresses in lines for pair in zip(spelt(names), spelt(addresses), strict=True))
    nodes = json.loads((made / "hosts/east-hall/nodes.json").read_text("utf-8"))
    assert said == {name: node["address"] for name, node in nodes.items() if name.startswith("science-")}
    assert {"10.16.1.255", "10.16.2.0"} <= set(said.values())


def spelt(pattern: str) -> list[str]:
    """``a[1,2]`` is a1 and a2."""
    parts = re.split(r"\[(.*?)\]", pattern)
    return ["".join(chosen) for chosen in product(*(part.split(",") for part in parts))]
