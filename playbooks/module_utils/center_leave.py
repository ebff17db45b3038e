# Copyright the center authors. SPDX-License-Identifier: Apache-2.0
# Run from memory on a node that leaves the centre (Python 3.8 or newer), with the modules that it imports.
"""A node leaves: the units that we started stop, the files that we placed go, and it stays reachable.

What somebody has edited is his. What decides whether anybody can still log in, find the node or install a package on it
stays as well. Packages stay.
"""

from __future__ import annotations

import os
import re
from typing import Any

from ansible.module_utils.center_accepted import ACCEPTED
from ansible.module_utils.center_disk import Disk, RefusedError, naming
from ansible.module_utils.center_node import alone
from ansible.module_utils.center_plan import mark_of, read_record, write_record
from ansible.module_utils.center_units import CHANGED, STARTED, UNIT_FOLDER, end, endings, systemctl, units_of

NEEDED = re.compile(
    r"/etc/(ssh|sudoers\.d|apt|dnf|yum\.repos\.d|pki|network|netplan|NetworkManager|systemd/network|pam\.d)/.*"
    r"|/etc/(hosts|hostname|resolv\.conf|localtime|timezone|nsswitch\.conf|sudoers|yum\.conf|systemd/resolved\.conf.*)"
    r"|/usr/local/share/ca-certificates/.*|.*/\.ssh/.*|.*/authorized_keys.*"
)
# What a node notes of itself, beside the record of placed files.
NOTED = (ACCEPTED, "/var/lib/center/members.json")


def main(given: dict[str, Any]) -> dict[str, Any]:
    """What is done, or with `check` what would be: pairs of a verb and what it is done to."""
    os.umask(0o022)
    try:
        with alone("/", only_looking=given["check"]):
            return {"deeds": leave(Disk("/"), given["check"])}
    except RefusedError as fault:
        return {"refused": str(fault)}


def leave(disk: Disk, check: bool) -> list[list[str]]:
    """Killed anywhere, the next run finds the rest still to do: the record is the last thing to change."""
    record, salt, _ = read_record(disk)
    units = sorted(units_of(record))
    running = endings(units)
    removed, kept, edited = sort_out(disk, record, salt)
    if not check:
        end(running)
        notes = [f"{folder}/{name}" for folder in (STARTED, CHANGED) for name in units]
        for path in removed + notes:
            with naming(path):
                disk.remove(path)
        if any(path.startswith(UNIT_FOLDER) for path in removed):
            systemctl("daemon-reload")
        if record != kept:
            write_record(disk, kept, salt)
    return [
        *(["stop", name] for name in running),
        *(["remove", path] for path in removed),
        *(["keep", f"{path} (needed to reach it)"] for path in kept),
        *(["keep", f"{path} (edited there)"] for path in edited),
    ]


def sort_out(disk: Disk, record: dict[str, list[str]], salt: str) -> tuple[list[str], dict[str, list[str]], list[str]]:
    """Files that go, those that keep the node reachable, and those that somebody edited."""
    removed, kept, edited = [], {}, []
    for path in [*sorted(record), *NOTED]:
        with naming(path):
            found = disk.look(path)
        if found is None:
            continue
        if NEEDED.fullmatch(path):
            kept[path] = record[path]
        elif path in NOTED or (found.content is not None and mark_of(found, salt) in record[path]):
            removed.append(path)
        else:
            edited.append(path)
    return removed, kept, edited
