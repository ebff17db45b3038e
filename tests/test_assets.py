"""The table of machines beside a spec: bytes as spreadsheets export them, hostile ones, and what becomes of it."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from generator import assets
from generator.problems import Problem
from generator.validate import Validation, validate
from tests.lessons import ROOT, STARTER

ENGLISH = ("node", "pool", "serial", "mac", "bmc-mac", "state")
CHINESE = ("节点", "资源池", "序列号", "MAC地址", "带外MAC", "状态")
LONGER = ("节点名称", "资源池", "设备序列号", "ＭＡＣ　地址", "带外 MAC", "设备状态")
OTHERS = (" 主机名称 ", "Pool", "Serial_Number", "MAC Address", "BMC MAC地址", "机器状态")
ROWS = (
    ("control-a01-1", "control", "S-1", "0c:42:a1:00:00:01", "0C-42-A1-00-01-01", ""),
    ("train-a01-1", "train", "S-2", "0c42.a100.0002", "0c42a1000102", "在用"),
    ("train-a01-2", "train", "S-3", "", "", "维修"),
    ("train-a01-3", "train", "S-4", "", "", "备用"),
    ("", "train", "S-5", "", "", "备件"),
)
READ = [
    ("control-a01-1", "S-1", "0c:42:a1:00:00:01", "0c:42:a1:00:01:01", "in-service"),
    ("train-a01-1", "S-2", "0c:42:a1:00:00:02", "0c:42:a1:00:01:02", "in-service"),
    ("train-a01-2", "S-3", "", "", "repair"),
    ("train-a01-3", "S-4", "", "", "spare"),
    ("", "S-5", "", "", "spare"),
]


def text(heading: Sequence[str] = ENGLISH, rows: Sequence[Sequence[str]] = ROWS, delimiter: str = ",") -> str:
    """A table as a spreadsheet writes it."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n")
    writer.writerows([heading, *rows])
    return out.getvalue()


def problems(raw: bytes) -> list[tuple[str, int, str]]:
    """Findings by rule and line; whatever was read, nothing was raised."""
    return [(p.rule, p.position.line if p.position else 0, p.message) for p in assets.read(raw, "assets.csv").problems]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gbk", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("heading", [ENGLISH, CHINESE, LONGER, OTHERS])
def test_what_spreadsheets_export_is_read(encoding: str, delimiter: str, heading: Sequence[str]) -> None:
    table = assets.read(text(heading, delimiter=delimiter).encode(encoding), "assets.csv")
    assert table.problems == ()
    assert [(a.node, a.serial, a.mac, a.bmc_mac, a.state) for a in table.assets] == READ
    assert [asset.position.line for asset in table.assets] == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_as_they_like(end: str) -> None:
    raw = text().replace("\r\n", end).encode()
    assert problems(raw) == []
    wrong = raw.replace(b"S-4", b"?")
    assert [(rule, line) for rule, line, _ in problems(wrong)] == [("asset.value", 5)]


def test_a_cell_of_several_lines_counts_them() -> None:
    raw = b'node,serial,note\ntrain-a01-1,S-2,"two\nlines"\ntrain-a01-2,?,\n'
    assert [(rule, line) for rule, line, _ in problems(raw)] == [("asset.value", 4)]


def test_other_columns_and_empty_lines_are_left_alone() -> None:
    heading = [*ENGLISH, "remark", "", "remark"]
    rows = [[*row, "=1+1", "x", "@SUM(A1)"] for row in ROWS] + [["", "", ""]]
    assert problems(text(heading, rows).encode()) == []


