"""What really changed on hosts, told by files, systemd and dpkg alone, and how that compares with what was foretold."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.quad import HEAD, ROOT, Quad
from tests.rig.hosts import FileState

# Everything that is written on purpose on a Debian machine, but for logs, caches and what programs keep for themselves.
PLACES = (
    "/etc",
    "/usr/local",
    "/opt",
    "/srv",
    "/root",
    "/home",
    "/tmp",
    "/var/tmp",
    "/var/lib/center",
    "/var/spool/cron",
)
# What center keeps for itself: its records, and beside each unit a note of what that was started with.
RECORDS = "/var/lib/center/"
NOTE = re.compile(r"/etc/systemd/system/([^/]+)\.d/50-center\.conf")
ENABLING = re.compile(r"/etc/systemd/system/(?:[^/]+\.(?:wants|requires)/)?([^/]+)|/etc/rc[0-6S]\.d/[KS][0-9]+([^/]+)")
# What units of ours are for: they run a program of the system that writes there.
WRITTEN_BY = {
    "center-trust.service": re.compile(r"/etc/ssl/certs/.*"),
    "center-homes.service": re.compile(r"/etc/pam\.d/.*"),
}
# Units that begin and end with another one, because their own files say so, or those of the sockets that do.
FOLLOWERS = {
    "slurmctld.service": {"center-slurm-news.service"},
    "prometheus.service": {"center-alerts.service"},
    "sssd.service": {
        *(f"sssd-{one}.socket" for one in ("autofs", "nss", "pac", "pam", "pam-priv", "ssh", "sudo")),
        *(f"sssd-{one}.service" for one in ("autofs", "nss", "pac", "pam", "ssh", "sudo")),
    },
}
# Sessions of whoever looks at the host, and what systemd does by the clock.
OWN_LIFE = re.compile(
    r"user@\d+\.service|user-runtime-dir@\d+\.service|session-.*|systemd-(tmpfiles-clean|hostnamed|timedated)\.service"
    r"|(apt-daily|apt-daily-upgrade|dpkg-db-backup|man-db|logrotate|e2scrub_all)\.(timer|service)|run-.*"
    r"|prometheus-node-exporter-.*\.(timer|service)"
)


@dataclass(frozen=True)
class HostState:
    """One host at one moment."""

    files: dict[str, FileState]
    units: dict[str, tuple[str, str, str]]
    """Active state, whether it begins at boot, and the id of its present run."""
    packages: frozenset[str]
    folders: frozenset[str]


def look(quad: Quad, name: str) -> HostState:
    query = ["systemctl", "show", "--all", "--property=Id,ActiveState,UnitFileState,InvocationID"]
    answer = quad.hosts.run(name, [*query, "*.service", "*.socket", "*.timer", "*.mount", "*.path"])
    units = {}
    for block in answer.strip().split("\n\n"):
        of = dict(line.split("=", 1) for line in block.splitlines())
        units[of["Id"]] = (of["ActiveState"], of["UnitFileState"], of["InvocationID"])
    packages = quad.hosts.run(name, ["dpkg-query", "-Wf", "${db:Status-Status} ${Package}\n"]).splitlines()
    installed = frozenset(line.split()[1] for line in packages if line.startswith("installed "))
    found = quad.hosts.files(name, PLACES)
    files = {path: state for path, state in found.items() if state.kind != "folder"}
    return HostState(files, units, installed, frozenset(found.keys() - files.keys()))


@dataclass(frozen=True)
class Told:
    """What a preview or a run says of one host, in the words of the witness."""

    files: dict[str, str]
    packages: frozenset[str]
    begun: frozenset[str]
    enabled: frozenset[str]
    ended: frozenset[str]
    changes: bool

    @classmethod
    def nothing(cls) -> Told:
        return cls({}, frozenset(), frozenset(), frozenset(), frozenset(), False)

    @classmethod
    def of(cls, host: dict[str, Any]) -> Told:
        return cls(
            {change["path"]: change["action"] for change in host["files"]},
            frozenset(host["packages"]),
            frozenset(unit["name"] for unit in host["units"] if unit["state"] in ("started", "restarted")),
            frozenset(unit["name"] for unit in host["units"]),
            frozenset(unit["name"] for unit in host["units"] if unit["state"] == "stopped"),
            host["state"] == "changed",
        )


def differences(name: str, told: Told, before: HostState, after: HostState) -> Iterator[str]:
    """Sentences about what changed and was not foretold, and about what was foretold and did not change."""
    changed = dict(changed_files(before, after))
    # Folders come and go with what is in them; only those that were foretold by name are judged.
    changed |= dict.fromkeys((after.folders - before.folders) & told.files.keys(), "create")
    new = after.packages - before.packages
    if missing := told.packages - new:
        yield f"packages foretold and not installed: {sorted(missing)}"
    if new and not told.packages:
        yield f"packages that nobody foretold: {sorted(new)}"
    for path, action in told.files.items():
        # What a package brings may be there when it is the turn of a file that was to be created.
        if changed.get(path) != action and not (told.packages and path in changed):
            yield f"foretold to {action} {path}, but {changed.get(path, 'nothing')} happened"
    for path, action in changed.items():
        if path not in told.files and not excused(name, path, told, before, after):
            yield f"{action} of {path}, which nobody foretold"
    yield from unit_differences(told, before, after)


def changed_files(before: HostState, after: HostState) -> Iterator[tuple[str, str]]:
    for path in before.files.keys() | after.files.keys():
        if path not in before.files:
            yield path, "create"
        elif path not in after.files:
            yield path, "remove"
        elif before.files[path] != after.files[path]:
            yield path, "update"


def excused(name: str, path: str, told: Told, before: HostState, after: HostState) -> bool:
    """Whether a change that no line names follows from one that a line names."""
    if path.startswith(RECORDS):
        return told.changes or name == HEAD
    if (note := NOTE.fullmatch(path)) is not None:
        return note[1] in told.enabled or f"/etc/systemd/system/{note[1]}" in told.files
    if (link := ENABLING.fullmatch(path)) is not None:
        # What enables or disables a unit are links to it, also under other names, and those of old boot scripts.
        state = after.files.get(path) or before.files[path]
        unit = link[1] or f"{link[2]}.service"
        gone = told.files.get(f"/etc/systemd/system/{unit}") == "remove"
        if gone or unit in told.enabled or any(links_to(state, unit) for unit in told.enabled):
            return True
    if any(unit in told.begun and pattern.fullmatch(path) for unit, pattern in WRITTEN_BY.items()):
        return True
    # Packages write their own files, and those of accounts, alternatives and boot links.
    return bool(told.packages) and path.startswith("/etc/")


def links_to(link: FileState, unit: str) -> bool:
    targets = (f"{folder}/systemd/system/{unit}" for folder in ("/lib", "/usr/lib", "/etc"))
    return link.digest in {hashlib.sha256(target.encode()).hexdigest() for target in targets}


def unit_differences(told: Told, before: HostState, after: HostState) -> Iterator[str]:
    begun = {
        unit for unit, (_, _, run) in after.units.items() if run and run != before.units.get(unit, ("", "", ""))[2]
    }
    stopped = {
        unit
        for unit, (active, _, _) in before.units.items()
        if active == "active" and after.units.get(unit, ("gone", "", ""))[0] not in ("active", "activating")
    }
    if missing := told.begun - begun:
        yield f"foretold to start again, but did not: {sorted(missing)}"
    removed = {path.rpartition("/")[2] for path, action in told.files.items() if action == "remove"}
    for unit in sorted(begun - with_followers(told.begun)):
        if not OWN_LIFE.fullmatch(unit) and not told.packages:
            yield f"{unit} started again, which nobody foretold"
    if running := {unit for unit in told.ended if after.units.get(unit, ("gone",))[0] in ("active", "activating")}:
        yield f"foretold to stop, but they still run: {sorted(running)}"
    for unit in sorted(stopped - with_followers(told.enabled)):
        if not OWN_LIFE.fullmatch(unit) and not told.packages:
            yield f"{unit} was stopped, which nobody foretold"
    for unit in sorted(before.units.keys() & after.units.keys()):
        if before.units[unit][1] != after.units[unit][1] and unit not in told.enabled | removed and not told.packages:
            yield f"{unit} was {before.units[unit][1]} and is {after.units[unit][1]}, which nobody foretold"


def with_followers(units: Iterable[str]) -> set[str]:
    return {one for unit in units for one in (unit, *FOLLOWERS.get(unit, ()))}


# The tree against a host


def as_rendered(
    quad: Quad, name: str, state: HostState, groups: Iterable[str], secrets: dict[str, str]
) -> Iterator[str]:
    """What of the tree is not on a host as it stands there, in content, mode and owner."""
    [place] = [
        json.loads(file.read_text())[name] for file in quad.tree.glob("hosts/*/nodes.json") if name in file.read_text()
    ]
    holes = {"node.name": name, "node.address": place["address"], **{f"secret.{key}": v for key, v in secrets.items()}}
    for group in groups:
        folder = quad.tree / "hosts/groups" / group
        if not (folder / "manifest.json").exists():
            continue
        manifest = json.loads((folder / "manifest.json").read_text())
        for file in manifest["files"]:
            content = (folder / "files" / file["path"].lstrip("/")).read_bytes()
            for hole in file["holes"]:
                word = hole if "." in hole else f"node.{hole}"
                content = content.replace(f"@{{{word}}}".encode(), holes[word].encode())
            wanted = (hashlib.sha256(content).hexdigest(), file["mode"], file["owner"], file["group"])
            found = state.files.get(file["path"])
            there = (found.digest, found.mode, found.owner, found.group) if found else None
            if there != wanted:
                yield f"{file['path']} is not as rendered: {there and there[1:]}"
        for link in manifest["links"]:
            found = state.files.get(link["path"])
            if not found or found.digest != hashlib.sha256(link["target"].encode()).hexdigest():
                yield f"{link['path']} is no link to {link['target']}"


def groups_of(tree: Path) -> dict[str, list[str]]:
    """The groups of each host, as Ansible reads the inventories."""
    inventories = [word for file in sorted(tree.glob("hosts/*/inventory.json")) for word in ("-i", str(file))]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "playbooks/ansible.cfg")}
    command = [sys.executable, "-m", "ansible", "inventory", *inventories, "--list"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    listed: dict[str, Any] = json.loads(done.stdout)
    found: dict[str, set[str]] = {}
    hosts = {group: set(of.get("hosts", ())) for group, of in listed.items() if isinstance(of, dict)}
    children = {group: list(of.get("children", ())) for group, of in listed.items() if isinstance(of, dict)}

    def below(group: str) -> set[str]:
        return hosts.get(group, set()).union(*(below(child) for child in children.get(group, ())))

    for group in listed:
        if group not in ("_meta", "all", "ungrouped"):
            for host in below(group):
                found.setdefault(host, set()).add(group)
    return {host: ["all", *sorted(groups)] for host, groups in found.items()}
