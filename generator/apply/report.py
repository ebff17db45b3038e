"""What became of the hosts of a run, or would become of them: for people by change, for programs by host."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["unchanged", "changed", "waiting", "failed", "pending", "skipped"]
CLASSES = ("live", "restart", "drain", "reboot")
SHOWN_NODES = 20
INTERRUPTED = 130
_MEANING = {
    "drain": "waits until the node is empty",
    "reboot": "waits until the node is empty and may reboot",
}


def worst(classes: Iterable[str]) -> str:
    """The class that asks the most of a node; what a node says that is no class asks for all."""
    return max((kind if kind in CLASSES else "reboot" for kind in classes), key=CLASSES.index, default="live")


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file; `action` is create, update or remove, `diff` is safe to print, `needs` is a class."""

    path: str
    action: str
    diff: str
    needs: str = "live"
    mark: str = ""
    """A value for what is there and what shall be, even where the diff is cut or does not show it."""


@dataclass(frozen=True, slots=True)
class UnitChange:
    """One unit; `state` is started, restarted, failing, enabled, stopped, booted or masked."""

    name: str
    state: str
    needs: str
    why: str

    @property
    def verb(self) -> str:
        return _VERBS.get(self.state, self.state)

    def __str__(self) -> str:
        """The deed; where it may not help, with the reason."""
        return f"{self.verb} {self.name}" + (f" ({self.why})" if self.state in ("failing", "masked") else "")


@dataclass(frozen=True, slots=True)
class HostOutcome:
    """One node.

    "pending" did not answer, "skipped" was not touched because the run stopped before it, "waiting" is as it should
    be but for what needs it empty or rebooted (`waiting` says what). `needs` is the class of all that changes together.
    """

    node: str
    block: str
    state: State
    reason: str = ""
    files: tuple[FileChange, ...] = ()
    packages: tuple[str, ...] = ()
    units: tuple[UnitChange, ...] = ()
    needs: str = "live"
    boot: bool = False
    waiting: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    package_needs: str = "restart"
    """What the installation of its packages asks of the node."""
    package_effects: tuple[str, ...] = ()
    """What the installation does to other packages, such as "remove NAME" or "upgrade NAME"."""

    @property
    def package_deeds(self) -> tuple[str, ...]:
        """What becomes of packages; without one to install there is no effect on others."""
        return (*(f"install {package}" for package in self.packages), *(self.package_effects if self.packages else ()))

    def deeds(self) -> Iterator[tuple[str, str]]:
        """What changes, a sentence each, with its class."""
        yield from ((f"{file.action} {file.path}", file.needs) for file in self.files)
        yield from ((deed, self.package_needs) for deed in self.package_deeds)
        yield from ((str(unit), unit.needs) for unit in self.units)
        if self.boot:
            yield "reboot", "reboot"


