"""A real Kubernetes control plane on loopback, with fake nodes (KWOK) and quota (Kueue), for one run."""

from __future__ import annotations

import contextlib
import json
import signal
import ssl
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import yaml

from control_plane import kueue
from control_plane.certificates import Authority, write_kubeconfig, write_token_keys
from control_plane.processes import Process, free_port, undisturbed, wait_until
from control_plane.runs import MARK
from control_plane.tools import Tools

Manifest = dict[str, Any]

POD_EXIT_STAGE = Path(__file__).with_name("kwok_pod_exit.yaml")
STAGES = (
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-delete.yaml",
)
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}
READY_SECONDS = 120.0
DRY_RUN = {"dryRun": "All"}
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class KubectlError(RuntimeError):
    """kubectl refused or was refused; the message is what it said."""


class ControlPlane:
    """etcd, API server, controller manager, scheduler and, unless switched off, KWOK and Kueue.

    Everything it starts and writes is below `workdir` and ends with the `with` block. `address` is where the API
    server listens (all else is on loopback); `kueue_config` overrides fields of the Kueue manager's configuration.
    """

    def __init__(
        self,
        tools: Tools,
        workdir: Path,
        *,
        kueue: bool = True,
        kwok: bool = True,
        address: str = "127.0.0.1",
        services: str = "10.0.0.0/16",
        kueue_config: Mapping[str, Any] | None = None,
    ) -> None:
        self._tools = tools
        self._workdir = workdir
        self._with_kueue = kueue
        self._with_kwok = kwok
        self._address = address
        self._services = services
        self._kueue_config = kueue_config or {}
        self._ending = contextlib.ExitStack()
        self.processes: dict[str, Process] = {}
        self.audit_log = workdir / "audit.log"

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        with undisturbed():
            # All are asked at once, since some take a second over it; then each is waited for.
            for process in self.processes.values():
                process.signal(signal.SIGTERM)
            self._ending.close()

    def _start(self) -> None:
        self._workdir.mkdir(parents=True, exist_ok=True)
        self.authority = Authority(self._workdir / "certificates")
        self.server = f"https://{self._address}:{free_port(self._address)}"
        self.kubeconfig = self.kubeconfig_for("admin", ["system:masters"])
        self.api = self._ending.enter_context(self._connect())
        self._start_api_server(self._start_etcd())
        self._start_controllers()
        if self._with_kueue:
            self._define_kueue()
        if self._with_kwok:
            self._start_kwok()
        if self._with_kueue:
            self._start_kueue()
        wait_until(partial(self._found, "/api/v1/namespaces/default/serviceaccounts/default"), 60, "controllers")

    def _run(self, name: str, argv: Sequence[str | Path]) -> Process:
        # Whatever a program falls back on, no other cluster is reached.
        own = {"KUBECONFIG": str(self.kubeconfig), MARK: str(self._workdir)}
        process = Process(argv, log=self._workdir / "logs" / f"{name}.log", name=name, env=own)
        self.processes[name] = self._ending.enter_context(process)
        return process

    def _connect(self) -> httpx.Client:
        admin = self.authority.user("admin", ["system:masters"])
        context = ssl.create_default_context(cafile=self.authority.certificate)
        context.load_cert_chain(admin.certificate, admin.key)
        return httpx.Client(base_url=self.server, verify=context, timeout=30, trust_env=False)

    def _found(self, path: str) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return self.api.get(path).is_success
        return False

    def _start_etcd(self) -> str:
        clients, peers = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        listen = ["--listen-client-urls", clients, "--advertise-client-urls", clients, "--listen-peer-urls", peers]
        data = [f"--data-dir={self._workdir / 'etcd'}", "--unsafe-no-fsync", "--log-level=warn"]
        etcd = self._run("etcd", [self._tools.etcd, *data, *listen])
        etcd.wait_ready(partial(_healthy, f"{clients}/health"))
        return clients

    def _start_api_server(self, etcd: str) -> None:
        serving = self.authority.server("apiserver", {self._address, "127.0.0.1", "localhost"})
        proxy = self.authority.user("front-proxy-client")
        self._tokens = write_token_keys(self._workdir / "certificates")
        policy = self._workdir / "audit-policy.json"
        policy.write_text(json.dumps(AUDIT_POLICY))
        options = {
            "etcd-servers": etcd,
            "bind-address": self._address,
            "secure-port": httpx.URL(self.server).port,
            # The address is loopback, which no Endpoints object may name.
            "endpoint-reconciler-type": "none",
            "tls-cert-file": serving.certificate,
            "tls-private-key-file": serving.key,
            "client-ca-file": self.authority.certificate,
            # By these it passes on who asks, to APIs that programs in the cluster serve.
            "requestheader-client-ca-file": self.authority.certificate,
            "requestheader-allowed-names": "front-proxy-client",
            "requestheader-username-headers": "X-Remote-User",
            "requestheader-group-headers": "X-Remote-Group",
            "requestheader-extra-headers-prefix": "X-Remote-Extra-",
            "proxy-client-cert-file": proxy.certificate,
            "proxy-client-key-file": proxy.key,
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": self._tokens.certificate,
            "service-account-signing-key-file": self._tokens.key,
            "service-cluster-ip-range": self._services,
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
            "allow-privileged": "true",
            "profiling": "false",
            "audit-policy-file": policy,
            "audit-log-path": self.audit_log,
        }
        server = self._run("kube-apiserver", [self._tools.kube_apiserver, *_flags(options)])
        server.wait_ready(partial(self._found, "/readyz"), READY_SECONDS)

    def _start_controllers(self) -> None:
        common = {"leader-elect": "false", "secure-port": "0", "kube-api-qps": "500", "kube-api-burst": "1000"}
        name = "kube-controller-manager"
        options = {
            "kubeconfig": self.kubeconfig_for(f"system:{name}"),
            "service-account-private-key-file": self._tokens.key,
            "root-ca-file": self.authority.certificate,
            "use-service-account-credentials": "true",
            "controllers": "*,-nodeipam",
        }
        self._run(name, [self._tools.kube_controller_manager, *_flags({**common, **options})])
        name = "kube-scheduler"
        options = {"kubeconfig": self.kubeconfig_for(f"system:{name}")}
        self._run(name, [self._tools.kube_scheduler, *_flags({**common, **options})])

    def _start_kwok(self) -> None:
        address = f"127.0.0.1:{free_port()}"
        stages = [*(self._tools.kwok_stages / stage for stage in STAGES), POD_EXIT_STAGE]
        options = {
            "kubeconfig": self.kubeconfig_for("kwok", ["system:masters"]),
            "manage-all-nodes": "true",
            "cidr": "10.244.0.0/16",
            "node-ip": "10.255.0.1",
            "node-lease-duration-seconds": "40",
            "server-address": address,
        }
        configs = [f"--config={stage}" for stage in stages]
        kwok = self._run("kwok", [self._tools.kwok, *_flags(options), *configs])
        kwok.wait_ready(partial(_healthy, f"http://{address}/healthz"))

    def _define_kueue(self) -> None:
        self._create("/api/v1/namespaces", {"metadata": {"name": kueue.NAMESPACE}})
        # The manager ends when it finds a kind of its own missing.
        self.define(self._tools.kueue_crds)

    def define(self, folder: Path) -> None:
        """Create the custom resource definitions in a folder of manifests, and wait until their kinds are served."""
        definitions = list(_definitions(folder))
        with ThreadPoolExecutor() as pool:
            list(pool.map(partial(self._create, DEFINITIONS), definitions))
        kinds: dict[str, set[str]] = {}
        for spec in (each["spec"] for each in definitions):
            for version in (each["name"] for each in spec["versions"] if each["served"]):
                kinds.setdefault(f"{spec['group']}/{version}", set()).add(spec["names"]["kind"])
        missing = f"the kinds that {folder} defines"
        wait_until(lambda: all(self._serves(*each) for each in kinds.items()), READY_SECONDS, missing)

    def _serves(self, version: str, kinds: set[str]) -> bool:
        answer = self.api.get(f"/apis/{version}")
        return answer.is_success and kinds <= {each["kind"] for each in answer.json()["resources"]}

    def _start_kueue(self) -> None:
        serving = self.authority.server("kueue", [kueue.HOST])
        manager = kueue.Kueue(self._tools.kueue, self._workdir / "kueue", serving, self._kueue_config)
        command = manager.command(self.kubeconfig_for("kueue", ["system:masters"]))
        self._run("kueue", command).wait_ready(partial(_healthy, manager.ready_url), READY_SECONDS)
        for webhook in manager.webhooks(self._tools.kueue_webhooks, self.authority.certificate):
            kind = webhook["kind"].lower()
            self._create(f"/apis/admissionregistration.k8s.io/v1/{kind}s", webhook)
        wait_until(self._kueue_is_asked, READY_SECONDS, "webhooks of Kueue")

    def _kueue_is_asked(self) -> bool:
        """Say whether the API server calls both kinds of webhook: one suspends a job, one refuses its queue."""
        jobs = "/apis/batch/v1/namespaces/default/jobs"
        suspended = self.api.post(jobs, params=DRY_RUN, json=kueue.job("queue"))
        refused = self.api.post(jobs, params=DRY_RUN, json=kueue.job("Not_A_Queue"))
        return bool(suspended.is_success and suspended.json()["spec"]["suspend"]) and refused.is_client_error

    def _create(self, path: str, manifest: Manifest) -> None:
        answer = self.api.post(path, json=manifest)
        if not answer.is_success:
            raise RuntimeError(f"{path}: {answer.text}")

    def kubeconfig_for(self, user: str, groups: Iterable[str] = ()) -> Path:
        """Write the kubeconfig of a user with these groups, who proves both with a client certificate."""
        certificate = self.authority.user(user, groups)
        path = self._workdir / "kubeconfigs" / certificate.certificate.stem
        return write_kubeconfig(path, self.server, self.authority.certificate, user, certificate)

    def kubectl(self, *args: str | Path, kubeconfig: Path | None = None, stdin: str | None = None) -> str:
        """Run the real kubectl, as the administrator unless another kubeconfig is given; return what it printed."""
        command = [self._tools.kubectl, f"--kubeconfig={kubeconfig or self.kubeconfig}", *args]
        environment = {"KUBECACHEDIR": str(self._workdir / "kubectl-cache"), "PATH": "/usr/bin:/bin"}
        outcome = subprocess.run(
            command, input=stdin, capture_output=True, text=True, check=False, timeout=300, env=environment
        )
        if outcome.returncode:
            raise KubectlError(outcome.stderr.strip())
        return outcome.stdout

    def apply(self, *manifests: Manifest, kubeconfig: Path | None = None) -> str:
        """Apply manifests with kubectl, server-side."""
        together = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
        return self.kubectl("apply", "--server-side", "-f-", kubeconfig=kubeconfig, stdin=together)

    def read(self, *args: str, kubeconfig: Path | None = None) -> Any:
        """Return what `kubectl get` finds, parsed."""
        return json.loads(self.kubectl("get", *args, "-o", "json", kubeconfig=kubeconfig))

    def add_nodes(self, nodes: Sequence[Manifest], deadline: float = READY_SECONDS) -> None:
        """Create Node objects (with capacity and allocatable in their status) and wait until pods may go there."""
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(partial(self._create, "/api/v1/nodes"), nodes))
        for node in nodes:
            name = node["metadata"]["name"]
            wait_until(partial(self._accepts_pods, name), deadline, f"node {name}")

    def publish(self, slices: Sequence[Manifest]) -> None:
        """Create ResourceSlices: the devices of nodes, as a driver of dynamic resource allocation publishes them."""
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(partial(self._create, "/apis/resource.k8s.io/v1/resourceslices"), slices))

    def _accepts_pods(self, node: str) -> bool:
        found = self.api.get(f"/api/v1/nodes/{node}").json()
        conditions = {each["type"]: each["status"] for each in found["status"].get("conditions", [])}
        taints = {taint["key"] for taint in found["spec"].get("taints", [])}
        return conditions.get("Ready") == "True" and "node.kubernetes.io/not-ready" not in taints

    def finish_pods(self, namespace: str, selector: str, exit_code: int = 0) -> None:
        """Let the running pods of this label selector exit with this code."""
        exit_now = f"rig.center.internal/exit={exit_code}"
        self.kubectl("annotate", "pods", "-n", namespace, "-l", selector, exit_now, "--overwrite")

    def audit_events(self) -> list[Manifest]:
        """Return what the API server recorded of each request so far, without bodies."""
        lines = self.audit_log.read_text().split("\n")
        return [json.loads(line) for line in lines[:-1]]

    def ended(self) -> list[str]:
        """The programs that have ended by themselves, with the last thing that each has said."""
        gone = [process for process in self.processes.values() if not process.running()]
        return [f"{process.name} has ended: {process.tail(1)}" for process in gone]

    def resident_bytes(self) -> dict[str, int]:
        """Return the resident memory of each process."""
        return {name: process.resident_bytes() for name, process in self.processes.items()}


def _healthy(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(url, trust_env=False).is_success
    return False


def _definitions(folder: Path) -> Iterator[Manifest]:
    """Everything in a folder of manifests that defines a kind."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for path in sorted(folder.glob("*.yaml")):
        found = yaml.load_all(path.read_text(), Loader=loader)
        yield from (each for each in found if each and each["kind"] == "CustomResourceDefinition")


def _flags(options: Mapping[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in options.items()]
