"""One writer for the hosts of a centre: locks on its first control node that answers, a file each.

A run of all hosts excludes everybody; a run of shard 2/8 stands beside those of the other shards of 8. A file's name is
its id and what it claims; it is looked for and made inside a guard that the kernel opens when its holder dies, and it
gets its name when it is complete: two runs never both hold what excludes the other, and nobody reads half a file.

While a run lives, its file is touched. A killed run leaves it: only a person knows that nobody works there any more,
and the message tells him what he needs to judge.
"""

from __future__ import annotations

import getpass
import os
import re
import secrets
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from generator.apply.hosts.blocks import Node, choose, control_nodes
from generator.apply.hosts.ssh import Answer, Connections, SshAccess
from generator.problems import Problem, Refused
from generator.text import visible

Shard = tuple[int, int]

FOLDER = "/var/lib/center"
SIGN_OF_LIFE_SECONDS = 15
PROBABLY_DEAD_SECONDS = 8 * SIGN_OF_LIFE_SECONDS
_BRIEF_SECONDS = 20
_NOT_OURS = 9
# `head` is bounded and `tr` keeps a lock on its line, whatever is in its file. One that is given back meanwhile has no
# time at the end, so that what was read of it is known to be nothing.
_SHOW = """
now=$(date +%s)
show() {
  said=$(head -c 500 -- "$1" 2>/dev/null | tr '\\n' ' ') || :
  seen=$(stat -c %Y -- "$1" 2>/dev/null) || :
  printf '%s %s %s %s\\n' "$1" "$now" "$seen" "$said"
}
"""
# Nobody but root may enter the folder: whoever could open the guard could keep everybody out.
ACQUIRE = f"""
set -eu
umask 022
mkdir -p "$1"
umask 077
mkdir -p "$1/locks"
cd "$1/locks"
exec 9>.guard
flock -w 20 9 || {{ echo "its guard is not free" >&2; exit 1; }}
rm -f .new.*
{_SHOW}
taken=
for lock in *.whole *.*-of-*; do
  [ -e "$lock" ] || continue
  case $lock in
    *."$3") ;;
    *-of-"${{3#*-of-}}") continue ;;
  esac
  show "$lock"
  [ ! -e "$lock" ] || taken=yes
done
[ -z "$taken" ] || exit {_NOT_OURS}
printf '%s %s\\n' "$now" "$4" >".new.$2"
sync ".new.$2"
mv ".new.$2" "$2.$3"
sync .
"""
REFRESH = f"""
set -eu
cd "$1/locks" 2>/dev/null || exit {_NOT_OURS}
[ -e "$2.$3" ] || exit {_NOT_OURS}
touch -c "$2.$3"
[ -e "$2.$3" ] || exit {_NOT_OURS}
"""
RELEASE = f"""
set -eu
cd "$1/locks" 2>/dev/null || exit {_NOT_OURS}
set -- "$2".*
[ -e "$1" ] || exit {_NOT_OURS}
rm "$1"
"""
LIST = f"""
set -eu
cd "$1/locks" 2>/dev/null || exit 0
{_SHOW}
for lock in *.whole *.*-of-*; do
  [ ! -e "$lock" ] || show "$lock"
done
"""
_IDENTITY = re.compile(r"[0-9a-f]{8}")
_LINE = re.compile(r"([0-9a-f]{8})\.(?:whole|(\d{1,6})-of-(\d{1,6})) (\d{1,12}) (\d{1,12}) ?(?:(\d{1,12}) )?(.*)")


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock as its node describes it: `age` and `quiet` (since the last sign of life) in seconds of its clock."""

    identity: str
    holder: str
    shard: Shard | None
    age: int
    quiet: int

    def __str__(self) -> str:
        shard = f", shard {self.shard[0]}/{self.shard[1]}" if self.shard else ""
        return f'"{self.holder}" ({self.identity}){shard}, for {self.age} s, last sign of life {self.quiet} s ago'


class LockHeld(Refused):
    """Other runs write to the hosts, or were killed while they did."""

    def __init__(self, node: Node, found: Sequence[Lock]) -> None:
        self.locks = tuple(found)
        if not found:
            message = f'another run writes to the hosts, as "{node.name}" notes without saying which'
            super().__init__([Problem("hosts.locked", message, hint="run again")])
            return
        super().__init__(
            Problem(
                "hosts.locked", f'another run writes to the hosts: {lock}, as "{node.name}" notes', hint=_hint(lock)
            )
            for lock in found
        )


def _hint(lock: Lock) -> str:
    if lock.quiet < PROBABLY_DEAD_SECONDS:
        return f"wait; if that run is dead: center unlock {lock.identity}"
    return f"it shows no life any more; make sure that it is dead, then: center unlock {lock.identity}"


class Held:
    """The lock in our hands; `lost` once a node says that it is no longer ours."""

    def __init__(self, connections: Connections, identity: str, shard: Shard | None) -> None:
        self.identity = identity
        self.kept = False
        """After the end: the lock could not be given back, so a person must remove it."""
        self._connections = connections
        self._claim = f"{shard[0]}-of-{shard[1]}" if shard else "whole"
        self._nodes: list[Node] = []
        self._lost = threading.Event()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._live, name="lock", daemon=True)

    @property
    def lost(self) -> bool:
        return self._lost.is_set()

    def refresh(self) -> None:
        """Give a sign of life. A node that does not answer takes nothing away: it may just be booting."""
        for node in self._nodes:
            if self._on(node, REFRESH, self._claim).status == _NOT_OURS:
                self._lost.set()

    def acquire(self, node: Node) -> None:
        """Take the lock on one node; LockHeld when another run has it, Refused when it cannot be taken."""
        self._nodes.append(node)  # before we know: whatever interrupts us here, it is given back
        answer = self._on(node, ACQUIRE, self._claim, who(), seconds=60)
        if answer.status == 0:
            return
        if answer.status != _NOT_OURS:
            self._on(node, RELEASE)  # it may have been taken before the answer got lost
        self._nodes.remove(node)
        if answer.status == _NOT_OURS:
            raise LockHeld(node, _parsed(answer.output))
        message = f'the lock on "{node.name}" cannot be taken: {visible(answer.complaint.strip() or "no answer")}'
        raise Refused([Problem("hosts.lock", message, hint=f"should it be there: center unlock {self.identity}")])

    def keep(self) -> None:
        """Give signs of life from now on."""
        self._thread.start()

    def release(self) -> None:
        self._done.set()
        if self._thread.ident is not None:
            self._thread.join()
        for node in self._nodes:
            self.kept |= self._on(node, RELEASE).status not in (0, _NOT_OURS)

    def _live(self) -> None:
        while not self._done.wait(SIGN_OF_LIFE_SECONDS):
            self.refresh()

    def _on(self, node: Node, script: str, *words: str, seconds: float = _BRIEF_SECONDS) -> Answer:
        command = ["sh", "-c", script, "sh", FOLDER, self.identity, *words]
        return self._connections.run(node, command, seconds=seconds)


@contextmanager
def held(
    connections: Connections, node: Node, shard: Shard | None = None, witnesses: Sequence[Node] = ()
) -> Iterator[Held]:
    """Hold the lock on `node` for the block; LockHeld when another run has it, Refused when it cannot be taken.

    `witnesses` are control nodes behind `node` that answer too: the lock is laid down on each, in this order, so that a
    run that finds another one first (since `node` was dead for a moment) still meets it.
    """
    lock = Held(connections, secrets.token_hex(4), shard)
    try:
        lock.acquire(node)
        for witness in witnesses:
            try:
                lock.acquire(witness)
            except LockHeld:
                raise
            except Refused:
                continue
        lock.keep()
        yield lock
    finally:
        lock.release()


def who() -> str:
    """This process, as others shall know it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # one that the machine does not know
        user = str(os.getuid())
    return visible(f"{user}@{socket.gethostname()}/{os.getpid()}", 200)


