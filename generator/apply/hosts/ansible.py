"""One run of Ansible over hosts of one block, as a process; its events are counted host by host.

Ansible's exit status is no contract (it is 0 when nothing matched, 4 for a syntax error as for an unreachable host): a
host has been worked on when the module that places its files answered for it and every restart it asked for happened.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from generator import resources
from generator.apply.hosts.blocks import Node
from generator.apply.hosts.interruption import Interruption
from generator.apply.hosts.ssh import Connections, surroundings
from generator.apply.hosts.survey import entries, file_changes, texts, unit_changes
from generator.apply.report import FileChange, HostOutcome, State, UnitChange
from generator.problems import Problem, Refused
from generator.text import visible

# How long somebody who wants the run to end may go unheard.
HEARING_SECONDS = 1


@dataclass
class Tally:
    """What Ansible's events said of one host so far; everything in it came from that host and is only data."""

    complete: bool = False
    expected: int = 0
    unreachable: str = ""
    fault: str = ""
    boot: bool = False
    booted: bool = False
    files: dict[str, FileChange] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    stale: dict[str, UnitChange] = field(default_factory=dict)
    stopped: tuple[UnitChange, ...] = ()
    units: tuple[UnitChange, ...] = ()

    def placed(self, answer: dict[str, Any]) -> None:
        """Take in what the module that places the tree answered."""
        self.complete = answer.get("complete") is True
        self.files |= {change.path: change for change in file_changes(answer)}
        self.packages += texts(answer, "packages")
        self.effects += texts(answer, "package_effects")
        self.stopped += tuple(unit for unit in unit_changes(answer, "stale") if unit.state == "stopped")
        self.expected = len(entries(answer, "restart"))
        self.stale = {unit.name: unit for unit in unit_changes(answer, "restart")}
        # The note of what a unit is started with goes without saying where the start is said.
        for name in self.stale:
            self.files.pop(note_of(name), None)
        self.boot = answer.get("boot") is True

    def started(self, name: str) -> None:
        self.units += (self.stale.get(name, UnitChange(name, "restarted", "restart", "")),)

    def outcome(self, node: Node) -> HostOutcome:
        state: State = "changed"
        reason = ""
        if self.unreachable:
            state, reason = "pending", self.unreachable
        elif self.fault or not self.complete or len(self.units) < self.expected or (self.boot and not self.booted):
            state, reason = "failed", self.fault or "the run ended before this host was done"
        return HostOutcome(
            node.name, node.block, state, reason, tuple(self.files.values()), self.packages, self.stopped + self.units,
            boot=self.booted, package_effects=self.effects,
        )  # fmt: skip


class Run:
    """Ansible over some hosts of one block. `bears` is what these hosts can bear: restart, drain or reboot."""

    def __init__(self, connections: Connections, nodes: Sequence[Node], bears: str, forks: int, secrets: str) -> None:
        """`secrets` is the path of the socket at which the run may ask for secrets, or empty."""
        self.connections = connections
        self.nodes = nodes
        self.bears = bears
        self.forks = forks
        self.secrets = secrets
        self.tallies = {node.name: Tally() for node in nodes}
        self.complaints: list[str] = []

    def execute(self) -> tuple[dict[str, HostOutcome], list[str]]:
        """What became of each host, and what went wrong with the run itself."""
        with TemporaryDirectory(prefix="center-run-") as folder:
            interruption = Interruption(Path(folder, "pid"))
            runner = self._prepare(Path(folder), interruption)
            with interruption.watching():
                runner.run()
        outcomes = {node.name: self.tallies[node.name].outcome(node) for node in self.nodes}
        faults = []
        if runner.rc != 0 and all(host.state == "changed" for host in outcomes.values()):
            faults.append(f"Ansible ended with status {runner.rc}: {' '.join(self.complaints[-5:])}")
        elif self.complaints and not any(tally.complete or tally.fault for tally in self.tallies.values()):
            faults.extend(self.complaints[-5:])
        return outcomes, faults

    def _prepare(self, folder: Path, interruption: Interruption) -> Any:
        ansible_runner = imported_runner()
        limit = folder / "limit"
        limit.write_text("".join(f"{node.name}\n" for node in self.nodes))
        runner = ansible_runner.interface.init_runner(
            private_data_dir=str(folder),
            playbook=str(resources.folder("playbooks") / "site.yml"),
            inventory=str(self.nodes[0].folder.resolve() / "inventory.json"),
            limit=f"@{limit}",
            forks=self.forks,
            cmdline=f"--diff -e converge_bears={self.bears}",
            quiet=True,
            event_handler=self._take,
            cancel_callback=interruption.insists,
        )
        runner.config.pexpect_timeout = HEARING_SECONDS
        runner.config.command[:1] = interruption.launching([sys.executable, "-m", "ansible", "playbook"])
        runner.config.env = self._environment(folder, runner)
        return runner

    def _environment(self, folder: Path, runner: Any) -> dict[str, str]:
        """What Ansible is to see: nothing that the caller set for his own Ansible, Python or SSH."""
        callbacks = Path(imported_runner().__file__ or "").parent / "display_callback" / "callback"
        return surroundings() | {
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_CONFIG": str(resources.folder("playbooks") / "ansible.cfg"),
            "ANSIBLE_HOME": str(folder / "home"),
            "ANSIBLE_REMOTE_USER": self.connections.access.user,
            "ANSIBLE_SSH_ARGS": shlex.join(self.connections.arguments(self.nodes[0].folder)),
            "CENTER_SECRETS": self.secrets,
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
        elif kind == "runner_item_on_ok" and action == "systemd_service":
            tally.started(visible(answer.get("name")))
        elif kind == "runner_on_ok" and action == "reboot":
            tally.booted = answer.get("rebooted") is True
        return False


def note_of(unit: str) -> str:
    """The path of the drop-in by which a unit notes what it is started with."""
    return f"/etc/systemd/system/{unit}.d/50-center.conf"


def imported_runner() -> Any:
    """The module ansible_runner: heavy, and absent where nothing is ever applied."""
    try:
        import ansible_runner
    except ModuleNotFoundError:
        hint = 'pip install "center-generator[apply]"'
        raise Refused([Problem("hosts.no-ansible", "Ansible is not installed", hint=hint)]) from None
    return ansible_runner


def said(answer: dict[str, Any]) -> str:
    """What a failed task said, in one text."""
    words = [str(answer.get(name) or "").strip() for name in ("msg", "stderr", "module_stderr")]
    return "; ".join(dict.fromkeys(word for word in words if word)) or "failed without a word"
