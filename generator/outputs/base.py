"""What every host gets, by its operating system; and what the fabrics of some ask of their hosts."""

from __future__ import annotations

from collections.abc import Iterator

from generator.artifact import Artifact
from generator.model import Center
from generator.nodes import Pool
from generator.outputs.groups import group, pools_by_system, system_group
from generator.outputs.hosts import firewall, kernel, logs, metrics, names, packages, ssh, time, together, trust

_SUBJECTS = (time, names, packages, trust, ssh, kernel, logs, firewall, metrics)

# What decides which files, packages and units there are.
_DECIDES = ("pools", "site.timezone", "network.mirror", "network.trust", "network.dns", "access.ssh", "access.from")
_RDMA = group("limits", "rdma")


def groups(center: Center, pool: Pool) -> Iterator[str]:
    if pool.rdma:
        yield _RDMA
    for cluster in pool.clusters if center.spec.access.from_ else ():
        if center.clusters[cluster].kind == "kubernetes":
            yield group("firewall", cluster)


def artifacts(center: Center) -> Iterator[Artifact]:
    for pools in pools_by_system(center, center.pools.values()).values():
        parts = [subject.part(center, pools[0].system) for subject in _SUBJECTS]
        yield from together(system_group(pools[0]), parts, _DECIDES)
    if any(pool.rdma for pool in center.pools.values()):
        yield from together(_RDMA, [kernel.limits_of_rdma()], ("pools", "fabrics"))
    for name, cluster in center.clusters.items() if center.spec.access.from_ else ():
        if cluster.kind == "kubernetes":
            causes = (f"clusters.{name}", "access.from")
            admitted = firewall.admitted(center, f"cluster-{name}", (cluster.pods, cluster.services), causes)
            yield from together(group("firewall", name), [admitted], causes)
