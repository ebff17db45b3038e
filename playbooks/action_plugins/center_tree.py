# Copyright the center authors. SPDX-License-Identifier: Apache-2.0
# Loaded and run inside Ansible, on the controller; uses nothing of Ansible but its plug-in interface.
"""Gather what one node gets from the rendered tree, fill its typed holes, hand it to the node in one module call."""

from __future__ import annotations

import base64
import json
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

FILE_LIMIT = 4 * 2**20
NODE_LIMIT = 16 * 2**20
HOLE = re.compile(rb"@\{node\.([a-z][a-z0-9_]*)\}")


class ActionModule(ActionBase):  # type: ignore[misc]
    """`center_tree:` takes no arguments in production; `root` places below another folder."""

    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        values = task_vars or {}
        node = str(values["inventory_hostname"])
        groups = ["all", *sorted(set(values["group_names"]) - {"all", "ungrouped"})]
        try:
            wanted = gather(Path(values["inventory_dir"]), node, groups)
        except (OSError, ValueError) as fault:
            return {"failed": True, "msg": f"the rendered tree cannot be used for {node}: {fault}"}
        result: dict[str, Any] = self._execute_module(
            module_name="center_tree", module_args={**self._task.args, **wanted}, task_vars=values
        )
        return result


def gather(block: Path, node: str, groups: Iterable[str]) -> dict[str, list[Any]]:
    """Union of the manifests of `groups` (those that have one), with file contents in base64 and holes filled."""
    facts = node_facts(block, node)
    files: dict[str, dict[str, Any]] = {}
    directories: dict[str, dict[str, Any]] = {}
    units: dict[str, dict[str, Any]] = {}
    packages: set[str] = set()
    folders = [block.parent / "groups" / group for group in groups]
    given = [folder for folder in folders if (folder / "manifest.json").is_file()]
    if not given:
        raise ValueError("none of its groups has a manifest")
    for folder in given:
        group = folder.name
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        packages.update(manifest.get("packages", []))
        for file in manifest.get("files", []) + manifest.get("links", []):
            if file["path"] in files:
                raise ValueError(f'"{file["path"]}" is given by two groups of this node, one of them "{group}"')
            files[file["path"]] = (
                link_of(file) if "target" in file else {**file, "content": content_of(folder, file, facts)}
            )
        merge(directories, manifest.get("directories", []), "path", group)
        merge(units, manifest.get("units", []), "name", group)
    if sum(len(file["content"]) for file in files.values()) > NODE_LIMIT:
        raise ValueError(f"more than {NODE_LIMIT} bytes for one node")
    return {
        "packages": sorted(packages),
        "files": [files[path] for path in sorted(files)],
        "directories": [directories[path] for path in sorted(directories)],
        "units": [units[name] for name in sorted(units)],
    }


def node_facts(block: Path, node: str) -> dict[str, str]:
    """What the holes of this node are filled with."""
    nodes = json.loads((block / "nodes.json").read_text("utf-8"))
    if node not in nodes:
        raise ValueError(f'"{node}" is not in {block.name}/nodes.json')
    return {**{key: value for key, value in nodes[node].items() if isinstance(value, str)}, "name": node}


def merge(known: dict[str, dict[str, Any]], entries: Iterable[dict[str, Any]], key: str, group: str) -> None:
    """Several groups may name the same unit or directory, as long as they agree."""
    for entry in entries:
        if known.setdefault(entry[key], entry) != entry:
            raise ValueError(f'"{entry[key]}" is described differently by two groups, one of them "{group}"')


def content_of(folder: Path, file: dict[str, Any], facts: dict[str, str]) -> str:
    """Bytes of one file with exactly its declared holes filled, once, in base64."""
    path = file["path"]
    if os.path.normpath(path) != path or not path.startswith("/") or path.startswith("//"):
        raise ValueError(f'"{path}" is not a plain absolute path')
    descriptor = os.open(f"{folder}/files{path}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as source:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError(f'"{path}" is not a regular file in the tree')
        content = source.read(FILE_LIMIT + 1)
    if len(content) > FILE_LIMIT:
        raise ValueError(f'"{path}" is larger than {FILE_LIMIT} bytes')
    holes = frozenset(file.get("holes", []))
    if absent := sorted(holes - facts.keys()):
        raise ValueError(f'"{path}" has the hole "node.{absent[0]}", which nodes.json does not fill')
    filled = HOLE.sub(lambda hole: fill(hole, holes, facts), content) if holes else content
    return base64.b64encode(filled).decode("ascii")


def link_of(link: dict[str, Any]) -> dict[str, Any]:
    """A symbolic link as the module takes it: a file whose content is the target."""
    target = base64.b64encode(link["target"].encode("utf-8")).decode("ascii")
    return {"path": link["path"], "mode": "0777", "owner": "root", "group": "root", "link": True, "content": target}


def fill(hole: re.Match[bytes], holes: frozenset[str], facts: dict[str, str]) -> bytes:
    name = hole[1].decode("ascii")
    return facts[name].encode("utf-8") if name in holes else hole[0]
