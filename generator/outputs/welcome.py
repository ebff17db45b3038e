"""What a tenant gets on its first day: a page about where it works and what it has, and a first job for each queue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from generator.artifact import Artifact, TextTemplate, Yaml
from generator.devices import device_class, runtime_class
from generator.model import Center, Share, Tenant
from generator.nodes import Pool
from generator.outputs.claims import CLAIMED, claim_template, claims_by, unclaimed
from generator.outputs.objects import CONTAINER_SECURITY, POD_SECURITY
from generator.outputs.policies import PRIORITY, QUEUE
from generator.outputs.tenants import most_pods
from generator.problems import dotted


@dataclass(frozen=True, slots=True)
class Queue:
    """What a tenant has of one pool, in the unit of the pool: for certain, and at most on top of it."""

    pool: Pool
    certain: int
    borrowed: int
    runtime: str | None
    """The runtime that a pod names to get the accelerators of the pool, where there is one."""
    claimed: str | None
    """The class of devices that a pod claims to get them, where a driver offers them."""

    @property
    def unit(self) -> str:
        """What stands behind the number of what is certain."""
        unit = "accelerator" if self.pool.accelerators_per_node else "node"
        return unit if self.certain == 1 else f"{unit}s"


@dataclass(frozen=True, slots=True)
class Place:
    """A cluster that a tenant works in; `logins` are the nodes where its people log in."""

    name: str
    kind: str
    queues: tuple[Queue, ...]
    logins: tuple[str, ...]
    sandbox: str | None
    """The runtime that every pod names, where the tenant is kept off the kernels."""
    images: tuple[str, ...]
    """Where images may come from; nothing where nobody says so."""
    pods: int
    """Most in one namespace."""


def artifacts(center: Center) -> Iterator[Artifact]:
    for tenant in center.tenants.values():
        words = center.spec.organizations[tenant.organization].tenants[tenant.name]
        places = [place for place in _places(center, tenant) if place.queues]
        context = {"center": center, "tenant": tenant, "words": words, "places": places}
        causes = (dotted(tenant.path), "pools", "clusters", "access.identity", "network.domain", "metadata")
        yield Artifact(f"tenants/{tenant.name}.md", TextTemplate("tenant.md", context, "markdown"), causes)
        for place in places:
            for queue in place.queues if place.kind == "kubernetes" else ():
                job = Yaml(tuple(_first_job(center, tenant, place.name, queue)))
                yield Artifact(f"tenants/{tenant.name}.{queue.pool.name}.yaml", job, causes)


def _places(center: Center, tenant: Tenant) -> Iterator[Place]:
    for name, cluster in center.clusters.items():
        queues = tuple(_queue(center, tenant, share, name) for share in tenant.quota if name in share.pool.clusters)
        logins = tuple(node.name for node in center.nodes_of(center.pools_of(name, "login")))
        sandbox = center.sandbox_of(tenant, name)
        images = tuple(center.registries_of(name))
        yield Place(
            name, cluster.kind, queues, logins, sandbox.name if sandbox else None, images, most_pods(tenant, name)
        )


def _first_job(center: Center, tenant: Tenant, cluster: str, queue: Queue) -> Iterator[dict[str, Any]]:
    """The smallest job that a queue counts: one accelerator with its part of a node, or one core."""
    registry = next(iter(center.registries_of(cluster)), "registry.example/library")
    least = {"cpu": "1", "memory": "1Gi"}
    part = center.beside_sandbox(tenant, cluster, queue.pool.resources(1))
    asked = unclaimed(part, queue.claimed) if queue.pool.plugin else least
    named = {"name": f"first-{queue.pool.name}", "namespace": tenant.namespaces()[0]}
    if queue.claimed:
        yield claim_template(named, queue.claimed, 1)
    container = {
        "name": "first",
        "image": f"{registry}/first:1.0",
        "imagePullPolicy": "Always",
        "command": ["sh", "-c", "echo it works; sleep 60"],
        "resources": {"requests": asked, "limits": asked, **(CLAIMED if queue.claimed else {})},
        "securityContext": CONTAINER_SECURITY,
    }
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": POD_SECURITY,
        "containers": [container],
        **({"runtimeClassName": queue.runtime} if queue.runtime else {}),
        **({"resourceClaims": claims_by(named["name"])} if queue.claimed else {}),
    }
    queued = {**named, "labels": {QUEUE: queue.pool.name, PRIORITY: tenant.class_.name}}
    spec = {"backoffLimit": 0, "template": {"spec": pod}}
    yield {"apiVersion": "batch/v1", "kind": "Job", "metadata": queued, "spec": spec}


def _queue(center: Center, tenant: Tenant, share: Share, cluster: str) -> Queue:
    borrowed = sum(more.size for more in tenant.borrow if more.pool is share.pool)
    runtime = runtime_class(center, tenant, share.pool, cluster)
    return Queue(share.pool, share.size, borrowed, runtime, device_class(center, share.pool, cluster))
