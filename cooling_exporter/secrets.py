"""References to secrets: `file:PATH`, `env:NAME`, or `credential:NAME` as systemd hands them to a service."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

MAX_SECRET: Final = 4096
Reference = Annotated[
    str, Field(pattern=r"^(file:/.+|env:[A-Za-z_][A-Za-z0-9_]*|credential:[A-Za-z0-9_-][A-Za-z0-9._-]*)$")
]


class Unreadable(Exception):
    """A reference leads nowhere; what was found there is never quoted."""


def read(reference: str) -> str:
    """Read a secret from its place, each time anew, so that a changed one needs no restart."""
    kind, _, place = reference.partition(":")
    try:
        if kind == "env":
            text = os.environ[place]
        else:
            path = Path(os.environ["CREDENTIALS_DIRECTORY"], place) if kind == "credential" else Path(place)
            with path.open(encoding="utf-8") as file:
                text = file.read(MAX_SECRET)
    except (OSError, KeyError, UnicodeDecodeError):
        raise Unreadable(f"{reference} cannot be read") from None
    if not (secret := text.strip()):
        raise Unreadable(f"{reference} is empty")
    return secret


def read_parts(reference: str, parts: tuple[str, ...]) -> list[str]:
    """Read a secret that holds so many parts, divided by colons; only the last may hold colons itself."""
    found = read(reference).split(":", len(parts) - 1)
    if len(found) < len(parts):
        raise Unreadable(f"{reference} does not hold {':'.join(parts)}")
    return found
