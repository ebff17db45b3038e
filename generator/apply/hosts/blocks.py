"""Which blocks and nodes a rendered tree has, what groups they are in, and what a run must know of their pools."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from generator.problems import Problem, Refused, did_you_mean

RANGE = re.compile(r"\[(\d+):(\d+)\]")


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the rendered tree; `folder` is that of its block."""

    name: str
    folder: Path

    @property
    def block(self) -> str:
        return self.folder.name

    @property
    def pool(self) -> str:
        """Names are ``<pool>-<rack>-<number>``."""
        return self.name.rsplit("-", 2)[0]


class UnknownName(Refused):
    """The caller named a block or a node that the tree does not have: wrong usage, not a failure."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(
            [Problem(f"hosts.unknown-{kind}", f'no {kind} is called "{name}"', hint=did_you_mean(name, known))]
        )


def choose(tree: Path, limit: frozenset[str] | None = None, shard: tuple[int, int] = (1, 1)) -> list[Node]:
    """The nodes of a shard (every n-th block, beginning with the i-th) that are in `limit` (None: all).

    UnknownName for a name in `limit` that the tree does not have.
    """
    part, parts = shard
    nodes = [node for folder in block_folders(tree)[part - 1 :: parts] for node in nodes_of(folder)]
    known = {node.name for node in nodes} if parts == 1 else {n.name for f in block_folders(tree) for n in nodes_of(f)}
    for name in sorted(limit or ()):
        if name not in known:
            raise UnknownName("node", name, known)
    return [node for node in nodes if limit is None or node.name in limit]


def control_nodes(tree: Path) -> list[Node]:
    """Control nodes of the whole centre, in order; the first that answers keeps the lock."""
    return [
        Node(name, folder)
        for folder in block_folders(tree)
        for name in sorted(members(json.loads((folder / "inventory.json").read_text("utf-8")), "role_control"))
    ]


def block_folders(tree: Path) -> list[Path]:
    return sorted(path.parent for path in (tree / "hosts").glob("*/inventory.json"))


def nodes_of(folder: Path) -> list[Node]:
    return [Node(name, folder) for name in json.loads((folder / "nodes.json").read_text("utf-8"))]


@dataclass(frozen=True, slots=True)
class Policy:
    """How far a change of a pool may spread: shares of its nodes that change at a time, and that may not answer."""

    batch: float = 0.2
    unreachable: float = 0.1


def operations(tree: Path) -> dict[str, Any]:
    """Pools and clusters, as a run must know them."""
    found: dict[str, Any] = json.loads((tree / "hosts" / "operations.json").read_text("utf-8"))
    return found


def policies(tree: Path) -> dict[str, Policy]:
    return {name: Policy(pool["batch"], pool["unreachable"]) for name, pool in operations(tree)["pools"].items()}


def groups_of(node: Node) -> list[str]:
    """The groups that a node is in, as Ansible finds them: "all" first, then by name."""
    return ["all", *_groups(node.folder).get(node.name, [])]


@lru_cache(maxsize=64)
def _groups(folder: Path) -> dict[str, list[str]]:
    inventory = json.loads((folder / "inventory.json").read_text("utf-8"))
    found: dict[str, list[str]] = {}
    for group in sorted(_names(inventory) - {"all", "ungrouped"}):
        for host in members(inventory, group):
            found.setdefault(host, []).append(group)
    return found


def _names(described: dict[str, Any]) -> set[str]:
    below = (_names((group or {}).get("children", {})) for group in described.values())
    return set(described).union(*below)


def members(inventory: dict[str, Any], wanted: str) -> set[str]:
    """Hosts of a group and of its children; a child may be described elsewhere than below its parent."""
    groups: dict[str, tuple[set[str], set[str]]] = {}

    def collect(described: dict[str, Any]) -> None:
        for name, group in described.items():
            hosts, children = groups.setdefault(name, (set(), set()))
            hosts.update(host for pattern in (group or {}).get("hosts", {}) for host in expand(pattern))
            children.update(below := (group or {}).get("children", {}))
            collect(below)

    collect(inventory)
    found, seen, ahead = set[str](), set[str](), [wanted]
    while ahead:
        name = ahead.pop()
        if name in groups and name not in seen:
            seen.add(name)
            hosts, children = groups[name]
            found |= hosts
            ahead.extend(children)
    return found


def expand(pattern: str) -> Iterator[str]:
    """Names of an Ansible host range such as "control-a01-[1:3]"; of several ranges, all combinations."""
    found = RANGE.search(pattern)
    if found is None:
        yield pattern
        return
    first, last = found[1], found[2]
    for number in range(int(first), int(last) + 1):
        yield from expand(f"{pattern[: found.start()]}{number:0{len(first)}d}{pattern[found.end() :]}")
