"""The work of a run: batches of hosts that differ, emptied where they must be, changed, looked at again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from generator.apply.hosts.ansible import Run
from generator.apply.hosts.asked import Ask, Progress
from generator.apply.hosts.batches import batches, by_block, too_many_silent
from generator.apply.hosts.blocks import Node, choose, policies
from generator.apply.hosts.drain import Drains
from generator.apply.hosts.journal import Journal, read
from generator.apply.hosts.lock import Held, locks
from generator.apply.hosts.ssh import Connections, disk_problem
from generator.apply.hosts.survey import survey
from generator.apply.report import CLASSES, HostOutcome, counted
from generator.problems import Problem, Refused


class Work:
    """The changes of one run, until one fails."""

    def __init__(
        self,
        ask: Ask,
        connections: Connections,
        lock: Held,
        journal: Journal,
        drains: Drains,
        socket: str,
        progress: Progress,
    ) -> None:
        """`socket` is where a run of Ansible may ask for the secrets of its hosts."""
        self.ask = ask
        self.connections = connections
        self.lock = lock
        self.journal = journal
        self.socket = socket
        self.progress = progress
        self.policies = policies(ask.tree)
        self.sizes = Counter(node.pool for node in choose(ask.tree))
        self.drains = drains
        self.faults: list[str] = []
        self.notes: list[str] = []
        self.failed = False
        self.outcomes: dict[str, HostOutcome] = {}

    def carry_out(
        self, nodes: Sequence[Node], found: Mapping[str, HostOutcome], held_back: Mapping[str, str]
    ) -> dict[str, HostOutcome]:
        """Work on the hosts that differ, given what was found; those in `held_back` wait for the reason there."""
        outcomes = self.outcomes = dict(found)
        ahead = [node for node in nodes if found[node.name].state == "changed"]
        for node in ahead:
            if node.name in held_back:
                outcomes[node.name] = waiting(found[node.name], (held_back[node.name],))
            elif not self._bearable(found[node.name]):
                outcomes[node.name] = waiting(found[node.name], _waits(found[node.name], self.ask.up_to))
        ahead = [node for node in ahead if outcomes[node.name].state == "changed"]
        plan = list(batches(ahead, self.policies, self.sizes))
        for number, batch in enumerate(plan, 1):
            if self._stopped():
                outcomes |= {node.name: HostOutcome(node.name, node.block, "skipped") for node in batch}
                continue
            self.progress(f"batch {number} of {len(plan)}: {counted(len(batch))}")
            try:
                self.journal.batch(node.name for node in batch)
                done = self._batch(batch, found)
            except (Refused, OSError) as trouble:  # what was done so far is told all the same
                problems = trouble.problems if isinstance(trouble, Refused) else [disk_problem(trouble)]
                self.faults += [sentence(problem) for problem in problems]
                outcomes |= {node.name: HostOutcome(node.name, node.block, "skipped") for node in batch}
                continue
            self.journal.hosts(done.values())
            self.failed |= any(host.state == "failed" for host in done.values())
            outcomes |= done
            for host in done.values():
                self.progress(f"{host.node}: {host.state}{f' ({host.reason})' if host.reason else ''}")
        return outcomes

    def silent(self, nodes: Sequence[Node], found: Mapping[str, HostOutcome]) -> list[str]:
        """A sentence for each pool of which too many do not answer for anything to be changed."""
        missing = [node for node in nodes if found[node.name].state in ("pending", "failed")]
        return [f"{why}: nothing was changed" for why in too_many_silent(nodes, missing, self.policies)]

    def _stopped(self) -> bool:
        """Whether a change of this run failed; a host that could not even be looked at keeps nobody from his."""
        if not self.faults:
            self.lock.refresh()
            if self.lock.lost:
                self.faults.append("the lock of this run was taken away: stopped")
        return bool(self.faults) or self.failed

    def _bearable(self, host: HostOutcome) -> bool:
        """Whether anything that differs there may be changed in this run; what is no deed hurts nobody."""
        needs = [needs for _, needs in host.deeds()] or ["live"]
        return any(within(need, self.ask.up_to) for need in needs)

    def _batch(self, batch: Sequence[Node], found: Mapping[str, HostOutcome]) -> dict[str, HostOutcome]:
        """Empty the nodes that must be, let Ansible work, look again, and give the nodes back that are sound."""
        heavy = [node for node in batch if found[node.name].needs in ("drain", "reboot")]
        heavy = [node for node in heavy if within(found[node.name].needs, self.ask.up_to)]
        busy: dict[str, str] = {}
        if heavy:
            names = [node.name for node in heavy]
            for name in names:
                self.journal.drained(name)
            busy = self.drains.empty(names, self.ask.wait, self.ask.end_jobs, self.progress)
        emptied = [node for node in heavy if node.name not in busy]
        bears = {node: found[node.name].needs if node in emptied else self._at_most("restart") for node in batch}
        outcomes: dict[str, HostOutcome] = {}
        for kind in CLASSES:
            outcomes |= self._ansible([node for node in batch if bears[node] == kind], kind)
        outcomes = self._verified(batch, outcomes, bears)
        sound = [node.name for node in emptied if outcomes[node.name].state == "changed"]
        self._give_back(sound, [*busy])
        self.notes += [f"{node.name} failed and stays drained" for node in emptied if node.name not in sound]
        return {name: with_reason(host, busy.get(name, "")) for name, host in outcomes.items()}

    def _give_back(self, nodes: Sequence[str], given: Sequence[str] = ()) -> None:
        """Let nodes work again; `given` are those that were given back already."""
        kept = self.drains.give_back(nodes)
        self.faults += [f"{name} stays drained, it could not be given back: {why}" for name, why in kept.items()]
        for name in [*given, *nodes]:
            if name not in kept:
                self.journal.given_back(name)

    def give_back_of_dead_runs(self, keeper: Node, found: Mapping[str, HostOutcome]) -> None:
        """Nodes that a run drained before it was killed work again once nothing differs on them."""
        try:
            living = {lock.identity for lock in locks(self.connections, keeper)} - {self.lock.identity}
        except Refused:  # who does not say which runs live lets nobody take one for dead
            return
        dead = [run for run in read(self.connections, keeper) if run.identity not in living and run.drained]
        ours = {node for run in dead for node in run.drained} & {
            n for n, host in found.items() if host.state == "unchanged"
        }
        if ours:
            marked = sorted(ours & self.drains.left_behind().keys())
            self._give_back(marked, sorted(ours - {*marked}))
            self.notes += [f"{node} works again; the run that had drained it was ended" for node in marked]

    def _at_most(self, kind: str) -> str:
        return kind if within(kind, self.ask.up_to) else self.ask.up_to

    def _ansible(self, nodes: Sequence[Node], bears: str) -> dict[str, HostOutcome]:
        outcomes: dict[str, HostOutcome] = {}
        for together in by_block(nodes):
            done, faults = Run(self.connections, together, bears, self.ask.forks, self.socket).execute()
            outcomes |= done
            self.faults += faults
        return outcomes

    def _verified(
        self, batch: Sequence[Node], outcomes: dict[str, HostOutcome], bears: Mapping[Node, str]
    ) -> dict[str, HostOutcome]:
        """Look again at the hosts that a run says are done: only what is found there counts.

        Over new connections: a firewall or an SSH daemon that lets nobody in any more must show on the first host.
        """
        claimed = [node for node in batch if outcomes[node.name].state == "changed"]
        self.connections.anew(claimed)
        after = survey(self.connections, claimed, self.ask.reveal, self.ask.watch)
        return outcomes | {node.name: judged(outcomes[node.name], after[node.name], bears[node]) for node in claimed}


def sentence(problem: Problem) -> str:
    return f"{problem.message} ({problem.hint})" if problem.hint else problem.message


def within(needs: str, bears: str) -> bool:
    """Whether a class asks no more than what may be asked."""
    return CLASSES.index(needs) <= CLASSES.index(bears)


def judged(said: HostOutcome, found: HostOutcome, bears: str) -> HostOutcome:
    """What became of a host, from what a run said it did and what is found afterwards."""
    seen = replace(said, closed=found.closed, kept=found.kept)
    match found.state:
        case "unchanged":
            return seen
        case "pending":
            return replace(seen, state="failed", reason=f"it does not answer after the change: {found.reason}")
        case "failed":
            return replace(seen, state="failed", reason=found.reason)
    left = [deed for deed, needs in found.deeds() if within(needs, bears)]
    if left or not list(found.deeds()):
        return replace(seen, state="failed", reason=f"it still differs after the change: {', '.join(left) or 'notes'}")
    return replace(seen, waiting=tuple(_waits(found, bears)))


def waiting(found: HostOutcome, waits: Iterable[str]) -> HostOutcome:
    """A host on which all that differs must wait."""
    return replace(found, state="waiting", files=(), packages=(), units=(), boot=False, waiting=tuple(waits))


def _waits(found: HostOutcome, bears: str) -> Iterator[str]:
    for deed, needs in found.deeds():
        if not within(needs, bears):
            yield f"{deed} waits for an empty node (apply --up-to {needs})"


def with_reason(host: HostOutcome, busy: str) -> HostOutcome:
    return replace(host, reason=host.reason or f"not empty: {busy}") if busy else host
