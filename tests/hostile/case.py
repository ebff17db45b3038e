"""What a case is: the files of a centre, and the beginning of what the command prints about it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.lessons import STARTER

# Stands in every file outside the centre's folder that a centre tries to reach.
SECRET = "hunter2"

Content = str | bytes | Callable[[Path], None]
"""Of a file: its text or bytes, or what makes something else of that name (a pipe, a link, a folder)."""


@dataclass(frozen=True)
class Case:
    """`finds` begins the output: position, severity and rule; `nothing` and exit code 0 where all is well."""

    finds: str
    files: dict[str, Content]
    code: int = 1


NOTHING = "0 errors, 0 warnings"


def text(finds: str, content: str | bytes) -> Case:
    """A case that is one file."""
    return Case(f"center.yaml:{finds}", {"center.yaml": content})


def place(fragment: str) -> str:
    """Where a text of the smallest centre stands, as a finding shows it."""
    before, found, _ = (STARTER / "center.yaml").read_text("utf-8").partition(fragment)
    assert found, fragment
    return f"center.yaml:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def starter(finds: str, *edits: tuple[str, str], **more: Content) -> Case:
    """The smallest centre with some of its text exchanged, and more files beside it."""
    spec = (STARTER / "center.yaml").read_text("utf-8")
    for old, new in edits:
        assert spec.count(old) == 1, old
        spec = spec.replace(old, new)
    files: dict[str, Content] = {"center.yaml": spec, "ssh_ca.pub": (STARTER / "ssh_ca.pub").read_bytes()}
    return Case(finds, files | more, 0 if finds == NOTHING else 1)


def write(case: Case, folder: Path) -> None:
    """A case on disk, with a secret beside its folder."""
    folder.mkdir(parents=True)
    (folder.parent / "secret.yaml").write_text(f"password: {SECRET}\n")
    for name, content in case.files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(file)
        else:
            file.write_bytes(content.encode() if isinstance(content, str) else content)


# What else can be where a file should be


def pipe(file: Path) -> None:
    os.mkfifo(file)


def folder(file: Path) -> None:
    file.mkdir()


def unreadable(file: Path) -> None:
    """Root reads everything, so for root this is a file that is not there."""
    file.write_text("a: 1\n")
    file.chmod(0)
    if os.access(file, os.R_OK):
        file.unlink()


def link(target: str) -> Callable[[Path], None]:
    return lambda file: file.symlink_to(target)


def sparse(size: int) -> Callable[[Path], None]:
    """A file of zero bytes that takes no room on the disk."""

    def make(file: Path) -> None:
        with file.open("wb") as stream:
            stream.truncate(size)

    return make
