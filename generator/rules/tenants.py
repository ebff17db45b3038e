"""Tenants: how long they stay, and what they may use up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from generator.model import Center
from generator.nodes import Pool
from generator.rules import Finding, rule


@rule("tenant.no-end", severity="warning")
def guests_have_a_last_day(center: Center) -> Iterator[Finding]:
    """A course, an event or a young company leaves one day; without a date its quota is held for ever."""
    for tenant in center.tenants.values():
        if tenant.class_.ends and tenant.until is None:
            message = f'tenant "{tenant.name}" is of class "{tenant.class_.name}", which ends, and has no last day'
            yield Finding(tenant.path, message, 'say "until: 2027-01-31"')


@rule("tenant.too-long", severity="warning")
def guests_leave_in_time(center: Center) -> Iterator[Finding]:
    """A class for a month is one for ever if its tenants may name any day."""
    for tenant in center.tenants.values():
        longest = tenant.class_.longest
        if longest is None or tenant.until is None or center.as_of is None:
            continue
        judged, days = date.fromisoformat(center.as_of), int(longest.magnitude // 86400)
        if (date.fromisoformat(tenant.until) - judged).days > days:
            last = judged + timedelta(days=days)
            message = (
                f'the last day of tenant "{tenant.name}" is {tenant.until}, more than {longest.show()} after '
                f'{center.as_of}, the most that its class "{tenant.class_.name}" gives'
            )
            yield Finding((*tenant.path, "until"), message, f'at most "until: {last}"')


@rule("tenant.ended", severity="warning")
def nobody_stays_after_the_last_day(center: Center) -> Iterator[Finding]:
    """After its last day no work of a tenant is admitted, while its quota still keeps others out."""
    for tenant in center.tenants.values():
        if center.is_past(tenant.until):
            message = f'the last day of tenant "{tenant.name}" was {tenant.until}, before {center.as_of}'
            yield Finding((*tenant.path, "until"), message, "extend it, or save its data and take the tenant out")


@rule("tenant.no-credit-plan")
def credit_is_counted_by_prices(center: Center) -> Iterator[Finding]:
    """Credit is used up by prices; without a price plan nothing ever is."""
    if center.spec.prices is not None:
        return
    for tenant in center.tenants.values():
        credit = center.spec.organizations[tenant.organization].tenants[tenant.name].credit
        if credit is not None:
            message = f'tenant "{tenant.name}" has a credit of {credit.show()}, and nothing has a price'
            yield Finding((*tenant.path, "credit"), message, 'name a price plan: "prices: {plan: NAME}"')


@rule("tenant.default-size")
def containers_that_say_nothing_fit_on_a_node(center: Center) -> Iterator[Finding]:
    """A container that says nothing asks for what its class says; on nodes that have less it waits for ever."""
    for tenant in center.tenants.values():
        request = tenant.class_.request
        nodes = [_of_node(share.pool) for share in tenant.quota if _runs_pods(center, share.pool)]
        if nodes and not any(request.cores <= cores and request.memory.magnitude <= memory for cores, memory in nodes):
            cores, memory = max(nodes)
            message = (
                f'a container of tenant "{tenant.name}" that says nothing asks for {request.cores:g} cores and '
                f"{request.memory.text} of memory, and its largest node has {cores:g} cores and {int(memory)} GB for "
                "work"
            )
            hint = f'lower "request" in catalog/classes/{tenant.class_.name}.yaml'
            yield Finding((*tenant.path, "class"), message, hint)


def _of_node(pool: Pool) -> tuple[float, float]:
    """Cores and GB of memory that a node of a pool has for work."""
    return pool.cpu_milli / 1000, pool.memory_mib * 2**20 / 1e9


def _runs_pods(center: Center, pool: Pool) -> bool:
    return any(center.clusters[name].kind == "kubernetes" for name in pool.clusters)
