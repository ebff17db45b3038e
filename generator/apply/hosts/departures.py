"""Nodes that the spec names no more, as part of a run: who leaves, who must wait, and whom that holds back.

A node that the spec gives to another cluster has to leave the one that it is in first, which is for people to say: its
work is there, and what it has from there goes.
"""

from __future__ import annotations

from collections.abc import Sequence

from generator.apply.hosts.asked import Ask, Progress
from generator.apply.hosts.blocks import Node, operations
from generator.apply.hosts.drain import Drains
from generator.apply.hosts.leaving import WAITS, Deed, preview, take_leave
from generator.apply.hosts.members import NOBODY, compared
from generator.apply.hosts.ssh import Connections


class Departures:
    """The leavers of a centre; a run of a part of it lets nobody leave, but knows of them."""

    def __init__(self, ask: Ask, connections: Connections, keepers: Sequence[Node], drains: Drains) -> None:
        self.ask = ask
        self.connections = connections
        self.keepers = keepers
        self.drains = drains
        self.clusters = operations(ask.tree)["clusters"]
        known = compared(connections, keepers, ask.tree) if keepers else NOBODY
        self.found = known.absent
        there = self.clusters.keys() - ask.without
        self.moved = {name: left for name, was in known.moved.items() if (left := [c for c in was if c in there])}
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
        return self.whole and bool(self.staying or self.moved)

    def preview(self) -> list[Deed]:
        """What a run would do about them."""
        waits = [Deed(name, WAITS, _has_moved(was)) for name, was in self.moved.items() if self._is_meant(name)]
        if not self.found or not self.whole:
            return waits
        return waits + preview(self.connections, self.ask.tree, self.found, self.drains)

    def _is_meant(self, name: str) -> bool:
        return self.ask.limit is None or name in self.ask.limit

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
        """Nodes to leave alone: those that have moved, and controllers that would end jobs by forgetting a node now."""
        staying = {member.name: member.clusters for member in self.found if member.name in self.staying}
        held: dict[str, str] = {}
        for node, clusters in {**staying, **self.moved}.items():
            for name in clusters:
                if self.clusters.get(name, {}).get("kind") == "slurm":
                    reason = f"all of it waits until {node} has left cluster {name} (a run of all hosts)"
                    held |= dict.fromkeys(self.clusters[name]["controllers"], reason)
        return held | {node: f"all of it waits: {_has_moved(clusters)}" for node, clusters in self.moved.items()}


def _has_moved(clusters: Sequence[str]) -> str:
    return f"cluster {', '.join(clusters)} still counts on it; take it out of the spec and apply before another gets it"
