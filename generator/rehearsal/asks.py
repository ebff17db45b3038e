"""What tenants ask of their queues in a rehearsal, and what the spec promises each time.

In every environment a tenant asks for all that its quota still has, which must run; then for more than quota and loans
allow, which must wait; and past its queue, which must be refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Literal

from generator.model import Center, Share, Tenant
from generator.nodes import Pool
from generator.rehearsal.services import Body, FirstJob, Work
from generator.text import counted

Outcome = Literal["ran", "waited", "refused"]
Kind = Literal["service", "within", "beyond", "unqueued"]
PREFIX = "rehearsal"
PROMISED: dict[Kind, Outcome] = {"service": "ran", "within": "ran", "beyond": "waited", "unqueued": "refused"}
_SCALES = {"m": 1e-3, "k": 1e3, "M": 1e6}


@dataclass(frozen=True, slots=True)
class Ask:
    """One job or workload of a tenant's environment: who asks whom for how much."""

    kind: Kind
    name: str
    namespace: str
    tenant: str
    environment: str
    pool: str
    pods: int
    each: Mapping[str, str]
    """Resources of a pod."""
    who: tuple[str, ...]
    """Groups of the people who ask; nobody asks for what apply has brought."""
    manifest: Body | None = None
    template: Body | None = None
    """By which its pods claim devices."""
    marks: Mapping[str, str] = field(default_factory=dict)
    """Labels of the pods of what apply has brought."""
    nodes: int = 0
    """Nodes that it fills while it runs, at most."""

    @property
    def promised(self) -> Outcome:
        return PROMISED[self.kind]

    @property
    def queue(self) -> str:
        """The cluster-wide queue that counts it."""
        return f"{self.tenant}.{self.pool}"

    def asked(self) -> str:
        """How much it asks for, of the resource that its pool is shared by."""
        resource = resource_of(self.each)
        amount = amount_of(self.each.get(resource, "0")) * self.pods
        return f"{amount:.10g} {resource} in {counted(self.pods, 'pod')}"


def resource_of(each: Mapping[str, str]) -> str:
    """What counts: accelerators, which have a vendor's domain before their names, else cores."""
    return next((name for name in each if "/" in name), "cpu")


def amount_of(quantity: str) -> float:
    """A count as Kubernetes and Kueue write it, with thousandths of cores and with thousands."""
    scale = _SCALES.get(quantity[-1:], 1.0)
    return float(quantity.rstrip("".join(_SCALES))) * scale


def of_services(center: Center, works: Iterable[Work]) -> Iterator[Ask]:
    """Services of tenants: what stands, and one run of each job template."""
    for work in works:
        tenant = center.tenants[work.labels["center.internal/tenant"]]
        environment = work.labels["center.internal/environment"]
        plugin = center.pools[work.pool].plugin
        claims = {plugin.resource: str(work.claimed)} if plugin and work.claimed else {}
        ask = Ask(
            "service", work.service, work.namespace, tenant.name, environment, work.pool, work.pods,
            {**_requests(work.template), **claims}, who=(), nodes=work.pods,
        )  # fmt: skip
        if work.job is None:
            yield replace(ask, marks=work.template["metadata"]["labels"])
        else:
            started = replace(ask, name=f"{PREFIX}-{work.service}", who=people(tenant))
            yield replace(started, manifest=_run(started, work.job))


def people(tenant: Tenant) -> tuple[str, ...]:
    """The groups of a tenant that may run jobs: its members, or who leads it where it has none."""
    return tenant.members or tenant.admins


def _run(ask: Ask, template: Body) -> Body:
    metadata = {**template["metadata"], "name": ask.name, "namespace": ask.namespace}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]}


def _requests(template: Body) -> dict[str, str]:
    """What one pod of a template asks for, each resource from the containers that name it."""
    found: dict[str, str] = {}
    for container in template["spec"]["containers"]:
        found |= container.get("resources", {}).get("requests", {})
    return found


@dataclass(frozen=True, slots=True)
class Trial:
    """What one environment asks of one of its queues: a job that must run, and what must not run beside it."""

    runs: Ask | None
    others: tuple[Ask, ...] = ()

    @property
    def nodes(self) -> int:
        return self.runs.nodes if self.runs else 0

    @property
    def asks(self) -> tuple[Ask, ...]:
        return (self.runs, *self.others) if self.runs else self.others

    def beside(self, ran: Collection[Ask]) -> Iterator[Ask]:
        """What must not run now; more than the quota is asked for only while the quota is in use."""
        for ask in self.others:
            if ask.kind != "beyond" or self.runs is None or self.runs in ran:
                yield ask


