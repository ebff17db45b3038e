"""Quota: promises to tenants add up to what the pools have, and nobody borrows what nobody may lend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from generator.model import Center, Share, Tenant
from generator.nodes import Pool
from generator.rules import Finding, rule


def _unit(pool: Pool) -> str:
    """What a pool is shared in."""
    return "accelerators" if pool.accelerators_per_node else "nodes"


def _of(pool: Pool, shares: Iterable[Share]) -> list[Share]:
    return [share for share in shares if share.pool is pool]


def _sum(pool: Pool, shares: Iterable[Share]) -> int:
    return sum(share.size for share in _of(pool, shares))


def _less(center: Center, pool: Pool) -> str:
    """What was taken off the capacity of a pool, as a message says it."""
    broken = center.out_of_service(pool)
    if broken > pool.spares:
        return f", less {broken} node{'' if broken == 1 else 's'} in repair"
    return f" without {pool.spares} spare node{'' if pool.spares == 1 else 's'}" if pool.spares else ""


def _every_share(center: Center) -> Iterator[Share]:
    for tenant in center.tenants.values():
        yield from (*tenant.quota, *tenant.borrow)
    for shares in center.guarantees.values():
        yield from shares


@rule("quota.exceeds")
def promises_fit_into_pools(center: Center) -> Iterator[Finding]:
    """Quota is what a tenant may always have, so all of it together fits into the pool less its spares."""
    for pool in center.pools.values():
        shares = [share for tenant in center.tenants.values() for share in _of(pool, tenant.quota)]
        promised, capacity = center.promised(pool), center.capacity(pool)
        if promised > capacity:
            # The largest share has the most to give; of equal ones the last is the one that a reader meets at the end.
            largest = max(reversed(shares), key=lambda share: share.size)
            message = (
                f'tenants are promised {promised} {_unit(pool)} of pool "{pool.name}", '
                f"it has {capacity}{_less(center, pool)}"
            )
            yield Finding(largest.path, message, "lower a quota, or let tenants borrow")


@rule("quota.unit")
def shares_use_what_the_pool_has(center: Center) -> Iterator[Finding]:
    """Accelerators can only be shared where there are some."""
    for share in _every_share(center):
        if share.unit == "accelerators" and share.pool.accelerators_per_node == 0:
            message = f'pool "{share.pool.name}" has no accelerators to share'
            yield Finding(share.path, message, f'for example "{share.amount} nodes"')


@rule("quota.guarantee")
def guarantees_are_part_of_quota(center: Center) -> Iterator[Finding]:
    """An organization keeps for itself only what its own tenants have been promised."""
    for organization, guarantees in center.guarantees.items():
        for share in guarantees:
            pool = share.pool
            owned = center.promised(pool, organization)
            if share.size > owned:
                message = (
                    f'organization "{organization}" keeps {share.size} {_unit(pool)} of pool "{pool.name}" '
                    f"for itself, its tenants have {owned}"
                )
                yield Finding(share.path, message, "raise the quota of a tenant, or lower the guarantee")


@rule("quota.borrow-class")
def only_some_classes_borrow(center: Center) -> Iterator[Finding]:
    """Whether a tenant may take what others leave idle is a matter of its class."""
    for tenant in center.tenants.values():
        if tenant.borrow and not tenant.class_.may_borrow:
            message = f'tenant "{tenant.name}" is of class "{tenant.class_.name}", which may not borrow'
            yield Finding((*tenant.path, "borrow"), message)


@rule("quota.borrow-alone")
def borrowers_have_a_queue(center: Center) -> Iterator[Finding]:
    """A tenant has a queue where it has quota, and what it borrows passes through that queue."""
    for tenant in center.tenants.values():
        for share in tenant.borrow:
            if not _of(share.pool, tenant.quota):
                message = f'tenant "{tenant.name}" may borrow of pool "{share.pool.name}" and has no quota there'
                yield Finding(share.path, message, f'add "{share.pool.name}" to its quota')


def _loans(center: Center) -> Iterator[tuple[Tenant, Share, int]]:
    """What each tenant may borrow of a pool, and what it would then hold with its quota."""
    for tenant in center.tenants.values():
        for share in tenant.borrow:
            yield tenant, share, _sum(share.pool, tenant.quota) + share.size


@rule("quota.borrow-more")
def nobody_borrows_more_than_there_is(center: Center) -> Iterator[Finding]:
    """With all that it may borrow a tenant holds at most the whole pool; more can never be lent."""
    for tenant, share, held in _loans(center):
        pool, capacity = share.pool, center.capacity(share.pool)
        if held > capacity:
            message = (
                f'tenant "{tenant.name}" could hold {held} {_unit(pool)} of pool "{pool.name}" with what it borrows, '
                f"the pool has {capacity}{_less(center, pool)}"
            )
            yield Finding(share.path, message, _lower(share, held - capacity))


@rule("quota.borrow-guarded")
def what_others_keep_is_not_borrowed(center: Center) -> Iterator[Finding]:
    """What other organizations keep for themselves is never lent, however idle it is."""
    for tenant, share, held in _loans(center):
        pool, capacity = share.pool, center.capacity(share.pool)
        kept = sum(center.kept(pool, name) for name in center.guarantees if name != tenant.organization)
        if capacity - kept < held <= capacity:
            message = (
                f'tenant "{tenant.name}" could hold {held} {_unit(pool)} of pool "{pool.name}" with what it borrows, '
                f"other organizations keep {kept} of {capacity}"
            )
            yield Finding(share.path, message, _lower(share, held - capacity + kept))


def _lower(share: Share, by: int) -> str | None:
    """The amount that fits, when there is one."""
    left = share.size - by
    return f'at most "{left} {_unit(share.pool)}" can be borrowed' if left > 0 else None


@rule("quota.not-worker")
def quota_is_of_workers(center: Center) -> Iterator[Finding]:
    """Tenants share workers of a cluster; control, login and storage nodes serve everybody."""
    for share in _every_share(center):
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
