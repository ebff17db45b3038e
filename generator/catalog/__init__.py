"""Vendors as data: one file a thing, found by scanning folders, read only when a spec names it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from generator.catalog import coherence, points, provenance, strangers
from generator.catalog.kinds import KINDS
from generator.catalog.models import Entry
from generator.catalog.strangers import Stranger, yaml_files
from generator.problems import Path as ProblemPath
from generator.problems import Position, Problem, Refused
from generator.source import MAX_FINDINGS, Source, loads
from generator.spec import read_as

BUILT_IN = Path(__file__).parent
MAX_BYTES = 1024 * 1024  # of all files that a spec names or that stand beside it
MAX_FILES = 1_000  # in one folder
Kind = TypeVar("Kind", bound=Entry)


@dataclass(slots=True)
class Catalog:
    """Folders of things; a later folder (the site's own) adds to or replaces the earlier ones."""

    folders: tuple[Path, ...] = (BUILT_IN,)
    _read: dict[tuple[str, str], Entry | None] = field(default_factory=dict)
    _names: dict[str, dict[str, Path]] = field(default_factory=dict)
    _faulty: set[tuple[str, str]] = field(default_factory=set)
    _sources: dict[tuple[str, str], Source] = field(default_factory=dict)
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

    def own(self) -> Iterator[tuple[type[Entry], str]]:
        """The things of the centre's own catalogue, whether a spec names them or not."""
        for kind in KINDS.values() if self.folders[1:] else ():
            yield from ((kind, name) for name, file in self._files(kind).items() if BUILT_IN not in file.parents)

    def where(self, kind: type[Entry], name: str, path: ProblemPath) -> Position | None:
        """Where a thing of the centre's own catalogue says something; None for what came with the program."""
        source = self._sources.get((kind.folder, name))
        return source.locate(path) if source else None

    def texts(self) -> Iterator[tuple[str, list[str]]]:
        """The files of the centre's own catalogue that were read, to show their lines beside findings."""
        for source in self._sources.values():
            yield from source.texts()

    def strangers(self) -> Iterator[Stranger]:
        """What stands in the centre's own catalogue, says its kind and is read by nobody."""
        for own in self.folders[1:]:
            yield from strangers.of(own, KINDS)

    def _files(self, kind: type[Entry]) -> dict[str, Path]:
        if kind.folder not in self._names:
            files = self._names[kind.folder] = {}
            for folder in self.folders:
                found = yaml_files(folder / kind.folder)
                if len(found) > MAX_FILES:
                    shown = f"catalog/{kind.folder}"
                    raise _unreadable(f'the folder "{shown}" has more than {MAX_FILES} files', shown)
                files |= {file.stem: file for file in found}
        return self._names[kind.folder]

    def _entry(self, kind: type[Kind], file: Path) -> Kind:
        shown = f"catalog/{kind.folder}/{file.name}"
        source = Source()
        if not file.is_relative_to(BUILT_IN):
            self._sources[kind.folder, file.stem] = source
        loads(self._content(file, shown), shown, into=source)
        entry = read_as(kind, source, "catalog")
        if entry.name != file.stem:
            position = source.locate(("name",))
            message = f'"{entry.name}" must be named as its file, "{file.stem}"'
            raise Refused([Problem("catalog.name", message, ("name",), position=position)])
        told = itertools.chain(provenance.findings(entry, source), coherence.findings(entry, source))
        if unfounded := list(itertools.islice(told, MAX_FINDINGS)):
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
            raise _unreadable(f"the files of the catalogue that are read are larger than {limit}", shown)
        return raw


def _unreadable(message: str, shown: str) -> Refused:
    return Refused([Problem("catalog.unreadable", message, position=Position(shown, 1, 1))])


def of(center_folder: Path | None) -> Catalog:
    """The built-in catalogue, with the centre's own beside its spec on top."""
    if center_folder and (own := center_folder / "catalog").is_dir() and not own.is_symlink():
        return Catalog((BUILT_IN, own))
    return Catalog()


__all__ = ["BUILT_IN", "KINDS", "Catalog", "Entry", "of"]
