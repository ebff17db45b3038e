"""The record of runs, written and read by the program that a control node would run, below a private folder."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import resource
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest

from generator.apply.hosts import journal
from generator.apply.hosts.blocks import Node
from generator.apply.hosts.journal import Journal, Run, read
from generator.apply.hosts.onhost import INTERPRETER, MARK
from generator.apply.hosts.ssh import Answer, Connections
from generator.apply.report import HostOutcome, State
from generator.problems import Refused

PROGRAM = Path(__file__).parents[1] / "playbooks/module_utils/center_journal.py"
NODE = Node("control-1", Path("hall-1"))


class Control:
    """A control node that is a folder; what would run there runs here. While it is `away` it does not answer."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.away, self.told = folder, False, ""

    def run(self, node: Node, command: Sequence[str], given: str = "", seconds: float = 60, limit: int = 0) -> Answer:
        assert command[0] == INTERPRETER
        if self.away:
            return Answer(255, "", "no route")
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=seconds, check=False)
        return Answer(done.returncode, done.stdout, done.stderr)

    def journal(self, identity: str, **options: Any) -> Journal:
        return Journal(cast(Connections, self), NODE, identity, **options)

    def runs(self) -> list[Run]:
        return read(cast(Connections, self), NODE)

    @property
    def file(self) -> Path:
        return self.folder / "journal.jsonl"

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()]


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Control:
    folder = tmp_path / "center"
    monkeypatch.setattr(journal, "FOLDER", str(folder))
    return Control(folder)


@pytest.fixture(scope="module")
def program() -> Any:
    """The node's program as a module, for what would take too many processes."""
    spec = importlib.util.spec_from_file_location("center_journal", PROGRAM)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def outcomes(**states: State) -> list[HostOutcome]:
    return [HostOutcome(node.replace("_", "-"), "hall-1", state, f"{node} says") for node, state in states.items()]


def test_a_run_is_told_from_its_beginning_to_its_end(control: Control) -> None:
    mine = control.journal("0badcafe")
    mine.begin("apply", "sha256:1234", 3, (1, 2), {"b-1", "a-1"})
    [begun] = control.runs()
    assert begun.unfinished and begun.in_progress == ()
    mine.batch(["a-1", "b-1"])
    assert control.runs()[0].in_progress == ("a-1", "b-1")
    mine.drained("a-1")
    mine.hosts(outcomes(a_1="changed"))
    assert (control.runs()[0].drained, control.runs()[0].in_progress) == (("a-1",), ("b-1",))
    mine.given_back("a-1")
    mine.hosts(outcomes(b_1="failed"))
    mine.end(1)
    [run] = control.runs()
    assert (run.identity, run.verb, run.tree, run.hosts, run.shard) == ("0badcafe", "apply", "sha256:1234", 3, "1/2")
    assert (run.limit, run.code, run.unfinished, run.drained, run.in_progress) == (("a-1", "b-1"), 1, False, (), ())
    assert (dict(run.states), run.troubles) == ({"changed": 1, "failed": 1}, (("b-1", "failed", "b_1 says"),))
    assert run.holder.endswith(f"/{os.getpid()}") and 0 <= run.age < 600 and run.began > 1_700_000_000
    assert (control.file.stat().st_mode & 0o777, mine.complaint) == (0o600, "")


def test_what_a_killed_run_left_open_is_closed_by_whoever_does_it(control: Control) -> None:
    killed, next_one = control.journal("00000001"), control.journal("00000002")
    killed.begin("apply", "t", 2)
    killed.batch(["a-1", "b-1"])
    killed.drained("a-1")
    next_one.begin("apply", "t", 2)
    next_one.batch(["a-1"])
    next_one.given_back("a-1")
    next_one.hosts(outcomes(a_1="changed"))
    next_one.end(0)
    first, second = control.runs()
    assert (first.identity, first.unfinished, first.drained, first.in_progress) == ("00000001", True, (), ("b-1",))
    assert (second.identity, second.unfinished, second.drained, second.in_progress) == ("00000002", False, (), ())


def test_half_a_line_and_strange_lines_cost_only_themselves(control: Control) -> None:
    control.journal("00000001").begin("apply", "t", 1)
    with control.file.open("ab") as file:
        file.write(
            b'\xff\n[1]\n{}\n{"run":7,"event":"end"}\n{"run":"zzzzzzzz","event":"end"}\n' + b"[" * 100_000 + b"\n"
        )
        file.write(b'{"run":"00000001","event":"batch","nodes":{"a":1}}\n{"run":"00000001","event":"drained"}\n')
        file.write(b'{"run":"00000001","event":"hosts","hosts":[["a"],7,["a",1,""],["a","changed",""]],"at":"x"}\n')
        file.write(b'{"run":"00000001","event":"end","code":0,"a')
    mine = control.journal("00000002")
    mine.begin("apply", "t", 1)
    first, second = control.runs()
    assert (first.unfinished, dict(first.states), first.drained) == (True, {"changed": 1}, ())
    assert second.verb == "apply"


