# Copyright the center authors. SPDX-License-Identifier: Apache-2.0
# Loaded by the module center_tree, which runs inside Ansible on the node (Python 3.8 or newer).
"""systemd units: what they were started with, and which of them must be started again."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ansible.module_utils.center_accepted import ACCEPTED, accepted_here
from ansible.module_utils.center_disk import Disk, RefusedError, Wanted

STARTED = "/run/center/started"  # what a service was started with, written by its drop-in
CHANGED = "/run/center/changed"  # when files of a unit changed that cannot note its start, such as a mount
UNIT_FOLDER = "/etc/systemd/system"
UNIT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_.@\\-]*\.(service|socket|timer|path|mount|target)")
NOTED = "# Placed by center: notes what this unit is started with. Its end asks for: "
NOTE = re.compile(rf"{UNIT_FOLDER}/({UNIT_NAME.pattern})\.d/50-center\.conf")
# Units of the system itself, which only got files of ours.
SYSTEM = re.compile(r"(ssh|sshd|dbus|dbus-broker|networking|NetworkManager)[.@].*|systemd-.*")
CLASSES = ("live", "restart", "drain", "reboot")
PROPERTIES = (
    "Id,ActiveState,SubState,UnitFileState,NeedDaemonReload,Type,RemainAfterExit,Result,NRestarts,"
    "ActiveEnterTimestampMonotonic"
)
SECONDS, STOP_SECONDS = 90, 300
# How long a daemon runs before its start counts; one that systemd restarts often has to run longer.
WATCH_SECONDS, OFTEN, OFTEN_SECONDS = 10, 3, 60
# What a mark of acceptance names, as far as a shell can say it.
MACHINE = "cat /sys/class/dmi/id/product_uuid 2>/dev/null || cat /etc/machine-id"


class Stale(NamedTuple):
    """A unit that does not run with the files on disk.

    `state` says what has to be done: "started", "restarted", "failing" (restarted, for it does not stay up), "enabled",
    "stopped", "booted", which only a boot does, or "masked", which only an administrator undoes.
    """

    name: str
    state: str
    needs: str
    why: str


def worst(classes: Iterable[str]) -> str:
    """The class that asks the most of a node."""
    return max(classes, key=CLASSES.index, default="live")


def digests(units: dict[str, dict[str, Any]], files: list[dict[str, Any]], marks: dict[str, str]) -> dict[str, str]:
    """One value for all that a unit is started with, where a start can be noted and a change matters.

    `marks` has a value for each content; where not everybody may read the file, one that nobody can guess.
    """
    return {
        name: digest(name, unit, files, marks)
        for name, unit in units.items()
        if unit["class"] != "live" and notes_start(name)
    }


def notes_start(name: str) -> bool:
    return name.endswith((".service", ".socket"))


def digest(name: str, unit: dict[str, Any], files: list[dict[str, Any]], marks: dict[str, str]) -> str:
    parts = [
        [file["path"], file["mode"], file["owner"], file["group"], marks[file["path"]]]
        for file in files
        if name in file.get("units", [])
    ]
    packages = [["packages", *sorted(unit["packages"])]] if unit.get("packages") else []
    return hashlib.sha256(json.dumps(sorted(parts) + packages).encode()).hexdigest()


def drop_in(unit: str, digest: str, described: dict[str, Any]) -> Wanted:
    """A drop-in that notes, each time the unit starts, which files it starts with.

    Noted before the start, not after: a start that races with a new file then keeps the old note and is repeated.
    A gated unit does not start on a machine without a mark of acceptance, whoever starts it. The first line is for the
    day on which nothing wants the unit any more.
    """
    gated = described.get("gate")
    # Work that needs an accepted machine needs what runs it, as that of a driver does.
    end = "drain" if gated or described["class"] in ("drain", "reboot") else "restart"
    text = (
        f"{NOTED}{end}\n"
        + f"[{'Socket' if unit.endswith('.socket') else 'Service'}]\n"
        + (f"ExecCondition=+/bin/sh -c 'grep -qsF \"$$({MACHINE})\" {ACCEPTED}'\n" if gated else "")
        + f"ExecStartPre=+/bin/sh -c 'mkdir -p {STARTED} && echo {digest} >{STARTED}/{unit}'\n"
    )
    return Wanted(note_of(unit), 0o644, os.geteuid(), os.getegid(), text.encode())


class Units:
    """The units of one node; below another root than / systemd is not asked and every unit counts as running."""

    def __init__(
        self, disk: Disk, units: dict[str, dict[str, Any]], paths: Iterable[str], watch: float = WATCH_SECONDS
    ) -> None:
        """Take the units as manifests describe them, and the paths of all files, among which are files of others."""
        for name in units:
            if not UNIT_NAME.fullmatch(name):
                raise RefusedError(f'"{name}" is not the name of a unit')
        self.disk = disk
        self.units = units
        self.watch = watch
        self.live = disk.root == "/"
        self.placed = {*filter(None, map(unit_of, paths))}
        names = sorted({*units, *self.placed})
        self.states = show(names) if self.live and names else {}
        self.now = time.clock_gettime(time.CLOCK_MONOTONIC)
        gated = any(unit.get("gate") for unit in units.values())
        self.accepted = not gated or accepted_here(disk.root)

    def find_stale(self, digests: dict[str, str], touched: set[str]) -> list[Stale]:
        """Units to start again; `touched` are those with a changing file."""
        return [stale for name in sorted(self.units) for stale in self._judge(name, digests.get(name), name in touched)]

    def unwanted(self, going: Iterable[str], staying: Iterable[str], ends: dict[str, str]) -> list[Stale]:
        """Units to stop: of files that go, where nothing wants the unit and nobody has made its file his own.

        `ends` is what the end of a unit asks of the node, as its note says. What goes from a node goes together, so
        the most that one of them asks is asked by all.
        """
        if not self.live:
            return []
        wanted = {*self.states, *(state["Id"] for state in self.states.values())}
        names = units_of(going) - wanted - {unit_of(path) for path in staying}
        states = {name: state for name, state in endings(names).items() if state["Id"] not in wanted}
        needs = worst(self._end_of(name, state, ends) for name, state in states.items())
        return [Stale(name, "stopped", needs, "nothing wants it any more") for name in states]

    def _end_of(self, name: str, state: dict[str, str], ends: dict[str, str]) -> str:
        """What the end of a unit asks of the node; nobody knows who uses a file system."""
        if not is_running(state):
            return "restart"
        return "drain" if name.endswith(".mount") else ends.get(name, "restart")

    def closed(self) -> list[str]:
        """Units that wait for this machine to be accepted."""
        return sorted(name for name in self.units if self._is_closed(name))

    def steady_in(self) -> float:
        """Seconds until every daemon has run long enough for its start to count; 0 when all have."""
        ages = [age for name in self.units if (age := self._age(name)) is not None]
        return max(0.0, self.watch - min(ages, default=self.watch))

    def disturbs(self, name: str) -> bool:
        """Whether a change of the unit's files or packages must wait for an empty node: what does not run, cannot."""
        unit = self.units.get(name)
        if unit is None or unit["class"] not in ("drain", "reboot"):
            return False
        state = self.states.get(name)
        if state:
            return is_running(state) and not self._is_failing(name)
        return self.disk.look(f"{STARTED}/{name}") is not None

    def _judge(self, name: str, wanted: str | None, touched: bool) -> Iterator[Stale]:
        kind, state = self.units[name]["class"], self.states.get(name)
        if self._is_closed(name):
            return
        other = touched or (wanted is not None and self.started_with(name) != wanted) or self._changed_since(name)
        disabled = state is not None and state["UnitFileState"] in ("", "disabled")
        if self._is_masked(name):
            yield Stale(name, "masked", "live", "masked there: unmask it or take it out of the spec")
        elif kind == "reboot":
            if disabled:
                yield Stale(name, "enabled", "live", "not enabled")
            if other:
                yield Stale(name, "booted", "reboot", "the node was booted with something else")
        elif self._is_failing(name):
            yield Stale(name, "failing", "restart", "keeps failing: it ends soon after each start")
        elif state and not is_running(state):
            yield Stale(name, "started", "restart", "not running")
        elif kind != "live" and other:
            yield Stale(name, "restarted", kind, "started with other files")
        elif disabled:
            yield Stale(name, "enabled", "live", "not enabled")

    def _is_closed(self, name: str) -> bool:
        if self.accepted or not self.units[name].get("gate"):
            return False
        state = self.states.get(name)
        return not (state and is_running(state))

    def _is_masked(self, name: str) -> bool:
        """Whether an administrator forbids the start; a file of ours in place of the mask lifts it."""
        state = self.states.get(name)
        return state is not None and state["UnitFileState"].startswith("masked") and name not in self.placed

    def _is_failing(self, name: str) -> bool:
        """Whether systemd starts it again and again: what runs at this moment may have died a second ago."""
        state, age = self.states.get(name), self._age(name)
        if state is None:
            return False
        restarts = int(state.get("NRestarts") or 0)
        enough = OFTEN_SECONDS if restarts >= OFTEN else self.watch
        return state["SubState"] == "auto-restart" or (restarts > 0 and age is not None and age < enough)

    def _age(self, name: str) -> float | None:
        """Seconds since a daemon was started, if it runs."""
        state = self.states.get(name)
        daemon = state is not None and name.endswith(".service") and state.get("Type") != "oneshot"
        if state is None or not daemon or state["ActiveState"] != "active":
            return None
        return self.now - int(state["ActiveEnterTimestampMonotonic"] or 0) / 1e6

    def started_with(self, name: str) -> str | None:
        return self._read(f"{STARTED}/{name}")

    def _changed_since(self, name: str) -> bool:
        """Whether files of a unit without notes changed after it became active; both times are of one clock."""
        changed, state = self._read(f"{CHANGED}/{name}"), self.states.get(name)
        return bool(changed) and bool(state) and int(state["ActiveEnterTimestampMonotonic"] or 0) <= int(changed)

    def _read(self, path: str) -> str | None:
        note = self.disk.look(path)
        return note.content.decode("ascii", "replace").strip() if note and note.content else None

    def forget(self, names: Iterable[str]) -> None:
        """Around a change of a unit's files: whatever happens next, the unit no longer counts as started with them."""
        for name in names:
            if notes_start(name):
                self.disk.remove(f"{STARTED}/{name}")
            elif self.live:
                now = str(time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000).encode()
                self.disk.put(Wanted(f"{CHANGED}/{name}", 0o644, 0, 0, now))

    def need_reload(self) -> bool:
        return any(state["NeedDaemonReload"] == "yes" for state in self.states.values())

    def stop(self, units: Iterable[Stale]) -> None:
        end(endings(unit.name for unit in units))

    def reload(self) -> None:
        if self.live:
            systemctl("daemon-reload")


