"""How hosts differ from the tree: the program that places files, run on each in its looking mode, without Ansible.

`diff` is this look. `apply` begins with it, so that hosts that have it all cost one SSH command; it ends with it as
well, because what a run says of itself is no evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from generator.apply.hosts.blocks import Node
from generator.apply.hosts.onhost import Unanswered, ask
from generator.apply.hosts.ssh import Connections
from generator.apply.hosts.wanted import Secrets, program, wanted_of
from generator.apply.report import CLASSES, FileChange, HostOutcome, State, UnitChange, worst
from generator.text import visible

SECONDS = 120
DIFF_LINES, LIST_ITEMS = 2000, 2000


def survey(connections: Connections, nodes: Sequence[Node], secrets: Secrets, watch: int) -> dict[str, HostOutcome]:
    """For each node what differs there: "unchanged", "changed" (would be), "failed", or "pending" without an answer.

    A daemon that was started less than `watch` seconds ago is looked at again when they are over.
    """
    wanted = [(node, wanted_of(node, secrets)) for node in nodes]

    def look(work: tuple[Node, dict[str, Any]]) -> HostOutcome:
        node, gets = work
        try:
            answer = ask(connections, node, program(), {**gets, "bears": "reboot", "watch": watch}, SECONDS + watch)
        except Unanswered as fault:
            return HostOutcome(node.name, node.block, "failed" if fault.reached else "pending", str(fault))
        if not isinstance(answer, dict) or "refused" in answer or not sound(answer):
            reason = "its answer is no answer"
            if isinstance(answer, dict) and isinstance(answer.get("refused"), str):
                reason = answer["refused"]
            return HostOutcome(node.name, node.block, "failed", visible(reason, 1000))
        return outcome(node, answer)

    return {found.node: found for found in connections.for_each(look, wanted)}


def outcome(node: Node, answer: dict[str, Any]) -> HostOutcome:
    """The answer of a node's program as an outcome; everything in it came from the node and is only data."""
    files = file_changes(answer)
    units = unit_changes(answer, "stale")
    packages, effects = (texts(answer, name) for name in ("packages", "package_effects"))
    boot = answer.get("boot") is True
    state: State = "changed" if files or units or packages or boot or answer.get("changed") is True else "unchanged"
    needs = worst([*(file.needs for file in files), *(unit.needs for unit in units)])
    said = answer.get("package_needs")
    package_needs = said if isinstance(said, str) and said in CLASSES else "restart"
    if packages:
        needs = worst([needs, package_needs])
    return HostOutcome(
        node.name, node.block, state, "", files, packages, units, "reboot" if boot else needs, boot,
        closed=texts(answer, "closed"), kept=texts(answer, "kept"),
        package_needs=package_needs, package_effects=effects,
    )  # fmt: skip


def sound(answer: dict[str, Any]) -> bool:
    """Whether an answer has the shape that our program gives it; a host that says something else has said nothing."""
    texts = {"changes": ("path", "action"), "stale": ("name", "state")}
    whole = [
        isinstance(entry, dict) and all(isinstance(entry.get(word), str) for word in words)
        for key, words in texts.items()
        for entry in (answer[key] if isinstance(answer.get(key), list) else [None])
    ]
    return isinstance(answer.get("changed"), bool) and all(whole)


def file_changes(answer: dict[str, Any]) -> tuple[FileChange, ...]:
    diffs = [str(diff.get("prepared", "")) for diff in entries(answer, "diff")]
    return tuple(
        FileChange(
            visible(change.get("path")), visible(change.get("action")),
            shown_diff(diffs[number]) if number < len(diffs) else "",
            class_of(change), visible(change.get("mark") or ""),
        )
        for number, change in enumerate(entries(answer, "changes"))
    )  # fmt: skip


def unit_changes(answer: dict[str, Any], key: str) -> tuple[UnitChange, ...]:
    return tuple(
        UnitChange(visible(unit.get("name")), visible(unit.get("state")), class_of(unit), visible(unit.get("why")))
        for unit in entries(answer, key)
    )


def class_of(entry: dict[str, Any]) -> str:
    """The class of a change; what a node says that is no class asks for all."""
    needs = entry.get("needs")
    return needs if isinstance(needs, str) and needs in CLASSES else CLASSES[-1]


def entries(answer: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [entry for entry in listed(answer, name) if isinstance(entry, dict)]


def listed(answer: dict[str, Any], name: str) -> list[Any]:
    value = answer.get(name)
    return value[:LIST_ITEMS] if isinstance(value, list) else []


def texts(answer: dict[str, Any], name: str) -> tuple[str, ...]:
    return tuple(visible(text) for text in listed(answer, name))


def shown_diff(text: str) -> str:
    return "\n".join(visible(line, 1000) for line in text.split("\n")[:DIFF_LINES])