def test_what_stands_in_a_journal_is_only_data(control: Control) -> None:
    control.folder.mkdir()
    begin = {"verb": "a\x1b[2J", "holder": ["x"], "hosts": 2**80, "limit": "all", "at": 10**30, "tree": "t" * 9999}
    lines = [
        {"run": "00000001", "event": "begin", **begin},
        {"run": "00000001", "event": "end", "code": {}},
        {"run": "00000001", "event": "drained", "node": "\x07" * 9999},
        {"run": "00000001", "event": "hosts", "hosts": [["n\n", "s\n", "r\n" * 9999]]},
    ]
    control.file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    [run] = control.runs()
    assert (run.verb, run.holder, run.hosts, run.limit, run.code) == ("a\\x1b[2J", "", 0, (), None)
    texts = [run.tree, *run.drained, *run.states, *run.troubles[0]]
    assert len(texts) == 6 and all(text.isprintable() and len(text) <= 200 for text in texts)


@pytest.mark.parametrize("said", ["", "[]", '{"answer": 7}', '{"answer": {"runs": [7, {}], "now": "x"}}'])
def test_a_node_that_says_something_else_has_no_record(control: Control, said: str) -> None:
    control.run = lambda *_, **__: Answer(0, said and f"{MARK}{said}\n", "")  # type: ignore[method-assign]
    assert [run.identity for run in control.runs()] == ([""] if "runs" in said else [])
    if "runs" not in said:
        with pytest.raises(Refused, match="cannot be written"):
            control.journal("00000001").begin("apply", "t", 1)


# What cannot be written


