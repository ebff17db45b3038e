"""Rendered trees written by hand, for tests of what applies them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any


@dataclass
class HostTree:
    """The part of a rendered tree that hosts get; every change is on disk at once."""

    folder: Path
    nodes: dict[str, str]
    groups: dict[str, list[str]] = field(default_factory=dict)
    block: str = "hall-1"
    manifests: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        children = {group: {"hosts": dict.fromkeys(names)} for group, names in self.groups.items()}
        inventory = {"all": {"hosts": dict.fromkeys(self.nodes), "children": children}}
        self._write(f"{self.block}/inventory.json", inventory)
        self._write("operations.json", {"pools": {}, "clusters": {}})
        self._write(f"{self.block}/nodes.json", {name: {"address": address} for name, address in self.nodes.items()})

    def gives(self, path: str, content: str | bytes, to: str = "all", **properties: Any) -> None:
        """Give a file to the members of a group, or give it another content."""
        source = self.folder / f"hosts/groups/{to}/files{path}"
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_bytes(content.encode() if isinstance(content, str) else content)
        entry = {"path": path, "mode": "0644", "owner": "root", "group": "root", "units": [], "holes": [], **properties}
        self.takes_back(path, to)
        self._list(to, "files").append(entry)
        self._write_manifest(to)

    def takes_back(self, path: str, to: str = "all") -> None:
        files = self._list(to, "files")
        files[:] = [entry for entry in files if entry["path"] != path]
        self._write_manifest(to)

    def wants(self, kind: str, *entries: Any, to: str = "all") -> None:
        """Set the packages, units, directories or links of a group."""
        self._list(to, kind)[:] = entries
        self._write_manifest(to)

    def trusts(self, authority: str) -> None:
        """Say whose word counts for the host keys of the nodes."""
        (self.folder / "hosts" / self.block / "known_hosts").write_text(f"@cert-authority * {authority}")

    def _list(self, group: str, kind: str) -> list[Any]:
        empty: dict[str, Any] = {"packages": [], "files": [], "units": [], "directories": [], "links": []}
        manifest = self.manifests.setdefault(group, empty)
        entries: list[Any] = manifest[kind]
        return entries

    def _write_manifest(self, group: str) -> None:
        self._write(f"groups/{group}/manifest.json", self.manifests[group])

    def _write(self, path: str, value: object) -> None:
        target = self.folder / "hosts" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(value))
        files = [file for file in sorted(self.folder.rglob("*")) if file.is_file() and file.name != "index.json"]
        index = {str(file.relative_to(self.folder)): sha256(file.read_bytes()).hexdigest() for file in files}
        (self.folder / "index.json").write_text(json.dumps(index))
