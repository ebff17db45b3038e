"""Nodes that the spec names no more, as part of a run: who leaves, who must wait, and whom that holds back.

A node that the spec gives to another cluster has to leave the one that it is in first, which is for people to say: its
work is there, and what it has from there goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from generator.apply.hosts.asked import Ask, Progress
from generator.apply.hosts.blocks import Node, operations
from generator.apply.hosts.drain import Drains
from generator.apply.hosts.leaving import Deed, preview, take_leave
from generator.apply.hosts.members import NOBODY, compared
from generator.apply.hosts.occupancy import Unreachable
from generator.apply.hosts.ssh import Connections
from generator.apply.hosts.work import waiting
from generator.apply.report import HostOutcome


class Departures:
    """The leavers of a centre; a run of a part of it lets nobody leave, but knows of them."""

    def __init__(self, ask: Ask, connections: Connections, keepers: Sequence[Node], drains: Drains) -> None:
        self.ask = ask
        self.connections = connections
        self.keepers = keepers
        self.drains = drains
        self.clusters = operations(ask.tree)["clusters"]
        known = compared(connections, keepers, ask.tree, ask.without) if keepers else NOBODY
        self.found = known.absent
        self.moved = self._counted_on(known.moved)
        self.whole = ask.limit is None and not ask.is_shard
        self.notes: tuple[str, ...] = ()
        self.faults: tuple[str, ...] = ()
        self.staying = {member.name for member in self.found}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(member.name for member in self.found)

    @property
    def open(self) -> bool:
        """Whether somebody has not left whom this run should have let go."""
        return self.whole and bool(self.staying)

    def preview(self) -> list[Deed]:
        """What a run would do about them."""
        return preview(self.connections, self.ask.tree, self.found, self.drains) if self.found and self.whole else []

    def _counted_on(self, moved: Mapping[str, Sequence[str]]) -> dict[str, dict[str, str]]:
        """For nodes that clusters still count on, those clusters, and why one cannot say. Each is asked once."""
        found: dict[str, dict[str, str]] = {}
        for cluster in sorted({cluster for clusters in moved.values() for cluster in clusters}):
            names, why = [name for name, clusters in moved.items() if cluster in clusters], ""
            try:
                counted = self.drains.cluster(cluster).known(names)
            except Unreachable as unreachable:
                counted, why = set(names), f" ({unreachable})"
            for name in sorted(counted):
                found.setdefault(name, {})[cluster] = why
        return found

    def set_aside(self, found: Mapping[str, HostOutcome]) -> dict[str, HostOutcome]:
        """What was found; nodes that have moved wait, and controllers that would end their jobs by forgetting them."""
        aside = dict(found)
        for name, node in self._forgetful(self.moved).items():
            if name in found and found[name].state == "changed":
                aside[name] = waiting(found[name], [f"all of it waits for {node}: {_has_moved(self.moved[node])}"])
        for name, clusters in self.moved.items():
            if name in found and found[name].state in ("changed", "unchanged"):
                aside[name] = waiting(found[name], [f"all of it waits: {_has_moved(clusters)}"])
        return aside

    def take(self, progress: Progress) -> None:
        """Let them leave, those that can."""
        if not self.found or not self.whole:
            return
        deeds = take_leave(
            self.connections, self.keepers, self.ask.tree, self.found, self.drains,
            self.ask.wait, self.ask.end_jobs, self.ask.leaving, progress,
        )  # fmt: skip
        self.staying = {deed.node for deed in deeds if deed.unfinished}
        self.faults = tuple(str(deed) for deed in deeds if deed.what == "failed")
        self.notes = tuple(str(deed) for deed in deeds if deed.what != "failed")

    def held_back(self) -> dict[str, str]:
        """Controllers that would end the jobs of somebody who has not left, if they forgot him now."""
        held = self._forgetful({each.name: each.clusters for each in self.found if each.name in self.staying})
        return {
            name: f"all of it waits until {node} has left its cluster (a run of all hosts)"
            for name, node in held.items()
        }

    def _forgetful(self, nodes: Mapping[str, Iterable[str]]) -> dict[str, str]:
        """Controllers of clusters that nodes have not left, each with one of these nodes."""
        held: dict[str, str] = {}
        for node, clusters in nodes.items():
            for name in clusters:
                if self.clusters.get(name, {}).get("kind") == "slurm":
                    held |= dict.fromkeys(self.clusters[name]["controllers"], node)
        return held


def _has_moved(clusters: Mapping[str, str]) -> str:
    first = " and ".join(f"{name}{why}" for name, why in clusters.items())
    return f"it has to leave cluster {first} first: take it out of the spec and apply, then put it back"
