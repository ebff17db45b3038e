"""What each node gets: read from the rendered tree by the same code that Ansible's side of a run uses."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from generator import resources
from generator.apply.hosts.blocks import Node, groups_of
from generator.problems import Problem, Refused

Secrets = Callable[[str, str], bytes]
"""The value of a reference for a use."""

# Parts of the on-node program, in the order in which they need each other.
_PARTS = ("center_disk", "center_accepted", "center_units", "center_plan", "center_packages", "center_node")


def wanted_of(node: Node, secrets: Secrets) -> dict[str, list[Any]]:
    """What `node` gets, contents in base64, holes filled; Refused when the tree does not hold together."""
    try:
        wanted: dict[str, list[Any]] = _gatherer().gather(node.folder, node.name, groups_of(node), secrets)
    except (OSError, ValueError) as fault:
        raise Refused([Problem("hosts.tree", f'the rendered tree cannot be used for "{node.name}": {fault}')]) from None
    return wanted


def secrets_of(nodes: Iterable[Node]) -> set[tuple[str, str]]:
    """The references that these nodes need, each with its use."""
    groups: dict[Path, set[str]] = {}
    for node in nodes:
        groups.setdefault(node.folder, set()).update(groups_of(node))
    pairs: set[tuple[str, str]] = set()
    for folder, names in groups.items():
        pairs |= _gatherer().pairs(folder, names)
    return pairs


@lru_cache
def program() -> tuple[tuple[str, str], ...]:
    """The program that compares a node with what it gets, as names and texts of modules."""
    folder = resources.folder("playbooks") / "module_utils"
    return tuple((f"ansible.module_utils.{name}", (folder / f"{name}.py").read_text("utf-8")) for name in _PARTS)


@lru_cache
def _gatherer() -> Any:
    """The module that Ansible's action plug-in uses too; it lies beside the playbooks, which are no package."""
    file = resources.folder("playbooks") / "plugin_utils" / "center_wanted.py"
    spec = importlib.util.spec_from_file_location("center_wanted", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
