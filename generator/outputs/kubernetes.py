"""Kubernetes clusters: what exists once a cluster. Object counts follow pools and tenants, never nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from generator.artifact import Artifact, Json, Yaml
from generator.model import Center
from generator.outputs import devices, exporter_pod, policies, queues, roles, sandboxes, services, tenants
from generator.outputs.objects import metadata, node_label
from generator.spec.pools import Kubernetes


def artifacts(center: Center) -> Iterator[Artifact]:
    for name, cluster in center.clusters.items():
        if cluster.kind != "kubernetes":
            continue
        folder = f"clusters/{name}"
        files = [
            Artifact(
                f"{folder}/cluster.yaml",
                Yaml(tuple(_objects(center, name, cluster))),
                (f"clusters.{name}", "organizations", "pools", "halls", "assets", "metadata.name", "network.domain"),
            ),
            Artifact(
                f"{folder}/kueue.yaml",
                Yaml(tuple(queues.manager(center, name, cluster))),
                (f"clusters.{name}", "pools", "metadata.name"),
            ),
            *devices.artifacts_of(center, name),
            *exporter_pod.artifacts_of(center, name),
            *tenants.artifacts_of(center, name),
            *services.artifacts_of(center, name),
        ]
        yield from files
        yield Artifact(
            f"{folder}/nodes.json",
            Json(_node_labels(center, name)),
            ("pools", "halls", "fabrics", f"clusters.{name}", "metadata.name"),
        )
        if cluster.parts:
            parts = {part: named.model_dump() for part, named in cluster.parts.items()}
            yield Artifact(f"{folder}/parts.json", Json(parts), (f"clusters.{name}.parts",))
        entries = [file.path.removeprefix(f"{folder}/") for file in files if file.path.endswith(".yaml")]
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": entries,
        }
        causes = (f"clusters.{name}", "organizations", "services", "pools")
        yield Artifact(f"{folder}/kustomization.yaml", Yaml((kustomization,)), causes)


def _objects(center: Center, name: str, cluster: Kubernetes) -> Iterator[dict[str, Any]]:
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata(center, "center-system")}
    yield from roles.tenant_roles(center)
    yield from sandboxes.runtime_classes(center, name)
    yield from policies.policies(center, name)
    yield from queues.objects(center, name, cluster)


def _node_labels(center: Center, cluster: str) -> dict[str, dict[str, str]]:
    """Labels that apply sets on nodes; a kubelet may not change them."""
    return {
        node.name: {node_label("pool"): nodes.pool.name, node_label("rack"): node.rack}
        | ({node_label("vendor"): nodes.pool.vendor.name} if nodes.pool.vendor else {})
        | queues.leaf_label(center, nodes, node)
        for nodes in center.ranges()
        if cluster in nodes.pool.clusters
        for node in nodes.nodes()
    }
