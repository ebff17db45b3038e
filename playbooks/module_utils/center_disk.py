# Copyright the center authors. SPDX-License-Identifier: Apache-2.0
# Loaded by the module center_tree, which runs inside Ansible on the node (Python 3.8 or newer).
"""The disk of a node: look at a path, replace it atomically, remove it; never through a stranger's symbolic link."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

READ_LIMIT = 4 * 2**20
OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
OPEN_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class RefusedError(Exception):
    """What the tree wants cannot be done on this node; the message names the path."""


class Found(NamedTuple):
    """What is at a path; `content` is None for directories, for special files and beyond READ_LIMIT.

    The content of a link is its target.
    """

    kind: str  # "file", "link", "directory" or "other"
    mode: int
    uid: int
    gid: int
    content: bytes | None


class Wanted(NamedTuple):
    """What has to be at a path; `content` is None for a directory, and the target of a link."""

    path: str
    mode: int
    uid: int
    gid: int
    content: bytes | None
    link: bool = False

    @property
    def kind(self) -> str:
        if self.link:
            return "link"
        return "directory" if self.content is None else "file"

    def equals(self, found: Found) -> bool:
        if self.link:  # a link has no mode, and nobody asks for its owner
            return (found.kind, found.content) == ("link", self.content)
        return (self.kind, self.mode, self.uid, self.gid, self.content) == tuple(found)


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Turn a fault of the file system into a sentence that names the file."""
    try:
        yield
    except OSError as fault:
        raise RefusedError(f"{path}: {fault.strerror}; what was there is untouched") from fault


@contextmanager
def closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class Disk:
    """The file system below `root`, walked by descriptors so that no folder can be swapped for a link on the way."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.descriptor = os.open(root, OPEN_FOLDER)

    def look(self, path: str) -> Found | None:
        parent, _, name = path.rpartition("/")
        folder = self._enter(parent, make=False)
        if folder is None:
            return None
        with closing(folder):
            try:
                found = os.lstat(name, dir_fd=folder)
            except FileNotFoundError:
                return None
            shape = stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid
            if stat.S_ISLNK(found.st_mode):
                return Found("link", *shape, os.fsencode(os.readlink(name, dir_fd=folder)))
            if not stat.S_ISREG(found.st_mode):
                return Found("directory" if stat.S_ISDIR(found.st_mode) else "other", *shape, None)
            with os.fdopen(os.open(name, OPEN_FILE, dir_fd=folder), "rb") as source:
                content = source.read(READ_LIMIT + 1)
            return Found("file", *shape, content if len(content) <= READ_LIMIT else None)

    def put(self, wanted: Wanted) -> None:
        """Make the directory, or rename a complete, durable file over what is there."""
        parent, _, name = wanted.path.rpartition("/")
        folder = self._enter(parent, make=True)
        assert folder is not None
        with closing(folder):
            if wanted.content is None:
                with suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=folder)
                with closing(os.open(name, OPEN_FOLDER, dir_fd=folder)) as directory:
                    _dress(directory, wanted)
            elif wanted.link:
                _relink(folder, name, wanted.content)
            else:
                _replace(folder, name, wanted, wanted.content)
            os.fsync(folder)

    def remove(self, path: str) -> None:
        parent, _, name = path.rpartition("/")
        folder = self._enter(parent, make=False)
        if folder is not None:
            with closing(folder), suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)

    def _enter(self, folder: str, make: bool) -> int | None:
        """Descriptor of `folder`, or None when it is not there; with `make`, missing folders are made (0755)."""
        trail, names, links = [os.dup(self.descriptor)], folder.split("/")[::-1], 0
        try:
            while names:
                name = names.pop()
                if name in ("", "."):
                    continue
                if name == "..":
                    _shorten(trail, max(1, len(trail) - 1))
                    continue
                try:
                    trail.append(os.open(name, OPEN_FOLDER, dir_fd=trail[-1]))
                except FileNotFoundError:
                    if not make:
                        return None
                    with suppress(FileExistsError):
                        os.mkdir(name, 0o755, dir_fd=trail[-1])
                    names.append(name)
                except OSError as fault:
                    if fault.errno not in (errno.ENOTDIR, errno.ELOOP):
                        raise
                    links += 1
                    target = self._follow(trail[-1], name, folder, links)
                    if target.startswith("/"):
                        _shorten(trail, 1)
                    names.extend(target.split("/")[::-1])
            return trail.pop()
        finally:
            _shorten(trail, 0)

    def _follow(self, parent: int, name: str, folder: str, links: int) -> str:
        """Target of a link that only root could have made (/lib, /var/run); any other leads where a stranger wants."""
        if not stat.S_ISLNK(os.lstat(name, dir_fd=parent).st_mode):
            raise RefusedError(f'{folder}: "{name}" is not a directory')
        target = os.readlink(name, dir_fd=parent)
        owner = os.fstat(parent)
        foreign = owner.st_uid not in (0, os.geteuid()) or owner.st_mode & 0o022
        leads_out = self.root != "/" and (target.startswith("/") or ".." in target.split("/"))
        if foreign or leads_out or links > 20:
            raise RefusedError(f'{folder}: refused to go through the symbolic link "{name}" to "{target}"')
        return target


def _shorten(trail: list[int], length: int) -> None:
    while len(trail) > length:
        os.close(trail.pop())


def _temporary(name: str) -> str:
    """Always the same name: a rerun replaces what a killed run left."""
    return f".{name}.center-new"


def _relink(folder: int, name: str, target: bytes) -> None:
    temporary = _temporary(name)
    with suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=folder)
    os.symlink(os.fsdecode(target), temporary, dir_fd=folder)
    os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)


def _replace(folder: int, name: str, wanted: Wanted, content: bytes) -> None:
    temporary = _temporary(name)
    with suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=folder)
    try:
        with closing(os.open(temporary, OPEN_NEW, 0o600, dir_fd=folder)) as new:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(new, rest) :]
            _dress(new, wanted)
            os.fsync(new)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise


def _dress(descriptor: int, wanted: Wanted) -> None:
    os.fchown(descriptor, wanted.uid, wanted.gid)
    os.fchmod(descriptor, wanted.mode)
