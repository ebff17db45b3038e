"""The page that a tenant gets on its first day: where it works, what it has, how its people come in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from generator.artifact import Artifact, TextTemplate
from generator.devices import runtime_class
from generator.model import Center, Share, Tenant
from generator.nodes import Pool
from generator.problems import dotted


@dataclass(frozen=True, slots=True)
class Queue:
    """What a tenant has of one pool, in the unit of the pool: for certain, and at most on top of it."""

    pool: Pool
    certain: int
    borrowed: int
    runtime: str | None
    """The runtime that a pod names to get the accelerators of the pool, where there is one."""

    @property
    def unit(self) -> str:
        return "accelerators" if self.pool.accelerators_per_node else "nodes"


@dataclass(frozen=True, slots=True)
class Place:
    """A cluster that a tenant works in; `logins` are the nodes where its people log in."""

    name: str
    kind: str
    queues: tuple[Queue, ...]
    logins: tuple[str, ...]


def artifacts(center: Center) -> Iterator[Artifact]:
    for tenant in center.tenants.values():
        words = center.spec.organizations[tenant.organization].tenants[tenant.name]
        places = [place for place in _places(center, tenant) if place.queues]
        context = {"center": center, "tenant": tenant, "words": words, "places": places}
        causes = (dotted(tenant.path), "pools", "clusters", "access.identity", "network.domain", "metadata")
        yield Artifact(f"tenants/{tenant.name}.md", TextTemplate("tenant.md", context, "markdown"), causes)


def _places(center: Center, tenant: Tenant) -> Iterator[Place]:
    for name, cluster in center.clusters.items():
        queues = tuple(_queue(center, tenant, share, name) for share in tenant.quota if name in share.pool.clusters)
        logins = tuple(node.name for node in center.nodes_of(center.pools_of(name, "login")))
        yield Place(name, cluster.kind, queues, logins)


def _queue(center: Center, tenant: Tenant, share: Share, cluster: str) -> Queue:
    borrowed = sum(more.size for more in tenant.borrow if more.pool is share.pool)
    sandbox = center.sandbox_of(tenant, cluster)
    runtime = sandbox.name if sandbox else runtime_class(center, share.pool, cluster)
    return Queue(share.pool, share.size, borrowed, runtime)
