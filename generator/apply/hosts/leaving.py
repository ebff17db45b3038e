"""Nodes that the spec no longer names: what is left of them in the world is removed, the living and the dead alike.

The rendered files do without them already. Here a leaver is drained, cleaned of what we placed (it stays reachable and
keeps its packages), deleted where a cluster keeps a list of its own, and only then forgotten: a run that is killed
finds it again in the record of members. A node that does not answer keeps what it has, and the report names it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from generator.apply.hosts.blocks import Node, block_folders
from generator.apply.hosts.drain import Drains
from generator.apply.hosts.members import Member, compared, forget, modules
from generator.apply.hosts.occupancy import Unreachable
from generator.apply.hosts.onhost import Unanswered, ask
from generator.apply.hosts.ssh import NOT_CONNECTED, Connections
from generator.problems import Problem, Refused
from generator.text import visible

Progress = Callable[[str], None]

SECONDS = 900  # for many units, of which each may take its time to stop
# Of the members, so many may leave without being counted by whoever wants it.
SHARE = 0.1
DEEDS_SHOWN = 5000
# Parts of the on-node program, in the order in which they need each other.
PARTS = (
    "center_disk",
    "center_accepted",
    "center_units",
    "center_plan",
    "center_packages",
    "center_node",
    "center_leave",
)
WAITS, FAILED, UNREACHED, UNDRAINED, FORGET = "waits", "failed", "left unreached", "not drained", "forget"
# SSH answered, but not to us: such a node is neither dead nor cleaned.
LOCKED_OUT = "Permission denied"


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that is done about a leaver, or why nothing is."""

    node: str
    what: str
    detail: str

    def __str__(self) -> str:
        separator = ": " if self.what in (WAITS, FAILED, UNREACHED, UNDRAINED) else " "
        return f"{self.node}: {self.what}{separator}{self.detail}"

    @property
    def unfinished(self) -> bool:
        """Whether the leaver is still a member because of this."""
        return self.what in (WAITS, FAILED)


@dataclass
class _Leaver:
    """A member on its way out; `silence` says why it does not answer."""

    member: Member
    node: Node
    silence: str = ""
    drained: list[str] = field(default_factory=list)
    deeds: list[Deed] = field(default_factory=list)

    def adds(self, what: str, detail: str) -> None:
        self.deeds.append(Deed(self.member.name, what, visible(detail, 600)))

    @property
    def stays(self) -> bool:
        return any(deed.unfinished for deed in self.deeds)


def refuse_too_many(
    connections: Connections, keepers: Sequence[Node], tree: Path, found: Sequence[Member], allowed: int
) -> None:
    """Refused when more leave than a render that went wrong should be able to remove, and nobody named the number."""
    members = compared(connections, keepers, tree).members
    if len(found) > max(1, int(members * SHARE), allowed):
        message = f"{len(found)} of {members} members are no longer in the tree and would be removed"
        hint = f"is the tree complete? if they shall all leave: --leaving {len(found)}"
        raise Refused([Problem("hosts.leaving", message, hint=hint)])


def preview(connections: Connections, tree: Path, found: Sequence[Member], drains: Drains) -> list[Deed]:
    """All that `take_leave` would do; touches nothing."""
    departing = _look(connections, tree, found, drains)
    for leaver in departing:
        for cluster in leaver.drained:
            leaver.adds("drain", f"in cluster {cluster}")
    return _carry_out(connections, departing, drains, check=True)


def take_leave(
    connections: Connections,
    keepers: Sequence[Node],
    tree: Path,
    found: Sequence[Member],
    drains: Drains,
    seconds: float = 0,
    end_jobs: int = 0,
    allowed: int = 0,
    progress: Progress = lambda message: None,
) -> list[Deed]:
    """Remove the leavers that are, or become within `seconds`, empty; what was done, and why the others stay members.

    `end_jobs` as in `Drains.empty`; `allowed` is the number of leavers that somebody named. Call it under the lock.
    """
    refuse_too_many(connections, keepers, tree, found, allowed)
    departing = _look(connections, tree, found, drains)
    emptying = [leaver.member.name for leaver in departing if leaver.drained and not leaver.stays]
    busy = drains.empty(emptying, seconds, end_jobs, progress) if emptying else {}
    for leaver in departing:
        if leaver.member.name in busy:
            leaver.adds(WAITS, busy[leaver.member.name])
        for cluster in leaver.drained if not leaver.stays else ():
            leaver.adds("drain", f"in cluster {cluster}")
    deeds = _carry_out(connections, departing, drains, check=False)
    gone = [leaver.member.name for leaver in departing if not leaver.stays]
    try:
        forget(connections, keepers, gone)
    except Refused as refused:
        kept = [Deed(name, FAILED, refused.problems[0].message) for name in gone]
        return [deed for deed in deeds if deed.what != FORGET] + kept
    return deeds


