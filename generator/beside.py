"""Files beside a spec: which of them may be read, and which one was meant by a name that is none."""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection
from pathlib import Path

from generator.problems import did_you_mean

MAX_NAME = 255  # each folder of a name is looked at
MAX_NEIGHBOURS = 500  # in a folder in which a name is looked for


class Unreadable(ValueError):
    """Why a file is not read, as a sentence for the user, and the fix if it is known."""

    def __init__(self, sentence: str, hint: str | None = None) -> None:
        super().__init__(sentence)
        self.hint = hint


def stays_inside(root: Path, name: str) -> bool:
    """A file is a relative path without ``..`` and without a symbolic link anywhere in it; no pipe, no device."""
    steps = _steps(root, name)
    try:
        return bool(steps) and not any(step.is_symlink() for step in steps) and steps[-1].is_file()
    except OSError:  # a name that is too long, a folder that we may not look into
        return False


def is_free(root: Path, name: str) -> bool:
    """Whether a file of that name could be made: nothing is there, and nothing on the way leads elsewhere."""
    steps = _steps(root, name)
    try:
        return bool(steps) and not any(step.is_symlink() for step in steps) and not steps[-1].exists()
    except OSError:
        return False


def content(root: Path, name: str, most: int) -> bytes:
    """The bytes of a small file; raises Unreadable."""
    if not stays_inside(root, name):
        raise Unreadable(f'"{name}" is not a plain file below the folder of the spec', meant(root, name))
    try:
        with (root / name).open("rb") as stream:
            raw = stream.read(most + 1)
    except OSError as error:
        raise Unreadable(f'"{name}" cannot be read: {error.strerror or error}') from None
    if len(raw) > most:
        raise Unreadable(f'"{name}" is larger than {most // 1024} KiB')
    return raw


def meant(root: Path, name: str, but: Collection[str] = ()) -> str | None:
    """A hint with the nearest name of a plain file in the same folder, but none of those."""
    steps, folder = _steps(root, name), Path(name).parent
    try:
        if not steps or any(step.is_symlink() for step in steps[:-1]):
            return None
        with os.scandir(root / folder) as entries:
            few = list(itertools.islice(entries, MAX_NEIGHBOURS + 1))
        files = [entry.name for entry in few if entry.name.isprintable() and entry.is_file(follow_symlinks=False)]
    except OSError:
        return None
    if len(few) > MAX_NEIGHBOURS:  # which of so many come first is no answer
        return None
    return did_you_mean(str(Path(name)), sorted({str(folder / file) for file in files} - set(but)))


def _steps(root: Path, name: str) -> list[Path]:
    """The folders that lead to a file and the file itself; none for a name that could lead elsewhere."""
    parts = Path(name).parts
    if not parts or len(name) > MAX_NAME or Path(name).is_absolute() or ".." in parts or "\0" in name:
        return []
    return [root.joinpath(*parts[: count + 1]) for count in range(len(parts))]
