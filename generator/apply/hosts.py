"""Bring hosts to the rendered tree, or show what that would do: Ansible as a process, its events counted host by host.

Ansible's exit status is no contract (it is 0 when nothing matched, 4 for a syntax error as for an unreachable host): a
host counts as done when the module that places its files answered for it and every restart it asked for happened.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from generator import resources
from generator.apply.blocks import Node, choose, control_nodes
from generator.apply.lock import held
from generator.apply.report import FileChange, HostOutcome, HostsReport, State
from generator.apply.ssh import Connections, SshAccess
from generator.problems import Problem, Refused
from generator.text import visible

Progress = Callable[[str], None]

FORKS = 8
# All that Ansible sees of the caller's environment.
PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK", "TMPDIR")
# More unreachable hosts than this share (and than two) point at the network or at the controller: nothing is changed.
PENDING_SHARE = 0.5
DIFF_LINES, LIST_ITEMS = 2000, 2000


def apply_hosts(
    tree: Path,
    blocks: Iterable[str] | None,
    limit: frozenset[str] | None,
    ssh: SshAccess,
    check: bool = False,
    forks: int = FORKS,
    progress: Progress = lambda message: None,
) -> HostsReport:
    """Apply the tree to the nodes of `blocks` in `limit` (None: all); with `check`, only find out what differs.

    UnknownName for a block or node that the tree lacks, LockHeld when another run writes.
    """
    nodes = choose(tree, blocks, limit)
    with ExitStack() as stack:
        connections = stack.enter_context(Connections(ssh))
        progress(f"asking {len(nodes)} hosts whether they answer")
        reasons = connections.probe(nodes)
        reached = [node for node in nodes if reasons[node] is None]
        outcomes = {node.name: HostOutcome(node.name, node.block, "pending", reasons[node] or "") for node in nodes}
        faults: list[str] = [] if nodes else ["no host matched"]
        if not check and reached:
            stack.enter_context(held(connections, lock_node(tree, connections, reached)))
        if len(nodes) - len(reached) > max(2, PENDING_SHARE * len(nodes)) and not check:
            faults.append(f"{len(nodes) - len(reached)} of {len(nodes)} hosts do not answer: nothing was changed")
            outcomes |= {node.name: skipped(node) for node in reached}
            reached = []
        run = Run(connections, check, forks, progress)
        for batch in batches(reached, whole=check):
            if run.stopped:
                outcomes |= {node.name: skipped(node) for node in batch}
            else:
                outcomes |= run.batch(batch)
        return HostsReport(check, outcomes, (*faults, *run.faults))


def lock_node(tree: Path, connections: Connections, reached: Sequence[Node]) -> Node:
    """The first control node of the centre that answers; in a centre without one, the first host of the run."""
    for node in control_nodes(tree):
        if node in reached or connections.probe([node])[node] is None:
            return node
    return reached[0]


def batches(nodes: Sequence[Node], whole: bool) -> Iterator[list[Node]]:
    """Batches of one block each: first one host alone, then a tenth, then the rest; with `whole`, whole blocks."""
    ends = [len(nodes)] if whole else [1, 1 + max(8, len(nodes) // 10), len(nodes)]
    start = 0
    for end in ends:
        for _, batch in groupby(nodes[start:end], key=lambda node: node.folder):
            yield list(batch)
        start = max(start, end)


def skipped(node: Node) -> HostOutcome:
    return HostOutcome(node.name, node.block, "skipped")


@dataclass
class Tally:
    """What Ansible's events said of one host so far; everything in it came from that host and is only data."""

    complete: bool = False
    expected: int = 0
    unreachable: str = ""
    fault: str = ""
    files: dict[str, FileChange] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    touched: bool = False

    def placed(self, answer: dict[str, Any]) -> None:
        """Take in what the module that places the tree answered."""
        self.complete = answer.get("complete") is True
        self.touched |= answer.get("changed") is True
        diffs = [str(diff.get("prepared", "")) for diff in entries(answer, "diff")]
        for number, change in enumerate(entries(answer, "changes")):
            diff = shown_diff(diffs[number]) if number < len(diffs) else ""
            path = visible(change.get("path"))
            self.files[path] = FileChange(path, visible(change.get("action")), diff)
        self.packages += tuple(visible(name) for name in listed(answer, "packages"))
        self.expected = len(entries(answer, "restart"))
        self.waiting = tuple(visible(unit.get("name")) for unit in entries(answer, "waiting"))
        self.kept = tuple(visible(path) for path in listed(answer, "kept"))

    def foretold(self, answer: dict[str, Any]) -> None:
        self.units = tuple(visible(unit.get("name")) for unit in entries(answer, "stale"))

    def outcome(self, node: Node, check: bool) -> HostOutcome:
        state: State = "changed" if self.touched or self.units else "unchanged"
        reason = ""
        if self.unreachable:
            state, reason = "pending", self.unreachable
        elif self.fault or not self.complete or (not check and len(self.units) < self.expected):
            state, reason = "failed", self.fault or "the run ended before this host was done"
        return HostOutcome(
            node.name, node.block, state, reason, tuple(self.files.values()),
            self.packages, self.units, self.waiting, self.kept,
        )  # fmt: skip


