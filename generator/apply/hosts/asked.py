"""What an operator asks of hosts: which of them, how far a change may go, and with whose secrets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from generator.apply.clusters.kubeconfig import Access
from generator.apply.hosts.blocks import Node, choose
from generator.apply.hosts.ssh import SshAccess
from generator.apply.hosts.wanted import secrets_of
from generator.apply.operator import operator
from generator.apply.plan import Plan
from generator.apply.secrets import Secrets
from generator.problems import Problem, Refused

Progress = Callable[[str], None]

FORKS = 8
WATCH_SECONDS = 10


def silent(message: str) -> None:
    """Progress that nobody reads."""


def access_of(user: str, key: Path | None) -> SshAccess:
    """How to log in as `user`: with the given key, else the one of the operator's configuration, else the agent's.

    Refused for a key that cannot be used.
    """
    chosen = key or operator().ssh_key
    if chosen is not None:
        _check_key(chosen)
    return SshAccess(user, chosen)


def _check_key(key: Path) -> None:
    """Refused for a key that ssh would pass over, after which every host would seem to let nobody in."""
    try:
        with key.open("rb"):
            mode = key.stat().st_mode
    except OSError as error:
        raise Refused([Problem("usage.ssh-key", f'SSH key "{key}" cannot be read: {error.strerror}')]) from None
    if mode & 0o077:
        message = f'SSH key "{key}" can be read by others, so ssh does not use it'
        raise Refused([Problem("usage.ssh-key", message, hint=f"chmod 600 {key}")])


@dataclass(frozen=True, slots=True)
class Ask:
    """What is to be looked at or applied, and how far it may go.

    `up_to` is the class of change that may be made; for drain and reboot a node must become empty within `wait`
    seconds, and `end_jobs` jobs may be ended for that in all.
    """

    tree: Path
    ssh: SshAccess
    limit: frozenset[str] | None = None
    shard: tuple[int, int] = (1, 1)
    up_to: str = "restart"
    wait: float = 0.0
    end_jobs: int = 0
    forks: int = field(default_factory=lambda: operator().forks or FORKS)
    watch: int = field(default_factory=lambda: operator().watch_seconds or WATCH_SECONDS)
    """Seconds that a daemon has to run before its start counts."""
    secrets: Secrets = field(default_factory=lambda: Secrets(operator()))
    accesses: Mapping[str, Access] = field(default_factory=lambda: MappingProxyType({}))
    centre: str = ""
    """Its name: a cluster that is recorded as another centre's is not asked about our nodes."""
    without: frozenset[str] = frozenset()
    """Clusters that somebody said are not there, yet or any more."""
    plan: Plan | None = None
    leaving: int = 0
    """How many nodes may leave, if they are more than leave by chance."""

    @property
    def is_shard(self) -> bool:
        return self.shard != (1, 1)

    def nodes(self) -> list[Node]:
        """The nodes that are meant; Refused when a secret that they need cannot be had."""
        nodes = choose(self.tree, self.limit, self.shard)
        self.secrets.check(secrets_of(nodes))
        return nodes

    def reveal(self, reference: str, use: str) -> bytes:
        return self.secrets.resolve(reference, use).reveal()
