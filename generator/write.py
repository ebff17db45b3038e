"""The disk: only what changed is written, nothing outside the tree is reached, and a kill at any moment heals."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from generator.tree import INDEX, JOURNAL, Index, OpenTree, WriteError, fault_of_path, naming

File = tuple[str, bytes, tuple[str, ...]]
"""A file of the tree: its path below the root, its content, and the dotted spec paths that cause it."""


@dataclass(frozen=True, slots=True)
class WriteReport:
    """What a render did to the disk; `kept` are files that are rendered no more but were edited since."""

    created: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: int = 0
    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    @property
    def written(self) -> int:
        return len(self.created) + len(self.changed)


def write_tree(root: Path, files: Iterable[File]) -> WriteReport:
    """Make the folder hold these files; raises WriteError at the first one that cannot be written.

    A file that our index knows, that nobody changed since and that is rendered no more is removed; if nothing at all
    is rendered, nothing is removed.
    """
    created: list[str] = []
    changed: list[str] = []
    unchanged = 0
    with OpenTree(root, create=True) as tree, _journal(tree) as journal:
        known = _known_files(tree)
        tree.sweep()
        index = Index()
        for path, content, because in files:
            digest = index.add(path, content, because)
            held = tree.holds(path, content)
            if held:
                unchanged += 1
                continue
            with naming(JOURNAL):
                os.write(journal, f"\n{digest} {path}".encode())
            tree.replace(path, content)
            (created if held is None else changed).append(path)
        if not index.entries:
            return WriteReport()
        orphans = {path: digests for path, digests in known.items() if path not in index.entries}
        removed, kept = _remove_orphans(tree, orphans)
        if not tree.holds(INDEX, index.content()):
            tree.replace(INDEX, index.content())
        os.ftruncate(journal, 0)
    return WriteReport(tuple(created), tuple(changed), unchanged, removed, kept)


@contextmanager
def _journal(tree: OpenTree) -> Iterator[int]:
    """The lock of the tree and, as long as it is not empty, the list of what an unfinished run has written."""
    journal = tree.open(JOURNAL, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    try:
        fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.fstat(journal).st_nlink:
            raise BlockingIOError  # its owner finished between our two calls
        try:
            yield journal
        finally:
            if not os.fstat(journal).st_size:
                tree.remove(JOURNAL)
    except BlockingIOError as error:
        raise WriteError(JOURNAL, "another run is writing this tree") from error
    finally:
        os.close(journal)


def _known_files(tree: OpenTree) -> dict[str, set[str]]:
    """The files that are ours, each with the hashes it may have: from the index and from a run that was killed."""
    known: dict[str, set[str]] = defaultdict(set)
    try:
        index = json.loads(tree.read(INDEX) or b'{"version": 1, "files": {}}')
        if index["version"] != 1:
            raise ValueError(index["version"])
        for path, entry in index["files"].items():
            known[path].add(str(entry["sha256"]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = "is damaged; delete it, render again and look at what `render --check` then calls extra"
        raise WriteError(INDEX, reason) from error
    for line in (tree.read(JOURNAL) or b"").decode(errors="replace").splitlines():
        digest, _, path = line.partition(" ")
        known[path].add(digest)
    return {path: digests for path, digests in known.items() if not fault_of_path(path)}


def _remove_orphans(tree: OpenTree, orphans: dict[str, set[str]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    removed: list[str] = []
    kept: list[str] = []
    for path in sorted(orphans):
        content = tree.read(path)
        if content is not None and hashlib.sha256(content).hexdigest() not in orphans[path]:
            kept.append(path)
            continue
        tree.remove(path)  # a killed run may have made its folders only
        if content is not None:
            removed.append(path)
    return tuple(removed), tuple(kept)
