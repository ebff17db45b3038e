"""The lock of hosts: its scripts run here as control nodes run them, below a private folder."""

from __future__ import annotations

import os
import re
import resource
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest

from control_plane.processes import wait_until
from generator.apply.hosts import lock
from generator.apply.hosts.blocks import Node
from generator.apply.hosts.lock import Lock, LockHeld, held, locks, unlock
from generator.apply.hosts.ssh import Answer, Connections, SshAccess
from generator.problems import Refused
from tests.campaign.kinds.locks import NODE, Here, contest, overlaps
from tests.trees import HostTree

HERE_NODES = {"control-1": "10.16.0.1", "control-2": "10.16.0.2"}


class Centre:
    """Control nodes that are folders; those in `dead` do not answer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dead: set[str] = set()

    def run(self, node: Node, command: Sequence[str], given: str = "", seconds: float = 60, limit: int = 0) -> Answer:
        if node.name in self.dead:
            return Answer(255, "", "no route")
        return Here(self.folder / node.name).run(node, command, given, seconds)

    @property
    def connections(self) -> Connections:
        return cast(Connections, self)

    def files(self, node: str = NODE.name) -> list[str]:
        return sorted(file.name for file in (self.folder / node / "locks").glob("[!.]*"))

    def put(self, name: str, content: bytes = b"") -> Path:
        file = self.folder / NODE.name / "locks" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file


@pytest.fixture
def centre(tmp_path: Path) -> Centre:
    return Centre(tmp_path)


# Double starts


def test_runs_that_start_at_once_and_die_anywhere_never_write_together() -> None:
    outcome = contest(seed=1001, starts=60)
    assert outcome.failures == ()
    assert outcome.counts["recovered"] and outcome.counts["entered"] > 30


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("flock -w 20 9", "true"),
        ("taken=yes", "taken="),
        ('*-of-"${3#*-of-}") continue', "*-of-*) continue"),
        ('*-of-"${3#*-of-}") continue', "*) continue"),
    ],
)
def test_the_proof_notices_a_lock_that_is_none(old: str, new: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert old in lock.ACQUIRE
    monkeypatch.setattr(lock, "ACQUIRE", lock.ACQUIRE.replace(old, new))
    found = (fault for seed in range(1, 21) for fault in contest(seed, starts=15).failures)
    assert any("began beside" in fault for fault in found)


@pytest.mark.parametrize(
    ("notes", "faults"),
    [
        (["begin a whole", "begin b whole"], 1),
        (["begin a whole", "end a whole", "begin b whole"], 0),
        (["begin a whole", "dead a", "begin b 1/2"], 0),
        (["begin a 1/2", "begin b 2/2"], 0),
        (["begin a 1/2", "begin b 1/2"], 1),
        (["begin a 1/2", "begin b 1/3"], 1),
        (["begin a 1/2", "begin b 2/2", "begin c whole"], 2),
    ],
)
def test_the_judge_of_double_starts(notes: list[str], faults: int) -> None:
    assert len(overlaps(notes)) == faults


def test_a_shell_that_dies_between_opening_and_writing_leaves_no_half_lock(centre: Centre) -> None:
    with small_files():
        script = ["sh", "-c", lock.ACQUIRE, "sh", lock.FOLDER, "0badcafe", "whole", "me"]
        assert centre.run(NODE, script).status == -signal.SIGXFSZ
    assert centre.files() == []
    with held(centre.connections, NODE):
        assert len(centre.files()) == 1
    assert [file.name for file in (centre.folder / "control-1/locks").iterdir()] == [".guard"]


@contextmanager
def small_files() -> Iterator[None]:
    """Whoever writes a byte to a file dies of it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# What a person reads


def test_a_refusal_names_holder_id_age_and_the_last_sign_of_life(centre: Centre) -> None:
    with held(centre.connections, NODE) as mine:
        [file] = centre.files()
        os.utime(centre.folder / "control-1/locks" / file, (0, centre.folder.stat().st_mtime - 40))
        with pytest.raises(LockHeld) as refused, held(centre.connections, NODE, (1, 2)):
            pass
    [problem] = refused.value.problems
    assert problem.rule == "hosts.locked"
    assert re.fullmatch(
        rf'another run writes to the hosts: "[^"]+@[^"]+/{os.getpid()}" \({mine.identity}\), for \d s, '
        r'last sign of life 4\d s ago, as "control-1" notes',
        problem.message,
    )
    assert problem.hint == f"wait; if that run is dead: center unlock {mine.identity}"
    assert centre.files() == []


def test_shards_stand_beside_each_other_and_keep_out_whole_runs(centre: Centre) -> None:
    with held(centre.connections, NODE, (1, 2)) as first, held(centre.connections, NODE, (2, 2)) as second:
        for claim in (None, (1, 2), (2, 2), (2, 3), (1, 22)):
            with pytest.raises(LockHeld), held(centre.connections, NODE, claim):
                pass
        with pytest.raises(LockHeld) as refused, held(centre.connections, NODE):
            pass
        assert {found.identity for found in refused.value.locks} == {first.identity, second.identity}
        assert {(found.identity, found.shard) for found in locks(centre.connections, NODE)} == {
            (first.identity, (1, 2)),
            (second.identity, (2, 2)),
        }
    with held(centre.connections, NODE), pytest.raises(LockHeld), held(centre.connections, NODE, (1, 2)):
        pass
    assert locks(centre.connections, NODE) == []


