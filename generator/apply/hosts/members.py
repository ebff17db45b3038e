"""The record of members: every node that was ever brought to the tree and has not left, with what reaches it.

It lies on each control node that answers, so that the one that keeps it today may itself be the next to leave. Only by
this record a node is known that the spec no longer names.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from generator import resources
from generator.apply.hosts.blocks import Node, block_folders, nodes_of, operations
from generator.apply.hosts.onhost import Unanswered, ask
from generator.apply.hosts.ssh import Connections
from generator.problems import Problem, Refused
from generator.text import visible

RECORD = "/var/lib/center/members.json"
RECORD_BYTES = 64 * 2**20
SECONDS = 120
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Member:
    """A node as the record knows it."""

    name: str
    address: str
    block: str
    pool: str
    clusters: tuple[str, ...] = ()

    def entry(self) -> dict[str, Any]:
        return {"address": self.address, "block": self.block, "pool": self.pool, "clusters": list(self.clusters)}


class Compared(NamedTuple):
    """What the record says, beside a tree."""

    absent: list[Member]
    """Members that the tree no longer has."""
    moved: dict[str, list[str]]
    """For members that the tree has, clusters that it has as well and that they were in and are not given to."""
    members: int
    """How many there are in all."""


NOBODY = Compared([], {}, 0)


def remember(connections: Connections, keepers: Sequence[Node], tree: Path, names: Iterable[str]) -> None:
    """Note that these nodes of the tree are members, on each of the control nodes that answer.

    Refused when the first of them cannot; the others are only copies.
    """
    wanted = set(names)
    add = {member.name: member.entry() for member in _of(tree) if member.name in wanted}
    if add:
        _write(connections, keepers, {"add": add})


def forget(connections: Connections, keepers: Sequence[Node], names: Iterable[str]) -> None:
    """Take nodes out of the record, on each of the control nodes that answer; Refused when the first cannot."""
    if drop := sorted(names):
        _write(connections, keepers, {"drop": drop})


def compared(
    connections: Connections, keepers: Sequence[Node], tree: Path, without: frozenset[str] = frozenset()
) -> Compared:
    """The record beside the tree. `keepers` are the control nodes that answer, the one with the lock first.

    `without` are clusters that somebody said are not there.

    Refused when the tree is empty, when the record is damaged, or when far more are absent than ever leave at once.
    """
    present = {member.name: list(member.clusters) for member in _of(tree)}
    clusters = sorted(operations(tree)["clusters"].keys() - without)
    if not present:
        message = "the tree has no node at all; that nobody is left is no reason to remove everybody"
        raise Refused([Problem("hosts.leaving", message, hint="render again")])
    for keeper in keepers:
        answer = _ask(connections, keeper, {"present": present, "clusters": clusters})
        if answer["exists"]:
            absent, moved = (
                [_checked(keeper, name, entry) for name, entry in answer[key].items()] for key in ("absent", "moved")
            )
            left = {
                each.name: [c for c in each.clusters if c in clusters and c not in present[each.name]] for each in moved
            }
            if len(moved) < answer["moving"]:
                message = f"{answer['moving']} of {answer['members']} members are given to other clusters"
                hint = "move them in portions, or say --no-cluster of the one that they leave"
                raise Refused([Problem("hosts.leaving", message, hint=hint)])
            if len(absent) < answer["leaving"]:
                message = f"{answer['leaving']} of {answer['members']} members are not in the tree; so many never leave"
                raise Refused([Problem("hosts.leaving", message, hint="render again, or remove them in portions")])
            return Compared(absent, left, int(answer["members"]))
    return NOBODY


def _of(tree: Path) -> Iterator[Member]:
    """All nodes of the tree, as the record notes them."""
    pools = operations(tree).get("pools", {})
    for folder in block_folders(tree):
        places = json.loads((folder / "nodes.json").read_text("utf-8"))
        for node in nodes_of(folder):
            clusters = pools.get(node.pool, {}).get("clusters", ())
            yield Member(node.name, places[node.name]["address"], node.block, node.pool, tuple(clusters))


def _write(connections: Connections, keepers: Sequence[Node], change: Mapping[str, Any]) -> None:
    for keeper in keepers:
        try:
            answer = _ask(connections, keeper, {**change, "careful": True})
            if not answer["exists"]:  # a control node that is new: it begins with what the others know
                add = _copied(connections, [other for other in keepers if other != keeper]) | change.get("add", {})
                left = {name: entry for name, entry in add.items() if name not in change.get("drop", ())}
                _ask(connections, keeper, {"add": left})
        except Refused:
            if keeper == keepers[0]:
                raise


def _copied(connections: Connections, others: Sequence[Node]) -> dict[str, Any]:
    """The whole record of the first that has one; empty when nobody has."""
    for other in others:
        answer = connections.run(other, ["cat", RECORD], seconds=SECONDS, limit=RECORD_BYTES)
        try:
            known = json.loads(answer.output) if answer.status == 0 else {}
            if known:
                return {name: _checked(other, name, entry).entry() for name, entry in known.items()}
        except (ValueError, AttributeError):
            continue
    return {}


def _ask(connections: Connections, keeper: Node, given: Mapping[str, Any]) -> dict[str, Any]:
    """What the keeper says of its record, in the shape that it has to have."""
    try:
        answer = ask(connections, keeper, modules("center_members"), given, SECONDS)
    except Unanswered as unanswered:
        message = f'"{keeper.name}" does not say who the members are: {unanswered}'
        raise Refused([Problem("hosts.members", message)]) from unanswered
    said: dict[str, Any] = answer if isinstance(answer, dict) else {}
    numbers = [said.get(key) for key in ("exists", "members", "leaving", "moving")]
    members = [said.get(key) for key in ("absent", "moved")]
    if not all(isinstance(each, dict) for each in members) or not all(isinstance(each, int) for each in numbers):
        raise _damaged(keeper, said.get("garbled") or "its answer is no answer")
    return said


def _damaged(keeper: Node, fault: object) -> Refused:
    message = f'the record of members on "{keeper.name}" cannot be used: {visible(fault)}'
    hint = (
        f'move {RECORD} away on "{keeper.name}" and run again: a copy of another control node is taken, '
        "else a new record begins, and nodes that have left the spec since their last apply are removed by hand"
    )
    return Refused([Problem("hosts.members", message, hint=hint)])


def _checked(keeper: Node, name: str, entry: Any) -> Member:
    """A member as it was noted; its name and address end up in a command line, so they are looked at first."""
    try:
        member = Member(name, entry["address"], entry["block"], entry["pool"], tuple(entry["clusters"]))
        if not all(NAME.fullmatch(word) for word in (name, member.block, member.pool, *member.clusters)):
            raise ValueError(f'"{name}" is described with a name that is none')
        ipaddress.ip_address(member.address)
    except (ValueError, KeyError, TypeError) as fault:
        raise _damaged(keeper, fault) from fault
    return member


@lru_cache
def modules(*names: str) -> tuple[tuple[str, str], ...]:
    """On-node modules of ours as names and texts, in the order in which they need each other."""
    folder = resources.folder("playbooks") / "module_utils"
    return tuple((f"ansible.module_utils.{name}", (folder / f"{name}.py").read_text("utf-8")) for name in names)
