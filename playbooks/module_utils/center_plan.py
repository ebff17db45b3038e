# Copyright the center authors. SPDX-License-Identifier: Apache-2.0
# Loaded by the module center_tree, which runs inside Ansible on the node (Python 3.8 or newer).
"""The plan for one node: found without touching anything, shown in check mode, carried out otherwise."""

from __future__ import annotations

import base64
import difflib
import grp
import hashlib
import hmac
import json
import os
import pwd
import secrets
from typing import Any, NamedTuple

from ansible.module_utils.center_disk import Disk, Found, RefusedError, Wanted, naming
from ansible.module_utils.center_units import (
    CLASSES,
    NOTE,
    UNIT_FOLDER,
    WATCH_SECONDS,
    Stale,
    Units,
    digests,
    drop_in,
    end_noted,
    note_of,
    units_of,
    worst,
)

RECORD = "/var/lib/center/placed.json"
DIFF_LIMIT = 32 * 2**10
UNKNOWN = -1  # a user that a missing package will make


class Change(NamedTuple):
    path: str
    action: str  # "create", "update" or "remove"
    diff: str
    mark: str  # a value for both contents, which a saved plan is compared by


class Plan:
    """Differences between a node and what the tree wants there.

    `early`: only the files that package installation needs; nothing is removed and no unit judged, but gated units get
    their gate, because packages start what they bring.
    `lenient`: users that do not exist yet are no fault, because packages that are still missing may make them.
    `bears`: the class of change that the node can bear now; what needs more is named and left alone.
    """

    def __init__(self, disk: Disk, params: dict[str, Any], early: bool, lenient: bool) -> None:
        self.disk = disk
        self.early = early
        self.bears = params["bears"]
        self.files = [file for file in params["files"] if file.get("before_packages") or not early]
        directories = [] if early else params["directories"]
        described = {unit["name"]: unit for unit in params["units"] if unit.get("gate") or not early}
        resolved = {file["path"]: resolve(file, lenient) for file in params["files"]}
        wanted = [resolve(entry, lenient) for entry in directories] + [resolved[file["path"]] for file in self.files]
        contents = {entry.path: entry.content for entry in wanted if entry.content is not None}
        self.record, self.salt, self.salted = read_record(disk)
        # A note that is placed early is already the last one, so it is of all files.
        marks = {entry.path: self._mark(entry) for entry in resolved.values() if entry.content is not None}
        noted = digests(described, params["files"], marks)
        notes = [drop_in(name, digest, described[name]) for name, digest in sorted(noted.items())]
        self.wanted = {entry.path: entry for entry in wanted + notes}
        self.units = Units(disk, described, contents, params.get("watch", WATCH_SECONDS))
        self.of = {file["path"]: file.get("units", []) for file in self.files}
        self.of.update({note.path: [name] for note, name in zip(notes, sorted(noted))})  # noqa: B905 - Python 3.8
        self.noted = {note_of(name): (name, digest) for name, digest in noted.items()}
        found = self._compare(wanted)
        self.changes = [change for change in found if self.bearable(change)]
        self.waiting = [change for change in found if not self.bearable(change)]
        differing = self._compare(notes)
        self.notes = [change for change in differing if self.bearable(change)]
        self.late_notes = [change for change in differing if not self.bearable(change)]
        self.ends: dict[str, str] = {}
        orphans, self.kept = ([], []) if early else self._find_orphans()
        self.unwanted = self.units.unwanted(paths_of(orphans), self.kept, self.ends)
        self.removals = [change for change in orphans if self.bearable(change)]
        self.waiting += [change for change in orphans if not self.bearable(change)]
        self.touched = {unit for change in self.changes for unit in self.of.get(change.path, [])}
        waits = {unit for change in self.waiting for unit in self.of.get(change.path, [])}
        self.stale = [] if early else self.units.find_stale(noted, self.touched | waits)

    @property
    def differs(self) -> bool:
        return bool(self.changes or self.notes or self.removals)

    def needs(self, change: Change) -> str:
        """What a change asks of the node: the most that one of its units asks, of which running ones mind."""
        if change.action == "remove":
            return worst(unit.needs for unit in self.unwanted)
        name, digest = self.noted.get(change.path, ("", ""))
        if name and self.units.started_with(name) == digest:  # only the words of its note are others
            return "live"
        minding = [name for name in self.of.get(change.path, []) if self.units.disturbs(name)]
        classes = [self.units.units[name]["class"] for name in self.of.get(change.path, []) if name in self.units.units]
        return worst(kind for kind in classes if minding or kind in ("live", "restart"))

    def bearable(self, change: Change) -> bool:
        """Whether it can be made now. What only a boot reads can always be written."""
        needs = self.needs(change)
        return needs == "reboot" or self.bears_class(needs)

    def bears_class(self, kind: str) -> bool:
        return CLASSES.index(kind) <= CLASSES.index(self.bears)

    def ending(self) -> list[Stale]:
        """Units that stop now."""
        return [unit for unit in self.unwanted if self.bears_class(unit.needs)]

    def now(self) -> list[Stale]:
        """Units whose turn it is to begin; a boot is not theirs to take."""
        return [unit for unit in self.stale if self.bears_class(unit.needs) and unit.state != "booted"]

    def later(self) -> list[Stale]:
        return [unit for unit in self.unwanted + self.stale if not self.bears_class(unit.needs)]

    def wants_boot(self) -> bool:
        return any(unit.state == "booted" and self.bears_class(unit.needs) for unit in self.stale)

    def carry_out(self) -> None:
        """Killed anywhere, the next run finds the rest still to do."""
        paths = paths_of(self.changes + self.notes + self.removals)
        unwritten = paths_of(self.waiting + self.late_notes)
        placed = {
            path: [self._mark(entry)]
            for path, entry in self.wanted.items()
            if entry.content is not None and path not in unwritten
        }
        left = self.record if self.early else {*self.kept, *(self.record.keys() & unwritten)}
        kept = {path: self.record[path] for path in left}
        if paths:
            # Ahead of the first write, with old and new marks: a killed run still knows which files are its own.
            names = {*self.record, *placed}
            self._write_record({n: sorted({*self.record.get(n, []), *placed.get(n, [])}) for n in names})
        self.units.stop(self.ending())
        self.units.forget(self.touched)
        for change in self.changes + self.notes:
            with naming(change.path):
                self.disk.put(self.wanted[change.path])
        self.units.forget(self.touched)
        for change in self.removals:
            with naming(change.path):
                self.disk.remove(change.path)
        self._write_record({**kept, **placed})
        unit_files_changed = any(path.startswith(UNIT_FOLDER) for path in paths)
        if unit_files_changed or self.stale or self.units.need_reload():
            self.units.reload()

    def _mark(self, entry: Wanted | Found) -> str:
        return mark_of(entry, self.salt)

    def _compare(self, entries: list[Wanted]) -> list[Change]:
        changes = []
        for wanted in entries:
            with naming(wanted.path):
                found = self.disk.look(wanted.path)
            if found is None:
                changes.append(self._change("create", wanted.path, None, wanted))
            elif not wanted.equals(found):
                if "directory" in (found.kind, wanted.kind) and found.kind != wanted.kind:
                    raise RefusedError(f"{wanted.path}: a {found.kind} is there, a {wanted.kind} is wanted")
                changes.append(self._change("update", wanted.path, found, wanted))
        return changes

    def _change(self, action: str, path: str, found: Found | None, wanted: Wanted | None) -> Change:
        contents = [entry for entry in (found, wanted) if entry is not None and entry.content is not None]
        # Before the first record there is no lasting salt: then what not everybody may read has no mark.
        marked = self.salted or all(is_open(entry) for entry in contents)
        mark = sha256("-".join(map(self._mark, contents)).encode()) if marked and contents else ""
        return Change(path, action, describe(path, found, wanted), mark)

    def _find_orphans(self) -> tuple[list[Change], list[str]]:
        """Files placed earlier that nothing wants now; one that somebody edited since is theirs, and kept."""
        orphans, kept = [], []
        for path in sorted(set(self.record) - set(self.wanted)):
            with naming(path):
                found = self.disk.look(path)
            for unit in units_of([path]) if found is not None and NOTE.fullmatch(path) else ():
                self.ends[unit] = end_noted(found.content or b"")
            if found is not None and found.content is not None and self._mark(found) in self.record[path]:
                orphans.append(self._change("remove", path, found, None))
            elif found is not None:
                kept.append(path)
        if orphans and not self.files:
            raise RefusedError(f"refused to remove all {len(orphans)} files placed here: the tree gives this node none")
        return orphans, kept

    def _write_record(self, files: dict[str, list[str]]) -> None:
        if files != self.record:
            write_record(self.disk, files, self.salt)
            self.record = files