class Run:
    """Runs of Ansible over batches of hosts, until one fails."""

    def __init__(self, connections: Connections, check: bool, forks: int, progress: Progress) -> None:
        self.connections = connections
        self.check = check
        self.forks = forks
        self.progress = progress
        self.stopped = False
        self.faults: list[str] = []

    def batch(self, nodes: Sequence[Node]) -> dict[str, HostOutcome]:
        """Run the playbook for hosts of one block."""
        self.progress(f"{nodes[0].block}: {len(nodes)} hosts")
        self.tallies = {node.name: Tally() for node in nodes}
        self.complaints: list[str] = []
        with TemporaryDirectory(prefix="center-run-") as folder:
            runner = self._prepare(Path(folder), nodes)
            with signals_restored():
                runner.run()
        if runner.status == "canceled":
            raise KeyboardInterrupt
        outcomes = {node.name: self.tallies[node.name].outcome(node, self.check) for node in nodes}
        if any(host.state == "failed" for host in outcomes.values()):
            self.stopped = not self.check
        if runner.rc != 0 and all(host.state in ("changed", "unchanged") for host in outcomes.values()):
            self.stopped = True
            self.faults.append(f"Ansible ended with status {runner.rc}: {' '.join(self.complaints[-5:])}")
        elif self.complaints and not any(tally.complete or tally.fault for tally in self.tallies.values()):
            self.faults.extend(self.complaints[-5:])
        for host in outcomes.values():
            self.progress(f"{host.node}: {host.state}{f' ({host.reason})' if host.reason else ''}")
        return outcomes

    def _prepare(self, folder: Path, nodes: Sequence[Node]) -> Any:
        ansible_runner = imported_runner()
        playbooks = resources.folder("playbooks")
        limit = folder / "limit"
        limit.write_text("".join(f"{node.name}\n" for node in nodes))
        runner = ansible_runner.interface.init_runner(
            private_data_dir=str(folder),
            playbook=str(playbooks / "site.yml"),
            inventory=str(nodes[0].folder.resolve() / "inventory.json"),
            limit=f"@{limit}",
            forks=self.forks,
            cmdline="--diff --check" if self.check else "--diff",
            quiet=True,
            event_handler=self._take,
        )
        runner.config.command[:1] = [sys.executable, "-m", "ansible", "playbook"]
        runner.config.env = self._environment(folder, nodes[0].folder, runner)
        return runner

    def _environment(self, folder: Path, block: Path, runner: Any) -> dict[str, str]:
        """What Ansible is to see: nothing that the caller set for his own Ansible, Python or SSH."""
        callbacks = Path(imported_runner().__file__ or "").parent / "display_callback" / "callback"
        return {name: os.environ[name] for name in PASSED_ON if name in os.environ} | {
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_CONFIG": str(resources.folder("playbooks") / "ansible.cfg"),
            "ANSIBLE_HOME": str(folder / "home"),
            "ANSIBLE_REMOTE_USER": self.connections.access.user,
            "ANSIBLE_SSH_ARGS": shlex.join(self.connections.arguments(block)),
            # How the runner gets its events.
            "ANSIBLE_STDOUT_CALLBACK": "awx_display",
            "ANSIBLE_CALLBACK_PLUGINS": str(callbacks),
            "AWX_ISOLATED_DATA_DIR": runner.config.artifact_dir,
        }

    def _take(self, event: dict[str, Any]) -> bool:
        """Count one event; False, so that the runner keeps no copy of it."""
        kind, data = event.get("event"), event.get("event_data") or {}
        answer, action = data.get("res") or {}, str(data.get("task_action", "")).rpartition(".")[2]
        tally = self.tallies.get(str(data.get("host")))
        if tally is None:
            if kind in ("error", "warning", "verbose") and event.get("stdout", "").strip():
                self.complaints.append(visible(event["stdout"].strip()))
        elif kind == "runner_on_unreachable":
            tally.unreachable = visible(answer.get("msg") or "no connection")
        elif kind in ("runner_on_failed", "runner_item_on_failed"):
            tally.fault = tally.fault or visible(said(answer), 1000)
        elif kind == "runner_on_ok" and action == "center_tree":
            tally.placed(answer)
            if self.check:
                tally.foretold(answer)
        elif kind == "runner_item_on_ok" and action == "systemd_service":
            tally.units += (visible(answer.get("name")),)
        elif kind == "runner_on_ok" and answer.get("changed") is True:
            tally.touched = True
        return False


def imported_runner() -> Any:
    """The module ansible_runner: heavy, and absent where nothing is ever applied."""
    try:
        import ansible_runner
    except ModuleNotFoundError:
        hint = 'pip install "center-generator[apply]"'
        raise Refused([Problem("hosts.no-ansible", "Ansible is not installed", hint=hint)]) from None
    return ansible_runner


def said(answer: dict[str, Any]) -> str:
    """Why a task failed, in the module's own words."""
    words = [str(answer.get(name) or "").strip() for name in ("msg", "stderr", "module_stderr")]
    return "; ".join(word for word in words if word) or "failed without a word"


def entries(answer: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [entry for entry in listed(answer, name) if isinstance(entry, dict)]


def listed(answer: dict[str, Any], name: str) -> list[Any]:
    value = answer.get(name)
    return value[:LIST_ITEMS] if isinstance(value, list) else []


def shown_diff(text: str) -> str:
    return "\n".join(visible(line, 1000) for line in text.split("\n")[:DIFF_LINES])


@contextmanager
def signals_restored() -> Iterator[None]:
    """The runner takes over the signals that cancel it and does not give them back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
