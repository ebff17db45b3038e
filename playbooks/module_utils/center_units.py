# Copyright the center authors. SPDX-License-Identifier: Apache-2.0
# Loaded by the module center_tree, which runs inside Ansible on the node (Python 3.8 or newer).
"""systemd units: what they were started with, and which of them must be started again."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterable
from typing import Any, NamedTuple

from ansible.module_utils.center_disk import Disk, RefusedError, Wanted

STARTED = "/run/center/started"
UNIT_FOLDER = "/etc/systemd/system"
UNIT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_.@-]*\.(service|socket|timer|path|mount|target)")
DISRUPTIVE = ("drain", "reboot")
PROPERTIES = "ActiveState,UnitFileState,NeedDaemonReload,Type,RemainAfterExit,Result"
SECONDS = 90


class Stale(NamedTuple):
    """A unit that does not run with the files on disk; `state` is what Ansible's systemd module is to make of it."""

    name: str
    state: str  # "started" or "restarted"
    why: str


def digests(units: dict[str, str], files: list[dict[str, Any]], contents: dict[str, bytes]) -> dict[str, str]:
    """One value for all that a unit is started with, where a start can be noted and a change matters."""
    return {
        name: digest(name, files, contents)
        for name, kind in units.items()
        if kind != "live" and name.endswith((".service", ".socket"))
    }


def digest(unit: str, files: list[dict[str, Any]], contents: dict[str, bytes]) -> str:
    parts = [
        [file["path"], file["mode"], file["owner"], file["group"], hashlib.sha256(contents[file["path"]]).hexdigest()]
        for file in files
        if unit in file.get("units", [])
    ]
    return hashlib.sha256(json.dumps(sorted(parts)).encode()).hexdigest()


def drop_in(unit: str, digest: str) -> Wanted:
    """A drop-in that notes, each time the unit starts, which files it starts with.

    Noted before the start, not after: a start that races with a new file then keeps the old note and is repeated.
    """
    text = (
        "# Placed by center: notes what this unit is started with.\n"
        f"[{'Socket' if unit.endswith('.socket') else 'Service'}]\n"
        f"ExecStartPre=+/bin/sh -c 'mkdir -p {STARTED} && echo {digest} >{STARTED}/{unit}'\n"
    )
    path = f"{UNIT_FOLDER}/{unit}.d/50-center.conf"
    return Wanted(path, 0o644, os.geteuid(), os.getegid(), text.encode())


class Units:
    """The units of one node; below another root than / systemd is not asked and every unit counts as running."""

    def __init__(self, disk: Disk, units: dict[str, str], paths: Iterable[str]) -> None:
        """Take the units with their classes, and the paths of all files, among which are files of other units."""
        for name in units:
            if not UNIT_NAME.fullmatch(name):
                raise RefusedError(f'"{name}" is not the name of a unit')
        self.disk = disk
        self.units = units
        self.live = disk.root == "/"
        names = sorted({*units, *filter(None, map(unit_of, paths))})
        self.states = show(names) if self.live and names else {}

    def find_stale(self, digests: dict[str, str], touched: set[str]) -> tuple[list[Stale], list[Stale]]:
        """Units to start again now, and those whose class says to wait; `touched` are units with a changing file."""
        now, later = [], []
        for name, kind in sorted(self.units.items()):
            stale = self._judge(name, kind, digests.get(name), name in touched)
            if stale:
                (later if kind in DISRUPTIVE and stale.state == "restarted" else now).append(stale)
        return now, later

    def _judge(self, name: str, kind: str, wanted: str | None, touched: bool) -> Stale | None:
        state = self.states.get(name)
        if state and not is_running(state):
            return Stale(name, "started", "not running")
        if kind != "live" and (touched or (wanted and self._started_with(name) != wanted)):
            return Stale(name, "restarted", "started with other files")
        if state and state["UnitFileState"] in ("", "disabled", "masked"):
            return Stale(name, "started", "not enabled")
        return None

    def _started_with(self, name: str) -> str | None:
        note = self.disk.look(f"{STARTED}/{name}")
        return note.content.decode("ascii", "replace").strip() if note and note.content else None

    def forget(self, names: Iterable[str]) -> None:
        """Before a unit's file changes: whatever happens next, the unit no longer counts as started with it."""
        for name in names:
            self.disk.remove(f"{STARTED}/{name}")

    def need_reload(self) -> bool:
        return any(state["NeedDaemonReload"] == "yes" for state in self.states.values())

    def reload(self) -> None:
        if self.live:
            systemctl("daemon-reload")

    def retire(self, paths: Iterable[str]) -> None:
        """Stop and disable units whose own file is about to be removed."""
        for name in filter(None, map(unit_of, paths)):
            if self.live:
                systemctl("disable", "--now", "--", name)


def unit_of(path: str) -> str | None:
    """The unit that a path is the file of; templates ("name@.service") are no units."""
    folder, _, name = path.rpartition("/")
    return name if folder == UNIT_FOLDER and UNIT_NAME.fullmatch(name) and "@." not in name else None


def is_running(state: dict[str, str]) -> bool:
    """Active, or a one-shot unit that is at work or has done its work."""
    if state["ActiveState"] in ("active", "reloading"):
        return True
    if state.get("Type") != "oneshot":
        return False
    done = state["ActiveState"] == "inactive" and state["Result"] == "success" and state["RemainAfterExit"] == "no"
    return done or state["ActiveState"] == "activating"


def show(names: list[str]) -> dict[str, dict[str, str]]:
    """State of each unit; systemd answers with one paragraph a unit, in the given order."""
    answer = systemctl("show", f"--property={PROPERTIES}", "--", *names)
    states = [dict(line.split("=", 1) for line in part.splitlines()) for part in answer.strip("\n").split("\n\n")]
    if len(states) != len(names):
        raise RefusedError(f"systemd described {len(states)} of {len(names)} units")
    return dict(zip(names, states))  # noqa: B905 - `strict` is newer than Python 3.8


def systemctl(*arguments: str) -> str:
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        run = subprocess.run(
            ("systemctl", *arguments), capture_output=True, text=True, timeout=SECONDS, check=True, env=environment
        )
    except subprocess.CalledProcessError as fault:
        raise RefusedError(f"systemctl {arguments[0]}: {fault.stderr.strip()}") from fault
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise RefusedError(f"systemctl {arguments[0]}: {fault}") from fault
    return run.stdout
