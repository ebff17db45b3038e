"""Run the real Kueue beside an API server: its definitions, its manager and its webhooks, reached by address."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from control_plane.certificates import Certificate
from control_plane.processes import free_port

Manifest = dict[str, Any]

HOST = "127.0.0.1"
NAMESPACE = "kueue-system"
CONFIG = Path(__file__).with_name("kueue_config.yaml")
# Frameworks and what of the webhooks' rules is theirs; the webhooks of all other kinds would only refuse to answer.
WORKLOADS = {
    "batch/job": {"jobs"},
    "deployment": {"deployments"},
    "pod": {"pods"},
    "statefulset": {"statefulsets", "statefulsets/scale"},
}
PLAIN = {"integrations": {"frameworks": ["batch/job", "deployment", "pod"]}}
# The manager reads its metrics certificate from a fixed folder below /etc. It gets an /etc of its own in a
# private mount namespace, so that nothing of the machine is written.
PRIVATE_ETC = """
set -e
mount -t tmpfs tmpfs /etc
mkdir -p /etc/kueue/metrics/certs
cp "$1"/tls.crt "$1"/tls.key /etc/kueue/metrics/certs/
shift
exec "$@"
"""


class Kueue:
    """Where one Kueue manager listens, and how to start it."""

    def __init__(self, program: Path, workdir: Path, serving: Certificate, config: Mapping[str, Any]) -> None:
        """Prepare a manager in `workdir`; `config` is its configuration but for what is ours to say."""
        self._program = program
        self._workdir = workdir
        self._webhook_port = free_port()
        self._health_port = free_port()
        self.metrics_port = free_port()
        workdir.mkdir()
        (workdir / "tls.crt").symlink_to(serving.certificate)
        (workdir / "tls.key").symlink_to(serving.key)
        own = yaml.safe_load(CONFIG.read_text())
        addresses = {
            "health": {"healthProbeBindAddress": f"{HOST}:{self._health_port}"},
            "metrics": {**own["metrics"], "bindAddress": f"{HOST}:{self.metrics_port}"},
            "webhook": {"host": HOST, "port": self._webhook_port, "certDir": str(workdir)},
        }
        whole = {**PLAIN, **config, **own, **addresses}
        self._workloads = frozenset[str]().union(*(WORKLOADS[each] for each in whole["integrations"]["frameworks"]))
        (workdir / "config.yaml").write_text(yaml.safe_dump(whole))

    def command(self, kubeconfig: Path) -> list[str | Path]:
        """Return the command that runs the manager; `unshare` maps the user to root where it is not."""
        private = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--mount", "--map-root-user"]
        options = [f"--config={self._workdir / 'config.yaml'}", f"--kubeconfig={kubeconfig}"]
        # Its aggregated API would need certificates of its own.
        options.append("--feature-gates=VisibilityOnDemand=false")
        return [*private, "sh", "-c", PRIVATE_ETC, "sh", self._workdir, self._program, *options]

    @property
    def ready_url(self) -> str:
        return f"http://{HOST}:{self._health_port}/readyz"

    def webhooks(self, manifests: Path, authority: Path) -> Iterator[Manifest]:
        """Yield the published webhook configurations, pointed at this manager's address."""
        bundle = base64.b64encode(authority.read_bytes()).decode()
        for configuration in yaml.safe_load_all((manifests / "manifests.yaml").read_text()):
            configuration["webhooks"] = list(self._reachable(configuration["webhooks"], bundle))
            yield configuration

    def _reachable(self, webhooks: Iterable[Manifest], bundle: str) -> Iterator[Manifest]:
        address = f"https://{HOST}:{self._webhook_port}"
        for webhook in webhooks:
            path = webhook["clientConfig"]["service"]["path"]
            client = {"url": address + path, "caBundle": bundle}
            if all("kueue.x-k8s.io" in rule["apiGroups"] for rule in webhook["rules"]):
                yield {**webhook, "clientConfig": client}
            elif all(self._workloads.issuperset(rule["resources"]) for rule in webhook["rules"]):
                yield {**webhook, "clientConfig": client, "namespaceSelector": _outside_the_system()}


def _outside_the_system() -> Manifest:
    system = ["kube-system", NAMESPACE]
    return {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": system}]}


def job(queue: str) -> Manifest:
    """Return a smallest job for this queue that is not suspended."""
    containers = [{"name": "main", "image": "unused"}]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "probe", "labels": {"kueue.x-k8s.io/queue-name": queue}},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": containers}}},
    }
