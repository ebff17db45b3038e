"""Organizations and what the centre offers them: tenants, services, data, prices."""

from __future__ import annotations

from collections.abc import Iterator

from generator import services
from generator.catalog.models import Accelerator, PricePlan, Server, TenantClass
from generator.expand.names import Names
from generator.model import ServiceUse, Share, Tenant
from generator.nodes import Pool
from generator.problems import Path


def tenants(names: Names, pools: dict[str, Pool]) -> Iterator[tuple[str, Tenant]]:
    """Every tenant whose class is known, with its shares of pools."""
    for organization, words in names.words.organizations.items():
        for name, tenant in words.tenants.items():
            path: Path = ("organizations", organization, "tenants", name)
            class_ = names.find(TenantClass, tenant.class_, (*path, "class"))
            quota = tuple(shares(names, tenant.quota, (*path, "quota"), pools))
            borrow = tuple(shares(names, tenant.borrow, (*path, "borrow"), pools))
            if class_:
                yield name, Tenant(
                    name, organization, class_, tuple(tenant.admins), tuple(tenant.members),
                    tuple(dict.fromkeys(tenant.environments)), quota, borrow, tenant.until,
                    tenant.isolation or class_.isolation,
                )  # fmt: skip


def guarantees(names: Names, pools: dict[str, Pool]) -> Iterator[tuple[str, tuple[Share, ...]]]:
    """What each organization never lends."""
    for name, words in names.words.organizations.items():
        yield name, tuple(shares(names, words.guarantee, ("organizations", name, "guarantee"), pools))


def shares(names: Names, words: dict[str, str], path: Path, pools: dict[str, Pool]) -> Iterator[Share]:
    """Shares of pools that the spec defines."""
    for pool, text in words.items():
        amount, _, unit = text.partition(" ")
        if names.known("pool", pool, names.words.pools, (*path, pool), at_key=True) and pool in pools:
            yield Share(pools[pool], int(amount), unit.rstrip("s") + "s", (*path, pool))


def services_of(names: Names, pools: dict[str, Pool], tenants: dict[str, Tenant]) -> Iterator[tuple[str, ServiceUse]]:
    """Every service whose kind, place and inputs are right."""
    kinds = services.kinds()
    everybody = [tenant for found in names.words.organizations.values() for tenant in found.tenants]
    for name, words in names.words.services.items():
        path: Path = ("services", name)
        known = names.known("kind of service", words.kind, kinds, (*path, "kind"))
        known &= names.known("pool", words.pool, names.words.pools, (*path, "pool"))
        known &= names.known("tenant", words.tenant, everybody, (*path, "tenant"))
        tenant, pool = tenants.get(words.tenant), pools.get(words.pool)
        if tenant:
            known &= names.known("environment", words.environment, tenant.environments, (*path, "environment"))
        if words.kind in kinds:
            inputs, problems = services.read_inputs(kinds[words.kind], words.inputs, (*path, "inputs"))
            names.problems += problems
            if known and tenant and pool and not problems:
                yield name, ServiceUse(name, kinds[words.kind], tenant, words.environment, pool, inputs)


def check_offers(names: Names) -> None:
    """File systems and data name clusters, pools, fabrics and tenants that there are."""
    words = names.words
    everybody = [tenant for found in words.organizations.values() for tenant in found.tenants]
    for name, storage in words.storage.items():
        path: Path = ("storage", name)
        names.all_known("cluster", storage.clusters, words.clusters, (*path, "clusters"))
        if storage.pool:
            names.known("pool", storage.pool, words.pools, (*path, "pool"))
        if storage.fabric:
            names.known("fabric", storage.fabric, words.fabrics, (*path, "fabric"))
    for name, data in words.data.items():
        names.known("tenant", data.owner, everybody, ("data", name, "owner"))
        names.known("file system", data.storage, words.storage, ("data", name, "storage"))


def price_plan(names: Names) -> PricePlan | None:
    """The price list that the spec names; a price of something that the catalogue lacks is a finding."""
    prices = names.words.prices
    if prices is None:
        return None
    plan = names.find(PricePlan, prices.plan, ("prices", "plan"))
    for class_ in prices.discounts:
        names.find(TenantClass, class_, ("prices", "discounts", class_))
    for kind, rates in ((Accelerator, plan.accelerators), (Server, plan.nodes)) if plan else ():
        for name in sorted(set(rates) - set(names.catalog.names(kind))):
            message = f'price plan "{prices.plan}" has a price for "{name}", which the catalogue does not know'
            names.report("reference.catalog", message, ("prices", "plan"))
    return plan
