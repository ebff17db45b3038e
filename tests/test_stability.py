"""Nothing that happens elsewhere in a spec moves an existing node: not its name, not its address.

The centres are drawn at random; what may be added to one is drawn too. What a node's address has to be is computed here
by the rule that the handbook gives: base of the row + number of the rack x stride + slot + number in the rack - 1.
"""

from __future__ import annotations

import json
import random
from copy import deepcopy
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from generator import catalog, expand, outputs, source, spec
from generator.model import Center
from generator.problems import Refused
from generator.render import render
from generator.spec.common import NameRange
from tests.lessons import ROOT, STARTER

Data = dict[str, Any]
CATALOG = catalog.of(None)
ROWS = ("a", "b", "c", "row")


@dataclass(frozen=True)
class Held:
    """A pool in the racks of one row, as drawn."""

    row: str
    pool: str
    first: int
    last: int
    per_rack: int
    slot: int
    base: str
    stride: int


def data_of(holdings: list[Held]) -> Data:
    """A spec that says these holdings, each row with one range of racks and one kind of its own."""
    data: Data = yaml.safe_load((STARTER / "center.yaml").read_text("utf-8"))
    data["halls"]["hall-1"] |= {"rack-kinds": {}, "rows": {}}
    data |= {"pools": {}, "services": {}, "organizations": {}}
    for held in holdings:
        add(data, held)
    return data


def add(data: Data, held: Held) -> None:
    hall = data["halls"]["hall-1"]
    hall["rack-kinds"].setdefault(f"kind-{held.row}", {"type": "rack-48u", "holds": {}})["holds"][held.pool] = (
        held.per_rack
    )
    racks = {f"{held.row}{held.first:02d}..{held.last:02d}": f"kind-{held.row}"}
    hall["rows"].setdefault(held.row, {"racks": racks, "base": held.base, "stride": held.stride})
    data["pools"].setdefault(held.pool, {"server": "generic-1u", "slot": held.slot})


def center_of(data: Data) -> Center:
    read = source.loads(as_text(data))
    read.root = STARTER
    center, problems = expand.expand(spec.read(read), read, CATALOG)
    assert problems == []
    return center


def as_text(value: Any) -> str:
    """JSON is YAML in which text is quoted and numbers are not."""
    return json.dumps(value, ensure_ascii=False)


def nodes_of(data: Data) -> dict[str, str]:
    """Names and addresses as the rendered tables of the blocks say them."""
    found: dict[str, str] = {}
    for artifact in outputs.artifacts(center_of(data)):
        if artifact.path.endswith("/nodes.json") and artifact.path.startswith("hosts/"):
            found |= {name: entry["address"] for name, entry in json.loads(render(artifact)).items()}
    return found


def expected(held: Held) -> dict[str, str]:
    return {
        f"{held.pool}-{held.row}{rack:02d}-{number}": str(
            IPv4Address(int(IPv4Address(held.base)) + rack * held.stride + held.slot + number - 1)
        )
        for rack in range(held.first, held.last + 1)
        for number in range(1, held.per_rack + 1)
    }


@st.composite
def holdings(draw: st.DrawFn) -> list[Held]:
    """Up to four rows, each with racks and one or two pools of its own."""
    found = []
    for index, row in enumerate(draw(st.lists(st.sampled_from(ROWS), min_size=1, max_size=4, unique=True))):
        first = draw(st.integers(1, 20))
        last = first + draw(st.integers(0, 5))
        base, stride = f"10.16.{16 * (ROWS.index(row) + 1)}.0", draw(st.integers(20, 64))
        for number in range(draw(st.integers(1, 2))):
            found.append(
                Held(row, f"pool-{index}-{number}", first, last, draw(st.integers(1, 5)), 1 + 8 * number, base, stride)
            )
    return found


ADDED = Held("new", "newcomer", 1, 9, 3, 1, "10.16.200.0", 32)


def add_row(data: Data, drawn: list[Held]) -> None:
    add(data, ADDED)


def add_pool_to_the_racks(data: Data, drawn: list[Held]) -> None:
    """A pool in the same racks, named so that it sorts before all others."""
    add(data, Held(drawn[0].row, "a-newcomer", drawn[0].first, drawn[0].last, 2, 17, drawn[0].base, drawn[0].stride))


def add_racks_before(data: Data, drawn: list[Held]) -> None:
    row = data["halls"]["hall-1"]["rows"][drawn[0].row]
    row["racks"][f"{drawn[0].row}00"] = f"kind-{drawn[0].row}"


def add_racks_behind(data: Data, drawn: list[Held]) -> None:
    row = data["halls"]["hall-1"]["rows"][drawn[0].row]
    row["racks"] |= {f"{drawn[0].row}{drawn[0].last + 1}..{drawn[0].last + 3}": f"kind-{drawn[0].row}"}


