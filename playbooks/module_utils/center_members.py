# Copyright the center authors. SPDX-License-Identifier: Apache-2.0
# Run from memory on a control node (Python 3.8 or newer); uses the standard library alone.
"""The record of members: which nodes of the centre have been brought to its tree, and where they are.

Changes are merged under a lock on the folder and replace the file at once, so a killed run leaves the old or the new.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

FOLDER = "/var/lib/center"
NAME = "members.json"
TEMPORARY = ".members.json.center-new"
FIELDS = {"address": str, "block": str, "pool": str, "clusters": list}
READ_LIMIT = 64 * 2**20
ABSENT_LIMIT = 5000


def main(given: dict[str, Any]) -> dict[str, Any]:
    """Merge `add` and take out `drop`, if they are given; tell of those members that are not in `present`, and of those
    that were in one of the `clusters` that is not named for them there.

    With `careful`, a record that does not exist is not begun, so that it can be copied from elsewhere first.
    """
    os.umask(0o022)
    add, drop = given.get("add", {}), set(given.get("drop", []))
    there = (given.get("present", {}), set(given.get("clusters", [])))
    if add:
        Path(FOLDER).mkdir(mode=0o755, parents=True, exist_ok=True)
    try:
        folder = os.open(FOLDER, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return told(None, *there)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX if add or drop else fcntl.LOCK_SH)
        members = read(folder)
        if (members is not None or not given.get("careful")) and (add or drop):
            kept = {name: member for name, member in (members or {}).items() if name not in drop}
            wanted = {**kept, **add}
            if wanted != members:
                write(folder, wanted)
            members = wanted
        return told(members, *there)
    except (ValueError, TypeError, OSError) as fault:
        return {"garbled": str(fault)}
    finally:
        os.close(folder)


def told(members: dict[str, Any] | None, present: dict[str, list[str]], clusters: set[str]) -> dict[str, Any]:
    known = members or {}
    left = {name: {*known[name]["clusters"]} & clusters for name in known.keys() & present.keys()}
    absent = sorted(known.keys() - present.keys())
    moved = sorted(name for name, were in left.items() if were - {*present[name]})
    return {
        "exists": members is not None,
        "members": len(known),
        "absent": {name: known[name] for name in absent[:ABSENT_LIMIT]},
        "leaving": len(absent),
        "moved": {name: known[name] for name in moved[:ABSENT_LIMIT]},
        "moving": len(moved),
    }


def read(folder: int) -> dict[str, Any] | None:
    """The members by name; None when there is no record yet, ValueError when what is there is none."""
    try:
        descriptor = os.open(NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as source:
        members = json.loads(source.read(READ_LIMIT).decode("utf-8"))
    if not isinstance(members, dict):
        raise ValueError("it is no table of nodes")
    for name, member in members.items():
        if not isinstance(member, dict) or any(not isinstance(member.get(key), kind) for key, kind in FIELDS.items()):
            raise ValueError(f'what it says of "{name}" is incomplete')
    return members


def write(folder: int, members: dict[str, Any]) -> None:
    lines = [f"{json.dumps(name)}: {json.dumps(members[name], sort_keys=True)}" for name in sorted(members)]
    content = ("{\n" + ",\n".join(lines) + "\n}\n").encode("utf-8")
    with suppress(FileNotFoundError):
        os.unlink(TEMPORARY, dir_fd=folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(TEMPORARY, flags, 0o644, dir_fd=folder), "wb") as new:
        new.write(content)
        new.flush()
        os.fsync(new.fileno())
    os.rename(TEMPORARY, NAME, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)