def _look(connections: Connections, tree: Path, found: Sequence[Member], drains: Drains) -> list[_Leaver]:
    """Who of the leavers answers, and which of their clusters must be rid of them first."""
    folders = {folder.name: folder for folder in block_folders(tree)}
    departing = []
    for member in found:
        # A block that is gone as well: every block has the authority that vouches for all nodes.
        node = Node(member.name, folders.get(member.block, next(iter(folders.values()))))
        connections.place(node, member.address)
        departing.append(_Leaver(member, node))
    connections.for_each(lambda leaver: _knock(connections, leaver), departing)
    for leaver in departing:
        for cluster in leaver.member.clusters:
            _judge(leaver, cluster, drains)
        drains.belong(leaver.member.name, leaver.drained)
    return departing


def _knock(connections: Connections, leaver: _Leaver) -> None:
    answer = connections.run(leaver.node, ["true"])
    if answer.status == 0:
        return
    reason = visible((answer.complaint.strip().splitlines() or ["no answer"])[-1])
    if answer.status == NOT_CONNECTED and LOCKED_OUT not in reason:
        leaver.silence = reason
    else:
        leaver.adds(FAILED, reason)


def _judge(leaver: _Leaver, name: str, drains: Drains) -> None:
    """Whether a cluster counts on the leaver."""
    if not drains.has(name):
        return leaver.adds(UNDRAINED, f"there is no cluster {name}")
    try:
        cluster = drains.cluster(name)
        if cluster.known([leaver.member.name]) and (not leaver.silence or cluster.holds(leaver.member.name)):
            leaver.drained.append(name)
    except Unreachable as unreachable:
        leaver.adds(WAITS, str(unreachable))


def _carry_out(connections: Connections, departing: Sequence[_Leaver], drains: Drains, check: bool) -> list[Deed]:
    """Clean the hosts first: while an agent runs there, the cluster would take the node in again."""

    def leave(leaver: _Leaver) -> list[Deed]:
        if not leaver.stays:
            _clean(connections, leaver, check)
        for name in leaver.member.clusters if not leaver.stays else ():
            _delete(leaver, name, drains, check)
        if not leaver.stays:
            leaver.adds(FORGET, "that it was a member")
        return leaver.deeds

    return [deed for deeds in connections.for_each(leave, departing) for deed in deeds]


def _clean(connections: Connections, leaver: _Leaver, check: bool) -> None:
    """Take from the host what we placed there, when it answers."""
    if leaver.silence:
        return leaver.adds(UNREACHED, f"{leaver.silence}; it keeps what it has")
    try:
        answer = ask(connections, leaver.node, modules(*PARTS), {"check": check}, SECONDS)
    except Unanswered as unanswered:
        return leaver.adds(FAILED, str(unanswered))
    said: Mapping[str, Any] = answer if isinstance(answer, dict) else {}
    deeds = said.get("deeds")
    if not isinstance(deeds, list) or not all(isinstance(deed, list) and len(deed) == 2 for deed in deeds):
        return leaver.adds(FAILED, said.get("refused") or "its answer is no answer")
    for what, detail in deeds[:DEEDS_SHOWN]:
        leaver.adds(visible(what, 20), visible(detail))
    return None


def _delete(leaver: _Leaver, cluster: str, drains: Drains, check: bool) -> None:
    """Delete what a cluster itself keeps of the leaver."""
    if not drains.has(cluster):
        return
    try:
        if what := drains.cluster(cluster).remove(leaver.member.name, check):
            leaver.adds("delete", what)
    except Unreachable as unreachable:
        leaver.adds(FAILED, str(unreachable))
