"""Vendors as data: one file a thing, found by scanning folders, read only when a spec names it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from generator.catalog.models import KINDS, Entry
from generator.problems import Position, Problem, Refused
from generator.source import loads
from generator.spec import read_as

BUILT_IN = Path(__file__).parent
Kind = TypeVar("Kind", bound=Entry)


@dataclass(slots=True)
class Catalog:
    """Folders of things; a later folder (the site's own) adds to or replaces the earlier ones."""

    folders: tuple[Path, ...] = (BUILT_IN,)
    _read: dict[tuple[str, str], Entry | None] = field(default_factory=dict)
    _names: dict[str, dict[str, Path]] = field(default_factory=dict)

    def names(self, kind: type[Entry]) -> list[str]:
        return sorted(self._files(kind))

    def get(self, kind: type[Kind], name: str) -> Kind | None:
        """The thing of that name, or None; a faulty file raises Refused with its findings."""
        key = (kind.folder, name)
        if key not in self._read:
            file = self._files(kind).get(name)
            self._read[key] = _read(kind, file) if file else None
        found = self._read[key]
        assert found is None or isinstance(found, kind)
        return found

    def _files(self, kind: type[Entry]) -> dict[str, Path]:
        if kind.folder not in self._names:
            files: dict[str, Path] = {}
            for folder in self.folders:
                files |= {file.stem: file for file in _yaml_files(folder / kind.folder)}
            self._names[kind.folder] = files
        return self._names[kind.folder]


def of(center_folder: Path | None) -> Catalog:
    """The built-in catalogue, with the centre's own beside its spec on top."""
    if center_folder and (own := center_folder / "catalog").is_dir() and not own.is_symlink():
        return Catalog((BUILT_IN, own))
    return Catalog()


def _yaml_files(folder: Path) -> list[Path]:
    """Plain files of a plain folder only: a link could lead out of the folder of the spec."""
    if folder.is_symlink():
        return []
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return []
    return [Path(e.path) for e in entries if e.name.endswith(".yaml") and e.is_file(follow_symlinks=False)]


def _read(kind: type[Kind], file: Path) -> Kind:
    shown = f"catalog/{kind.folder}/{file.name}"
    try:
        with file.open("rb") as stream:
            text = stream.read(1_000_000).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f'"{file.name}" cannot be read: {error}'
        raise Refused([Problem("catalog.unreadable", message, position=Position(shown, 1, 1))]) from None
    source = loads(text, shown)
    entry = read_as(kind, source, "catalog")
    if entry.name != file.stem:
        position = source.locate(("name",))
        message = f'"{entry.name}" must be named as its file, "{file.stem}"'
        raise Refused([Problem("catalog.name", message, ("name",), position=position)])
    return entry


__all__ = ["BUILT_IN", "KINDS", "Catalog", "Entry", "of"]
