"""One writer for the hosts of a centre: a lock file on its first control node that answers.

Making it is atomic (a hard link to a complete file), so two runs can never both hold it, nor one read it half written.
A killed run leaves it; its message says how to remove it, because only a person knows that nobody works there any more.
"""

from __future__ import annotations

import getpass
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from generator.apply.blocks import Node, choose, control_nodes
from generator.apply.ssh import Connections, SshAccess
from generator.problems import Problem, Refused
from generator.text import visible

HELD = 9
ACQUIRE = """
set -eu
umask 022
mkdir -p /var/lib/center
cd /var/lib/center
cat > "lock.$1"
if ln "lock.$1" lock 2>/dev/null; then rm -f "lock.$1"; exit 0; fi
rm -f "lock.$1"
echo $(($(date +%s) - $(stat -c %Y lock)))
head -c 1000 lock
exit 9
"""
RELEASE = """
cd /var/lib/center 2>/dev/null && [ "$(head -n 1 lock 2>/dev/null)" = "$1" ] || exit 9
rm lock
"""


class LockHeld(Refused):
    """Another run writes to the hosts, or one was killed while it did."""

    def __init__(self, node: Node, identity: str, holder: str, age: int) -> None:
        self.identity, self.holder, self.age = identity, holder, age
        message = f'another run writes to the hosts: "{holder}" ({identity}), for {age} s, as "{node.name}" notes'
        hint = f"wait; if that run is dead: center unlock {identity}"
        super().__init__([Problem("hosts.locked", message, hint=hint)])


@contextmanager
def held(connections: Connections, node: Node) -> Iterator[str]:
    """Hold the lock on `node` for the block, and give its id; LockHeld when another run has it."""
    identity = secrets.token_hex(4)
    holder = f"{getpass.getuser()}@{socket.gethostname()}/{os.getpid()}"
    answer = connections.run(node, ["sh", "-c", ACQUIRE, "sh", identity], given=f"{identity}\n{holder}\n")
    if answer.status == HELD:
        age, other, name, *_ = [*map(visible, answer.output.splitlines()), "", "", ""]
        raise LockHeld(node, other, name, int(age) if age.isdecimal() else 0)
    if answer.status != 0:
        message = f'the lock on "{node.name}" cannot be taken: {visible(answer.complaint.strip() or "no answer")}'
        raise Refused([Problem("hosts.lock", message)])
    try:
        yield identity
    finally:
        connections.run(node, ["sh", "-c", RELEASE, "sh", identity])


def unlock(tree: Path, ssh: SshAccess, identity: str) -> Node:
    """Remove the lock with this id, wherever a run may have put it; Refused when there is none."""
    with Connections(ssh) as connections:
        for node in control_nodes(tree) or choose(tree, None, None):
            if connections.run(node, ["sh", "-c", RELEASE, "sh", identity]).status == 0:
                return node
    raise Refused([Problem("hosts.unlock", f'no node that answers holds a lock "{visible(identity)}"')])
