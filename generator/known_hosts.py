"""Host keys of nodes as the operators have recorded them, in the form of OpenSSH: a name, a kind of key, a key.

Only plain names: a pattern would vouch for hosts that do not exist yet, and nobody can review a hashed name.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from generator.problems import Position, Problem

MOST_BYTES, MOST_FINDINGS = 32 * 1024 * 1024, 100
KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
"""Kinds of host keys, best first."""
PEOPLE_KINDS = (*KINDS, "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com")
"""Kinds of keys of people: theirs may be on a token."""
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_RULE = "access.known-hosts"


@dataclass(frozen=True, slots=True)
class HostKey:
    """A key that a host has; `text` is the key in base64."""

    name: str
    kind: str
    text: str

    @property
    def line(self) -> str:
        return f"{self.name} {self.kind} {self.text}"


def read(text: str, file: str) -> tuple[list[HostKey], list[Problem]]:
    """The keys of a file, and a finding for each line that is none."""
    keys: list[HostKey] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            keys.append(parse(line))
        except ValueError as error:
            position = Position(file, number, 1, max(1, len(line)))
            problems.append(Problem(_RULE, f"the file of known host keys {error}", position=position))
            if len(problems) >= MOST_FINDINGS:
                break
    return keys, problems


def parse(line: str) -> HostKey:
    """One line; ValueError with what is wrong with it."""
    name, kind, text, *_ = [*line.split(" ", 3), "", "", ""]
    if not _NAME.fullmatch(name):
        what = "a mark" if name.startswith("@") else "a hashed name" if name.startswith("|") else "no plain name"
        raise ValueError(f"begins a line with {what}; each line is: NAME KIND KEY")
    if kind not in KINDS:
        raise ValueError(f'knows no kind of key "{kind[:40]}"; known: {", ".join(KINDS)}')
    if not is_key(kind, text.strip()):
        raise ValueError(f'has a key of "{name}" that is not the {kind} key that it says')
    return HostKey(name, kind, text.strip())


def is_key(kind: str, text: str) -> bool:
    """Whether a text in base64 is a whole public key of a kind: fields that begin with their length (RFC 4253, 6.6)."""
    try:
        left = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    fields = []
    while len(left) >= 4:
        end = 4 + int.from_bytes(left[:4], "big")
        fields.append(left[4:end])
        left = left[end:] if end <= len(left) else b"?"
    return not left and len(fields) > 1 and fields[0] == kind.encode()


def by_name(keys: Iterable[HostKey]) -> dict[str, tuple[HostKey, ...]]:
    found: dict[str, tuple[HostKey, ...]] = {}
    for key in keys:
        found[key.name] = (*found.get(key.name, ()), key)
    return found


def with_keys(text: str, nodes: Iterable[str], keys: Iterable[HostKey], replaced: frozenset[str]) -> str:
    """The file with these keys added, in the order of the nodes; those of `replaced` give way.

    A line that is not about a node of the centre, or that is a comment, stays as it is and where it is: first.
    """
    order = {name: index for index, name in enumerate(nodes)}
    others, ours = list[str](), list[tuple[int, str]]()
    for line in text.removesuffix("\n").split("\n") if text else ():
        name = line.split(" ", 1)[0]
        if name not in order:
            others.append(line)
        elif name not in replaced:
            ours.append((order[name], line))
    ours += [(order[key.name], key.line) for key in keys]
    return "".join(f"{line}\n" for line in [*others, *(line for _, line in sorted(ours))])


def best(keys: Iterable[HostKey]) -> Iterator[HostKey]:
    """Of each name the key of the best kind: one is enough to know a host by, and keeps the file short."""
    for offered in by_name(keys).values():
        yield min(offered, key=lambda key: KINDS.index(key.kind))