@pytest.mark.parametrize(
    ("raw", "rule", "line", "says"),
    [
        (b"", "asset.table", 1, 'has no column "node"'),
        (b"\n\n\n", "asset.table", 1, 'has no column "node"'),
        (b"\xff\xfe", "asset.table", 1, 'has no column "node"'),
        (b"\xff\xfea", "asset.table", 1, "neither UTF-8 nor GBK"),
        (b"node,serial\ntrain-a01-1,S\x81", "asset.table", 1, "neither UTF-8 nor GBK"),
        ("node,serial".encode("utf-16-le"), "asset.table", 1, "contains a NUL"),
        (b"node,serial\ntrain-a01-1,S\x00\n", "asset.table", 1, "contains a NUL"),
        (b"node,serial,Node\ntrain-a01-1,S-1,x\n", "asset.table", 1, 'two columns that say "node"'),
        (b"node,serial\ncontrol-a01-1,S-1\ntrain-a01-1,\"S-2\ntrain-a01-2,S-3\n", "asset.table", 3, "cannot be read"),
        (b'node,serial\ntrain-a01-1,"S"-1\n', "asset.table", 2, "cannot be read"),
        (b'node,serial\ntrain-a01-1,"' + b"x" * 200_000, "asset.table", 2, "cannot be read"),
        (b"node,serial\ntrain-a01-1\n", "asset.value", 2, "no serial number"),
        (b'node,serial\ntrain-a01-1,"=HYPERLINK(""http://x"")"\n', "asset.value", 2, "needs a serial number"),
        (b"node,serial\ntrain-a01-1,+1+cmd\n", "asset.value", 2, "needs a serial number"),
        (b"node,serial\ntrain-a01-1,2.1E+15\n", "asset.value", 2, "cut off digits"),
        (b"node,serial,state\ntrain-a01-1,S-1,lost\n", "asset.value", 2, 'no state "lost"'),
        (b"node,serial\n,S-1\n", "asset.value", 2, "in service that names no node"),
        (b"node,serial,state\n,S-1,spare\n", "asset.value", 2, "neither node nor pool"),
        (b"node,serial,mac\ntrain-a01-1,S-1,0c:42:a1:00:00\n", "asset.value", 2, "needs a MAC address"),
        (b"node,serial,mac\ntrain-a01-1,S-1,00:00:00:00:00:00\n", "asset.value", 2, "needs a MAC address"),
        (b"node,serial,mac\ntrain-a01-1,S-1,ff:ff:ff:ff:ff:ff\n", "asset.value", 2, "is a group address"),
        (b"node,serial,mac\ntrain-a01-1,S-1,01:00:5e:00:00:01\n", "asset.value", 2, "is a group address"),
        (b"PK\x03\x04\x14\x00\x06\x00", "asset.table", 1, '"assets.csv" is a workbook; export it as CSV'),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "asset.table", 1, '"assets.csv" is a workbook; export it as CSV'),
        (b"node,serial,mac,bmc-mac\nx,S-1,0c42a1000001,0c:42:a1:00:00:01\n", "asset.value", 2, "to a host and to its"),
        (b"node,serial,mac\nx,S-1,0c42a1000001\ny,S-2,0c-42-a1-00-00-01\n", "asset.twice", 3, "first in line 2"),
        (b"node,serial\nx,S-1\nx,S-2\n", "asset.twice", 3, 'the node "x" twice'),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_line(raw: bytes, rule: str, line: int, says: str) -> None:
    found = problems(raw)
    assert (found[0][0], found[0][1]) == (rule, line)
    assert says in found[0][2]


def test_a_long_table_is_read_and_a_wrong_one_ends_early() -> None:
    rows = [(f"train-a{number}-1", "train", f"S-{number}", "", "", "") for number in range(100_000)]
    assert len(assets.read(text(rows=rows).encode(), "assets.csv").assets) == 100_000
    wrong = [(*row[:2], "?", *row[3:]) for row in rows]
    assert len(problems(text(rows=wrong).encode())) == assets.MOST_FINDINGS


def judged(folder: Path, rows: Sequence[Sequence[str]], *edits: tuple[str, str]) -> Validation:
    """The starter centre with a table, and some words changed."""
    words = (STARTER / "center.yaml").read_text().replace("\npools:\n", '\nassets: "path:assets.csv"\npools:\n')
    for old, new in edits:
        assert words.count(old) == 1
        words = words.replace(old, new)
    (folder / "center.yaml").write_text(words)
    (folder / "ssh_ca.pub").write_bytes((STARTER / "ssh_ca.pub").read_bytes())
    (folder / "assets.csv").write_bytes(text(CHINESE, rows).encode("gbk"))
    return validate(folder / "center.yaml")


def test_a_table_that_fits_is_silent_and_says_who_is_out_of_service(tmp_path: Path) -> None:
    found = judged(tmp_path, ROWS)
    assert found.problems == [] and found.center
    counted = {name: found.center.out_of_service(pool) for name, pool in found.center.pools.items()}
    assert counted == {"control": 0, "train": 1}


def test_findings_stand_in_the_table_and_many_are_cut(tmp_path: Path) -> None:
    more = [(f"train-b{number}-1", "", f"T-{number}", "", "", "") for number in range(3000)]
    found: list[Problem] = judged(tmp_path, [*ROWS, *more]).problems
    assert {problem.rule for problem in found} == {"asset.unknown-node"} and len(found) == 100
    first = found[0].position
    assert first and (first.file, first.line, first.column, first.length) == ("assets.csv", 7, 1, len("train-b0-1"))


def render(folder: Path) -> Path:
    command = [sys.executable, "-m", "generator", "--quiet", "render", str(folder), "--out", str(folder / "out")]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)
    return folder / "out"


def test_machines_are_rendered_beside_their_nodes(tmp_path: Path) -> None:
    judged(tmp_path, ROWS, ("facility: 10.24.0.0/24}", "facility: 10.24.0.0/24, bmc: 10.20.0.0/16}"))
    out = render(tmp_path)
    machines = json.loads((out / "hosts/hall-1/assets.json").read_text())
    assert machines["control-a01-1"] == {
        "serial": "S-1", "mac": "0c:42:a1:00:00:01", "bmc_mac": "0c:42:a1:00:01:01", "state": "in-service",
    }  # fmt: skip
    assert machines["train-a01-2"] == {"serial": "S-3", "state": "repair"} and len(machines) == 4
    assert json.loads((out / "shelf.json").read_text()) == {"train": [{"serial": "S-5", "state": "spare"}]}
    places = json.loads((out / "hosts/hall-1/nodes.json").read_text())
    # Rack 1 x stride 64, and the slots of the pools.
    assert places["control-a01-1"] == {"address": "10.16.0.65", "bmc": "10.20.0.65", "serial": "S-1"}
    assert places["train-a01-3"] == {"address": "10.16.0.68", "bmc": "10.20.0.68", "serial": "S-4"}
    causes = json.loads((out / "index.json").read_text())
    assert "assets" in json.dumps(causes["files"]["hosts/hall-1/assets.json"])
    assert "network.plans.bmc" in json.dumps(causes["files"]["hosts/hall-1/nodes.json"])