def paths_of(changes: list[Change]) -> set[str]:
    return {change.path for change in changes}


def resolve(entry: dict[str, Any], lenient: bool) -> Wanted:
    """A manifest entry, with its owner and group as numbers and its content as bytes."""
    path = entry["path"]
    if not path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")[1:]) or "\0" in path:
        raise RefusedError(f"{path}: not a plain absolute path")
    try:
        uid, gid = pwd.getpwnam(entry["owner"]).pw_uid, grp.getgrnam(entry["group"]).gr_gid
    except KeyError:
        if not lenient:
            raise RefusedError(f'{path}: no user "{entry["owner"]}" or no group "{entry["group"]}" here') from None
        uid = gid = UNKNOWN
    content = base64.b64decode(entry["content"]) if "content" in entry else None
    return Wanted(path, int(entry["mode"], 8), uid, gid, content, link=entry.get("link", False))


def read_record(disk: Disk) -> tuple[dict[str, list[str]], str, bool]:
    """Path -> marks of contents placed there, the salt of marks that nobody may guess, and whether it will last."""
    found = disk.look(RECORD)
    if found is None:
        return {}, secrets.token_hex(16), False
    try:
        record = json.loads(found.content or b"")
        files = {str(path): [str(one) for one in marks] for path, marks in record["files"].items()}
        return files, str(record.get("salt", "")), True
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RefusedError(f"{RECORD}: not a record of placed files; move it away to begin a new one") from None


