#!/usr/bin/python
# Copyright the center authors. SPDX-License-Identifier: Apache-2.0
# Runs inside Ansible, on the node (Python 3.8 or newer); uses nothing of Ansible but its module interface.
"""Bring one node to what the tree wants, in one call: directories, files, what is left over, and notes for units."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.center_disk import Disk, RefusedError
from ansible.module_utils.center_plan import Plan

DOCUMENTATION = r"""
module: center_tree
short_description: Place the rendered files of one node
description:
  - Called through the action plug-in of the same name, which reads the rendered tree on the controller.
  - While packages are missing, only files marked before_packages are placed and C(complete) is false.
options:
  root: {type: str, default: /, description: Place below this folder; systemd is then left alone.}
  packages_ready: {type: bool, default: false, description: Packages that are still missing are a failure.}
  packages: {type: list, elements: str, default: [], description: Package names, or name=version.}
  directories: {type: list, elements: dict, default: [], description: Directories with path, mode, owner and group.}
  files: {type: list, elements: dict, default: [], description: Files, as directories, with content in base64.}
  units: {type: list, elements: dict, default: [], description: systemd units with name and class.}
author: the center authors
"""

# How each package manager lists packages: its program, where its database is, and what prints name, version, status.
PACKAGE_MANAGERS = {
    "apt": ("/usr/bin/dpkg-query", "--admindir=%s/var/lib/dpkg", "-Wf${Package}\\t${Version}\\t${db:Status-Status}\\n"),
}
DIFFS_LIMIT = 256 * 2**10


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "str", "default": "/"},
            "packages_ready": {"type": "bool", "default": False},
            "packages": {"type": "list", "elements": "str", "default": []},
            "directories": {"type": "list", "elements": "dict", "default": []},
            "files": {"type": "list", "elements": "dict", "default": []},
            "units": {"type": "list", "elements": "dict", "default": []},
        },
        supports_check_mode=True,
        no_log=True,  # contents belong neither into the node's journal nor back to the controller
    )
    os.umask(0o022)
    try:
        result = bring(module.params, module.check_mode)
    except RefusedError as fault:
        module.fail_json(msg=str(fault), invocation={})
    if not module._diff:
        del result["diff"]
    module.exit_json(invocation={}, **result)


def bring(params: dict[str, Any], check: bool) -> dict[str, Any]:
    disk = Disk(params["root"])
    manager, missing = find_missing(params["packages"], params["root"].rstrip("/"))
    if missing and params["packages_ready"]:
        raise RefusedError(f"packages are still missing after installation: {', '.join(missing)}")
    plan = Plan(disk, params, early=bool(missing) and not check, lenient=bool(missing))
    if not check:
        plan.carry_out()
    changes = plan.changes + plan.removals
    stale = [unit._asdict() for unit in plan.stale]
    return {
        "changed": plan.differs or (check and bool(missing or stale)),
        "complete": check or not missing,
        "package_manager": manager,
        "packages": missing,
        "changes": [{"path": change.path, "action": change.action} for change in changes],
        "diff": bounded([change.diff for change in changes]),
        "stale": stale,
        "restart": [] if check else stale,
        "waiting": [unit._asdict() for unit in plan.waiting],
        "kept": plan.kept,
    }


def find_missing(packages: list[str], root: str) -> tuple[str, list[str]]:
    """The package manager of this node, and which of `packages` it does not have (in the wanted version)."""
    manager = next((name for name, command in PACKAGE_MANAGERS.items() if os.access(command[0], os.X_OK)), None)
    if manager is None:
        raise RefusedError(f"none of these package managers is here: {', '.join(PACKAGE_MANAGERS)}")
    if not packages:
        return manager, []
    names = [package.partition("=")[0] for package in packages]
    program, database, listing = PACKAGE_MANAGERS[manager]
    query = [program, database % root, listing, "--", *names]
    answer = subprocess.run(query, capture_output=True, text=True, timeout=60, check=False)
    installed = set()
    for line in answer.stdout.splitlines():
        name, version, status = line.split("\t")
        if status == "installed":
            installed |= {name, f"{name}={version}"}
    return manager, [package for package in packages if package not in installed]


def bounded(diffs: list[str]) -> list[dict[str, str]]:
    """Diffs in Ansible's form, one a change; beyond the limit of a node only that there is one."""
    room = DIFFS_LIMIT
    shown = []
    for diff in diffs:
        room -= len(diff)
        shown.append({"prepared": diff if room >= 0 else "[too many differences to show]\n"})
    return shown


if __name__ == "__main__":
    main()
