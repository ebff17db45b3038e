# Copyright the center authors. SPDX-License-Identifier: Apache-2.0
# Read on the controller, by the action plug-in and by `center`, from this file; uses the standard library alone.
"""What one node gets from the rendered tree: the union of its groups' manifests, with typed holes filled."""

from __future__ import annotations

import base64
import json
import os
import re
import stat
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

FILE_LIMIT = 4 * 2**20
NODE_LIMIT = 16 * 2**20
HOLE = re.compile(rb"@\{(node\.[a-z][a-z0-9_]*|secret\.[a-z][a-z0-9-]*)\}")

Secrets = Callable[[str, str], bytes]
"""The value of a reference for a use; ValueError when it may not be known."""


def gather(block: Path, node: str, groups: Iterable[str], secrets: Secrets) -> dict[str, list[Any]]:
    """What `node` of `block` gets as a member of `groups`, as the module center_tree takes it: contents in base64.

    ValueError or OSError when the tree does not hold together.
    """
    facts = node_facts(block, node)
    files: dict[str, dict[str, Any]] = {}
    directories: dict[str, dict[str, Any]] = {}
    units: dict[str, dict[str, Any]] = {}
    packages: set[str] = set()
    given = [group for group in groups if (block.parent / "groups" / group / "manifest.json").is_file()]
    if not given:
        raise ValueError("none of its groups has a manifest")
    for group in given:
        folder = str(block.parent / "groups" / group)
        manifest = manifest_of(folder)
        packages.update(manifest.get("packages", []))
        values = facts | secret_values(manifest, secrets)
        for file in manifest.get("files", []) + manifest.get("links", []):
            if file["path"] in files:
                raise ValueError(f'"{file["path"]}" is given by two groups of this node, one of them "{group}"')
            files[file["path"]] = (
                link_of(file) if "target" in file else {**file, "content": content_of(folder, file, values)}
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


def pairs(block: Path, groups: Iterable[str]) -> set[tuple[str, str]]:
    """Which references the members of `groups` need, and for what."""
    found = set()
    for group in groups:
        if (block.parent / "groups" / group / "manifest.json").is_file():
            secrets = manifest_of(str(block.parent / "groups" / group)).get("secrets", {})
            found |= {(secret["reference"], secret["use"]) for secret in secrets.values()}
    return found


@lru_cache(maxsize=4096)
def manifest_of(folder: str) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(Path(folder, "manifest.json").read_text("utf-8"))
    return manifest


@lru_cache(maxsize=64)
def places_of(block: Path) -> dict[str, dict[str, Any]]:
    places: dict[str, dict[str, Any]] = json.loads((block / "nodes.json").read_text("utf-8"))
    return places


def node_facts(block: Path, node: str) -> dict[str, bytes]:
    """What the holes of this node are filled with."""
    nodes = places_of(block)
    if node not in nodes:
        raise ValueError(f'"{node}" is not in {block.name}/nodes.json')
    texts = {f"node.{key}": value.encode() for key, value in nodes[node].items() if isinstance(value, str)}
    return {**texts, "node.name": node.encode()}


def secret_values(manifest: dict[str, Any], secrets: Secrets) -> dict[str, bytes]:
    wanted = manifest.get("secrets", {})
    return {f"secret.{key}": secrets(secret["reference"], secret["use"]) for key, secret in wanted.items()}


def merge(known: dict[str, dict[str, Any]], entries: Iterable[dict[str, Any]], key: str, group: str) -> None:
    """Several groups may name the same unit or directory, as long as they agree."""
    for entry in entries:
        if known.setdefault(entry[key], entry) != entry:
            raise ValueError(f'"{entry[key]}" is described differently by two groups, one of them "{group}"')


def content_of(folder: str, file: dict[str, Any], values: dict[str, bytes]) -> str:
    """Bytes of one file with exactly its declared holes filled, once, in base64."""
    content = bytes_of(folder, file["path"])
    declared = frozenset(hole if "." in hole else f"node.{hole}" for hole in file.get("holes", []))
    if absent := sorted(declared - values.keys()):
        raise ValueError(f'"{file["path"]}" has the hole "{absent[0]}", which nothing fills')
    if any(hole.startswith("secret.") for hole in declared) and int(file["mode"], 8) & 0o007:
        raise ValueError(f'"{file["path"]}" has a secret in it and mode {file["mode"]}, with which others may read it')

    def fill(hole: re.Match[bytes]) -> bytes:
        name = hole[1].decode("ascii")
        return values[name] if name in declared else hole[0]

    return base64.b64encode(HOLE.sub(fill, content) if declared else content).decode("ascii")


@lru_cache(maxsize=4096)
def bytes_of(folder: str, path: str) -> bytes:
    if os.path.normpath(path) != path or not path.startswith("/") or path.startswith("//"):
        raise ValueError(f'"{path}" is not a plain absolute path')
    descriptor = os.open(f"{folder}/files{path}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as source:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError(f'"{path}" is not a regular file in the tree')
        content = source.read(FILE_LIMIT + 1)
    if len(content) > FILE_LIMIT:
        raise ValueError(f'"{path}" is larger than {FILE_LIMIT} bytes')
    return content


def link_of(link: dict[str, Any]) -> dict[str, Any]:
    """A symbolic link as the module takes it: a file whose content is the target."""
    target = base64.b64encode(link["target"].encode("utf-8")).decode("ascii")
    return {"path": link["path"], "mode": "0777", "owner": "root", "group": "root", "link": True, "content": target}
