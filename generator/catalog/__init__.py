"""Vendors as data: one file a thing, found by scanning folders, read only when a spec names it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from generator.catalog import points, provenance
from generator.catalog.kinds import KINDS
from generator.catalog.models import Entry
from generator.problems import Position, Problem, Refused
from generator.source import MAX_FINDINGS, loads
from generator.spec import read_as

BUILT_IN = Path(__file__).parent
MAX_BYTES = 1024 * 1024  # of all files that a spec names
MAX_FILES = 1_000  # in one folder
Kind = TypeVar("Kind", bound=Entry)


@dataclass(slots=True)
class Catalog:
    """Folders of things; a later folder (the site's own) adds to or replaces the earlier ones."""

    folders: tuple[Path, ...] = (BUILT_IN,)
    _read: dict[tuple[str, str], Entry | None] = field(default_factory=dict)
    _names: dict[str, dict[str, Path]] = field(default_factory=dict)
    _faulty: set[tuple[str, str]] = field(default_factory=set)
    _bytes: int = 0

    def names(self, kind: type[Entry]) -> list[str]:
        return sorted(self._files(kind))

    def get(self, kind: type[Kind], name: str) -> Kind | None:
        """The thing of that name, or None; a faulty file raises Refused, with its findings the first time."""
        key = (kind.folder, name)
        if key in self._faulty:
            raise Refused([])
        if key not in self._read:
            file = self._files(kind).get(name)
            try:
                self._read[key] = self._entry(kind, file) if file else None
            except Refused:
                self._faulty.add(key)
                raise
        found = self._read[key]
        assert found is None or isinstance(found, kind)
        return found

    def file(self, kind: type[Entry], name: str) -> Path | None:
        """Where the thing of that name is written."""
        return self._files(kind).get(name)

    def strangers(self) -> Iterator[tuple[str, Position]]:
        """Folders of the centre's own catalogue that are no kind and hold things; where the first says its kind."""
        for own in self.folders[1:]:
            for folder in _folders(own):
                for file in _yaml_files(own / folder)[:MAX_FILES] if folder not in KINDS else []:
                    if position := _says_kind(file, f"catalog/{folder}/{file.name}"):
                        yield folder, position
                        break

    def _files(self, kind: type[Entry]) -> dict[str, Path]:
        if kind.folder not in self._names:
            files = self._names[kind.folder] = {}
            for folder in self.folders:
                found = _yaml_files(folder / kind.folder)
                if len(found) > MAX_FILES:
                    shown = f"catalog/{kind.folder}"
                    raise _unreadable(f'the folder "{shown}" has more than {MAX_FILES} files', shown)
                files |= {file.stem: file for file in found}
        return self._names[kind.folder]

    def _entry(self, kind: type[Kind], file: Path) -> Kind:
        shown = f"catalog/{kind.folder}/{file.name}"
        source = loads(self._content(file, shown), shown)
        entry = read_as(kind, source, "catalog")
        if entry.name != file.stem:
            position = source.locate(("name",))
            message = f'"{entry.name}" must be named as its file, "{file.stem}"'
            raise Refused([Problem("catalog.name", message, ("name",), position=position)])
        if unfounded := list(itertools.islice(provenance.findings(entry, source), MAX_FINDINGS)):
            raise Refused(unfounded)
        if not file.is_relative_to(BUILT_IN) and (wrong := points.findings(entry, source)):
            raise Refused(wrong)
        return entry

    def _content(self, file: Path, shown: str) -> bytes:
        if self._bytes > MAX_BYTES:  # which has been said
            raise Refused([])
        try:
            with file.open("rb") as stream:
                raw = stream.read(MAX_BYTES + 1 - self._bytes)
        except OSError as error:
            raise _unreadable(f'"{file.name}" cannot be read: {error.strerror or error}', shown) from None
        self._bytes += len(raw)
        if self._bytes > MAX_BYTES:
            limit = f"{MAX_BYTES // 1024} KiB"
            raise _unreadable(f"the files of the catalogue that the spec names are larger than {limit}", shown)
        return raw


def _unreadable(message: str, shown: str) -> Refused:
    return Refused([Problem("catalog.unreadable", message, position=Position(shown, 1, 1))])


def of(center_folder: Path | None) -> Catalog:
    """The built-in catalogue, with the centre's own beside its spec on top."""
    if center_folder and (own := center_folder / "catalog").is_dir() and not own.is_symlink():
        return Catalog((BUILT_IN, own))
    return Catalog()


def _folders(folder: Path) -> list[str]:
    """Names of the plain folders in a folder, as far as they can be printed."""
    try:
        entries = list(itertools.islice(os.scandir(folder), MAX_FILES))
    except OSError:
        return []
    return sorted(entry.name for entry in entries if entry.name.isprintable() and entry.is_dir(follow_symlinks=False))


def _says_kind(file: Path, shown: str) -> Position | None:
    """Where a file says its kind near its beginning, as things of the catalogue do; notes and tables do not."""
    try:
        with file.open("rb") as stream:
            lines = stream.read(4096).splitlines()
    except OSError:
        return None
    found = (Position(shown, number, 1, len("kind")) for number, line in enumerate(lines, 1) if line[:5] == b"kind:")
    return next(found, None)


def _yaml_files(folder: Path) -> list[Path]:
    """Plain files of a plain folder only: a link could lead out of the folder of the spec.

    A name that cannot be printed is none that a spec could say.
    """
    if folder.is_symlink():
        return []
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return []
    files = [entry for entry in entries if entry.name.endswith(".yaml") and entry.name.isprintable()]
    return [Path(entry.path) for entry in files if entry.is_file(follow_symlinks=False)]


__all__ = ["BUILT_IN", "KINDS", "Catalog", "Entry", "of"]
