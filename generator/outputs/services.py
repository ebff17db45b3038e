"""Services of tenants: the templates of each service's folder, filled with what the centre knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from generator.artifact import Artifact, Yaml, YamlTemplate
from generator.devices import device_class, runtime_class, torch_image
from generator.model import Center, ServiceUse
from generator.nodes import Pool
from generator.outputs.claims import CLAIMED, claim_template, claims_by, unclaimed
from generator.outputs.objects import CONTAINER_SECURITY, POD_SECURITY, labels
from generator.problems import dotted
from generator.services import all_templates


def artifacts_of(center: Center, cluster: str) -> Iterator[Artifact]:
    for service in center.services.values():
        if cluster not in service.pool.clusters:
            continue
        templates = list(all_templates(service.kind))
        owners = (dotted(service.path), dotted(service.pool.path), dotted(service.tenant.path))
        causes = (
            *owners,
            "metadata.name",
            "network.domain",
            f"clusters.{cluster}.sandbox",
            f"clusters.{cluster}.devices",
        )
        for index, template in enumerate(templates):
            suffix = "" if index == 0 else f"-{index + 1}"
            path = f"clusters/{cluster}/services/{service.name}{suffix}.yaml"
            yield Artifact(path, YamlTemplate(template, context(center, service, cluster)), causes)
        if claimed := device_class(center, service.pool, cluster):
            path = f"clusters/{cluster}/services/{service.name}-claims.yaml"
            owned = {**labels(center, service.tenant, service.environment), "center.internal/service": service.name}
            named = {"name": service.name, "namespace": service.namespace, "labels": owned}
            yield Artifact(path, Yaml((claim_template(named, claimed, _each(service)),)), causes)


def context(center: Center, service: ServiceUse, cluster: str) -> dict[str, Any]:
    """What the templates of a service may use; the names are part of the contract with service folders."""
    claimed = device_class(center, service.pool, cluster)

    def asked(resources: dict[str, str]) -> dict[str, str]:
        return unclaimed(center.beside_sandbox(service.tenant, cluster, resources), claimed)

    return {
        "name": service.name,
        "namespace": service.namespace,
        "labels": {**labels(center, service.tenant, service.environment), "center.internal/service": service.name},
        "pool": service.pool.name,
        "queue": service.pool.name,
        "priority_class": service.tenant.class_.name,
        "domain": center.spec.network.domain,
        "inputs": service.inputs,
        "whole_node": asked(service.pool.resources()),
        "part_of_node": asked(service.pool.resources(_each(service))),
        "claims": claims_by(service.name) if claimed else [],
        "claimed": CLAIMED if claimed else {},
        "pod_security": POD_SECURITY,
        "container_security": CONTAINER_SECURITY,
        "runtime_class": runtime_class(center, service.tenant, service.pool, cluster),
        "image": torch_image(service),
        "framework": _framework(service.pool),
        "merge": lambda first, second: {**first, **second},
    }


def _framework(pool: Pool) -> list[dict[str, str]]:
    """What a PyTorch program must be told of the accelerators of a pool, as far as somebody has published it."""
    known = pool.vendor.torch if pool.vendor else None
    if known is None:
        return []
    told = {
        "CENTER_TORCH_DEVICE": known.device.value,
        "CENTER_TORCH_MODULES": " ".join(known.modules.value or []),
        "CENTER_TORCH_COLLECTIVES": known.collectives.value,
    }
    return [{"name": name, "value": value} for name, value in told.items() if value]


def _each(service: ServiceUse) -> int:
    """Accelerators of one pod."""
    return service.inputs.get("accelerators") or service.pool.accelerators_per_node