def write_record(disk: Disk, files: dict[str, list[str]], salt: str) -> None:
    text = json.dumps({"version": 2, "salt": salt, "files": files}, indent=0, sort_keys=True)
    with naming(RECORD):
        disk.put(Wanted(RECORD, 0o600, os.geteuid(), os.getegid(), text.encode()))


def mark_of(entry: Wanted | Found, salt: str) -> str:
    """A value for a content. Where not everybody may read it, one that cannot be compared with guesses."""
    assert entry.content is not None
    if is_open(entry):
        return sha256(entry.content)
    return hmac.new(salt.encode(), entry.content, hashlib.sha256).hexdigest()


def is_open(entry: Wanted | Found) -> bool:
    """Whether everybody on the node may read it."""
    return bool(entry.mode & 0o004) or entry.kind == "link"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def describe(path: str, found: Found | None, wanted: Wanted | None) -> str:
    """Owner and mode, then a unified diff; what not everybody may read on the node is not shown."""
    lines = []
    before, after = shape(found), shape(wanted)
    if before != after:
        lines.append(f"{path}: {before} -> {after}\n")
    old, new = (entry and entry.content for entry in (found, wanted))
    if old != new:
        hidden = any(entry is not None and not entry.mode & 0o004 for entry in (found, wanted))
        lines.extend([f"{path}: contents not shown\n"] if hidden else unified(path, old, new))
    text = "".join(lines)
    return text if len(text) <= DIFF_LIMIT else f"{text[:DIFF_LIMIT]}\n[{len(text) - DIFF_LIMIT} more characters]\n"


def shape(entry: Found | Wanted | None) -> str:
    if entry is None:
        return "absent"
    return f"{entry.kind} {entry.mode:04o} {name_of(pwd.getpwuid, entry.uid)}:{name_of(grp.getgrgid, entry.gid)}"


def name_of(database: Any, number: int) -> str:
    if number == UNKNOWN:
        return "(from a package)"
    try:
        return str(database(number)[0])
    except KeyError:
        return str(number)


def unified(path: str, old: bytes | None, new: bytes | None) -> list[str]:
    try:
        before, after = ((content or b"").decode("utf-8").splitlines(keepends=True) for content in (old, new))
    except UnicodeDecodeError:
        return [f"{path}: binary contents differ\n"]
    lines = difflib.unified_diff(before, after, f"{path} (on the node)", f"{path} (wanted)")
    return [line if line.endswith("\n") else f"{line}\n\\ no newline at the end\n" for line in lines]
