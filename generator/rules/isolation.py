"""Isolation: what stands between the pods of tenants, and whether it is there at all.

A kernel that organizations share is not called isolation: whoever breaks out of a container has all pods of the node.
"""

from __future__ import annotations

from collections.abc import Iterator

from generator.devices import torch_image
from generator.model import Center, Tenant
from generator.nodes import Pool
from generator.rules import Finding, rule
from generator.spec.common import Isolation

_WALLS: tuple[Isolation, ...] = ("shared", "sandbox", "dedicated")
"""What may stand between organizations, the thinnest first."""


def _clusters(center: Center) -> Iterator[tuple[str, list[Tenant]]]:
    """Kubernetes clusters that tenants work in."""
    for name, cluster in center.clusters.items():
        tenants = center.tenants_of(name)
        if cluster.kind == "kubernetes" and tenants:
            yield name, tenants


def _pools(center: Center) -> Iterator[tuple[str, Pool, list[Tenant]]]:
    """The workers of those clusters, and whose pods may run on them."""
    for name, tenants in _clusters(center):
        for pool in center.pools_of(name, "worker"):
            here = [tenant for tenant in tenants if any(share.pool is pool for share in tenant.shares(name))]
            yield name, pool, here


def _listed(names: list[str]) -> str:
    quoted = [f'"{name}"' for name in names]
    shown = quoted[:3] if len(quoted) > 4 else quoted
    more = [f"{len(quoted) - 3} more"] if len(quoted) > 4 else []
    *first, last = [*shown, *more]
    return f"{', '.join(first)} and {last}" if first else last


def _organizations(tenants: list[Tenant]) -> list[str]:
    return sorted({tenant.organization for tenant in tenants})


@rule("isolation.shared-kernel", severity="warning")
def organizations_share_no_kernel(center: Center) -> Iterator[Finding]:
    """Containers are no wall against strangers: they need a sandbox, or nodes of their own."""
    for _, pool, tenants in _pools(center):
        organizations = _organizations(tenants)
        bare = sorted(tenant.name for tenant in tenants if tenant.isolation != "sandbox")
        if len(organizations) > 1 and bare:
            message = (
                f'pool "{pool.name}" is shared by organizations {_listed(organizations)}, '
                f"and {_listed(bare)} {'works' if len(bare) == 1 else 'work'} on the kernels of its nodes"
            )
            hint = 'say "isolation: sandbox" for them, or give an organization a pool of its own'
            yield Finding(pool.path, message, hint)


@rule("isolation.not-dedicated")
def dedicated_nodes_serve_one_organization(center: Center) -> Iterator[Finding]:
    """Who was promised nodes of his own finds nobody of another organization there, not even on loan."""
    for _, pool, tenants in _pools(center):
        for tenant in tenants:
            others = [name for name in _organizations(tenants) if name != tenant.organization]
            if tenant.isolation == "dedicated" and others:
                message = (
                    f'tenant "{tenant.name}" has dedicated nodes, and pool "{pool.name}" also serves '
                    f"organization{'s' if len(others) > 1 else ''} {_listed(others)}"
                )
                yield Finding(tenant.path, message, "divide the pool")


@rule("isolation.weaker", severity="warning")
def tenants_are_kept_apart_as_their_class_says(center: Center) -> Iterator[Finding]:
    """A class promises its neighbours what stands between its tenants and them; one word of a tenant undoes that."""
    for tenant in center.tenants.values():
        if _WALLS.index(tenant.isolation) < _WALLS.index(tenant.class_.isolation):
            message = (
                f'tenant "{tenant.name}" says "isolation: {tenant.isolation}", its class "{tenant.class_.name}" says '
                f'"{tenant.class_.isolation}"'
            )
            hint = "leave the word out, or accept the warning with who answers for it"
            yield Finding((*tenant.path, "isolation"), message, hint)


@rule("isolation.no-sandbox")
def sandboxed_tenants_have_a_sandbox(center: Center) -> Iterator[Finding]:
    """A tenant that is to run in a sandbox cannot run in a cluster that has none."""
    for name, tenants in _clusters(center):
        for tenant in tenants:
            if tenant.isolation == "sandbox" and name not in center.sandboxes:
                message = f'tenant "{tenant.name}" runs in a sandbox, and cluster "{name}" names none'
                hint = f'say "sandbox: NAME" in cluster "{name}"; "center catalog sandboxes" lists all'
                yield Finding(tenant.path, message, hint)


@rule("isolation.sandbox-runtime")
def hosts_can_start_the_sandbox(center: Center) -> Iterator[Finding]:
    """Containerd refuses a pod whose runtime its configuration does not know; so all pods in a sandbox would wait."""
    for name, sandbox in center.sandboxes.items():
        if sandbox.runtime_type.value is None:
            message = f'nobody has said what containerd starts for sandbox "{sandbox.name}" of cluster "{name}"'
            hint = f'say "runtime-type" in catalog/sandboxes/{sandbox.name}.yaml'
            yield Finding(("clusters", name, "sandbox"), message, hint)


