"""Which blocks and nodes a rendered tree has, and which of the nodes are control nodes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
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


class UnknownName(Refused):
    """The caller named a block or a node that the tree does not have: wrong usage, not a failure."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(
            [Problem(f"hosts.unknown-{kind}", f'no {kind} is called "{name}"', hint=did_you_mean(name, known))]
        )


def choose(tree: Path, blocks: Iterable[str] | None, limit: frozenset[str] | None) -> list[Node]:
    """The nodes of `blocks` (all, when None) that are in `limit` (all, when None); UnknownName for any other name."""
    present = {folder.name: folder for folder in block_folders(tree)}
    names = sorted(present) if blocks is None else list(dict.fromkeys(blocks))
    for name in names:
        if name not in present:
            raise UnknownName("block", name, present)
    nodes = [node for name in names for node in nodes_of(present[name])]
    known = {node.name for node in nodes}
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
