"""The rendered tree against the disk, without touching it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import unified_diff
from itertools import islice
from pathlib import Path

from generator.tree import INDEX, Index, OpenTree
from generator.write import File

_LONGEST_DIFF = 2_000  # lines of all files together: a reader has stopped long before
_LARGEST_FILE = 1024 * 1024  # comparing lines takes more than linear time
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class TreeDiff:
    """Files that are missing on disk, differ there, or are there without being rendered; `text` is a unified diff."""

    missing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    text: str = ""

    def __bool__(self) -> bool:
        return bool(self.missing or self.changed or self.extra)


def compare_tree(root: Path, files: Iterable[File]) -> TreeDiff:
    """What `write_tree` would have to do; the text leads from the disk to the rendered files and is cut when long."""
    missing: list[str] = []
    changed: list[str] = []
    lines: list[str] = []
    index = Index()
    if not root.exists():
        for path, content, because in files:
            index.add(path, content, because)
        return TreeDiff(missing=(*index.entries, INDEX))
    with OpenTree(root) as tree:

        def compare(path: str, content: bytes) -> None:
            held = tree.holds(path, content)
            if held is None:
                missing.append(path)
            elif not held:
                changed.append(path)
                room = _LONGEST_DIFF - len(lines)
                if room > 0:
                    lines.extend(islice(_differing_lines(path, tree.read(path) or b"", content), room))

        for path, content, because in files:
            index.add(path, content, because)
            compare(path, content)
        compare(INDEX, index.content())
        extra = tuple(path for path in tree.files() if path not in index.entries and path != INDEX)
    if len(lines) == _LONGEST_DIFF:
        lines.append("... and more\n")
    return TreeDiff(tuple(missing), tuple(changed), extra, "".join(lines))


def _differing_lines(path: str, old: bytes, new: bytes) -> Iterator[str]:
    if max(len(old), len(new)) > _LARGEST_FILE:
        yield f"{path}: {len(old):,} bytes on disk, {len(new):,} rendered\n"
        return
    for line in unified_diff(_visible(old), _visible(new), f"disk/{path}", f"rendered/{path}", lineterm=""):
        yield f"{line}\n"


def _visible(content: bytes) -> list[str]:
    """Lines in which whatever a terminal would act on can be seen."""
    text = content.decode(errors="backslashreplace")
    return _CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode(), text).split("\n")
