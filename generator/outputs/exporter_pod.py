"""The exporter of cooling devices as a pod, where Prometheus runs in a cluster and not on monitor nodes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from generator.artifact import Artifact, Yaml
from generator.model import Center
from generator.outputs import monitoring
from generator.outputs.objects import CONTAINER_SECURITY, POD_SECURITY, metadata, namespace

NAMESPACE = "center-monitoring"
NAME = "cooling-exporter"
LOGINS = "cooling-logins"
"""The Secret that an operator makes there: each login under the name that its reference says."""
_MARK = "center.internal/configuration"
_CAUSES = ("monitoring.exporter", *monitoring.READ, "metadata.name", "clusters")


def artifacts_of(center: Center, cluster: str) -> Iterator[Artifact]:
    """The objects of the exporter, in the cluster that has it."""
    words = center.spec.monitoring.exporter
    if words and words.cluster == cluster and any(center.devices()):
        yield Artifact(f"clusters/{cluster}/cooling.yaml", Yaml(tuple(_objects(center, cluster, words.image))), _CAUSES)


def _objects(center: Center, cluster: str, image: str) -> Iterator[dict[str, Any]]:
    yield namespace(center, cluster, NAMESPACE, "restricted")
    yield from _policies(center)
    configuration = json.dumps(monitoring.exporter(center), ensure_ascii=False, sort_keys=True)
    yield _inside(center, "v1", "ConfigMap", {"data": {"cooling.json": configuration}})
    service = {
        "selector": _selector(),
        "ports": [{"name": "metrics", "port": monitoring.EXPORTER_PORT, "protocol": "TCP"}],
    }
    yield _inside(center, "v1", "Service", {"spec": service})
    yield _inside(center, "apps/v1", "Deployment", {"spec": _deployment(image, configuration)})


def _inside(center: Center, version: str, kind: str, more: dict[str, Any], name: str = NAME) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {**metadata(center, name), "namespace": NAMESPACE}, **more}


def _selector() -> dict[str, str]:
    return {"app.kubernetes.io/name": NAME}


def _policies(center: Center) -> Iterator[dict[str, Any]]:
    """In: whoever reads metrics. Out: the networks of devices, and no names, for the exporter asks by address."""
    plans = center.spec.network.plans
    networks = [plan for plan in (plans.facility, plans.bmc) if plan] or ["0.0.0.0/0"]
    port = {"port": monitoring.EXPORTER_PORT, "protocol": "TCP"}
    specs: dict[str, dict[str, Any]] = {
        "default-deny": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
        "exporter": {
            "podSelector": {"matchLabels": _selector()},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"ports": [port]}],
            "egress": [{"to": [{"ipBlock": {"cidr": network}} for network in networks]}],
        },
    }
    for name, spec in specs.items():
        yield _inside(center, "networking.k8s.io/v1", "NetworkPolicy", {"spec": spec}, name)


def _deployment(image: str, configuration: str) -> dict[str, Any]:
    """One pod: two would ask every device twice."""
    # The exporter reads its configuration once: another one is another pod.
    mark = hashlib.sha256(configuration.encode()).hexdigest()[:16]
    probe = {"httpGet": {"path": "/metrics", "port": "metrics"}, "periodSeconds": 30, "timeoutSeconds": 10}
    container = {
        "name": NAME,
        "image": image,
        "args": ["--config", "/etc/cooling-exporter/cooling.json"],
        "ports": [{"name": "metrics", "containerPort": monitoring.EXPORTER_PORT, "protocol": "TCP"}],
        "envFrom": [{"secretRef": {"name": LOGINS, "optional": True}}],
        "volumeMounts": [{"name": "configuration", "mountPath": "/etc/cooling-exporter", "readOnly": True}],
        "resources": {"requests": {"cpu": "100m", "memory": "192Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {**CONTAINER_SECURITY, "readOnlyRootFilesystem": True},
        "livenessProbe": probe,
    }
    pod = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": POD_SECURITY,
        "containers": [container],
        "volumes": [{"name": "configuration", "configMap": {"name": NAME}}],
    }
    return {
        "replicas": 1,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": _selector()},
        "template": {"metadata": {"labels": _selector(), "annotations": {_MARK: mark}}, "spec": pod},
    }