_VERBS = {
    "started": "start", "restarted": "restart", "failing": "restart", "enabled": "enable", "stopped": "stop",
    "booted": "reboot for", "masked": "cannot start",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class HostsReport:
    """All nodes of a run; with `check`, "changed" means: would change. `faults` concern the run itself."""

    check: bool
    hosts: dict[str, HostOutcome]
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What else happened or would: nodes that leave, drains given back."""
    leaving: tuple[str, ...] = ()
    open: bool = False
    """Whether nodes that should leave are still there, or a run that died left something."""
    records: tuple[str, ...] = ()
    """What the centre remembers of runs."""
    interrupted: bool = False

    @property
    def changed(self) -> list[str]:
        return self._in("changed")

    @property
    def failed(self) -> list[str]:
        return self._in("failed")

    @property
    def pending(self) -> list[str]:
        return self._in("pending", "skipped")

    @property
    def exit_code(self) -> int:
        """0 nothing wrong; 1 something failed or is pending; 2 differences found, or left; 130 ended by somebody."""
        if self.interrupted:
            return INTERRUPTED
        if self.faults or self.failed or self.pending or not self.hosts:
            return 1
        left = self.open or any(host.waiting for host in self.hosts.values())
        return 2 if left or (self.check and (self.changed or self.notes)) else 0

    def lines(self, short: bool = False) -> Iterator[str]:
        """Each change once with the nodes that it concerns, what went wrong, then the sum; `short` without contents."""
        yield from self._grouped(self.check and not short)
        waits = self._by((line, host.node) for host in self.hosts.values() for line in host.waiting)
        yield from (f"{what}: {named(nodes)}" for what, nodes in waits.items())
        held = [host for host in self.hosts.values() if host.state in ("changed", "waiting") and host.reason]
        yield from (f"{why}: {named(nodes)}" for why, nodes in self._by((h.reason, h.node) for h in held).items())
        closed = self._by((unit, host.node) for host in self.hosts.values() for unit in host.closed)
        for unit, nodes in closed.items():
            yield f'{unit} stays off until "center accept" has passed: {named(nodes)}'
        kept = self._by((path, host.node) for host in self.hosts.values() for path in host.kept)
        yield from (f"kept {path}, because somebody edited it there: {named(nodes)}" for path, nodes in kept.items())
        for state, words in _TROUBLE.items():
            reasons = self._by((host.reason, host.node) for host in self.hosts.values() if host.state == state)
            yield from (f"{words}: {named(nodes)}{reason and f' ({reason})'}" for reason, nodes in reasons.items())
        yield from (*self.notes, *self.records, *self.faults)
        yield self._sum()

    def _grouped(self, contents: bool) -> Iterator[str]:
        files: dict[tuple[str, ...], list[tuple[str, str]]] = {}
        for host in self.hosts.values():
            for change in host.files:
                alike = (change.action, change.path, change.needs, unnamed(change.diff, host.node))
                files.setdefault(alike, []).append((host.node, change.diff))
        for (action, path, needs, _), found in files.items():
            yield f"{action} {path}{self._class(needs)} {on([node for node, _ in found])}"
            yield from (f"    {line}" for line in found[0][1].splitlines() if contents)
        packages = self._by(
            ((deed, host.package_needs), host.node) for host in self.hosts.values() for deed in host.package_deeds
        )
        for (deed, needs), nodes in packages.items():
            yield f"{deed}{self._class(needs)} {on(nodes)}"
        units = self._by((unit, host.node) for host in self.hosts.values() for unit in host.units)
        for unit, nodes in units.items():
            yield f"{unit.verb} {unit.name}{self._class(unit.needs)} {on(nodes)}: {unit.why}"
        if booting := [host.node for host in self.hosts.values() if host.boot]:
            yield f"reboot{self._class('reboot')} {on(booting)}"

    def _class(self, needs: str) -> str:
        return f" [{needs}: {_MEANING[needs]}]" if self.check and needs in _MEANING else ""

    def _sum(self) -> str:
        """All hosts, counted by what became of them; in a preview, those that change by what they must bear."""
        counts = [f"{len(self._in(state))} {state}" for state in _STATES if self._in(state)]
        if self.check and self.changed:
            needs = [self.hosts[name].needs for name in self.changed]
            parts = ", ".join(f"{needs.count(kind)} {kind}" for kind in CLASSES if kind in needs)
            counts[0] = f"{len(self.changed)} would change ({parts})"
        return f"{counted(len(self.hosts))}: " + (", ".join(counts) or "none matched")

    @staticmethod
    def _by(found: Iterable[tuple[Any, str]]) -> dict[Any, list[str]]:
        nodes: dict[Any, list[str]] = {}
        for what, node in found:
            nodes.setdefault(what, []).append(node)
        return nodes

    def to_dict(self) -> dict[str, Any]:
        return {"exit_code": self.exit_code, **asdict(self)}

    def _in(self, *states: str) -> list[str]:
        return [name for name, host in self.hosts.items() if host.state in states]


_STATES: tuple[State, ...] = ("changed", "unchanged", "waiting", "failed", "pending", "skipped")
_TROUBLE = {"failed": "failed", "pending": "did not answer", "skipped": "not touched, the run had stopped"}


def unnamed(text: str, node: str) -> str:
    """A diff without what is the node's own, so that the same change of many nodes is shown once."""
    own = re.escape(node)
    return re.sub(rf"\b(\d+\.\d+\.\d+\.\d+)(?=[^\n]*\b{own}\b)|\b{own}\b", "@", text)


def counted(hosts: int) -> str:
    return "1 host" if hosts == 1 else f"{hosts} hosts"


def on(nodes: list[str]) -> str:
    return f"on {named(nodes)}" if len(nodes) == 1 else f"on {counted(len(nodes))}: {named(nodes)}"


def named(nodes: list[str]) -> str:
    """Nodes as people write them: neighbours of a rack as a range, and no endless list."""
    ranges = list(_ranges(nodes))
    more = f" and {len(ranges) - SHOWN_NODES} more" if len(ranges) > SHOWN_NODES else ""
    return ", ".join(ranges[:SHOWN_NODES]) + more


def _ranges(nodes: list[str]) -> Iterator[str]:
    run: list[tuple[str, int]] = []
    for node in nodes:
        stem, _, number = node.rpartition("-")
        here = (stem, int(number)) if number.isdecimal() else (node, -1)
        if run and here != (run[-1][0], run[-1][1] + 1):
            yield _range(run)
            run = []
        run.append(here)
    if run:
        yield _range(run)


def _range(run: list[tuple[str, int]]) -> str:
    stem, first = run[0]
    if first < 0:
        return stem
    return f"{stem}-{first}" if len(run) == 1 else f"{stem}-{first}..{run[-1][1]}"
