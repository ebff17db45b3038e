"""Where centres live: a path, or a name below inventories/; and how a new one begins."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from generator import resources
from generator.problems import Problem, Refused

SPEC = "center.yaml"
GENERATED = "generated"
_IGNORED = "# The private half of the SSH authority never leaves the operator's machine.\nssh_ca\n/generated/\n"


def spec_file(where: str | None) -> Path:
    """The spec that a verb means: a file, a folder, a name below inventories/, or the folder it stands in."""
    tried = [Path(where)] if where else [Path.cwd()]
    if where and re.fullmatch(r"[a-z0-9-]+", where):
        tried.append(Path("inventories") / where)
    with suppress(OSError):  # a name that is too long, a folder that we may not look into
        for path in tried:
            file = path / SPEC if path.is_dir() else path
            if file.is_file():
                return file
    looked = " or ".join(f'"{path}"' for path in tried)
    hint = 'name a folder with a center.yaml, or make one with "center init NAME"'
    raise Refused([Problem("usage.no-center", f"there is no {SPEC} at {looked}", hint=hint)])


def seen_from_here(folder: Path) -> Path:
    """The folder as a repository names it when its root is where we stand; elsewhere, its whole path."""
    whole, here = folder.absolute(), Path.cwd()
    return whole.relative_to(here) if whole.is_relative_to(here) else whole


def begin(name: str, parent: Path) -> list[Path]:
    """Write a first centre and its SSH authority; refuses to touch a folder that has something in it."""
    folder = parent / name
    if os.path.lexists(folder) and (folder.is_symlink() or not folder.is_dir() or any(folder.iterdir())):
        raise Refused([Problem("usage.exists", f'"{folder}" is there already; nothing was changed')])
    text = (resources.folder("starter") / SPEC).read_text("utf-8").replace("starter", name)
    keygen = shutil.which("ssh-keygen")
    if keygen is None:
        message = "ssh-keygen is needed to make the centre's SSH authority"
        raise Refused([Problem("init.ssh-keygen", message, hint="install the OpenSSH client")])
    # Everything is made aside and moved into place at once, so that a full disk leaves no half of a centre.
    aside = parent / f".{name}.{os.getpid()}"
    try:
        aside.mkdir(parents=True)
        (aside / SPEC).write_text(text, "utf-8")
        (aside / ".gitignore").write_text(_IGNORED, "utf-8")
        command = [keygen, "-q", "-t", "ed25519", "-N", "", "-C", f"{name} host authority", "-f", str(aside / "ssh_ca")]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        aside.rename(folder)
    except (OSError, subprocess.SubprocessError) as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise Refused([Problem("init.cannot-write", f'"{folder}" cannot be made: {error}')]) from None
    return sorted(path for path in folder.iterdir())


def begin_files(texts: dict[Path, str]) -> None:
    """Write new files; refuses to touch one that is there, or to write through a link."""
    for file in texts:
        if os.path.lexists(file):
            raise Refused([Problem("usage.exists", f'"{file}" is there already; nothing was changed')])
        if any(folder.is_symlink() for folder in (file.parent, file.parent.parent)):
            message = f'"{file.parent}" is reached over a link, which nobody follows'
            raise Refused([Problem("usage.linked", message)])
    for file, text in texts.items():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8") as stream:
                stream.write(text)
        except OSError as error:
            message = f'"{file}" cannot be written: {error.strerror or error}'
            raise Refused([Problem("new.cannot-write", message)]) from None
