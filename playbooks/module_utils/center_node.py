# Copyright the center authors. SPDX-License-Identifier: Apache-2.0
# Runs on the node (Python 3.8 or newer): inside Ansible's module center_tree, and from memory without Ansible.
"""Bring one node to what the tree wants, in one call, or find out what that would do."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible.module_utils.center_disk import Disk, RefusedError, closing
from ansible.module_utils.center_packages import find_missing, foresee
from ansible.module_utils.center_plan import Change, Plan
from ansible.module_utils.center_units import worst

DIFFS_LIMIT = 256 * 2**10
GUARD = "run/center/guard"
GUARD_SECONDS = 60


def main(given: dict[str, Any]) -> dict[str, Any]:
    """Look at the node without touching it; `refused` says why the tree cannot be placed there.

    What was started just now gets time to fail: then the second look counts.
    """
    params = {"root": "/", "bears": "restart", "packages_ready": False, **given}
    try:
        answer = bring(params, check=True)
        if answer["steady_in"]:
            time.sleep(answer["steady_in"])
            answer = bring(params, check=True)
        return answer
    except RefusedError as fault:
        return {"refused": str(fault)}


def bring(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Carry out (or with `check` only show) what the node can bear; RefusedError before anything is touched."""
    disk = Disk(params["root"])
    with alone(params["root"], only_looking=check):
        return _brought(disk, params, check)


def _brought(disk: Disk, params: dict[str, Any], check: bool) -> dict[str, Any]:
    manager, missing = find_missing(params["packages"], params["root"].rstrip("/"))
    plan = Plan(disk, params, early=bool(missing) and not check, lenient=bool(missing))
    late = packages_that_wait(plan, params, missing)
    missing = [package for package in missing if package not in late]
    if missing and params["packages_ready"]:
        raise RefusedError(f"packages are still missing after installation: {', '.join(missing)}")
    # The packages of a folder that stands for a root are not those that its package manager would speak of.
    effects = foresee(manager, missing) if plan.units.live else []
    if plan.early and not missing:  # all that is missing waits for an empty node
        plan = Plan(disk, params, early=False, lenient=True)
    if not check:
        plan.carry_out()
    now, later = plan.now(), plan.later()
    changes = plan.changes + plan.removals + lone_notes(plan)
    return {
        "changed": plan.differs or (check and bool(missing or now or plan.wants_boot())),
        "complete": check or not missing,
        "package_manager": manager,
        "packages": missing,
        "package_effects": effects,
        "package_needs": needs_of(plan, params, missing),
        "changes": [shown(change, plan) for change in changes],
        "diff": bounded([change.diff for change in changes + plan.waiting]),
        "stale": [unit._asdict() for unit in plan.ending() + now],
        "restart": [] if check else [unit._asdict() for unit in now if unit.state != "masked"],
        "boot": plan.wants_boot(),
        "withheld": [shown(change, plan) for change in plan.waiting],
        "withheld_packages": late,
        "waiting": [unit._asdict() for unit in later],
        "closed": plan.units.closed(),
        "kept": plan.kept,
        "steady_in": plan.units.steady_in(),
    }


@contextmanager
def alone(root: str, only_looking: bool) -> Iterator[None]:
    """Wait until nobody else changes this node: what a killed controller has begun here goes on for a moment.

    The guard is the kernel's, and open as soon as its holder is gone. Who looks makes no file and hinders no looker.
    """
    path = Path(root, GUARD)
    try:
        if not only_looking:
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | (0 if only_looking else os.O_CREAT)
        descriptor = os.open(path, flags, 0o600)
    except OSError as fault:
        if only_looking:  # nobody has ever placed anything since the boot
            yield
            return
        raise RefusedError(f"/{GUARD}: {fault.strerror}; nothing was touched") from fault
    with closing(descriptor):
        end = time.monotonic() + GUARD_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, (fcntl.LOCK_SH if only_looking else fcntl.LOCK_EX) | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise RefusedError("what an earlier run has begun here is still at work on the files") from None
                time.sleep(0.1)
        yield


def lone_notes(plan: Plan) -> list[Change]:
    """Notes of what units are started with that change without a start: whoever reads of one expects the other."""
    begun = {unit.name for unit in plan.stale}
    return [note for note in plan.notes if not begun.intersection(plan.of[note.path])]


def packages_that_wait(plan: Plan, params: dict[str, Any], missing: list[str]) -> list[str]:
    """Missing packages of units that must not be disturbed yet; the first time there is nobody to disturb."""
    order = {unit["name"]: unit for unit in params["units"] if unit.get("packages")}
    units = Plan(plan.disk, params, early=False, lenient=True).units if plan.early and order else plan.units
    waiting: set[str] = set()
    for name, unit in order.items():
        if units.disturbs(name) and not plan.bears_class(unit["class"]):
            waiting |= set(unit["packages"])
    return [package for package in missing if package in waiting]


def needs_of(plan: Plan, params: dict[str, Any], packages: list[str]) -> str:
    """What the installation of packages asks of the node; those of no unit are as harmless as a restart."""
    asking = [unit for unit in params["units"] if {*unit.get("packages", [])} & {*packages}]
    return worst(["restart", *(unit["class"] for unit in asking if plan.units.disturbs(unit["name"]))])


def shown(change: Change, plan: Plan) -> dict[str, str]:
    return {"path": change.path, "action": change.action, "needs": plan.needs(change), "mark": change.mark}


def bounded(diffs: list[str]) -> list[dict[str, str]]:
    """Diffs in Ansible's form, one a change; beyond the limit of a node only that there is one."""
    room = DIFFS_LIMIT
    shown = []
    for diff in diffs:
        room -= len(diff)
        shown.append({"prepared": diff if room >= 0 else "[too many differences to show]\n"})
    return shown
