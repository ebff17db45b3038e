"""Bring hosts to the rendered tree, or show what that would do.

A run takes the lock, looks at every host (`survey`), lets Ansible work on those that differ, one host, then batch by
batch, and looks again: a host is done when nothing differs on it, whatever the run says of itself. Nodes that the spec
names no more leave first, since a controller that forgets a node forgets its jobs.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

from generator.apply.hosts.asked import Ask, Progress, silent
from generator.apply.hosts.blocks import Node, choose, control_nodes, operations
from generator.apply.hosts.condition import condition
from generator.apply.hosts.departures import Departures
from generator.apply.hosts.drain import Drains
from generator.apply.hosts.interruption import interruptible
from generator.apply.hosts.journal import Journal
from generator.apply.hosts.lock import Held, held
from generator.apply.hosts.members import remember
from generator.apply.hosts.secret_server import serving
from generator.apply.hosts.ssh import Connections
from generator.apply.hosts.survey import survey
from generator.apply.hosts.wanted import secrets_of
from generator.apply.hosts.work import Work, sentence
from generator.apply.plan import tree_digest
from generator.apply.report import HostOutcome, HostsReport, counted
from generator.problems import Refused

NOBODY = "00000000"  # who only looks drains nothing


def look(ask: Ask, progress: Progress = silent, records: bool = False) -> HostsReport:
    """What apply would do, and with `records` what the centre remembers of runs; touches nothing.

    UnknownName for a node in `limit` that the tree lacks.
    """
    nodes = ask.nodes()
    with ExitStack() as stack:
        connections = stack.enter_context(Connections(ask.ssh))
        progress(f"looking at {counted(len(nodes))}")
        found = survey(connections, nodes, ask.reveal, ask.watch)
        keepers = keepers_of(ask, connections, nodes)
        told, left = condition(connections, keepers, ask.tree) if records else ([], False)
        faults = () if nodes else ("no host matched",)
        try:
            departures = Departures(ask, connections, keepers, stack.enter_context(drains_of(ask, connections, NOBODY)))
            notes, leaving = tuple(map(str, departures.preview())), departures.names
            found = departures.set_aside(found)
        except Refused as refused:  # who leaves cannot be told; how the others are can
            faults, notes, leaving = (*faults, *map(sentence, refused.problems)), (), ()
        return HostsReport(True, found, faults, notes, leaving, left, tuple(told))


def apply_hosts(ask: Ask, progress: Progress = silent) -> HostsReport:
    """Apply the tree; UnknownName for a node in `limit` that the tree lacks, LockHeld when another run writes."""
    nodes = ask.nodes()
    if not nodes:
        return HostsReport(False, {}, ("no host matched",))
    with interruptible(), ExitStack() as stack:
        connections = stack.enter_context(Connections(ask.ssh))
        keepers = keepers_of(ask, connections, nodes)
        if not keepers:
            return HostsReport(False, survey(connections, nodes, ask.reveal, ask.watch))
        shard = ask.shard if ask.is_shard else None
        lock = stack.enter_context(held(connections, keepers[0], shard, keepers[1:]))
        journal = Journal(connections, keepers[0], lock.identity, ask.secrets.without)
        journal.begin("apply", tree_digest(ask.tree), len(nodes), shard, ask.limit)
        drains = stack.enter_context(drains_of(ask, connections, lock.identity))
        socket = stack.enter_context(serving(ask.secrets, secrets_of(nodes), connections.folder))
        work = Work(ask, connections, lock, journal, drains, str(socket), progress)
        try:
            report = carry_out(ask, nodes, keepers, work, progress)
        except KeyboardInterrupt:
            report = interrupted(nodes, work)
        except BaseException:
            journal.end(1)
            raise
        journal.end(report.exit_code)
    return with_records(report, journal, lock)


def interrupted(nodes: Sequence[Node], work: Work) -> HostsReport:
    """What had become of hosts when somebody ended the run; who has nothing to show was not touched by it."""
    untouched = {node.name: HostOutcome(node.name, node.block, "skipped") for node in nodes}
    fault = "the run was interrupted and has given its lock back; run it again to go on"
    return HostsReport(False, untouched | work.outcomes, (*work.faults, fault), tuple(work.notes), interrupted=True)


def with_records(report: HostsReport, journal: Journal, lock: Held) -> HostsReport:
    """What of the run could not be put in order on the centre's side, added to its report."""
    faults = [*report.faults]
    if journal.complaint:
        faults.append(f"the end of the run is not in the journal: {journal.complaint}")
    if lock.kept:
        faults.append(f"the lock could not be given back: center unlock {lock.identity}")
    return replace(report, faults=tuple(faults))


def carry_out(ask: Ask, nodes: Sequence[Node], keepers: Sequence[Node], work: Work, progress: Progress) -> HostsReport:
    """Look, let leavers leave, work, remember the members; Refused when a plan was made of something else."""
    progress(f"looking at {counted(len(nodes))}")
    found = survey(work.connections, nodes, ask.reveal, ask.watch)
    departures = Departures(ask, work.connections, keepers, work.drains)
    found = departures.set_aside(found)
    if ask.plan and (stale := ask.plan.stale(ask.tree, found, departures.names)):
        raise Refused(stale)
    if faults := work.silent(nodes, found):
        kept = {n: HostOutcome(n, h.block, "skipped") if h.state == "changed" else h for n, h in found.items()}
        return HostsReport(False, kept, tuple(faults))
    # Before anything is placed there: whoever gets a file must be known as one who has to give it back.
    answered = {name for name, host in found.items() if host.state in ("changed", "unchanged", "waiting")}
    remember(work.connections, keepers, ask.tree, answered - departures.moved.keys())
    work.give_back_of_dead_runs(keepers[0], found)
    departures.take(progress)
    outcomes = work.carry_out(nodes, found, departures.held_back())
    faults = [*work.faults, *departures.faults]
    notes = (*departures.notes, *work.notes)
    return HostsReport(False, outcomes, tuple(faults), notes, departures.names, departures.open)


def drains_of(ask: Ask, connections: Connections, identity: str) -> Drains:
    everybody = {node.name: node for node in choose(ask.tree)}
    return Drains(connections, operations(ask.tree), everybody, ask.accesses, identity, ask.without, ask.centre)


def keepers_of(ask: Ask, connections: Connections, nodes: Sequence[Node]) -> list[Node]:
    """The nodes that keep lock and records: control nodes that answer, else the first node that does."""
    return answering(connections, control_nodes(ask.tree)) or answering(connections, nodes)[:1]


def answering(connections: Connections, nodes: Sequence[Node]) -> list[Node]:
    reasons = connections.probe(nodes)
    return [node for node in nodes if reasons[node] is None]