def add_pool_by_place(data: Data, drawn: list[Held]) -> None:
    """A pool that names its racks, which cuts the range in two."""
    data["pools"]["visitor"] = {
        "server": "generic-1u", "slot": 18, "racks": f"{drawn[0].row}{drawn[0].first:02d}", "per-rack": 1
    }  # fmt: skip


def add_hall(data: Data, drawn: list[Held]) -> None:
    data["halls"]["a-hall"] = deepcopy(data["halls"]["hall-1"]) | {
        "rows": {"z": {"racks": {"z01": "k"}, "base": "10.16.220.0"}}
    }
    data["halls"]["a-hall"]["rack-kinds"] = {"k": {"type": "rack-42u"}}


def add_tenant(data: Data, drawn: list[Held]) -> None:
    tenant = {"class": "research", "admins": ["oidc:x"], "quota": {drawn[0].pool: "1 node"}}
    data["organizations"]["somebody"] = {"tenants": {"newcomers": tenant}}


def move_to_a_block(data: Data, drawn: list[Held]) -> None:
    data["halls"]["hall-1"]["rows"][drawn[0].row]["block"] = "another"


def change_the_order(data: Data, drawn: list[Held]) -> None:
    mixed = shuffled(deepcopy(data))
    data.clear()
    data.update(mixed)


def shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        random.Random(len(keys)).shuffle(keys)
        return {key: shuffled(value[key]) for key in keys}
    return value


CHANGES = [
    add_row, add_pool_to_the_racks, add_racks_before, add_racks_behind, add_pool_by_place, add_hall, add_tenant,
    move_to_a_block, change_the_order,
]  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(drawn=holdings())
def test_names_and_addresses_are_the_arithmetic_of_the_place(drawn: list[Held]) -> None:
    wanted: dict[str, str] = {}
    for held in drawn:
        wanted |= expected(held)
    assert nodes_of(data_of(drawn)) == wanted


@settings(max_examples=60, deadline=None)
@given(drawn=holdings(), changes=st.lists(st.sampled_from(CHANGES), min_size=1, max_size=4, unique=True))
def test_no_change_elsewhere_moves_a_node(drawn: list[Held], changes: list[Any]) -> None:
    data = data_of(drawn)
    before = nodes_of(data)
    for change in changes:
        change(data, drawn)
    after = nodes_of(data)
    assert {name: after.get(name) for name in before} == before


@settings(max_examples=40, deadline=None)
@given(drawn=holdings(), share=st.floats(0, 1), seed=st.integers(0, 99))
def test_an_absent_node_leaves_a_hole(drawn: list[Held], share: float, seed: int) -> None:
    data = data_of(drawn)
    before = nodes_of(data)
    gone = random.Random(seed).sample(sorted(before), int(share * len(before)))
    for name in gone:
        pool = name.rsplit("-", 2)[0]
        data["pools"][pool].setdefault("absent", []).append(name)
    assert nodes_of(data) == {name: address for name, address in before.items() if name not in gone}


def test_the_longest_name_that_a_spec_can_say_fits_into_a_label() -> None:
    nodes = nodes_of(data_of([Held("rowx", "p" * 40, 999_999, 999_999, 200, 1, "10.16.0.0", 2)]))
    assert f"{'p' * 40}-rowx999999-200" in nodes and max(map(len, nodes)) <= 63
    for row, pool in (("rowxx", "p"), ("a", "p" * 41)):
        with pytest.raises(Refused):
            center_of(data_of([Held(row, pool, 1, 1, 1, 1, "10.16.0.0", 2)]))


def test_a_pool_that_moves_in_moves_no_cooling_device() -> None:
    data = yaml.safe_load((ROOT / "inventories/duo/center.yaml").read_text("utf-8"))
    tank = data["halls"]["east-hall"]["rack-kinds"]["tank"]
    tank["at"] = "redfish://10.24.1.1..3:8443"
    data["halls"]["east-hall"]["rows"]["t"]["racks"] = {"t01..03": "tank"}

    def places() -> dict[str, str]:
        return {device.name: device.host for device in center_of(data).loops["tank-1"].tanks}

    before = places()
    assert before == {"t01": "10.24.1.1", "t02": "10.24.1.2", "t03": "10.24.1.3"}
    data["pools"]["visitor"] = {"server": "generic-1u", "slot": 30, "racks": "t02", "per-rack": 1}
    assert places() == before


@pytest.mark.parametrize("text", ["a1..02", "a01..2", "a05..04", "a", "01", "a1.2", "a01..24,b01..03"])
def test_ranges_that_could_mean_two_things_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="range"):
        NameRange.parse(text)


@pytest.mark.parametrize(
    ("text", "names"),
    [("a01..03", ["a01", "a02", "a03"]), ("a9..11", ["a9", "a10", "a11"]), ("cdu-1..2", ["cdu-1", "cdu-2"])],
)
def test_ranges_say_their_names(text: str, names: list[str]) -> None:
    assert list(NameRange.parse(text).names()) == names