@contextmanager
def full_disk(free: int) -> Iterator[None]:
    """No file grows beyond a number of bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_cannot_be_noted_does_not_happen(control: Control) -> None:
    mine = control.journal("00000001")
    mine.begin("apply", "t", 1)
    before = control.file.read_bytes()
    steps: list[Callable[[], None]] = [
        lambda: mine.batch(["a-1"]),
        lambda: mine.drained("a-1"),
        lambda: mine.begin("apply", "t", 1),
    ]
    for step in steps:
        with full_disk(len(before) + 10), pytest.raises(Refused) as refused:
            step()
        [problem] = refused.value.problems
        assert problem.rule == "hosts.journal"
        assert problem.message == 'the journal on "control-1" cannot be written: File too large'
        assert control.file.read_bytes() == before, "nor is half of it noted"
    mine.batch(["a-1"])
    assert control.runs()[0].in_progress == ("a-1",)


def test_a_place_that_takes_no_journal_is_named(control: Control) -> None:
    control.folder.write_text("a file in the way")
    with pytest.raises(Refused, match=r"cannot be written: (File exists|Not a directory)"):
        control.journal("00000001").begin("apply", "t", 1)
    control.folder.unlink()
    (control.file).mkdir(parents=True)
    with pytest.raises(Refused, match="cannot be written: Is a directory"):
        control.journal("00000001").begin("apply", "t", 1)
    assert control.runs() == []


def test_a_link_in_the_way_is_not_followed(control: Control, tmp_path: Path) -> None:
    control.folder.mkdir()
    control.file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused, match="cannot be written"):
        control.journal("00000001").begin("apply", "t", 1)
    assert not (tmp_path / "elsewhere").exists()
    assert control.runs() == []


def test_what_has_happened_is_noted_when_the_node_is_back(control: Control) -> None:
    mine = control.journal("00000001")
    mine.begin("apply", "t", 2)
    mine.batch(["a-1", "b-1"])
    mine.drained("a-1")
    control.away = True
    mine.hosts(outcomes(a_1="changed", b_1="changed"))
    mine.given_back("a-1")
    assert mine.complaint == "no route"
    with pytest.raises(Refused, match="no route"):
        mine.batch(["c-1"])
    control.away = False
    mine.end(0)
    assert mine.complaint == ""
    [run] = control.runs()
    assert (run.in_progress, run.drained, run.code, dict(run.states)) == ((), (), 0, {"changed": 2})
    assert [line["event"] for line in control.lines()] == ["begin", "batch", "drained", "hosts", "given-back", "end"]


def test_no_secret_is_noted(control: Control) -> None:
    mine = control.journal("00000001", conceal=lambda text: text.replace("canary-7f3a", "(secret)"))
    mine.begin("apply", "t", 1)
    mine.hosts([HostOutcome("a-1", "hall-1", "failed", "said: canary-7f3a\nand more" + "." * 999)])
    assert "canary" not in control.file.read_text()
    [(_, _, reason)] = control.runs()[0].troubles
    assert reason.startswith("said: (secret)\\nand more") and len(reason) <= 160


# Bounds


def test_old_runs_are_dropped_but_not_what_they_took_out_of_service(control: Control) -> None:
    for number in range(1, 41):
        mine = control.journal(f"{number:08x}")
        mine.begin("apply", "t", 1)
        if number == 3:
            mine.drained("a-1")
    runs = control.runs()
    assert [run.identity for run in runs] == [f"{number:08x}" for number in [3, *range(11, 41)]]
    assert runs[0].drained == ("a-1",)
    control.journal("00000028").given_back("a-1")
    control.journal("00000029").begin("apply", "t", 1)
    assert "00000003" not in [run.identity for run in control.runs()]


def test_a_long_journal_is_cut_to_a_mebibyte_and_what_is_open_stays(control: Control, program: Any) -> None:
    names = [f"train-{number}" for number in range(2000)]
    for number in range(1, 20):
        lines = [
            {"run": f"{number:08x}", "event": "begin"},
            {"run": f"{number:08x}", "event": "batch", "nodes": names},
            {"run": f"{number:08x}", "event": "hosts", "hosts": [[n, "changed", "." * 40] for n in names[number:]]},
        ]
        program.append(control.folder, lines)
    program.append(control.folder, [{"run": "000000ff", "event": "begin"}])
    assert control.file.stat().st_size <= 2**20
    runs = control.runs()
    assert len(runs) == 20
    assert runs[-2].in_progress == tuple(sorted(names[:19]))
    assert [run.states.get("changed", 0) > 0 for run in runs] == [False] * 12 + [True] * 7 + [False]


def test_dropping_changes_nothing_that_is_known_of_what_stays(program: Any, tmp_path: Path) -> None:
    chance = Random(5)
    for seed in range(60):
        folder = tmp_path / str(seed)
        folder.mkdir()
        events = [event(chance, runs=45) for _ in range(400)]
        (folder / "journal.jsonl").write_bytes(b"".join(map(program.written, events)))
        before = {run["run"]: run for run in program.summaries(program.read(folder / "journal.jsonl"))}
        program.drop_old(folder)
        after = {run["run"]: run for run in program.summaries(program.read(folder / "journal.jsonl"))}
        assert 20 <= len(after) < len(before)
        for name, run in after.items():
            same = {key: value for key, value in run.items() if key not in ("last", "states", "troubles")}
            assert same == {key: before[name][key] for key in same}
        missing = [run for name, run in before.items() if name not in after]
        assert [run for run in missing if run["drained"]] == []


def event(chance: Random, runs: int) -> dict[str, Any]:
    kind = chance.choice(["begin", "batch", "batch", "hosts", "hosts", "drained", "given-back", "end"])
    nodes = [f"n-{number}" for number in chance.sample(range(12), 3)]
    said: dict[str, Any] = {
        "batch": {"nodes": nodes},
        "hosts": {"hosts": [[node, "changed", ""] for node in nodes]},
        "drained": {"node": nodes[0]},
        "given-back": {"node": nodes[0]},
    }
    return {"run": f"{chance.randrange(runs):08x}", "event": kind, "at": 1, **said.get(kind, {})}


def test_many_at_once_lose_no_line_while_old_runs_are_dropped(
    control: Control, program: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "RUNS", 1)
    writers = []
    for number in range(8):
        writers.append(os.fork())
        if writers[-1] == 0:
            try:
                for turn in range(40):
                    run = f"{number:08x}"
                    lines = [{"run": run, "event": "begin"}, {"run": run, "event": "drained", "node": f"{run}-{turn}"}]
                    program.append(control.folder, lines[turn % 2 :])
                os._exit(0)
            finally:
                os._exit(1)
    assert [os.waitpid(writer, 0)[1] for writer in writers] == [0] * 8
    told = [line["node"] for line in control.lines() if line["event"] == "drained"]
    assert sorted(told) == sorted(f"{number:08x}-{turn}" for number in range(8) for turn in range(40))


def test_the_program_speaks_the_oldest_python_of_a_node() -> None:
    ast.parse(PROGRAM.read_text(), feature_version=(3, 8))
