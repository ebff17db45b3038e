"""Random organisations on a real Kueue: what they may hold follows from their numbers, what they hold Kueue says.

Of a pool with capacity C, where each organisation keeps K for itself and its tenants want W together (each at most its
quota and what it may borrow), everybody together gets sum min(W, K) + min(sum max(0, W - K), C - sum K).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from control_plane.processes import wait_until
from tests.queue_site import EACH, SECONDS, Site, centre, tenant

MODELS = {"simulated-8": "center.internal/accelerator", "metax-c500": "metax-tech.com/gpu"}

Place = tuple[str, str]
"""A tenant and a pool."""


@dataclass
class Forest:
    """Pools, and what organisations and tenants have of each."""

    nodes: dict[str, int] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    spares: dict[str, int] = field(default_factory=dict)
    tenants: dict[str, str] = field(default_factory=dict)
    weights: dict[str, int] = field(default_factory=dict)
    quota: Counter[Place] = field(default_factory=Counter)
    borrow: Counter[Place] = field(default_factory=Counter)
    kept: Counter[Place] = field(default_factory=Counter)

    def capacity(self, pool: str) -> int:
        return EACH * (self.nodes[pool] - self.spares[pool])

    def spec(self) -> dict[str, Any]:
        organizations: dict[str, Any] = {}
        for name, organization in self.tenants.items():
            shares = [
                {pool: amounts[name, pool] for pool in self.nodes if amounts[name, pool]}
                for amounts in (self.quota, self.borrow)
            ]
            kept = {pool: self.kept[organization, pool] for pool in self.nodes if self.kept[organization, pool]}
            entry = organizations.setdefault(organization, {"weight": self.weights[organization], "tenants": {}})
            entry["guarantee"] = {pool: f"{count} accelerators" for pool, count in kept.items()}
            entry["tenants"][name] = tenant(*shares)
        spec = centre(self.models, self.nodes, organizations)
        for pool, count in self.spares.items():
            spec["pools"][pool]["spares"] = count
        return spec

    def wanted(self, name: str, pool: str) -> int:
        """The most that a tenant can hold; nothing where it has no queue."""
        place = name, pool
        return self.quota[place] + self.borrow[place] if self.quota[place] else 0

    def total(self, pool: str, at_work: Collection[str]) -> int:
        """What all that are at work get together when each wants all it can hold."""
        wanted: Counter[str] = Counter()
        for name in at_work:
            wanted[self.tenants[name]] += self.wanted(name, pool)
        kept = {organization: self.kept[organization, pool] for organization in self.weights}
        inside = sum(min(wanted[each], kept[each]) for each in kept)
        outside = sum(max(0, wanted[each] - kept[each]) for each in kept)
        return inside + min(outside, self.capacity(pool) - sum(kept.values()))


def grow(seed: int, pools: int) -> Forest:
    """Organisations with guarantees, tenants that own and borrow, spares, and some that nobody was promised."""
    chance = Random(seed)
    forest = Forest()
    organizations = ["red", "green", "blue"][: chance.randint(2, 3)]
    people = {f"{each}-{n}": each for each in organizations for n in range(chance.randint(1, 2))}
    forest.weights = {each: chance.randint(1, 3) for each in organizations}
    for number in range(pools):
        pool = f"p{number}"
        forest.nodes[pool] = chance.randint(2, 4)
        forest.models[pool] = chance.choice(sorted(MODELS))
        forest.spares[pool] = chance.randint(0, 1)
        left = forest.capacity(pool) - chance.randint(0, 1)
        for name in chance.sample(sorted(people), len(people)):
            forest.quota[name, pool] = chance.randint(0, min(left, 3))
            left -= forest.quota[name, pool]
        for organization in organizations:
            owned = sum(forest.quota[name, pool] for name, of in people.items() if of == organization)
            forest.kept[organization, pool] = chance.choice([0, owned, chance.randint(0, owned)])
        for name, organization in people.items():
            others = sum(forest.kept[each, pool] for each in organizations if each != organization)
            most = forest.capacity(pool) - others - forest.quota[name, pool]
            forest.borrow[name, pool] = chance.choice([0, most, most]) if most > 0 else 0
    # Who has no quota at all has no namespace, and a tenant borrows where it has a queue.
    forest.borrow = Counter({place: n for place, n in forest.borrow.items() if forest.quota[place]})
    forest.tenants = {name: of for name, of in people.items() if any(forest.quota[name, pool] for pool in forest.nodes)}
    forest.weights = {each: forest.weights[each] for each in set(forest.tenants.values())}
    return forest


def prove(folder: Path, seed: int, pools: int = 3) -> tuple[int, list[str]]:
    """Flood the queues of all but one organisation, then of all; how many jobs there were, and what went wrong."""
    forest, chance = grow(seed, pools), Random(seed)
    resources = {pool: MODELS[model] for pool, model in forest.models.items()}
    site = Site(folder, forest.spec(), resources, forest.nodes)
    faults: list[str] = []
    jobs = 0
    absent = chance.choice(sorted(forest.weights))
    early = sorted(name for name, organization in forest.tenants.items() if organization != absent)
    with site.started():
        for at_work in (early, sorted(forest.tenants)):
            new = [name for name in at_work if at_work is early or name not in early]
            places = [(name, pool) for name in new for pool in forest.nodes if forest.quota[name, pool]]
            waiting = [(*place, n) for place in places for n in range(forest.wanted(*place) + 1)]
            for name, pool, number in chance.sample(waiting, len(waiting)):
                site.submit(name, pool, f"{pool}-{number}")
                jobs += 1
            try:
                wait_until(partial(_settled, site, forest, at_work, faults), 2 * SECONDS, "all that is due")
            except TimeoutError:
                faults.append(f"with {len(at_work)} tenants at work Kueue admits {dict(admitted(site))}")
        for name, pool, node in site.places():
            if node.rpartition("-a")[0] != pool:
                faults.append(f"a job of {name} for {pool} runs on {node}")
    return jobs, [f"seed {seed}: {fault}" for fault in dict.fromkeys(faults)]


def admitted(site: Site) -> Counter[Place]:
    """Accelerators of all workloads that hold quota, from one answer: queues report one after the other."""
    found: Counter[Place] = Counter()
    for workload in site.workloads():
        conditions = {each["type"]: each["status"] for each in workload.get("status", {}).get("conditions", [])}
        if conditions.get("QuotaReserved") == "True" and conditions.get("Finished") != "True":
            found[workload["metadata"]["namespace"].removesuffix("--main"), workload["spec"]["queueName"]] += 1
    return found


def _settled(site: Site, forest: Forest, at_work: Collection[str], faults: list[str]) -> bool:
    """Whether everybody has what is its own and all together what is due; nobody ever has more than it may."""
    now = admitted(site)
    faults += excesses(forest, now)
    own = all(now[place] >= quota for place, quota in forest.quota.items() if place[0] in at_work)
    totals = all(
        sum(n for (_, where), n in now.items() if where == pool) == forest.total(pool, at_work) for pool in forest.nodes
    )
    return own and totals


def excesses(forest: Forest, now: Counter[Place]) -> Iterator[str]:
    """What is held beyond a limit of the tenant, of the pool, or at the cost of another's guarantee."""
    for (name, pool), count in now.items():
        if count > forest.wanted(name, pool):
            yield f"{name} holds {count} of {pool}, {forest.wanted(name, pool)} are allowed"
    for pool in forest.nodes:
        held = sum(count for (_, where), count in now.items() if where == pool)
        if held > forest.capacity(pool):
            yield f"{held} of {pool} are held, it has {forest.capacity(pool)}"
        for organization in forest.weights:
            others = sum(
                count for (name, where), count in now.items() if where == pool and forest.tenants[name] != organization
            )
            if others > forest.capacity(pool) - forest.kept[organization, pool]:
                yield f"others hold {others} of {pool}, where {organization} keeps {forest.kept[organization, pool]}"