@rule("isolation.sandbox-devices", severity="warning")
def sandboxes_know_the_devices(center: Center) -> Iterator[Finding]:
    """A sandbox hands devices to pods only if its makers have taught it to; without that, a job sees none."""
    for name, pool, tenants in _pools(center):
        sandbox = center.sandboxes.get(name)
        if sandbox is None or pool.vendor is None or pool.vendor.name in (sandbox.vendors.value or []):
            continue
        for tenant in tenants:
            if tenant.isolation == "sandbox":
                message = (
                    f'tenant "{tenant.name}" runs in sandbox "{sandbox.name}", which is not known to hand '
                    f'accelerators of pool "{pool.name}" ({pool.vendor.name}) to pods'
                )
                hint = (
                    'give the tenant nodes of its own and say "isolation: dedicated", or add the vendor to "vendors" '
                    f"in catalog/sandboxes/{sandbox.name}.yaml beside the spec once you have seen a job compute on them"
                )
                yield Finding(tenant.path, message, hint)


@rule("isolation.sandbox-size")
def sandboxes_leave_something_to_pods(center: Center) -> Iterator[Finding]:
    """What a sandbox takes for each pod counts against the quota; a pod that has nothing left never starts."""
    for name, pool, tenants in _pools(center):
        for tenant in tenants:
            if (sandbox := center.sandbox_of(tenant, name)) is None:
                continue
            least = pool.resources(1)
            left = center.beside_sandbox(tenant, name, least)
            unit = "accelerator" if pool.accelerators_per_node else "node"
            if any(int(left[what].rstrip("miM")) < 1 for what in ("cpu", "memory")):
                message = (
                    f'one {unit} of pool "{pool.name}" brings {least["cpu"]} of cpu and {least["memory"]} of memory, '
                    f'and sandbox "{sandbox.name}" leaves {left["cpu"]} and {left["memory"]} of it to a pod of tenant '
                    f'"{tenant.name}"'
                )
                yield Finding(tenant.path, message, "choose a smaller sandbox, or give the tenant nodes of its own")


@rule("isolation.no-network", severity="warning")
def clusters_name_their_network(center: Center) -> Iterator[Finding]:
    """Network policies are only words unless the network plugin enforces them, and some do not."""
    for name, _ in _clusters(center):
        if name not in center.networks:
            message = f'cluster "{name}" names no network plugin, so nobody knows whether network policies are enforced'
            yield Finding(("clusters", name), message, 'say "cni: calico"; "center catalog networks" lists all')


def _open(center: Center) -> Iterator[tuple[str, str, int]]:
    """Clusters whose network plugin enforces nothing: their names, what connects them, how many tenants."""
    for name, tenants in _clusters(center):
        plugin = center.networks.get(name)
        if plugin and not plugin.policies.value:
            yield name, plugin.name, len(tenants)


@rule("isolation.open-network")
def tenants_are_kept_apart_on_the_network(center: Center) -> Iterator[Finding]:
    """With a network plugin that ignores network policies every pod reaches the pods of every tenant."""
    for name, plugin, tenants in _open(center):
        if tenants > 1:
            message = f'network plugin "{plugin}" keeps none of the {tenants} tenants of cluster "{name}" from another'
            yield Finding(("clusters", name, "cni"), message, "choose one that enforces network policies")


@rule("isolation.open-alone", severity="warning")
def a_single_tenant_is_closed_in_as_well(center: Center) -> Iterator[Finding]:
    """One tenant has nobody to be kept from, but its pods reach the pods of the system too."""
    for name, plugin, tenants in _open(center):
        if tenants == 1:
            message = f'network plugin "{plugin}" does not enforce the network policies of cluster "{name}"'
            yield Finding(("clusters", name, "cni"), message, "choose one that does before a second tenant comes")


@rule("isolation.image")
def services_use_images_that_may_run(center: Center) -> Iterator[Finding]:
    """Where images come from named registries only, a service with another image never starts, whoever named it."""
    for service in center.services.values():
        for name in service.pool.clusters:
            sources = center.registries_of(name)
            image = torch_image(service) if service.kind.needs.torch else service.inputs.get("image")
            if image and sources and not any(image.startswith(f"{source}/") for source in sources):
                message = (
                    f'service "{service.name}" runs image "{image}", and cluster "{name}" takes images from '
                    f"{_listed(sources)} only"
                )
                if image == service.inputs.get("image"):
                    yield Finding((*service.path, "inputs"), message)
                else:
                    hint = "its vendor publishes that image; say where your copy lies: inputs: {image: ...}"
                    yield Finding((*service.path, "pool"), message, hint)