def test_a_run_without_a_sign_of_life_is_called_so(centre: Centre) -> None:
    centre.put("0badcafe.whole", b"1 eve@far\x1b[2J/1\n")
    os.utime(centre.folder / "control-1/locks/0badcafe.whole", (1, 1))
    with pytest.raises(LockHeld) as refused, held(centre.connections, NODE):
        pass
    [problem] = refused.value.problems
    assert '"eve@far\\x1b[2J/1" (0badcafe)' in problem.message
    assert (problem.hint or "").startswith("it shows no life any more") and (problem.hint or "").endswith(" 0badcafe")


def test_a_damaged_lock_still_holds_and_still_has_its_id(centre: Centre) -> None:
    centre.put("0badcafe.whole")
    centre.put("0badcaff.1-of-2", b"\xff\n" * 100_000)
    centre.put("notes.txt", b"of a person")
    found = locks(centre.connections, NODE)
    assert {one.identity: len(one.holder) <= 200 for one in found} == {"0badcafe": True, "0badcaff": True}
    with pytest.raises(LockHeld, match="0badcafe"), held(centre.connections, NODE):
        pass


def test_nobody_else_may_enter_where_the_locks_are(centre: Centre) -> None:
    with held(centre.connections, NODE):
        assert (centre.folder / "control-1").stat().st_mode & 0o777 == 0o755
        assert (centre.folder / "control-1/locks").stat().st_mode & 0o777 == 0o700


def test_a_node_that_cannot_hold_a_lock_says_why(centre: Centre) -> None:
    (centre.folder / "control-1").write_text("a file in the way")
    with pytest.raises(Refused, match="cannot be taken: mkdir: ") as refused, held(centre.connections, NODE):
        pass
    assert refused.value.problems[0].rule == "hosts.lock"
    assert locks(centre.connections, NODE) == []


# Life and loss


def test_while_it_lives_a_run_says_so_and_learns_that_it_lost_the_lock(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "SIGN_OF_LIFE_SECONDS", 0.02)
    with held(centre.connections, NODE) as mine:
        [name] = centre.files()
        file = centre.folder / "control-1/locks" / name
        os.utime(file, (1, 1))
        wait_until(lambda: file.stat().st_mtime > 1, 20, "a sign of life")
        assert not mine.lost
        file.unlink()
        wait_until(lambda: mine.lost, 20, "the loss")
        assert centre.files() == [], "a sign of life makes nothing"
    assert not mine.kept


def test_the_lock_of_another_run_is_no_sign_of_ours(centre: Centre) -> None:
    with held(centre.connections, NODE) as mine:
        [name] = centre.files()
        (centre.folder / "control-1/locks" / name).unlink()
        with held(centre.connections, NODE):
            mine.refresh()
            assert mine.lost
            [other] = centre.files()
            assert not other.startswith(mine.identity)


def test_a_control_node_that_is_away_takes_nothing_and_keeps_what_it_has(centre: Centre) -> None:
    with held(centre.connections, NODE) as mine:
        centre.dead.add("control-1")
        mine.refresh()
        assert not mine.lost
        with pytest.raises(Refused, match="cannot be read: no route"):
            locks(centre.connections, NODE)
    assert mine.kept
    centre.dead.clear()
    assert [found.identity for found in locks(centre.connections, NODE)] == [mine.identity]


def test_a_run_that_finds_another_control_node_first_still_meets_the_lock(centre: Centre) -> None:
    second, third = (Node(f"control-{number}", NODE.folder) for number in (2, 3))
    centre.dead.add("control-3")
    with held(centre.connections, NODE, witnesses=[second, third]) as mine:
        with pytest.raises(LockHeld, match='as "control-2" notes'), held(centre.connections, second):
            pass
        mine.refresh()
        assert not mine.lost
    assert (centre.files("control-1"), centre.files("control-2")) == ([], [])
    with held(centre.connections, second):
        with pytest.raises(LockHeld), held(centre.connections, NODE, witnesses=[second]):
            pass
        assert centre.files("control-1") == [], "what it took before it was refused is given back"


# Unlocking


def test_only_the_exact_id_unlocks(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = HostTree(centre.folder / "tree", HERE_NODES, {"role_control": list(HERE_NODES)})

    class Reached(Centre):
        def __init__(self, ssh: SshAccess) -> None:
            super().__init__(centre.folder)

        def __enter__(self) -> Reached:
            return self

        def __exit__(self, *rest: object) -> None:
            pass

        for_each = Connections.for_each

    monkeypatch.setattr(lock, "Connections", Reached)
    second = Node("control-2", NODE.folder)
    with held(centre.connections, NODE, (1, 2), witnesses=[second]) as mine, held(centre.connections, NODE, (2, 2)):
        kept = centre.files()
        for wrong in (
            "",
            "*",
            mine.identity[:7],
            mine.identity + "0",
            f"{mine.identity}*",
            "../locks/" + mine.identity,
        ):
            with pytest.raises(Refused, match="no node that answers holds a lock"):
                unlock(tree.folder, SshAccess(), wrong)
        assert centre.files() == kept
        assert unlock(tree.folder, SshAccess(), mine.identity).name == "control-1"
        assert [name.startswith(mine.identity) for name in centre.files()] == [False]
        assert centre.files("control-2") == []
        mine.refresh()
        assert mine.lost


def test_what_a_node_says_is_only_data() -> None:
    lines = [
        "",
        "x",
        "0badcafe.whole",
        "0badcafe.whole 5",
        "zz.whole 1 1 1 a",
        "0badcafe.1-of-2 30 20 10 me",
        "9 " * 999,
    ]
    assert lock._parsed("\n".join(lines)) == [Lock("0badcafe", "me", (1, 2), 20, 10)]
