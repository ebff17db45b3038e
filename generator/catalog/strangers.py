"""What stands in a centre's own catalogue and is read by nobody, though it says that it is a thing of the catalogue."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from generator.problems import Position, did_you_mean
from generator.source import MAX_FINDINGS

MOST = 1_000  # entries looked at in one folder


@dataclass(frozen=True, slots=True)
class Stranger:
    """A folder or a file that is not read: why, what helps, and where it says its kind, with its first lines."""

    rule: str
    message: str
    hint: str
    position: Position
    lines: list[str]


def of(own: Path, kinds: Iterable[str]) -> Iterator[Stranger]:
    """What the catalogue of a centre holds beside the files that are read; one finding for each folder of them."""
    kinds = sorted(kinds)
    places = {folder: Path(folder) for folder in _folders(own)}
    message = "is in no folder of its kind, so it is not read"
    yield from _first(own, Path(), "catalog.file", message, _folders_are(kinds))
    for name, folder in places.items():
        if name not in kinds:
            message = f'the catalogue has no folder "{name}", so nothing in it is read'
            yield from _first(own, folder, "catalog.folder", message, did_you_mean(name, kinds) or _folders_are(kinds))
            continue
        yield from itertools.islice(_misnamed(own, folder), MAX_FINDINGS)
        yield from itertools.islice(_linked(own, folder), MAX_FINDINGS)
        for below in _folders(own / folder):
            message = f'the folder "{below}" in catalog/{name} is not read'
            yield from _first(own, folder / below, "catalog.folder", message, f"move its files to catalog/{name}")


def _folders_are(kinds: list[str]) -> str:
    return f"its folders are {', '.join(kinds)}"


def _first(own: Path, folder: Path, rule: str, message: str, hint: str) -> Iterator[Stranger]:
    """The first file of a folder that says its kind."""
    for file in _files(own / folder, (".yaml", ".yml")):
        if said := _says_kind(file, f"catalog/{(folder / file.name).as_posix()}"):
            told = f'"{file.name}" {message}' if folder == Path() else message
            yield Stranger(rule, told, hint, *said)
            return


def _misnamed(own: Path, folder: Path) -> Iterator[Stranger]:
    """Files with the other ending that YAML has."""
    for file in _files(own / folder, (".yml",)):
        if said := _says_kind(file, f"catalog/{folder.name}/{file.name}"):
            message = f'"{file.name}" is not read, since its name does not end with ".yaml"'
            yield Stranger("catalog.file", message, f'call it "{file.stem}.yaml"', *said)


def _linked(own: Path, folder: Path) -> Iterator[Stranger]:
    """What is called like a file that is read, and is a link or no file at all."""
    for entry in _entries(own / folder, (".yaml", ".yml")):
        if entry.is_symlink() or not (entry.is_file() or entry.is_dir()):
            message = f'"{entry.name}" is not read, since it is no plain file'
            position = Position(f"catalog/{folder.name}/{entry.name}", 1, 1)
            yield Stranger("catalog.file", message, "put the file itself there", position, [])


def yaml_files(folder: Path) -> list[Path]:
    """The files of a folder that are read, if it is a plain folder."""
    return _files(folder, (".yaml",), most=None)


def _files(folder: Path, endings: tuple[str, ...], most: int | None = MOST) -> list[Path]:
    """Plain files of a plain folder only: a link could lead out of the folder of the spec.

    A name that cannot be printed is none that a spec could say.
    """
    return [Path(entry.path) for entry in _entries(folder, endings)[:most] if entry.is_file(follow_symlinks=False)]


def _entries(folder: Path, endings: tuple[str, ...]) -> list[os.DirEntry[str]]:
    if folder.is_symlink():
        return []
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return []
    return [entry for entry in entries if entry.name.endswith(endings) and entry.name.isprintable()]


def _folders(folder: Path) -> list[str]:
    """Names of the plain folders in a folder, as far as they can be printed."""
    try:
        entries = list(itertools.islice(os.scandir(folder), MOST))
    except OSError:
        return []
    return sorted(entry.name for entry in entries if entry.name.isprintable() and entry.is_dir(follow_symlinks=False))


def _says_kind(file: Path, shown: str) -> tuple[Position, list[str]] | None:
    """Where a file says its kind near its beginning, as things of the catalogue do; notes and tables do not."""
    try:
        with file.open("rb") as stream:
            lines = stream.read(4096).splitlines()
    except OSError:
        return None
    for number, line in enumerate(lines, 1):
        if line[:5] == b"kind:":
            read = [before.decode("utf-8", "replace") for before in lines[:number]]
            return Position(shown, number, 1, len("kind")), read
    return None
