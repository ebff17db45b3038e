"""Runs that start at once and are killed anywhere never both hold what excludes the other, and one command recovers.

The scripts are those that control nodes run, here below a private folder. What the runs note of their own beginnings
and ends, in one file that is only appended to, is all that is judged.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import cast

from generator.apply.hosts import lock
from generator.apply.hosts.blocks import Node
from generator.apply.hosts.ssh import Answer, Connections
from generator.problems import Refused
from tests.campaign.base import Outcome

SUBJECT = ("generator/apply/hosts/lock.py", "tests/campaign/kinds/locks.py")
STARTS = 50
UNITS = 20
BRIEF_STARTS = 12
NODE = Node("control-1", Path("hall-1"))
CLAIMS = [None, None, (1, 2), (2, 2), (2, 2), (1, 3)]
COMMANDS = ("mkdir", "flock", "rm", "date", "stat", "head", "tr", "sync", "mv", "touch")
# Stands before every command of the scripts: at one step, before or after it, the shell or everybody dies.
STEP = """#!/bin/sh
echo >>"$STEPS"
step=$(/usr/bin/stat -c %s "$STEPS")
victim=$PPID
[ "$VICTIM" = shell ] || victim=0
[ "$step" != "$DIES_BEFORE" ] || kill -9 "$victim"
PATH=$PLAIN "${0##*/}" "$@"
status=$?
[ "$step" != "$DIES_AFTER" ] || kill -9 "$victim"
exit "$status"
"""


class Here:
    """Stands for SSH to a control node: runs its scripts on this machine, below a private folder."""

    def __init__(self, folder: Path, environment: dict[str, str] | None = None, alive: Sequence[int] = ()) -> None:
        self.folder, self.alive = folder, alive
        self.environment = environment or {"PATH": os.environ["PATH"]}

    def run(
        self, node: Node, command: Sequence[str], given: str = "", seconds: float = 60, limit: int = 65536
    ) -> Answer:
        assert lock.FOLDER in command
        done = subprocess.run(
            [str(self.folder) if word == lock.FOLDER else word for word in command],
            capture_output=True, input=given.encode(), env=self.environment, pass_fds=self.alive,
            timeout=seconds, check=False,
        )  # fmt: skip
        return Answer(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


@dataclass
class Contender:
    """A run that wants the lock: what it claims, and how it dies, if it does."""

    name: str
    claim: lock.Shard | None
    tries: int
    works: float
    environment: dict[str, str]
    dies_inside: bool = False
    killed_after: float | None = None
    with_scripts: bool = False
    pid: int = 0
    alive: int = -1

    @property
    def may_die(self) -> bool:
        return self.dies_inside or self.killed_after is not None or "VICTIM" in self.environment


@dataclass
class Ground:
    """A private folder that stands for a control node, and what the runs noted there."""

    folder: Path
    pids: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    recovered: int = 0
    pace: float = 0.0
    """Seconds that one peaceful run takes here and now: what is left to chance happens within a few of them."""

    def __post_init__(self) -> None:
        (self.folder / "steps").mkdir()
        (self.folder / "bin").mkdir()
        for name in COMMANDS:
            (self.folder / "bin" / name).write_text(STEP)
            (self.folder / "bin" / name).chmod(0o755)
        began = time.monotonic()
        with lock.held(self.connections, NODE):
            pass
        self.pace = time.monotonic() - began

    @property
    def connections(self) -> Connections:
        return cast(Connections, Here(self.folder))

    def note(self, *words: str) -> None:
        line = " ".join(words) + "\n"
        descriptor = os.open(self.folder / "notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, line.encode())
        os.close(descriptor)

    def notes(self) -> list[str]:
        file = self.folder / "notes"
        return file.read_text().splitlines() if file.exists() else []


def units() -> list[str]:
    return [f"seed-{seed}" for seed in range(1, UNITS + 1)]


def prove(unit: str, *, brief: bool = False) -> Outcome:
    return contest(int(unit.removeprefix("seed-")), BRIEF_STARTS if brief else STARTS)


def summary(counts: Counter[str]) -> list[str]:
    return [
        f"{counts['starts']:,} double starts of {counts['runs']:,} runs: {counts['entered']:,} entered, "
        f"{counts['doomed']:,} were to be killed, {counts['recovered']:,} locks of dead runs were removed."
    ]


def contest(seed: int, starts: int) -> Outcome:
    """Double starts one after the other on one control node."""
    chance = Random(seed)
    runs = doomed = 0
    with tempfile.TemporaryDirectory(prefix="center-locks-") as name:
        ground = Ground(Path(name))
        double_start(ground, [Contender("first", None, 1, 0, {"PATH": os.environ["PATH"]}, dies_inside=True)])
        if ground.recovered != 1:
            ground.faults.append("a run that was killed left no lock")
        for start in range(starts):
            contenders = [contender(ground, chance, f"{start}.{number}") for number in range(chance.randint(2, 4))]
            runs, doomed = runs + len(contenders), doomed + sum(one.may_die for one in contenders)
            before = len(ground.notes())
            double_start(ground, contenders)
            entered = sum(line.startswith("begin") for line in ground.notes()[before:])
            if not entered and not any(one.may_die for one in contenders):
                ground.faults.append(f"start {start}: nobody entered")
        notes = ground.notes()
        faults = [*ground.faults, *overlaps(notes), *strange_holders(notes, ground.pids)]
    entered = sum(line.startswith("begin") for line in notes)
    counts = {"starts": starts, "runs": runs, "entered": entered, "doomed": doomed, "recovered": ground.recovered}
    return Outcome(counts, tuple(f"seed-{seed}: {fault}" for fault in faults[:20]))


def contender(ground: Ground, chance: Random, name: str) -> Contender:
    environment = {"PATH": os.environ["PATH"]}
    made = Contender(name, chance.choice(CLAIMS), chance.randint(1, 3), chance.uniform(0, ground.pace), environment)
    end = chance.choice(["peaceful"] * 3 + ["inside", "killed", "killed with scripts", "shell dies", "all die"])
    if end == "inside":
        made.dies_inside = True
    elif end.startswith("killed"):
        made.killed_after, made.with_scripts = chance.uniform(0, 4 * ground.pace), end != "killed"
    elif end != "peaceful":
        environment |= {
            "PATH": f"{ground.folder}/bin:{environment['PATH']}",
            "PLAIN": environment["PATH"],
            "STEPS": f"{ground.folder}/steps/{name}",
            "VICTIM": "shell" if end == "shell dies" else "all",
            chance.choice(["DIES_BEFORE", "DIES_AFTER"]): str(chance.randint(1, 12)),
        }
    return made


def double_start(ground: Ground, contenders: list[Contender]) -> None:
    """Start all at once, kill those that are to die, and bring the lock back as a person would."""
    began = time.monotonic()
    for one in contenders:
        start(ground, one)
    doomed = sorted((one for one in contenders if one.killed_after is not None), key=lambda one: one.killed_after or 0)
    for one in doomed:
        time.sleep(max(0.0, began + (one.killed_after or 0) - time.monotonic()))
        with suppress(ProcessLookupError):
            (os.killpg if one.with_scripts else os.kill)(one.pid, signal.SIGKILL)
        bury(ground, one)
        unlock_dead(ground)
    for one in contenders:
        if one not in doomed:
            bury(ground, one)
    for one in contenders:  # scripts of dead runs go on and may still take the lock
        while os.read(one.alive, 1):
            pass
        os.close(one.alive)
    for _ in contenders:
        if not unlock_dead(ground):
            break
    try:
        with lock.held(ground.connections, NODE):
            pass
    except Refused as refused:
        ground.faults.append(f"start {contenders[0].name}: not recovered: {refused}")


def start(ground: Ground, one: Contender) -> None:
    one.alive, ours = os.pipe()
    os.set_inheritable(ours, True)
    one.pid = os.fork()
    if one.pid == 0:
        try:
            os.setpgid(0, 0)
            contend(ground, one, cast(Connections, Here(ground.folder, one.environment, (ours,))))
        except BaseException as error:
            ground.note("fault", one.name, repr(error))
        finally:
            os._exit(0)
    with suppress(ProcessLookupError, PermissionError):  # whoever of the two comes first
        os.setpgid(one.pid, one.pid)
    os.close(ours)
    ground.pids[str(one.pid)] = one.name


def contend(ground: Ground, one: Contender, connections: Connections) -> None:
    claim = f"{one.claim[0]}/{one.claim[1]}" if one.claim else "whole"
    for _ in range(one.tries):
        try:
            with lock.held(connections, NODE, one.claim) as held:
                ground.note("begin", one.name, claim)
                if one.dies_inside:
                    os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(one.works)
                held.refresh()
                ground.note("end", one.name, claim)
            if held.lost:
                ground.note("fault", one.name, "was told that it lost a lock that nobody took")
        except lock.LockHeld as refused:
            for other in refused.locks:
                ground.note("refused", one.name, other.holder)
        except Refused:
            ground.note("failed", one.name)
        else:
            return


def bury(ground: Ground, one: Contender) -> None:
    """Wait for the end of a run; what it held when it was killed is its own until a person says otherwise."""
    _, status = os.waitpid(one.pid, 0)
    ground.note("dead" if os.WIFSIGNALED(status) else "gone", one.name)


def unlock_dead(ground: Ground) -> int:
    """Remove, each by its id, the locks of runs that are dead; how many there were."""
    gone = {line.split()[1] for line in ground.notes() if line.startswith(("dead", "gone"))}
    found = [
        one for one in lock.locks(ground.connections, NODE) if ground.pids.get(one.holder.rpartition("/")[2]) in gone
    ]
    for one in found:
        ground.connections.run(NODE, ["sh", "-c", lock.RELEASE, "sh", lock.FOLDER, one.identity])
    ground.recovered += len(found)
    return len(found)


def overlaps(notes: Iterable[str]) -> list[str]:
    """Runs that were at work together and must not: any two but different shards of the same number of shards.

    Each began after it got the lock, and ended before it gave it back or died before a person removed it: the order of
    the notes is the order of things.
    """
    inside: dict[str, str] = {}
    faults = []
    for line in notes:
        verb, name, *rest = line.split()
        if verb == "begin":
            mine = rest[0]
            for other, theirs in inside.items():
                shards = mine != theirs and "/" in mine and "/" in theirs
                if not shards or mine.split("/")[1] != theirs.split("/")[1]:
                    faults.append(f"{name} ({mine}) began beside {other} ({theirs})")
            inside[name] = mine
        elif verb in ("end", "dead"):
            inside.pop(name, None)
        elif verb == "fault":
            faults.append(line)
    return faults


def strange_holders(notes: Iterable[str], pids: dict[str, str]) -> list[str]:
    """Holders that a refusal named and that never were one: halves of names."""
    named = {line.split(maxsplit=2)[2] for line in notes if line.startswith("refused")}
    known = set(pids) | {str(os.getpid())}
    return [f'"{holder}" is no holder' for holder in named if holder.rpartition("/")[2] not in known]
