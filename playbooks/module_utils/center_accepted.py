# Copyright the center authors. SPDX-License-Identifier: Apache-2.0
# Runs on the node (Python 3.8 or newer): inside Ansible's module center_tree, and from memory for `center accept`.
"""The mark that a node has passed the acceptance checks of its pool, and whether it was given to this very machine.

It names the machine: a disk that moved to another one, or a node that was installed anew, does not count as accepted.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.center_disk import Disk, RefusedError, Wanted

ACCEPTED = "/var/lib/center/accepted.json"
VERSION = 1
READ_BYTES = 4096
# What tells one machine from another; a machine without firmware tables still has an id of its installation.
IDENTITY = {
    "uuid": "/sys/class/dmi/id/product_uuid",
    "serial": "/sys/class/dmi/id/product_serial",
    "machine-id": "/etc/machine-id",
}


def machine(root: str = "/") -> dict[str, str]:
    """What this machine says of itself; empty where it says nothing."""
    return {name: first_line(root, path) for name, path in IDENTITY.items()}


def accepted_here(root: str = "/") -> bool:
    """Whether this very machine has passed its checks; a mark that cannot be trusted or understood is none."""
    mark = read_mark(root)
    return mark is not None and mark.get("machine") == machine(root) and bool(mark["machine"]["machine-id"])


def read_mark(root: str = "/") -> dict[str, Any] | None:
    """The mark that is on the disk, whoever it was given to; None where there is none that root alone has written."""
    try:
        found = Disk(root).look(ACCEPTED)
        if found is None or found.content is None or found.kind != "file" or found.mode & 0o022:
            return None
        if found.uid not in (0, os.geteuid()) or len(found.content) > READ_BYTES:
            return None
        mark = json.loads(found.content.decode("utf-8"))
    except (RefusedError, OSError, ValueError):
        return None
    return mark if isinstance(mark, dict) and mark.get("version") == VERSION else None


def give_mark(checks: str, root: str = "/") -> str:
    """Note that this machine has passed the checks with that digest; its date. RefusedError if the disk refuses."""
    date = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    mark = {"version": VERSION, "checks": checks, "date": date, "machine": machine(root)}
    if not mark["machine"]["machine-id"]:
        raise RefusedError(f"{IDENTITY['machine-id']}: this machine has no id, so no mark could name it")
    text = json.dumps(mark, indent=2, sort_keys=True) + "\n"
    try:
        Disk(root).put(Wanted(ACCEPTED, 0o644, os.geteuid(), os.getegid(), text.encode()))
    except OSError as fault:
        raise RefusedError(f"{ACCEPTED}: {fault.strerror}") from fault
    return date


def take_mark(root: str = "/") -> bool:
    """Take the mark away; whether there was one. RefusedError if the disk refuses."""
    disk = Disk(root)
    try:
        had = disk.look(ACCEPTED) is not None
        disk.remove(ACCEPTED)
    except OSError as fault:
        raise RefusedError(f"{ACCEPTED}: {fault.strerror}") from fault
    return had


def first_line(root: str, path: str) -> str:
    """The first line of a small file of the system, with what could move a cursor left out."""
    try:
        with Path(root, path.lstrip("/")).open("rb") as file:
            text = file.read(READ_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
    return "".join(letter for letter in text.split("\n")[0] if letter.isprintable()).strip()