def trials(
    center: Center, cluster: str, firsts: Mapping[str, FirstJob], held: Mapping[str, float], room: Mapping[str, int]
) -> Iterator[Trial]:
    """The trials of every queue, made of the first job that is rendered for it.

    Services hold so much of queues, and pools have room for so many more nodes.
    """
    for tenant in center.tenants_of(cluster):
        for share in tenant.quota:
            queue = f"{tenant.name}.{share.pool.name}"
            first = firsts.get(queue)
            if first and cluster in share.pool.clusters:
                for environment, namespace in zip(tenant.environments, tenant.namespaces(), strict=True):
                    maker = _Maker(center, cluster, first, tenant, share, environment, namespace)
                    yield maker.trial(held.get(queue, 0.0), room[share.pool.name])


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes the jobs of one queue in one environment."""

    center: Center
    cluster: str
    first: FirstJob
    tenant: Tenant
    share: Share
    environment: str
    namespace: str

    @property
    def pool(self) -> Pool:
        return self.share.pool

    @property
    def per_node(self) -> int:
        return max(1, self.pool.accelerators_per_node)

    def trial(self, held: float, room: int) -> Trial:
        each = self._each(1)
        used = round(held / amount_of(each[resource_of(each)]))
        free = min(self.share.size - used, room * self.per_node)
        pods, units = self._packed(free) if free > 0 else (0, 0)
        within = self._ask("within", pods, units) if pods else None
        taken = used + pods * units
        loan = sum(share.size for share in self.tenant.borrow if share.pool is self.pool)
        missing = self.share.size - taken + loan + 1
        beyond = self._ask("beyond", *self._packed(missing, up=True))
        unqueued = self._ask("unqueued", 1, 1)
        return Trial(within, (beyond, unqueued))

    def _packed(self, units: int, up: bool = False) -> tuple[int, int]:
        """Pods and the units of each: whole nodes, where they are not fewer than one."""
        if units < self.per_node:
            return 1, units
        return -(-units // self.per_node) if up else units // self.per_node, self.per_node

    def _each(self, units: int) -> dict[str, str]:
        return replace(self.share, amount=units, unit=self._unit).resources()

    @property
    def _unit(self) -> str:
        return "accelerators" if self.pool.accelerators_per_node else "nodes"

    def _ask(self, kind: Kind, pods: int, units: int) -> Ask:
        name = f"{PREFIX}-{kind}-{self.pool.name}"
        each = self.center.beside_sandbox(self.tenant, self.cluster, self._each(units))
        manifest = self._job(name, pods, each, queued=kind != "unqueued")
        template = self._template(name, units) if self.first.template else None
        return Ask(
            kind, name, self.namespace, self.tenant.name, self.environment, self.pool.name, pods, each,
            people(self.tenant), manifest, template, nodes=pods,
        )  # fmt: skip

    def _job(self, name: str, pods: int, each: dict[str, str], queued: bool) -> Body:
        """The first job of the tenant, larger."""
        job = deepcopy(self.first.job)
        job["metadata"] = {"name": name, "namespace": self.namespace}
        if queued:
            job["metadata"]["labels"] = self.first.job["metadata"]["labels"]
        job["spec"] |= {"completions": pods, "parallelism": pods}
        pod = job["spec"]["template"]["spec"]
        if self.first.template:
            each = {resource: amount for resource, amount in each.items() if "/" not in resource}
            for claim in pod["resourceClaims"]:
                claim["resourceClaimTemplateName"] = name
        pod["containers"][0]["resources"] |= {"requests": each, "limits": each}
        return job

    def _template(self, name: str, units: int) -> Body:
        """What each pod of that job claims."""
        template = deepcopy(self.first.template) or {}
        template["metadata"] = {"name": name, "namespace": self.namespace}
        for request in template["spec"]["spec"]["devices"]["requests"]:
            request["exactly"]["count"] = units
        return template


def waves(found: Iterable[Trial], room: Mapping[str, int]) -> list[list[Trial]]:
    """Trials that can stand beside each other: each queue once in a wave, and no pool fuller than it is."""
    made: list[list[Trial]] = []
    for trial in found:
        queue, pool = trial.asks[0].queue, trial.asks[0].pool

        def fits(wave: list[Trial], trial: Trial = trial, queue: str = queue, pool: str = pool) -> bool:
            beside = [other for other in wave if other.asks[0].pool == pool]
            full = sum(other.nodes for other in beside) + trial.nodes > room[pool]
            return not full and all(other.asks[0].queue != queue for other in beside)

        place = next((wave for wave in made if fits(wave)), None)
        if place is None:
            made.append([trial])
        else:
            place.append(trial)
    return made
