"""Empty nodes before a change that needs it, whatever clusters they work for, and give them back afterwards.

The drain is known in the cluster itself, by a mark that names the run: whoever comes after a run that was killed finds
there what it left. Work is ended only when that is allowed by number, never a part of it, and only at the very end.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

from generator.apply.clusters.kubeconfig import Access
from generator.apply.hosts.blocks import Node
from generator.apply.hosts.drain_kubernetes import KubernetesCluster
from generator.apply.hosts.drain_slurm import SlurmCluster
from generator.apply.hosts.occupancy import RUN, Cluster, Load, Unreachable, listed
from generator.apply.hosts.ssh import Connections

Progress = Callable[[str], None]

# How long work that was ended may take to be gone: Slurm and Kubernetes give it 30 s to end by itself.
ENDING_SECONDS = 90.0
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 5.0


class Drains:
    """The drains of one run. As a context manager it closes its connections with the block."""

    def __init__(
        self,
        connections: Connections,
        operations: Mapping[str, Any],
        nodes: Mapping[str, Node],
        accesses: Mapping[str, Access],
        identity: str,
        without: frozenset[str] = frozenset(),
        centre: str = "",
    ) -> None:
        """Take hosts/operations.json, all nodes of the tree, the access to each Kubernetes cluster, and the run's id.

        The id has to end with eight hexadecimal digits, so that no word of a person is taken for one. `without` are
        clusters that are not there: nodes are neither drained in them nor deleted from them. With the name of the
        `centre`, a Kubernetes cluster that has no record of it is taken for a stranger's.
        """
        if not RUN.fullmatch(identity):
            raise ValueError(f'"{identity}" is no id of a run')
        self.ended = 0
        self._connections = connections
        self._operations = operations
        self._nodes = nodes
        self._accesses = accesses
        self._identity = identity
        self._without = without
        self._centre = centre
        self._members: dict[str, tuple[str, ...]] = {}
        self._clusters: dict[str, Cluster] = {}
        self._ending = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.close()

    def empty(
        self, nodes: Sequence[str], seconds: float, end_jobs: int = 0, progress: Progress = lambda message: None
    ) -> dict[str, str]:
        """Drain nodes and wait until they are empty; for each that is not after `seconds`, why. Those are given back.

        With 0 `seconds` only nodes that are empty right now are drained. `end_jobs` is how many jobs may be ended, over
        all calls; where more still run when the time is over, none is.
        """
        names = list(dict.fromkeys(nodes))
        # Who cannot wait disturbs nobody: what is busy is not even drained.
        busy = explained(self._loads(names)) if seconds <= 0 and end_jobs <= 0 else {}
        drained = [name for name in names if name not in busy]
        try:
            left = self._emptied(drained, seconds, end_jobs, progress)
        except BaseException:
            self.give_back(drained)
            raise
        for name, why in self.give_back(list(left)).items():
            left[name] = left[name] if why in left[name] else f"{left[name]}; {why}"
        return busy | left

    def give_back(self, nodes: Sequence[str]) -> dict[str, str]:
        """Let nodes work again that a run of ours drained; for each where that failed, why."""
        reasons: dict[str, str] = {}
        for cluster, names in self._by_cluster(nodes):
            try:
                reasons |= self.cluster(cluster).give_back(names)
            except Unreachable as unreachable:
                reasons |= dict.fromkeys(names, str(unreachable))
        return reasons

    def left_behind(self) -> dict[str, str]:
        """Nodes that carry the mark of a run, with its id; clusters that do not answer are left out."""
        marks: dict[str, str] = {}
        for cluster, names in self._by_cluster(self._nodes):
            with contextlib.suppress(Unreachable):
                marks |= self.cluster(cluster).marks(names)
        return marks

    def belong(self, node: str, clusters: Iterable[str]) -> None:
        """Say which clusters a node works for that is in no pool of the tree."""
        self._members[node] = tuple(clusters)

    def has(self, name: str) -> bool:
        """Whether the tree has a cluster with this name, and nobody said that it is not there."""
        return name in self._operations.get("clusters", {}) and name not in self._without

    def cluster(self, name: str) -> Cluster:
        """The cluster with this name; Unreachable when nothing says how to ask it."""
        if name not in self._clusters:
            self._clusters[name] = self._reached(name)
        return self._clusters[name]

    def _reached(self, name: str) -> Cluster:
        if not self.has(name):
            raise Unreachable(f"the tree has no cluster {name}")
        described = self._operations["clusters"][name]
        if described["kind"] == "slurm":
            controllers = [self._nodes[node] for node in described["controllers"] if node in self._nodes]
            return SlurmCluster(self._connections, name, controllers, self._identity)
        if name not in self._accesses:
            raise Unreachable(f"no kubeconfig for cluster {name}: give --kubeconfig, or --no-cluster {name}")
        kubernetes = KubernetesCluster(name, self._accesses[name], self._identity, self._centre)
        self._ending.callback(kubernetes.close)
        return kubernetes

    def _clusters_of(self, node: str) -> Sequence[str]:
        if node in self._members:
            return self._members[node]
        pool = self._operations.get("pools", {}).get(node.rsplit("-", 2)[0], {})
        return [name for name in pool.get("clusters", ()) if name not in self._without]

    def _by_cluster(self, nodes: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
        members: dict[str, list[str]] = {}
        for node in nodes:
            for cluster in self._clusters_of(node):
                members.setdefault(cluster, []).append(node)
        yield from members.items()

    def _emptied(self, names: list[str], seconds: float, end_jobs: int, progress: Progress) -> dict[str, str]:
        """Drain and wait; for each node that is not empty, why."""
        reasons = self._drain(names)
        left = self._wait([name for name in names if name not in reasons], seconds, progress)
        jobs = {(cluster, job) for name in left for cluster, load in left[name].items() for job in load.jobs}
        if 0 < len(jobs) <= end_jobs - self.ended:
            progress(f"ending {len(jobs)} jobs: {listed(sorted(job for _, job in jobs))}")
            self._end(jobs)
            left = self._wait(list(left), ENDING_SECONDS, progress)
        return reasons | explained(left)

    def _loads(self, nodes: Iterable[str]) -> dict[str, dict[str, Load]]:
        """What keeps nodes from being empty, in each of their clusters; a cluster that does not answer does so too."""
        found: dict[str, dict[str, Load]] = {}
        for cluster, names in self._by_cluster(nodes):
            try:
                loads = self.cluster(cluster).loads(names)
            except Unreachable as unreachable:
                loads = dict.fromkeys(names, Load(rest=(str(unreachable),)))
            for name, load in loads.items():
                if load:
                    found.setdefault(name, {})[cluster] = load
        return found

    def _drain(self, nodes: list[str]) -> dict[str, str]:
        reasons: dict[str, str] = {}
        for cluster, names in self._by_cluster(nodes):
            try:
                reasons |= self.cluster(cluster).drain(names)
            except Unreachable as unreachable:
                reasons |= dict.fromkeys(names, str(unreachable))
        return reasons

    def _wait(self, nodes: list[str], seconds: float, progress: Progress) -> dict[str, dict[str, Load]]:
        """Wait until the nodes are empty or the time is over; what still runs then."""
        end, pause, told = time.monotonic() + seconds, FIRST_PAUSE, set[str]()
        while True:
            left = self._loads(nodes)
            for name in nodes:
                if name not in left and name in told:
                    progress(f"{name}: empty")
                elif name in left and name not in told:
                    progress(f"{name}: drained; {explained({name: left[name]})[name]}")
                    told.add(name)
            nodes, rest = list(left), end - time.monotonic()
            if not left or rest <= 0:
                return left
            self._move(left)
            time.sleep(min(pause, rest))
            pause = min(pause * 1.5, LONGEST_PAUSE)

    def _move(self, left: Mapping[str, Mapping[str, Load]]) -> None:
        """Nothing is disturbed on a node that a job keeps anyway."""
        idle = [name for name, loads in left.items() if not any(load.jobs for load in loads.values())]
        for cluster, names in self._by_cluster(idle):
            with contextlib.suppress(Unreachable):  # asked again, and named when the time is over
                self.cluster(cluster).move(names)

    def _end(self, jobs: set[tuple[str, str]]) -> None:
        for cluster in sorted({cluster for cluster, _ in jobs}):
            ending = [job for where, job in jobs if where == cluster]
            with contextlib.suppress(Unreachable):  # what is not ended is named as still running
                self.cluster(cluster).end(ending)
                self.ended += len(ending)


def explained(left: Mapping[str, Mapping[str, Load]]) -> dict[str, str]:
    """For each node that is not empty, why, in one line."""
    return {name: "; ".join(load.reason for load in loads.values()) for name, loads in left.items()}
