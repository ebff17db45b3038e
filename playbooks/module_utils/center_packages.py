# Copyright the center authors. SPDX-License-Identifier: Apache-2.0
# Runs on the node (Python 3.8 or newer): inside Ansible's modules, and from memory without Ansible.
"""Packages of one node: which are missing, and what their installation would do to others."""

from __future__ import annotations

import os
import re
import subprocess

from ansible.module_utils.center_disk import RefusedError

# How each package manager lists packages: its program, where its database is, and what prints name, version, status.
PACKAGE_MANAGERS = {
    "apt": ("/usr/bin/dpkg-query", "--admindir=%s/var/lib/dpkg", "-Wf${Package}\\t${Version}\\t${db:Status-Status}\\n"),
    # One that rpm lists is installed.
    "dnf": ("/usr/bin/rpm", "--dbpath=%s/var/lib/rpm", "-qa", "--qf=%{NAME}\\t%{VERSION}-%{RELEASE}\\tinstalled\\n"),
}
# What tells how an installation would go, from the lists of packages here: nobody is asked and nothing is written.
REHEARSALS = {
    "apt": (
        "/usr/bin/apt-get", "--simulate", "--yes", "--quiet=2", "-oDir::Cache::pkgcache=", "-oDir::Cache::srcpkgcache=",
        "-oDir::Log::Planner=/dev/null", "install", "--",
    ),
}  # fmt: skip
# "Remv NAME [VERSION]", "Inst NAME [OLD] (NEW ...)"; what is new has no old version.
EFFECT = re.compile(r"(Remv|Inst) (\S+) \[")
SECONDS = 60


def find_missing(packages: list[str], root: str) -> tuple[str, list[str]]:
    """The package manager of this node, and which of `packages` it does not have (in the wanted version)."""
    manager = next((name for name, command in PACKAGE_MANAGERS.items() if os.access(command[0], os.X_OK)), None)
    if manager is None:
        raise RefusedError(f"none of these package managers is here: {', '.join(PACKAGE_MANAGERS)}")
    if not packages:
        return manager, []
    names = [package.partition("=")[0] for package in packages]
    program, database, *listing = PACKAGE_MANAGERS[manager]
    query = [program, database % root, *listing, "--", *names]
    answer = subprocess.run(query, capture_output=True, text=True, timeout=SECONDS, check=False)
    installed = set()
    for line in answer.stdout.splitlines():
        name, version, status = line.split("\t")
        if status == "installed":
            installed |= {name, f"{name}={version}"}
    return manager, [package for package in packages if package not in installed]


def foresee(manager: str, packages: list[str]) -> list[str]:
    """What installing packages here does to others, such as "remove NAME" or "upgrade NAME".

    Empty when the lists of packages do not have them yet, or when the package manager would refuse or is not asked.
    """
    rehearsal = REHEARSALS.get(manager)
    if not rehearsal or not packages:
        return []
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        answer = subprocess.run(
            [*rehearsal, *packages], capture_output=True, text=True, timeout=SECONDS, check=False, env=environment
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise RefusedError(f"what installing {', '.join(packages)} does to others cannot be found: {fault}") from fault
    if answer.returncode:
        return []
    wanted = {package.partition("=")[0] for package in packages}
    found = [match.groups() for match in map(EFFECT.match, answer.stdout.splitlines()) if match]
    return [f"{'remove' if deed == 'Remv' else 'upgrade'} {name}" for deed, name in found if name not in wanted]


def unlisted(manager: str, packages: list[str], listed: list[str]) -> list[str]:
    """Packages whose removal nobody was told of that installing `packages` would come to now."""
    return [effect for effect in foresee(manager, packages) if effect.startswith("remove ") and effect not in listed]
