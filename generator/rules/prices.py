"""Prices: everything that tenants are promised has one, and all amounts are in one currency."""

from __future__ import annotations

from collections.abc import Iterator

from generator.catalog.models import PricePlan
from generator.model import Center
from generator.quantity import Money
from generator.rules import Finding, rule

_PLAN = ("prices", "plan")


@rule("price.missing", severity="warning")
def what_is_promised_has_a_price(center: Center) -> Iterator[Finding]:
    """Use of a model that the plan does not name costs nothing, which is seldom what its owner meant."""
    plan = center.prices
    if plan is None:
        return
    used = {share.pool.name for tenant in center.tenants.values() for share in tenant.quota}
    for pool in center.pools.values():
        kind, rates, model = (
            ("accelerator", plan.accelerators, pool.accelerator.name)
            if pool.accelerator and pool.accelerators_per_node
            else ("server", plan.nodes, pool.server.name)
        )
        if pool.name in used and model not in rates:
            message = f'price plan "{plan.name}" has no price for {kind} "{model}" of pool "{pool.name}"'
            yield Finding(_PLAN, message, f'copy the plan into "catalog/{plan.folder}" beside the spec and add it')


@rule("price.currency")
def amounts_are_in_one_currency(center: Center) -> Iterator[Finding]:
    """Amounts of different currencies are never added, so a plan and every credit use the same one."""
    plan = center.prices
    if plan is None:
        return
    for what, amount in _rates(plan):
        if amount.currency != plan.currency:
            message = f'price plan "{plan.name}" is in {plan.currency}, its {what} is {amount.show()}'
            yield Finding(_PLAN, message)
    for tenant in center.tenants.values():
        credit = center.spec.organizations[tenant.organization].tenants[tenant.name].credit
        if credit is not None and credit.currency != plan.currency:
            message = (
                f'tenant "{tenant.name}" has a credit of {credit.show()}, '
                f'price plan "{plan.name}" is in {plan.currency}'
            )
            yield Finding((*tenant.path, "credit"), message, f"say the credit in {plan.currency}")


def _rates(plan: PricePlan) -> Iterator[tuple[str, Money]]:
    """Every amount of a plan, and what it is of."""
    if plan.free is not None:
        yield "free amount", plan.free
    for name, amount in (*plan.accelerators.items(), *plan.nodes.items()):
        yield f'price of "{name}"', amount
    if plan.storage is not None:
        yield "price of storage", plan.storage