def endings(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """The state of each of these units that runs or would run at boot, and is not the system's own."""
    ours = sorted(name for name in names if not SYSTEM.fullmatch(name))
    states = show(ours) if ours else {}
    return {
        name: state
        for name, state in states.items()
        if not SYSTEM.fullmatch(state["Id"])
        and (is_enabled(state) or state["ActiveState"] not in ("inactive", "failed"))
    }


def end(states: dict[str, dict[str, str]]) -> None:
    """Stop units for good: together, so that none of them starts another one again."""
    if states:
        systemctl("stop", "--", *states, seconds=STOP_SECONDS)
    if enabled := [name for name, state in states.items() if is_enabled(state)]:
        systemctl("disable", "--", *enabled)


def is_enabled(state: dict[str, str]) -> bool:
    return state["UnitFileState"] in ("enabled", "enabled-runtime")


def end_noted(note: bytes) -> str:
    """What the end of a unit asks of the node, as its note says; what cannot be read asks for an empty one."""
    first = note.split(b"\n", 1)[0].decode("utf-8", "replace")
    said = first[len(NOTED) :] if first.startswith(NOTED) else ""
    return said if said in CLASSES else "drain"


def units_of(paths: Iterable[str]) -> set[str]:
    """Units that paths are the file of, or the note of what they are started with."""
    paths = [*paths]
    return {*filter(None, map(unit_of, paths)), *(found.group(1) for found in map(NOTE.fullmatch, paths) if found)}


def note_of(unit: str) -> str:
    """The path of the drop-in by which a unit notes what it is started with."""
    return f"{UNIT_FOLDER}/{unit}.d/50-center.conf"


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


def systemctl(*arguments: str, seconds: float = SECONDS) -> str:
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        run = subprocess.run(
            ("systemctl", *arguments), capture_output=True, text=True, timeout=seconds, check=True, env=environment
        )
    except subprocess.CalledProcessError as fault:
        raise RefusedError(f"systemctl {arguments[0]}: {fault.stderr.strip()}") from fault
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise RefusedError(f"systemctl {arguments[0]}: {fault}") from fault
    return run.stdout
