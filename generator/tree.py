"""The rendered tree on disk: reached by descriptors that follow no symbolic link, described by its index."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from generator.emit import emit_json
from generator.problems import Problem, Refused

INDEX = "index.json"
JOURNAL = ".center-journal"  # what a run has written so far; also its lock
_NEW = ".center-new"  # a file on its way to its name; one name is enough, there is one writer

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe in the way must not block us
_ENTRY = re.compile(r"[A-Za-z0-9._@+-]{1,255}(?<!\.)")
_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")  # no checkout on Windows can hold these
_LONGEST_PATH = 1024


class WriteError(Refused):
    """A file of the tree that cannot be written or read as it should; what was there before is intact."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__([Problem("write.refused", f'"{path}": {reason}')])


class OpenTree:
    """A folder held open. Paths below it are POSIX and relative; every step refuses symbolic links."""

    def __init__(self, root: Path, *, create: bool = False) -> None:
        with naming(str(root)):
            if create:
                try:
                    root.mkdir(parents=True, exist_ok=True)
                except FileNotFoundError as error:  # where nobody may make folders, such as /proc
                    raise WriteError(str(root), "no folder can be made there") from error
            self._root = os.open(root, _FOLDER)
        self._chain: list[tuple[str, int]] = []  # the folders down to the last file, kept open for its neighbours

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._leave(0)
        os.close(self._root)

    def open(self, path: str, flags: int) -> int:
        """A descriptor of a regular file, however it is opened; WriteError for anything else."""
        folder, name = self._parent(path, create=False)
        with naming(path):
            descriptor = os.open(name, flags | _FILE, 0o666, dir_fd=folder)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise WriteError(path, "something that is no file is in the way")
        return descriptor

    def read(self, path: str) -> bytes | None:
        """The content, or None when there is no such file."""
        try:
            descriptor = self.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        with naming(path), os.fdopen(descriptor, "rb") as file:
            return file.read()

    def holds(self, path: str, content: bytes) -> bool | None:
        """Whether the file has exactly this content; None when there is no such file."""
        try:
            descriptor = self.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        with naming(path), os.fdopen(descriptor, "rb") as file:
            return os.fstat(descriptor).st_size == len(content) and file.read() == content

    def replace(self, path: str, content: bytes) -> None:
        """Put the content there in one step: whoever looks sees the old file or the new one."""
        folder, name = self._parent(path, create=True)
        with naming(path):
            try:
                descriptor = os.open(_NEW, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE, 0o666, dir_fd=folder)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                os.rename(_NEW, name, src_dir_fd=folder, dst_dir_fd=folder)
            except OSError:
                with suppress(OSError):
                    os.unlink(_NEW, dir_fd=folder)
                raise

    def remove(self, path: str) -> None:
        """Remove the file, if it is there, and the folders above it that are empty then."""
        with suppress(FileNotFoundError):
            folder, name = self._parent(path, create=False)
            with naming(path):
                os.unlink(name, dir_fd=folder)
        while self._chain:
            name = self._chain[-1][0]
            self._leave(len(self._chain) - 1)
            try:
                os.rmdir(name, dir_fd=self._bottom())
            except OSError:  # something else is in it
                return

    def files(self) -> Iterator[str]:
        """All that is there and no folder, links included, sorted within each folder."""
        for folder, subfolders, names, descriptor in os.fwalk(".", dir_fd=self._root, onerror=_raise):
            subfolders.sort()
            links = [name for name in subfolders if _is_link(name, descriptor)]
            for name in sorted(names + links):
                yield os.path.normpath(f"{folder}/{name}")

    def sweep(self) -> None:
        """Remove what a killed run left on its way."""
        for path in list(self.files()):
            if path.rpartition("/")[2] == _NEW:
                self.remove(path)

    def _parent(self, path: str, *, create: bool) -> tuple[int, str]:
        *folders, name = path.split("/")
        shared = 0
        while shared < min(len(folders), len(self._chain)) and self._chain[shared][0] == folders[shared]:
            shared += 1
        self._leave(shared)
        for folder in folders[shared:]:
            with naming(path):
                if create:
                    with suppress(FileExistsError):
                        os.mkdir(folder, dir_fd=self._bottom())
                self._chain.append((folder, os.open(folder, _FOLDER, dir_fd=self._bottom())))
        return self._bottom(), name

    def _bottom(self) -> int:
        return self._chain[-1][1] if self._chain else self._root

    def _leave(self, depth: int) -> None:
        while len(self._chain) > depth:
            os.close(self._chain.pop()[1])


class Index:
    """The files of one render: each name once, no two that differ only in case, with hash and cause."""

    def __init__(self) -> None:
        self.entries: dict[str, dict[str, object]] = {}
        self._names: dict[str, tuple[str, bool]] = {INDEX: (INDEX, True)}

    def add(self, path: str, content: bytes, because: tuple[str, ...]) -> str:
        """Note the file and return the SHA-256 of its content; WriteError for a name that cannot be."""
        if fault := fault_of_path(path):
            raise WriteError(path, fault)
        self._claim(path)
        digest = hashlib.sha256(content).hexdigest()
        self.entries[path] = {"sha256": digest, "because": because}
        return digest

    def content(self) -> bytes:
        """The bytes of index.json: a file a line."""
        return emit_json({"version": 1, "files": self.entries}, expand=2)

    def _claim(self, path: str) -> None:
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            part, is_file = "/".join(parts[:depth]), depth == len(parts)
            known = self._names.setdefault(part.lower(), (part, is_file))
            if known != (part, is_file) or path in self.entries:
                raise WriteError(path, f'collides with "{known[0]}", which is rendered too')


def fault_of_path(path: str) -> str | None:
    """Why no file of the tree can be called so, or None."""
    for name in path.split("/"):
        if not _ENTRY.fullmatch(name) or _DEVICE.fullmatch(name) or name in (JOURNAL, _NEW):
            return f'"{name}" cannot be the name of a file or a folder'
    if path == INDEX or len(path) > _LONGEST_PATH:
        return "is the name of the index" if path == INDEX else f"is longer than {_LONGEST_PATH} characters"
    return None


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Say which file an error of the operating system is about; that it is not there is no error."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        in_the_way = error.errno in (errno.ELOOP, errno.ENOTDIR)
        reason = "a symbolic link or a file is in the way" if in_the_way else str(error.strerror)
        raise WriteError(path, reason) from error


def _is_link(name: str, folder: int) -> bool:
    return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)


def _raise(error: OSError) -> None:
    raise error
