"""The campaign: a sample of each kind of proof, what was ever found, and what happens to one that is killed."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.campaign import fuzzing
from tests.campaign.base import Outcome, kinds
from tests.campaign.executioner import is_killed
from tests.campaign.mutants import mutants
from tests.campaign.state import State
from tests.lessons import ROOT

KINDS = kinds()
# Those that boot hosts have tests of their own, with the same hosts for all of a sample.
BRIEF = [name for name, kind in KINDS.items() if not hasattr(kind, "obstacle")]
FOUND = sorted(fuzzing.FOUND.glob("*/*.bin"))


@pytest.mark.parametrize("kind", BRIEF)
def test_a_sample_of_each_kind_finds_no_fault(kind: str) -> None:
    outcome = KINDS[kind].prove(KINDS[kind].units()[0], brief=True)
    assert outcome.failures == ()
    assert all(count > 0 for count in outcome.counts.values())


@pytest.mark.parametrize("file", FOUND, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_what_was_once_a_fault_is_none_any_more(file: Path) -> None:
    importlib.import_module(f"tests.campaign.kinds.{file.parent.name}").check(file.read_bytes())


def test_a_fault_is_found_and_its_input_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(raw: bytes) -> None:
        if b"ba" in raw:
            raise RuntimeError("a fault")

    monkeypatch.setattr(fuzzing, "FOUND", tmp_path)
    monkeypatch.setattr(fuzzing, "ROOT", tmp_path)
    outcome = fuzzing.blind("some_kind", check, [b"ab"], [b"a", b"b"], 1, 500)
    assert outcome.failures and all("RuntimeError: a fault" in failure for failure in outcome.failures)
    kept = list((tmp_path / "some_kind").iterdir())
    assert kept and all(b"ba" in file.read_bytes() for file in kept)
    assert outcome == fuzzing.blind("some_kind", check, [b"ab"], [b"a", b"b"], 1, 500)


# Mutants

CODE = '''
"""A description with 1 number."""
def rest(x: int = 7, *, deep=True) -> int:
    if x < 3 and deep:
        x += 1
    print(x)
    return [y for y in range(x) if y != 2]
'''
FAULTS = [
    "3: True -> False",
    "3: 7 -> 8",
    "4: if x < 3 and deep: x += 1 -> if not (x < 3 and deep): x += 1",
    "4: x < 3 and deep -> x < 3 or deep",
    "4: x < 3 -> x <= 3",
    "4: 3 -> 4",
    "5: x += 1 -> x -= 1",
    "5: 1 -> 2",
    "6: print(x) -> pass",
    "7: return [y for y in range(x) if y != 2] -> return None",
    "7: for y in range(x) if y != 2 -> for y in range(x)",
    "7: y != 2 -> y == 2",
    "7: 2 -> 3",
]


def test_every_place_that_decides_counts_or_returns_is_spoilt_once() -> None:
    found = list(mutants(CODE))
    assert [mutant.what for mutant in found] == FAULTS
    for mutant in found:
        compile(mutant.tree, "mutant", "exec")


@pytest.mark.parametrize(
    ("module", "old", "new", "killed"),
    [
        ("generator/quantity.py", "found.magnitude > most.magnitude", "found.magnitude >= most.magnitude", True),
        ("generator/quantity.py", "import math", "import math ", False),
        ("generator/rules/targets.py", "yield", "if False: yield", True),
        ("generator/rules/targets.py", "import", "import", False),
    ],
)
def test_tests_notice_a_fault_and_nothing_else(module: str, old: str, new: str, killed: bool) -> None:
    text = (ROOT / module).read_text("utf-8")
    assert old in text
    assert is_killed(module, compile(text.replace(old, new, 1), module, "exec")) is killed


# State


def test_what_is_done_is_remembered_for_the_same_files_only(tmp_path: Path) -> None:
    outcome = Outcome({"inputs": 3}, ("bad",), ("odd",))
    State(tmp_path, "kind", "mark", (1, 2)).add("one", outcome)
    State(tmp_path, "kind", "mark", (2, 2)).add("two", outcome)
    State(tmp_path, "another", "mark").add("three", outcome)
    assert State(tmp_path, "kind", "mark").done == {"one": outcome, "two": outcome}
    assert State(tmp_path, "kind", "changed").done == {}
    State(tmp_path, "kind", "changed", (1, 2)).add("four", outcome)
    assert State(tmp_path, "kind", "mark").done == {"two": outcome}


def test_half_a_line_is_no_unit(tmp_path: Path) -> None:
    state = State(tmp_path, "kind", "mark")
    state.add("one", Outcome({}))
    with state.file.open("a") as stream:
        stream.write('{"unit": "two", "mark": "mark", "cou')
    assert list(State(tmp_path, "kind", "mark").done) == ["one"]


def campaign(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.campaign", "--brief", "--results", str(folder), *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_killed_campaign_goes_on_where_it_was(tmp_path: Path) -> None:
    first = campaign(tmp_path, "--kind", "fuzz-quantity")
    assert first.stdout is not None
    begun = [first.stdout.readline().split(":")[0] for _ in range(3)]
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    done = [
        json.loads(line)["unit"] for line in (tmp_path / "state/fuzz-quantity.1-of-1.jsonl").read_text().splitlines()
    ]
    second = campaign(tmp_path, "--kind", "fuzz-quantity")
    told, _ = second.communicate(timeout=60)
    assert second.returncode == 0, told
    again = [line.split()[1].rstrip(":") for line in told.splitlines()[:-1]]
    assert begun == [f"fuzz-quantity {unit}" for unit in done[:3]]
    assert [*done, *again] == KINDS["fuzz-quantity"].units()
    [page] = tmp_path.glob("*.md")
    assert "40 of 40 units done" in page.read_text()


def test_shards_share_the_units(tmp_path: Path) -> None:
    shards = [campaign(tmp_path, "--kind", "fuzz-quantity", "--shard", f"{part}/2") for part in (1, 2)]
    told = [shard.communicate(timeout=60)[0].count("fuzz-quantity seed-") for shard in shards]
    assert told == [20, 20]
