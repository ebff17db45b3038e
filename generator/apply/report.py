"""What became of the hosts of one run, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["unchanged", "changed", "failed", "pending", "skipped"]
SHOWN_NODES = 20


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file; `action` is create, update or remove, `diff` is safe to print."""

    path: str
    action: str
    diff: str


@dataclass(frozen=True, slots=True)
class HostOutcome:
    """One node: "pending" did not answer, "skipped" was not touched because the run stopped before it."""

    node: str
    block: str
    state: State
    reason: str = ""
    files: tuple[FileChange, ...] = ()
    packages: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostsReport:
    """All nodes of a run; with `check`, "changed" means: would change. `faults` concern the run itself."""

    check: bool
    hosts: dict[str, HostOutcome]
    faults: tuple[str, ...] = ()

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
        """0 nothing wrong; 1 something failed or is pending; 2 differences found."""
        if self.faults or self.failed or self.pending or not self.hosts:
            return 1
        return 2 if self.check and self.changed else 0

    def lines(self) -> Iterator[str]:
        """One line for each node that is not as it was, then the sum; nodes that only failed to answer on one line."""
        for host in self.hosts.values():
            if host.state in ("changed", "failed"):
                yield f"{host.node}: {self._sentence(host)}"
            if host.waiting:
                yield f"{host.node}: {', '.join(host.waiting)} must restart, but only once the node is empty"
            if host.kept:
                yield f"{host.node}: kept, because edited there: {', '.join(host.kept)}"
        for state, words in (("pending", "did not answer"), ("skipped", "not touched, the run had stopped")):
            reasons = {
                host.reason: host.reason and f" ({host.reason})" for host in self.hosts.values() if host.state == state
            }
            for reason, shown in reasons.items():
                nodes = [node for node in self._in(state) if self.hosts[node].reason == reason]
                yield f"{words}: {enumerated(nodes)}{shown}"
        yield from self.faults
        counts = [(len(self._in(state)), state) for state in ("changed", "unchanged", "failed", "pending", "skipped")]
        yield f"{len(self.hosts)} hosts: " + (", ".join(f"{n} {state}" for n, state in counts if n) or "none matched")

    def diffs(self) -> Iterator[str]:
        """Each change once, with the nodes that it concerns."""
        nodes: dict[FileChange, list[str]] = {}
        for host in self.hosts.values():
            for change in host.files:
                nodes.setdefault(change, []).append(host.node)
        for change, names in nodes.items():
            yield f"{change.action} {change.path} on {enumerated(names)}"
            yield from change.diff.rstrip("\n").split("\n") if change.diff else ()

    def to_dict(self) -> dict[str, Any]:
        return {"exit_code": self.exit_code, **asdict(self)}

    def _in(self, *states: str) -> list[str]:
        return [name for name, host in self.hosts.items() if host.state in states]

    def _sentence(self, host: HostOutcome) -> str:
        parts = [
            f"{count} {word}{'s' if count != 1 else ''}"
            for count, word in ((len(host.files), "file"), (len(host.packages), "package"), (len(host.units), "unit"))
            if count
        ]
        verb = "would change" if self.check else "changed"
        done = f"{verb} {', '.join(parts)}" if parts else ""
        return "; ".join(filter(None, (f"failed: {host.reason}" if host.state == "failed" else "", done)))


def enumerated(nodes: list[str]) -> str:
    more = len(nodes) - SHOWN_NODES
    return ", ".join(nodes[:SHOWN_NODES]) + (f" and {more} more" if more > 0 else "")
