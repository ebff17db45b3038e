"""Nodes that the spec names no more, as part of a run: who leaves, who must wait, and whom that holds back."""

from __future__ import annotations

from collections.abc import Sequence

from generator.apply.hosts.asked import Ask, Progress
from generator.apply.hosts.blocks import Node, operations
from generator.apply.hosts.drain import Drains
from generator.apply.hosts.leaving import Deed, leavers, preview, take_leave
from generator.apply.hosts.ssh import Connections


class Departures:
    """The leavers of a centre; a run of a part of it lets nobody leave, but knows of them."""

    def __init__(self, ask: Ask, connections: Connections, keepers: Sequence[Node], drains: Drains) -> None:
        self.ask = ask
        self.connections = connections
        self.keepers = keepers
        self.drains = drains
        self.found = leavers(connections, keepers, ask.tree) if keepers else []
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
        clusters = operations(self.ask.tree)["clusters"]
        held: dict[str, str] = {}
        for member in self.found if self.staying else ():
            for name in member.clusters if member.name in self.staying else ():
                if clusters.get(name, {}).get("kind") == "slurm":
                    reason = f"all of it waits until {member.name} has left cluster {name} (a run of all hosts)"
                    held |= dict.fromkeys(clusters[name]["controllers"], reason)
        return held