def locks(connections: Connections, node: Node) -> list[Lock]:
    """All locks that lie on a node; Refused when it does not say: nobody may be taken for dead because of that."""
    answer = connections.run(node, ["sh", "-c", LIST, "sh", FOLDER], seconds=_BRIEF_SECONDS)
    if answer.status != 0:
        message = f'the locks on "{node.name}" cannot be read: {visible(answer.complaint.strip() or "no answer")}'
        raise Refused([Problem("hosts.lock", message)])
    return _parsed(answer.output)


def unlock(tree: Path, ssh: SshAccess, identity: str) -> Node:
    """Remove the lock with exactly this id, wherever a run may have put it; Refused when there is none."""
    nodes = control_nodes(tree) or choose(tree)
    removed, faults = [], []
    if _IDENTITY.fullmatch(identity):
        with Connections(ssh) as connections:
            command = ["sh", "-c", RELEASE, "sh", FOLDER, identity]
            answers = connections.for_each(lambda node: connections.run(node, command), nodes)
        removed = [node for node, answer in zip(nodes, answers, strict=True) if answer.status == 0]
        faults = [
            f'"{node.name}": {visible(answer.complaint.strip() or "no answer")}'
            for node, answer in zip(nodes, answers, strict=True)
            if answer.status not in (0, _NOT_OURS)
        ]
    if not removed:
        message = f'no node that answers holds a lock "{visible(identity)}"'
        raise Refused([Problem("hosts.unlock", "; ".join([message, *faults[:5]]))])
    return removed[0]


def _parsed(text: str) -> list[Lock]:
    """What a node says of its locks; anything else in its words is left out."""
    found = []
    for line in text.splitlines():
        if match := _LINE.fullmatch(line):
            identity, part, parts, now, seen, since, holder = match.groups()
            shard = (int(part), int(parts)) if part else None
            found.append(Lock(identity, visible(holder.strip(), 200), shard, _span(since, now), _span(seen, now)))
    return found


def _span(earlier: str | None, later: str) -> int:
    return max(0, int(later) - int(earlier)) if earlier else 0
