"""Services: a place where they can run, and a queue that lets them."""

from __future__ import annotations

from collections.abc import Iterator

from generator.devices import torch_image
from generator.model import Center
from generator.rules import Finding, rule


@rule("service.no-cluster")
def services_have_a_cluster(center: Center) -> Iterator[Finding]:
    """A service is objects of Kubernetes; a pool in no such cluster has nowhere to put them."""
    for service in center.services.values():
        if service.kind.needs.cluster not in {center.clusters[name].kind for name in service.pool.clusters}:
            others = " and ".join(f'"{name}"' for name in service.pool.clusters)
            where = f"is in Slurm cluster {others}" if others else "is in none"
            message = f'service "{service.name}" needs a Kubernetes cluster, pool "{service.pool.name}" {where}'
            yield Finding((*service.path, "pool"), message)


@rule("service.no-accelerator")
def services_have_the_devices_that_they_need(center: Center) -> Iterator[Finding]:
    """A service that computes on accelerators waits forever on a pool without any."""
    for service in center.services.values():
        if service.kind.needs.accelerator and service.pool.accelerators_per_node == 0:
            message = f'service "{service.name}" needs accelerators, pool "{service.pool.name}" has none'
            yield Finding((*service.path, "pool"), message)


@rule("service.no-framework")
def programs_know_their_accelerators(center: Center) -> Iterator[Finding]:
    """A PyTorch program is told by the catalogue what its accelerators are called, and needs an image for them."""
    for service in center.services.values():
        vendor = service.pool.vendor
        if vendor is None or not service.kind.needs.torch:
            continue
        known = vendor.torch
        nodes, each = service.inputs.get("nodes") or 1, service.inputs.get("accelerators") or 1
        unknown = []
        if known is None or known.device.value is None or known.modules.value is None:
            unknown.append("what PyTorch calls them")
        if nodes * each > 1 and (known is None or known.collectives.value is None):
            unknown.append("how they add up their results")
        if torch_image(service) is None:
            unknown.append("an image with PyTorch for them")
        if unknown:
            message = (
                f'service "{service.name}" runs on accelerators of vendor "{vendor.name}", and nobody has published '
                f"{' and '.join(unknown)}"
            )
            hint = f"say it under torch in catalog/vendors/{vendor.name}.yaml beside the spec"
            yield Finding((*service.path, "pool"), message, hint)


@rule("service.too-large")
def services_fit_into_the_quota(center: Center) -> Iterator[Finding]:
    """What a service needs at its largest fits into one node where it must, and into what its tenant may have."""
    for service in center.services.values():
        pool, inputs = service.pool, service.inputs
        per_node = pool.accelerators_per_node
        shares = [share for share in (*service.tenant.quota, *service.tenant.borrow) if share.pool is pool]
        if per_node == 0 or not shares:
            continue
        each = inputs.get("accelerators") or per_node
        if each > per_node:
            message = (
                f'one replica of service "{service.name}" needs {each} accelerators, a node of the pool has {per_node}'
            )
            yield Finding((*service.path, "inputs"), message)
        count = inputs["replicas"].most if inputs.get("replicas") else inputs.get("nodes") or 1
        allowed = sum(share.accelerators for share in shares)
        if each <= per_node and each * count > allowed:
            message = (
                f'service "{service.name}" may need {each * count} accelerators of pool "{pool.name}", '
                f'tenant "{service.tenant.name}" may have {allowed}'
            )
            yield Finding((*service.path, "inputs"), message, "it would wait for ever; lower it or raise the quota")


@rule("service.no-quota")
def services_have_a_queue(center: Center) -> Iterator[Finding]:
    """A tenant's work passes through its queue on a pool, and it has one only where it has quota."""
    for service in center.services.values():
        if not any(share.pool is service.pool for share in service.tenant.quota):
            message = f'tenant "{service.tenant.name}" has no quota of pool "{service.pool.name}"'
            yield Finding((*service.path, "pool"), message, "give the tenant a share of the pool, or use another pool")
