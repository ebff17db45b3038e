"""Saved plans: what a preview found on each host and in each cluster, as hashes; applied only while all of it is so.

A plan holds no content and no secret, so it may lie in a CI job's artifacts. It says which tree it was made of, and for
each host and cluster a hash of what would change there. What did not answer when it was made is not part of it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from generator.apply.files import write_whole
from generator.apply.report import HostOutcome, HostsReport
from generator.problems import Problem, Refused

VERSION = 2
HINT = "look at it with diff, and save a new plan"
LIMIT = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Plan:
    """The tree's hash, the hash of what would change on each host and in each cluster, and which nodes leave."""

    tree: str
    hosts: dict[str, str] = field(default_factory=dict)
    leaving: tuple[str, ...] = ()
    clusters: dict[str, str] = field(default_factory=dict)

    def __or__(self, other: Plan) -> Plan:
        """Both, of one tree."""
        leaving = (*self.leaving, *other.leaving)
        return Plan(self.tree, self.hosts | other.hosts, leaving, self.clusters | other.clusters)

    def of_another_tree(self, tree: Path) -> list[Problem]:
        if self.tree == tree_digest(tree):
            return []
        return [Problem("plan.stale", "the tree is not the one that the plan was made of", hint=HINT)]

    def lacks_cluster(self, name: str) -> list[Problem]:
        if name in self.clusters:
            return []
        return [Problem("plan.stale", f'the plan says nothing of cluster "{name}"', hint=HINT)]

    def stale(self, tree: Path, found: dict[str, HostOutcome], leaving: tuple[str, ...]) -> list[Problem]:
        """Why the plan may not be applied any more: tree or hosts have moved since."""
        if other := self.of_another_tree(tree):
            return other
        moved = sorted({*leaving} ^ {*self.leaving})
        moved += [
            name
            for name, host in found.items()
            if host.state in ("changed", "unchanged", "failed") and self.hosts.get(name) != fingerprint(host)
        ]
        if not moved:
            return []
        shown = ", ".join(moved[:5]) + (f" and {len(moved) - 5} more" if len(moved) > 5 else "")
        message = f"since the plan was made, something has changed on {shown}"
        return [Problem("plan.stale", message, hint=HINT)]


def fingerprint(host: HostOutcome) -> str:
    """A hash of all that would change on a host."""
    return hashlib.sha256(json.dumps(asdict(host), sort_keys=True).encode()).hexdigest()


def tree_digest(tree: Path) -> str:
    """The hash of the index, which has that of every file."""
    return hashlib.sha256((tree / "index.json").read_bytes()).hexdigest()


def plan_of(tree: Path, report: HostsReport) -> Plan:
    """The plan of a preview of hosts."""
    hosts = {name: fingerprint(host) for name, host in report.hosts.items() if host.state != "pending"}
    return Plan(tree_digest(tree), hosts, report.leaving)


def save(path: Path, plan: Plan) -> None:
    """Write a plan in one step; Refused when it cannot be written."""
    data = {"version": VERSION, **asdict(plan)}
    text = json.dumps(data, indent=1, sort_keys=True)
    try:
        write_whole(path, text.encode())
    except OSError as fault:
        raise Refused([Problem("plan.cannot-write", f'"{path}" cannot be written: {fault.strerror}')]) from None


def load(path: Path) -> Plan:
    """Read a plan; Refused for what is none."""
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise Refused([Problem("usage.plan", f'"{path}" is not a plan but something else than a file')])
    try:
        with path.open("rb") as file:
            data = json.loads(file.read(LIMIT))
        if data["version"] != VERSION:
            raise ValueError
        leaving = tuple(str(name) for name in data["leaving"])
        hosts, clusters = ({str(name): str(value) for name, value in data[of].items()} for of in ("hosts", "clusters"))
        return Plan(str(data["tree"]), hosts, leaving, clusters)
    except OSError as fault:
        raise Refused([Problem("usage.plan", f'"{path}" cannot be read: {fault.strerror}')]) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        hint = "center diff --save FILE writes one"
        raise Refused([Problem("usage.plan", f'"{path}" is not a plan of this version', hint=hint)]) from None
