"""Print the state of the files named as arguments, and of all that lies below them, as JSON; runs on a test host."""

import grp
import hashlib
import json
import os
import pwd
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path


def walk(path: Path) -> Iterator[Path]:
    """Yield the path and everything below it, following no link; nothing if there is no such file."""
    if os.path.lexists(path):
        yield path
    if path.is_dir() and not path.is_symlink():
        for child in sorted(path.iterdir()):
            yield from walk(child)


def describe(path: Path) -> dict[str, str | int]:
    """Describe the file itself, not what a link points to."""
    status = path.lstat()
    kind, content = "other", None
    if path.is_symlink():
        kind, content = "link", os.fsencode(path.readlink())
    elif path.is_dir():
        kind = "folder"
    elif path.is_file():
        kind, content = "file", path.read_bytes()
    return {
        "kind": kind,
        "digest": hashlib.sha256(content).hexdigest() if content is not None else "",
        "mode": f"{status.st_mode & 0o7777:04o}",
        "owner": name_of(pwd.getpwuid, status.st_uid),
        "group": name_of(grp.getgrgid, status.st_gid),
        "changed_ns": status.st_mtime_ns,
    }


def name_of(look_up: Callable[[int], Sequence[object]], number: int) -> str:
    """Return the account's name, or its number if it has none."""
    try:
        return str(look_up(number)[0])
    except KeyError:
        return str(number)


found = {str(path): describe(path) for argument in sys.argv[1:] for path in walk(Path(argument))}
print(json.dumps(found))
