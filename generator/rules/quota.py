"""Quota: promises to tenants add up to what the pools have."""

from __future__ import annotations

from collections.abc import Iterator

from generator.model import Center, Share
from generator.nodes import Pool
from generator.rules import Finding, rule


def _shares(center: Center, pool: Pool) -> list[Share]:
    return [share for tenant in center.tenants.values() for share in tenant.quota if share.pool is pool]


@rule("quota.exceeds")
def promises_fit_into_pools(center: Center) -> Iterator[Finding]:
    """Quota is what a tenant may always have, so all of it together fits into the pool less its spares."""
    for pool in center.pools.values():
        nodes = max(0, center.counts[pool.name] - pool.spares)
        shares = _shares(center, pool)
        promised = sum(share.nodes for share in shares)
        if shares and promised > nodes + 1e-9:
            per_node = pool.accelerators_per_node
            unit, factor = ("accelerators", per_node) if per_node else ("nodes", 1)
            spares = f" less {pool.spares} spare nodes" if pool.spares else ""
            message = (
                f'tenants are promised {promised * factor:g} {unit} of pool "{pool.name}", '
                f"it has {nodes * factor}{spares}"
            )
            yield Finding(shares[-1].path, message, "lower a quota, or let tenants borrow")


@rule("quota.unit")
def shares_use_what_the_pool_has(center: Center) -> Iterator[Finding]:
    """Accelerators can only be shared where there are some."""
    for tenant in center.tenants.values():
        for share in (*tenant.quota, *tenant.borrow):
            if share.unit == "accelerators" and share.pool.accelerators_per_node == 0:
                message = f'pool "{share.pool.name}" has no accelerators to share'
                yield Finding(share.path, message, f'for example "{share.amount} nodes"')


@rule("quota.borrow-class")
def only_some_classes_borrow(center: Center) -> Iterator[Finding]:
    """Whether a tenant may take what others leave idle is a matter of its class."""
    for tenant in center.tenants.values():
        if tenant.borrow and not tenant.class_.may_borrow:
            message = f'tenant "{tenant.name}" is of class "{tenant.class_.name}", which may not borrow'
            yield Finding((*tenant.path, "borrow"), message)


@rule("quota.not-worker")
def quota_is_of_workers(center: Center) -> Iterator[Finding]:
    """Tenants share workers of a cluster; control, login and storage nodes serve everybody."""
    for tenant in center.tenants.values():
        for share in (*tenant.quota, *tenant.borrow):
            if share.pool.role != "worker" or not share.pool.clusters:
                message = f'pool "{share.pool.name}" is not a pool of workers in a cluster'
                yield Finding(share.path, message)


@rule("quota.spares")
def spares_leave_something(center: Center) -> Iterator[Finding]:
    """A pool has more nodes than spares."""
    for pool in center.pools.values():
        if pool.spares and pool.spares >= center.counts[pool.name]:
            message = f'pool "{pool.name}" keeps {pool.spares} of its {center.counts[pool.name]} nodes as spares'
            yield Finding((*pool.path, "spares"), message)


@rule("quota.none", severity="warning")
def tenants_have_something(center: Center) -> Iterator[Finding]:
    """A tenant without a share of any pool gets no namespace and no queue: nothing is rendered for it."""
    for tenant in center.tenants.values():
        if not tenant.quota:
            yield Finding(tenant.path, f'tenant "{tenant.name}" has no quota, so it gets nothing')
