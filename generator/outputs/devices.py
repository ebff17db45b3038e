"""What offers accelerators to pods: a namespace that no tenant gets into, with the programs that stand on every node.

Each program has what the catalogue says that it needs, and nothing else: no account, no way out, the capabilities
dropped, the node's folders for reading. What is left beyond a tenant's pod is a row of the table of exceptions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from generator.artifact import Artifact, TextTemplate, Yaml
from generator.catalog.vendor_cluster import HostPath, NodeProgram
from generator.devices import Offer, offers
from generator.model import Center
from generator.outputs.exceptions import exceptions, programs
from generator.outputs.objects import CONTAINER_SECURITY, POD_SECURITY, labels, metadata, namespace, node_label

NAMESPACE = "center-devices"
_FIELDS = {"node": "spec.nodeName", "address": "status.hostIP"}
"""What a program may be told of its node, and where Kubernetes says it."""


def artifacts_of(center: Center, cluster: str) -> Iterator[Artifact]:
    """The objects of all vendors, and the table of what they may do."""
    ours = [offer for offer in offers(center, cluster) if offer.words]
    if not ours:
        return
    causes = (f"clusters.{cluster}", "pools", "metadata.name", "network.ports", "network.plans.nodes")
    yield Artifact(f"clusters/{cluster}/devices.yaml", Yaml(tuple(_objects(center, cluster, ours))), causes)
    parts = [offer for offer in ours if offer.words and offer.words.part]
    rows = list(exceptions(ours, NAMESPACE, center.spec.network.plans.nodes))
    context = {"cluster": cluster, "rows": rows, "programs": list(programs(ours)), "parts": parts}
    table = TextTemplate("clusters/exceptions.md", context, "markdown")
    yield Artifact(f"clusters/{cluster}/exceptions.md", table, causes)


def vendor_label(offer: Offer) -> dict[str, str]:
    """How the nodes of a vendor are found: a label that a kubelet may not give itself."""
    return {node_label("vendor"): offer.vendor.name}


def daemon_name(offer: Offer, kind: str) -> str:
    return f"{offer.vendor.name}-{kind}"


def _objects(center: Center, cluster: str, ours: list[Offer]) -> Iterator[dict[str, Any]]:
    # The only place where Pod Security lets privileged pods in; roles of tenants do not reach it.
    yield namespace(center, cluster, NAMESPACE, "privileged")
    yield from _policies(center, ours)
    for offer in ours:
        if offer.runtime:
            yield {
                "apiVersion": "node.k8s.io/v1",
                "kind": "RuntimeClass",
                "metadata": metadata(center, offer.runtime),
                "handler": offer.runtime,
                "scheduling": {"nodeSelector": vendor_label(offer)},
            }
        if offer.device_class and offer.known_claims:
            yield {
                "apiVersion": "resource.k8s.io/v1",
                "kind": "DeviceClass",
                "metadata": metadata(center, offer.device_class),
                "spec": {"selectors": [{"cel": {"expression": offer.known_claims.selector.value}}]},
            }
        for kind, program, image in offer.programs():
            yield _daemon(center, offer, kind, program, image)
    words = center.clusters[cluster]
    if words.kind == "kubernetes" and words.features:
        yield from filter(None, (_feature_rule(center, offer) for offer in ours))


def _policies(center: Center, ours: list[Offer]) -> Iterator[dict[str, Any]]:
    """Nothing in or out, but hosts that read metrics; programs talk to the kubelet by sockets."""
    programs = [(offer, *each) for offer in ours for each in offer.programs()]
    ports = sorted({_inside(offer, program) for offer, kind, program, _ in programs if kind == "exporter"})
    specs: dict[str, dict[str, Any]] = {"default-deny": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}}
    if ports:
        specs["allow-scrapes"] = {
            "podSelector": {"matchLabels": {"app.kubernetes.io/component": "exporter"}},
            "policyTypes": ["Ingress"],
            "ingress": [
                {
                    "from": [{"ipBlock": {"cidr": center.spec.network.plans.nodes}}],
                    "ports": [{"port": port, "protocol": "TCP"} for port in ports],
                }
            ],
        }
    for name, spec in specs.items():
        yield {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {**metadata(center, name), "namespace": NAMESPACE},
            "spec": spec,
        }


def _daemon(center: Center, offer: Offer, kind: str, program: NodeProgram, image: str) -> dict[str, Any]:
    name = daemon_name(offer, kind)
    own = {"app.kubernetes.io/name": name}
    batch = min(pool.batch for pool in offer.pools)
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {**labels(center), **own}},
        "spec": {
            "selector": {"matchLabels": own},
            # As far as any other change of these pools may spread at a time.
            "updateStrategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": f"{max(1, round(batch * 100))}%"},
            },
            "template": {
                "metadata": {"labels": {**own, "app.kubernetes.io/component": kind}},
                "spec": _pod(offer, kind, program, image),
            },
        },
    }


def _pod(offer: Offer, kind: str, program: NodeProgram, image: str) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "nodeSelector": vendor_label(offer),
        "securityContext": _pod_security(program),
        "containers": [_container(offer, kind, program, image)],
    }
    # Without the plugin no job starts on the node; without the exporter nobody sees what it does.
    if kind == "plugin":
        spec["priorityClassName"] = "system-node-critical"
    if program.runtime and offer.runtime:
        spec["runtimeClassName"] = offer.runtime
    for need, field in (("host-network", "hostNetwork"), ("host-pid", "hostPID"), ("host-ipc", "hostIPC")):
        if need in program.needs:
            spec[field] = True
    if program.paths:
        spec["volumes"] = [_volume(index, path) for index, path in enumerate(program.paths)]
    return spec


def _pod_security(program: NodeProgram) -> dict[str, Any]:
    if "root" not in program.needs:
        return {key: value for key, value in POD_SECURITY.items() if key != "fsGroup"}
    root = {"runAsNonRoot": False, "runAsUser": 0, "runAsGroup": 0}
    selinux = {"seLinuxOptions": {"type": program.selinux}} if program.selinux else {}
    return {**root, **selinux, "seccompProfile": POD_SECURITY["seccompProfile"]}


def _container(offer: Offer, kind: str, program: NodeProgram, image: str) -> dict[str, Any]:
    security: dict[str, Any] = {**CONTAINER_SECURITY, "capabilities": {"drop": ["ALL"]}}
    if program.capabilities:
        security["capabilities"]["add"] = sorted(program.capabilities)
    if "privileged" in program.needs:
        # The API server takes no container that is privileged and yet may not become so.
        security = {"privileged": True, "capabilities": {"drop": ["ALL"]}}
    if program.read_only:
        security["readOnlyRootFilesystem"] = True
    container: dict[str, Any] = {"name": kind, "image": image, "securityContext": security}
    if program.command:
        container["command"] = [_told(word, offer) for word in program.command]
    if program.arguments:
        container["args"] = [_told(word, offer) for word in program.arguments]
    if program.environment:
        container["env"] = [_variable(name, word, offer) for name, word in program.environment.items()]
    if program.paths:
        container["volumeMounts"] = [_mount(index, path) for index, path in enumerate(program.paths)]
    if kind == "exporter" and offer.port:
        inside = _inside(offer, program)
        container["ports"] = [{"name": "metrics", "containerPort": inside, "hostPort": offer.port, "protocol": "TCP"}]
    return container


def _inside(offer: Offer, program: NodeProgram) -> int:
    """Where the exporter listens in its own network: at the port that it is told, or the one it has by itself."""
    return (offer.port if program.is_told_the_port else offer.vendor.exporter_port.value) or 0


def _told(word: str, offer: Offer) -> str:
    """A word of a command with the port in its place."""
    return word.replace("{port}", str(offer.port))


def _variable(name: str, word: str, offer: Offer) -> dict[str, Any]:
    field = _FIELDS.get(word[1:-1]) if word.startswith("{") else None
    if field:
        return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": field}}}
    return {"name": name, "value": _told(word, offer)}


def _volume(index: int, path: HostPath) -> dict[str, Any]:
    kind = "DirectoryOrCreate" if path.made else ""
    return {"name": f"host-{index}", "hostPath": {"path": path.path, "type": kind}}


def _mount(index: int, path: HostPath) -> dict[str, Any]:
    return {"name": f"host-{index}", "mountPath": path.at or path.path, "readOnly": not path.writes}


def _feature_rule(center: Center, offer: Offer) -> dict[str, Any] | None:
    """How Node Feature Discovery finds the vendor's accelerators among all that the vendor makes."""
    feature = offer.feature
    if feature is None:
        return None
    # Device numbers are surer than classes, which other cards have as well.
    which = {"device": feature.devices} if feature.devices else {"class": feature.classes}
    wanted = {"vendor": [feature.vendor], **{key: sorted(values) for key, values in which.items()}}
    expressions = {key: {"op": "In", "value": values} for key, values in wanted.items()}
    name = f"center-{offer.vendor.name}"
    rule = {
        "name": name,
        "labels": {feature.label: "true"},
        "matchFeatures": [{"feature": "pci.device", "matchExpressions": expressions}],
    }
    return {
        "apiVersion": "nfd.k8s-sigs.io/v1alpha1",
        "kind": "NodeFeatureRule",
        "metadata": metadata(center, name),
        "spec": {"rules": [rule]},
    }
