"""What an operator asks of hosts: which of them, how far a change may go, and with whose secrets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from generator.apply.blocks import Node, choose
from generator.apply.kubeconfig import Access
from generator.apply.operator import operator
from generator.apply.plan import Plan
from generator.apply.secrets import Secrets
from generator.apply.ssh import SshAccess
from generator.apply.wanted import secrets_of

Progress = Callable[[str], None]

FORKS = 8


def silent(message: str) -> None:
    """Progress that nobody reads."""


def access_of(user: str, key: Path | None) -> SshAccess:
    """How to log in as `user`: with the given key, else the one of the operator's configuration, else the agent's."""
    return SshAccess(user, key or operator().ssh_key)


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
    secrets: Secrets = field(default_factory=lambda: Secrets(operator()))
    accesses: Mapping[str, Access] = field(default_factory=lambda: MappingProxyType({}))
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
