# Copyright the center authors. SPDX-License-Identifier: Apache-2.0
# Run from memory on a control node (Python 3.8 or newer); uses nothing but the standard library.
"""The record of runs on a control node: whole lines are added, old runs are dropped, and what it says is summed up.

A line is an object with the run's id, an event and the node's own time. Half a line, left by a loss of power, and
whatever else is no line of ours is passed over.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import stat
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

NAME = "journal.jsonl"
RUNS = 30
BYTES = 2**20
READ_BYTES = 8 * 2**20
TOLD_RUNS, TOLD_NODES = 60, 5000
FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
RUN = re.compile(r"[0-9a-f]{8}")


def main(given: dict[str, Any]) -> dict[str, Any]:
    """Append `given["lines"]` if there are any, else sum up; an error of the disk is an answer, too."""
    try:
        if given.get("lines"):
            append(Path(given["folder"]), given["lines"])
            return {}
        return {"runs": summaries(read(Path(given["folder"], NAME))), "now": int(time.time())}
    except OSError as error:
        return {"fault": error.strerror or str(error)}


def append(folder: Path, lines: list[dict[str, Any]]) -> None:
    """Put whole lines at the end of the journal, all or none, on the disk for good; OSError when that fails."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    now = int(time.time())
    # Others who may look into the folder could open the file, and so keep us waiting, if the mode let them.
    guard = os.open(folder / ".journal.guard", os.O_RDWR | os.O_CREAT | FLAGS, 0o600)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if any(line.get("event") == "begin" for line in lines):
            # Where the disk is full, adding will say so.
            with contextlib.suppress(OSError):
                drop_old(folder)
        add(folder, b"".join(written({**line, "at": now}) for line in lines))
    finally:
        os.close(guard)


def add(folder: Path, content: bytes) -> None:
    descriptor = os.open(folder / NAME, os.O_RDWR | os.O_APPEND | os.O_CREAT | FLAGS, 0o600)
    try:
        size = size_of(descriptor)
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            content = b"\n" + content
        try:
            write(descriptor, content)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)
    sync(folder)


def drop_old(folder: Path) -> None:
    """Make room for one more run.

    Of what is kept every node is told only where its story is open: taken out of service and not given back, begun and
    without an outcome. So a run may go without changing what is known of the others, and only what a run took out of
    service keeps it beyond its time.
    """
    path, new = folder / NAME, folder / ".journal.new"
    events = read(path)
    runs = list(grouped(events).items())
    if len(runs) < RUNS and (not path.exists() or path.stat().st_size <= BYTES):
        return
    drained, begun = open_ends(events)
    room, whole = BYTES, set()
    for run, mine in reversed(runs[1 - RUNS :]):
        room -= sum(len(written(event)) for event in mine)
        if room > 0:
            whole.add(run)
    known = {run for run, _ in runs[1 - RUNS :]} | set(drained.values())
    kept = []
    for event in events:
        run, kind = event["run"], event["event"]
        if kind == "batch":
            event["nodes"] = [node for node in event["nodes"] if begun.get(node) == run]
        lasts = {
            "batch": bool(event.get("nodes")),
            "drained": drained.get(event.get("node")) == run,
            "given-back": False,
            "hosts": run in whole,
        }
        if run in known and lasts.get(kind, True):
            kept.append(written(event))
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | FLAGS, 0o600)
    try:
        write(descriptor, b"".join(kept))
    finally:
        os.close(descriptor)
    new.rename(path)
    sync(folder)


def summaries(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is known of each run, the one last heard of at the end."""
    drained, begun = open_ends(events)
    found = []
    for run, mine in list(grouped(events).items())[-TOLD_RUNS:]:
        of = {event["event"]: event for event in mine}
        outcomes = {host[0]: host for event in mine if event["event"] == "hosts" for host in event["hosts"]}
        states: dict[str, int] = {}
        for _, state, _ in outcomes.values():
            states[state] = states.get(state, 0) + 1
        troubles = [host for host in outcomes.values() if host[1] not in ("changed", "unchanged")]
        found.append(
            {
                "run": run,
                "begin": of.get("begin", {}),
                "end": of.get("end", {}),
                "last": mine[-1]["at"],
                "states": states,
                "troubles": troubles[:TOLD_NODES],
                "drained": sorted(node for node, by in drained.items() if by == run)[:TOLD_NODES],
                "in_progress": sorted(node for node, by in begun.items() if by == run)[:TOLD_NODES],
            }
        )
    return found


def open_ends(events: Iterable[dict[str, Any]]) -> tuple[dict[str, str], dict[str, str]]:
    """Nodes that are out of service and nodes without an outcome, each with the run that left it so."""
    drained: dict[str, str] = {}
    begun: dict[str, str] = {}
    for event in events:
        kind, run = event["event"], event["run"]
        if kind == "drained":
            drained[event["node"]] = run
        elif kind == "given-back":
            drained.pop(event["node"], None)
        elif kind == "batch":
            begun.update(dict.fromkeys(event["nodes"], run))
        elif kind == "hosts":
            for node, _, _ in event["hosts"]:
                begun.pop(node, None)
    return drained, begun


def grouped(events: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The events of each run; the run last heard of comes last."""
    runs: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        mine = runs.pop(event["run"], [])
        runs[event["run"]] = mine
        mine.append(event)
    return runs


def read(path: Path) -> list[dict[str, Any]]:
    """All events that can be understood, of a file of whatever content."""
    try:
        descriptor = os.open(path, os.O_RDONLY | FLAGS)
    except FileNotFoundError:
        return []
    with os.fdopen(descriptor, "rb") as file:
        file.seek(max(0, size_of(descriptor) - READ_BYTES))
        lines = file.read(READ_BYTES).split(b"\n")
    return [event for event in map(understood, lines) if event]


def understood(line: bytes) -> dict[str, Any] | None:
    """A line as an event of a known shape, or nothing."""
    try:
        event = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        return None
    if not isinstance(event.get("run"), str) or not RUN.fullmatch(event["run"]):
        return None
    event["at"] = event["at"] if isinstance(event.get("at"), int) else 0
    kind, nodes = event["event"], event.get("nodes")
    if kind == "batch":
        event["nodes"] = [node for node in nodes if isinstance(node, str)] if isinstance(nodes, list) else []
    elif kind == "hosts":
        hosts = event.get("hosts") if isinstance(event.get("hosts"), list) else []
        event["hosts"] = [host for host in hosts if is_outcome(host)]
    elif kind in ("drained", "given-back") and not isinstance(event.get("node"), str):
        return None
    return event


def is_outcome(host: object) -> bool:
    return isinstance(host, list) and len(host) == 3 and all(isinstance(word, str) for word in host)


def written(event: dict[str, Any]) -> bytes:
    return json.dumps(event, sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n"


def write(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
    os.fsync(descriptor)


def size_of(descriptor: int) -> int:
    state = os.fstat(descriptor)
    if not stat.S_ISREG(state.st_mode):
        raise OSError(0, "something that is no file is in the way")
    return state.st_size


def sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
