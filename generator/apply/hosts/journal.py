"""The record of runs, on the node that keeps the lock: what a run is about to do, and what became of it.

What is about to happen is written before it happens, and where it cannot be written it does not happen. What has
happened is written when the node answers again; the next run asks the hosts themselves anyway. No content of a file and
no secret is ever in it: names, states and reasons in one short line.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from generator import resources
from generator.apply.hosts.blocks import Node
from generator.apply.hosts.lock import FOLDER, Shard, who
from generator.apply.hosts.onhost import Unanswered, ask
from generator.apply.hosts.ssh import Connections
from generator.apply.report import HostOutcome
from generator.problems import Problem, Refused
from generator.text import visible

REASON_CHARACTERS = 160
LIMIT_NAMES = 50
NODES = 5000
MODULE = "center_journal"
SECONDS = 30


@dataclass(frozen=True, slots=True)
class Run:
    """A run as the journal tells it; times are seconds since 1970 on the node's clock, `age` counts to its now.

    `code` is None while it has not ended; whether it lives is the lock's to say. `drained` are nodes that it took out
    of service and that nobody gave back since, `in_progress` those that it began and that have no outcome since.
    """

    identity: str
    verb: str
    holder: str
    tree: str
    hosts: int
    shard: str
    limit: tuple[str, ...]
    began: int
    age: int
    code: int | None
    states: Mapping[str, int]
    troubles: tuple[tuple[str, str, str], ...]
    drained: tuple[str, ...]
    in_progress: tuple[str, ...]

    @property
    def unfinished(self) -> bool:
        return self.code is None


class Journal:
    """What one run writes; `complaint` says why some of what happened is not written yet, if so."""

    def __init__(
        self,
        connections: Connections,
        node: Node,
        identity: str,
        conceal: Callable[[str], str] = lambda text: text,
    ) -> None:
        """`conceal` takes secrets out of reasons, which hosts wrote."""
        self._connections, self._node, self._identity, self._conceal = connections, node, identity, conceal
        self._waiting: list[dict[str, Any]] = []
        self._turn = threading.Lock()
        self.complaint = ""

    def begin(
        self, verb: str, tree: str, hosts: int, shard: Shard | None = None, limit: Collection[str] | None = None
    ) -> None:
        """A run begins: with which tree (its digest), for how many hosts. Refused when that cannot be written."""
        self._before(
            "begin",
            verb=verb,
            holder=who(),
            tree=tree,
            hosts=hosts,
            shard=f"{shard[0]}/{shard[1]}" if shard else "",
            limit=sorted(limit or ())[:LIMIT_NAMES],
        )

    def batch(self, nodes: Iterable[str]) -> None:
        """These nodes are about to be changed. Refused when that cannot be written."""
        self._before("batch", nodes=list(nodes))

    def drained(self, node: str) -> None:
        """This node is about to be taken out of service. Refused when that cannot be written."""
        self._before("drained", node=node)

    def hosts(self, outcomes: Iterable[HostOutcome]) -> None:
        """What became of nodes."""
        self._after("hosts", hosts=[[host.node, host.state, self._short(host.reason)] for host in outcomes])

    def given_back(self, node: str) -> None:
        """This node is in service again."""
        self._after("given-back", node=node)

    def end(self, code: int) -> None:
        """The run ended by itself, with this exit code."""
        self._after("end", code=code)

    def _short(self, reason: str) -> str:
        return visible(self._conceal(reason), REASON_CHARACTERS)

    def _before(self, event: str, **said: Any) -> None:
        with self._turn:
            line = {"run": self._identity, "event": event, **said}
            if fault := self._written([*self._waiting, line]):
                message = f'the journal on "{self._node.name}" cannot be written: {fault}'
                raise Refused([Problem("hosts.journal", message, hint="nothing was changed without being noted there")])

    def _after(self, event: str, **said: Any) -> None:
        with self._turn:
            self._waiting.append({"run": self._identity, "event": event, **said})
            self.complaint = self._written(self._waiting)

    def _written(self, lines: list[dict[str, Any]]) -> str:
        """Write the lines, those that were waiting first; why that failed, or nothing."""
        try:
            answer = _asked(self._connections, self._node, {"folder": FOLDER, "lines": lines})
        except Unanswered as reason:
            return str(reason)
        if "fault" in answer:
            return visible(answer["fault"])
        self._waiting, self.complaint = [], ""
        return ""


def read(connections: Connections, node: Node) -> list[Run]:
    """The runs that a node has a record of, the one last heard of at the end; none when it does not answer."""
    try:
        answer = _asked(connections, node, {"folder": FOLDER})
    except Unanswered:
        return []
    now = _number(answer.get("now")) or 0
    return [_run(said, now) for said in _listed(answer.get("runs")) if isinstance(said, dict)]


def _asked(connections: Connections, node: Node, given: dict[str, Any]) -> dict[str, Any]:
    text = (resources.folder("playbooks") / "module_utils" / f"{MODULE}.py").read_text("utf-8")
    answer = ask(connections, node, [(MODULE, text)], given, seconds=SECONDS)
    return answer if isinstance(answer, dict) else {"fault": "its answer is no answer"}


def _run(said: dict[str, Any], now: int) -> Run:
    """Whatever a node says of a run, as text and numbers that can be shown."""
    begin, end = _mapping(said.get("begin")), _mapping(said.get("end"))
    began = _number(begin.get("at")) or _number(said.get("last")) or 0
    states = {_text(name): _number(count) or 0 for name, count in list(_mapping(said.get("states")).items())[:20]}
    return Run(
        identity=_text(said.get("run")),
        verb=_text(begin.get("verb")),
        holder=_text(begin.get("holder")),
        tree=_text(begin.get("tree")),
        hosts=_number(begin.get("hosts")) or 0,
        shard=_text(begin.get("shard")),
        limit=_names(begin.get("limit")),
        began=began,
        age=max(0, now - began),
        code=_number(end.get("code")),
        states=states,
        troubles=tuple(
            (_text(host[0]), _text(host[1]), _text(host[2]))
            for host in _listed(said.get("troubles"))
            if isinstance(host, list) and len(host) == 3
        ),
        drained=_names(said.get("drained")),
        in_progress=_names(said.get("in_progress")),
    )


def _text(value: object) -> str:
    return visible(value, 200) if isinstance(value, str) else ""


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53 else None


def _names(value: object) -> tuple[str, ...]:
    return tuple(_text(name) for name in _listed(value))


def _listed(value: object) -> list[Any]:
    return value[:NODES] if isinstance(value, list) else []


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
