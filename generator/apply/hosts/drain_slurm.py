"""Empty nodes of a Slurm cluster, through the commands of Slurm on a controller that answers.

A drain carries the reason "center RUN". A node that is drained, down or failing for another reason is somebody else's:
no new job starts there, so nothing is done to it and nothing given back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, product

from generator.apply.hosts.blocks import Node
from generator.apply.hosts.occupancy import Load, Unreachable, run_of
from generator.apply.hosts.ssh import Connections
from generator.text import visible

MARK = "center "
COMMAND_SECONDS = 60
ANSWER_BYTES = 8 * 2**20
NAMES_AT_ONCE = 1000
NODES_AT_MOST = 10**5
NOT_FOUND = 127
NODE_LINE = re.compile(r"(?P<name>[A-Za-z0-9._-]+)\|(?P<state>[a-z_]+)[^a-z_|]*\|(?P<reason>.*)")
JOB_LINE = re.compile(r"(?P<job>[0-9]+)\|(?P<state>[A-Z_]+)\|(?P<nodes>\S+)")
# Of a list such as "train-a[01-03,7]-1,io-1": a name with its brackets, and what stands inside and between them.
LISTED = re.compile(r"(?:[^\[\],]|\[[^\]]*\])+")
PART = re.compile(r"\[([^\]]*)\]|([^\[\]]+)")
# States in which no new job starts, whatever somebody's reason for them was.
WITHDRAWN = frozenset({"drained", "draining", "down", "fail", "failing", "error"})
# What slurmctld itself notes for a node that it has not heard of.
SILENT = frozenset({"none", "not responding"})


class SlurmCluster:
    """The nodes of one Slurm cluster, for one run."""

    def __init__(self, connections: Connections, name: str, controllers: Sequence[Node], run: str) -> None:
        self.connections = connections
        self.name = name
        self.controllers = list(controllers)
        self.run = run

    def loads(self, nodes: Sequence[str]) -> dict[str, Load]:
        known = sorted(self._states(nodes))
        jobs: dict[str, list[str]] = {name: [] for name in known}
        rest: dict[str, list[str]] = {name: [] for name in known}
        for part in parts_of(known):
            said = self._ask("squeue", "--all", "--noheader", "--format=%A|%T|%N", f"--nodelist={','.join(part)}")
            for line in filter(None, map(JOB_LINE.fullmatch, said.splitlines())):
                for name in expanded(line["nodes"]):
                    if name in jobs and line["state"] == "COMPLETING":
                        rest[name].append(f"job {line['job']} is ending")
                    elif name in jobs:
                        jobs[name].append(line["job"])
        return {name: Load(tuple(sorted(set(jobs[name]), key=int)), tuple(sorted(set(rest[name])))) for name in known}

    def drain(self, nodes: Sequence[str]) -> dict[str, str]:
        states = self._states(nodes)
        ours = [name for name, (state, reason) in states.items() if not is_withdrawn_by_others(state, reason)]
        self._update(ours, "State=DRAIN", f"Reason={MARK}{self.run}")
        marked = self.marks(ours)
        return {name: f"slurmctld of {self.name} did not drain it" for name in ours if marked.get(name) != self.run}

    def move(self, nodes: Sequence[str]) -> None:
        """A job of Slurm cannot go elsewhere."""

    def end(self, jobs: Iterable[str]) -> None:
        for part in parts_of(sorted(jobs, key=int)):
            self._ask("scancel", *part)

    def give_back(self, nodes: Sequence[str]) -> dict[str, str]:
        # A node that was never heard of is given back with a complaint, so what counts is what it is afterwards.
        complaint = self._update(sorted(self.marks(nodes)), "State=RESUME")
        reason = f"slurmctld of {self.name} did not take it back into service: {complaint or 'no reason given'}"
        return dict.fromkeys(self.marks(nodes), reason)

    def marks(self, nodes: Sequence[str]) -> dict[str, str]:
        states = self._states(nodes)
        return {name: run for name, (_, reason) in states.items() if (run := run_of(reason, MARK))}

    def known(self, nodes: Sequence[str]) -> set[str]:
        return set(self._states(nodes))

    def holds(self, node: str) -> bool:
        """slurmctld ends the jobs of a silent node by itself; until then they are its own."""
        return True

    def remove(self, node: str, check: bool) -> str:
        """Its nodes are those of slurm.conf."""
        return ""

    def _states(self, nodes: Sequence[str]) -> dict[str, tuple[str, str]]:
        """State and reason of the nodes that slurmctld knows."""
        states: dict[str, tuple[str, str]] = {}
        for part in parts_of(nodes):
            wanted = set(part)
            said = self._ask("sinfo", "--all", "--Node", "--noheader", "--format=%N|%T|%E", f"--nodes={','.join(part)}")
            # A node has a line for each partition, and the text of a reason may go on in lines of its own.
            for line in filter(None, map(NODE_LINE.fullmatch, said.splitlines())):
                if line["name"] in wanted:
                    states.setdefault(line["name"], (line["state"], line["reason"]))
        return states

    def _update(self, nodes: Sequence[str], *fields: str) -> str:
        """Change nodes; the complaint, if there was one, because some of them may have changed all the same."""
        complaint = ""
        for part in parts_of(nodes):
            try:
                self._ask("scontrol", "update", f"NodeName={','.join(part)}", *fields)
            except Unreachable as unreachable:
                complaint = str(unreachable)
        return complaint

    def _ask(self, *command: str) -> str:
        """What the command printed on the first controller where it succeeds.

        Where no controller has the command, Slurm is not installed yet: nothing is printed and no job can run.
        """
        complaints, absent = [], 0
        for controller in list(self.controllers):
            answer = self.connections.run(
                controller, ["env", "LC_ALL=C", *command], seconds=COMMAND_SECONDS, limit=ANSWER_BYTES
            )
            if answer.status == 0:
                # The next question goes to the same one first, not to those that had to be waited for.
                self.controllers.sort(key=lambda one: one != controller)
                return answer.output
            absent += answer.status == NOT_FOUND
            lines = answer.complaint.strip().splitlines() or [f"{command[0]} ended with status {answer.status}"]
            complaints.append(f"{controller.name}: {visible(lines[-1], 120)}")
        if self.controllers and absent == len(self.controllers):
            return ""
        said = f" ({'; '.join(complaints)})" if complaints else ""
        raise Unreachable(f"no controller of cluster {self.name} answers{said}")


def is_withdrawn_by_others(state: str, reason: str) -> bool:
    """Whether no new job starts there because of somebody or something else than a run of ours."""
    is_only_silent = state == "down" and reason.lower() in SILENT
    return state in WITHDRAWN and not is_only_silent and not run_of(reason, MARK)


def parts_of(names: Iterable[str]) -> Iterator[list[str]]:
    """Names in portions that fit into one command line."""
    rest = iter(names)
    while part := list(islice(rest, NAMES_AT_ONCE)):
        yield part


def expanded(names: str) -> Iterator[str]:
    """The names in a list as Slurm writes it: "train-a01-[1-3,7],io-1"."""
    for listed in LISTED.findall(names):
        choices = [list(_numbers(inside)) if inside else [plain] for inside, plain in PART.findall(listed)]
        yield from map("".join, product(*choices))


def _numbers(inside: str) -> Iterator[str]:
    for span in inside.split(","):
        first, _, last = span.partition("-")
        if first.isdecimal() and last.isdecimal():
            yield from (
                f"{number:0{len(first)}d}" for number in range(int(first), min(int(last), int(first) + 10**5) + 1)
            )
        else:
            yield first
