"""Which nodes are looked at, what is expected of them, and how they are asked about themselves."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from generator import resources
from generator.apply.hosts.blocks import Node, UnknownName, choose, members
from generator.apply.hosts.expectation import FREE_GIB
from generator.apply.hosts.findings import Remark
from generator.apply.hosts.onhost import Unanswered, ask
from generator.apply.hosts.ssh import Connections

Clock = Callable[[], float]
"""Seconds since 1970; a test gives another than the machine's."""
Part = tuple[str, str]
FACTS = ("center_disk", "center_accepted", "center_facts")
CHECKS = (*FACTS, "center_check")


@dataclass(frozen=True)
class Subject:
    """A node with what the tree says about it and about its pool."""

    node: Node
    pool: str
    place: dict[str, str]
    expected: dict[str, Any]
    checks: dict[str, Any]
    texts: tuple[str, ...]
    """Expectation and checks of the pool as the tree has them, byte for byte."""
    units: tuple[dict[str, Any], ...] = ()
    """What the manifests of its groups want to run."""

    def what_to_gather(self) -> dict[str, Any]:
        accelerators = self.expected["accelerators"] or {}
        files = [accelerators["files"]] if accelerators.get("files") else []
        return {"disks": list(FREE_GIB), "devices": files, "mirror": self.expected["mirror"]}


@dataclass(frozen=True)
class Answered:
    """What a node has said, and when it was asked; without an answer, why there is none."""

    said: dict[str, Any] = field(default_factory=dict)
    asked: tuple[float, float] = (0.0, 0.0)
    problem: Remark | None = None


def subjects(tree: Path, limit: frozenset[str] | None, pools: frozenset[str] | None = None) -> list[Subject]:
    """The nodes of `pools` that are in `limit` (None: all); UnknownName for a pool or node that the tree lacks."""
    chosen = choose(tree, limit)
    known = {read["pool"]: folder.name for folder, read in _pool_folders(tree)}
    for pool in sorted(pools or ()):
        if pool not in known:
            raise UnknownName("pool", pool, known)
    wanted = {name: group for name, group in known.items() if pools is None or name in pools}
    groups = [path.parent.name for path in sorted((tree / "hosts/groups").glob("*/manifest.json"))]
    found: list[Subject] = []
    for folder in dict.fromkeys(node.folder for node in chosen):
        inventory, places = (
            json.loads((folder / f"{file}.json").read_text("utf-8")) for file in ("inventory", "nodes")
        )
        manifests = [(members(inventory, group), _units(tree, group)) for group in groups]
        for pool, group in wanted.items():
            texts = tuple((tree / f"hosts/groups/{group}/{name}.json").read_text("utf-8") for name in _POOL_FILES)
            expected, checks = map(json.loads, texts)
            inside = members(inventory, group)
            for node in (node for node in chosen if node.folder == folder and node.name in inside):
                units = tuple(unit for names, units in manifests if node.name in names for unit in units)
                found.append(Subject(node, pool, places[node.name], expected, checks, texts, units))
    return found


_POOL_FILES = ("expected", "checks")


def _pool_folders(tree: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for file in sorted((tree / "hosts/groups").glob("pool_*/expected.json")):
        yield file.parent, json.loads(file.read_text("utf-8"))


def _units(tree: Path, group: str) -> list[dict[str, Any]]:
    manifest = json.loads((tree / f"hosts/groups/{group}/manifest.json").read_text("utf-8"))
    units = manifest.get("units", [])
    return units if isinstance(units, list) else []


def by_pool(found: Iterable[Subject]) -> dict[str, list[str]]:
    pools: dict[str, list[str]] = {}
    for subject in found:
        pools.setdefault(subject.pool, []).append(subject.node.name)
    return dict(sorted(pools.items()))


def parts(names: Sequence[str]) -> list[Part]:
    """Modules of ours that run on nodes, by the names under which they import each other."""
    folder = resources.folder("playbooks") / "module_utils"
    return [(f"ansible.module_utils.{name}", (folder / f"{name}.py").read_text("utf-8")) for name in names]


def question(
    connections: Connections, node: Node, modules: Sequence[Part], given: Any, seconds: float, clock: Clock = time.time
) -> Answered:
    """Ask one node; a node that does not answer is a remark, not a failure of the run."""
    began = clock()
    try:
        said = ask(connections, node, modules, given, seconds)
    except Unanswered as unanswered:
        return Answered(problem=_silence(unanswered))
    if not isinstance(said, dict):
        return Answered(problem=Remark("reachable", "error", "answers, but not with what it was asked for"))
    return Answered(said, (began, clock()))


def _silence(unanswered: Unanswered) -> Remark:
    reason = str(unanswered)
    if "Host key verification failed" in reason:
        message = 'shows a host key that is not known; "center trust" tells more'
        return Remark("reachable", "error", message)
    if unanswered.reached:
        return Remark("reachable", "error", "can be reached, but does not answer", reason)
    return Remark("reachable", "error", "did not answer", reason)
