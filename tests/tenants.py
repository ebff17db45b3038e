"""A control plane with the rendered duo in it, and people of its tenants who ask it for things."""

from __future__ import annotations

import contextlib
import ssl
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from control_plane.cluster import ControlPlane
from control_plane.processes import wait_until
from control_plane.tools import Tools
from tests.rig.kinds import plural

Body = dict[str, Any]

ROOT = Path(__file__).parent.parent
NAMESPACE, OTHER, SANDBOXED = "vision-lab--main", "course-ai-101--main", "rain-nowcast--main"
MEMBER, ADMIN, STRANGER = "oidc:vision", "oidc:vision-pi", "oidc:rain"
QUEUE = "kueue.x-k8s.io/queue-name"
# What others lean on is there before them.
RANKS = {"Namespace": 0, "ClusterRole": 0, "RuntimeClass": 0, "ResourceQuota": 1}


@dataclass(frozen=True)
class Answer:
    """What the API server said."""

    status: int
    message: str
    body: Body = field(repr=False, hash=False, compare=False)

    @property
    def is_yes(self) -> bool:
        return 200 <= self.status < 300


@dataclass
class Person:
    """Somebody of a group, with a client certificate that says so."""

    client: httpx.Client
    namespace: str = NAMESPACE

    def ask(self, verb: str, path: str, body: Any = None, *, dry: bool = True, **headers: str) -> Answer:
        """Ask for something without doing it, unless it is not `dry`."""
        params = {"dryRun": "All"} if dry and verb != "GET" else {}
        answer = self.client.request(verb, path, json=body, params=params, headers=headers)
        with contextlib.suppress(ValueError):
            told = answer.json()
            return Answer(answer.status_code, str(told.get("message", "")), told)
        return Answer(answer.status_code, answer.text, {})

    def create(self, body: Body, namespace: str = "", *, dry: bool = True) -> Answer:
        return self.ask("POST", path_of(body, namespace or self.namespace, named=False), body, dry=dry)

    def patch(self, body: Body, change: Any, namespace: str = "", *, dry: bool = True) -> Answer:
        path = path_of(body, namespace or self.namespace)
        kind = "json-patch" if isinstance(change, list) else "merge-patch"
        return self.ask("PATCH", path, change, dry=dry, **{"Content-Type": f"application/{kind}+json"})

    def delete(self, body: Body, namespace: str = "") -> Answer:
        return self.ask("DELETE", path_of(body, namespace or self.namespace))


@dataclass
class Tenancy:
    """The cluster that was handed to strangers."""

    plane: ControlPlane
    rendered: list[Body]
    people: dict[str, Person] = field(default_factory=dict)

    def person(self, group: str, namespace: str = NAMESPACE) -> Person:
        if group not in self.people:
            files = self.plane.authority.user(f"somebody-of-{group.partition(':')[2]}", [group])
            context = ssl.create_default_context(cafile=self.plane.authority.certificate)
            context.load_cert_chain(files.certificate, files.key)
            client = httpx.Client(base_url=self.plane.server, verify=context, timeout=30)
            self.people[group] = Person(client, namespace)
        return self.people[group]

    @property
    def operator(self) -> Person:
        return Person(self.plane.api)

    def of(self, kind: str, namespace: str = "") -> list[Body]:
        """What was rendered of a kind."""
        return [
            body
            for body in self.rendered
            if body["kind"] == kind and body["metadata"].get("namespace", "") in (namespace, "")
        ]

    def may(self, group: str, verb: str, resource: str, namespace: str = "", name: str = "") -> bool:
        """What the API server decides for somebody of a group; the resource is ``plural/below.group``."""
        plural, _, api = resource.partition(".")
        plural, _, below = plural.partition("/")
        attributes = {"verb": verb, "resource": plural, "subresource": below, "group": api, "name": name}
        spec = {
            "user": "somebody",
            "groups": [group, "system:authenticated"],
            "resourceAttributes": {**attributes, "namespace": namespace},
        }
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return bool(self.plane.api.post(path, json={"spec": spec}).json()["status"]["allowed"])

    def resources(self, *, namespaced: bool) -> list[str]:
        """Every resource that the API server has, as ``plural.group``."""
        groups = [""] + [each["name"] for each in self.plane.api.get("/apis").json()["groups"]]
        found = set()
        for group in groups:
            versions = ["v1"]
            if group:
                versions = [each["version"] for each in self.plane.api.get(f"/apis/{group}").json()["versions"]]
            for version in versions:
                base = f"/apis/{group}/{version}" if group else f"/api/{version}"
                for each in self.plane.api.get(base).json()["resources"]:
                    if "/" not in each["name"] and each["namespaced"] == namespaced:
                        found.add(f"{each['name']}.{group}" if group else each["name"])
        return sorted(found)


def rendered_duo(folder: Path) -> list[Body]:
    """Duo with a tenant in a sandbox and images of its own registry, as the product renders it."""
    text = (ROOT / "inventories/duo/center.yaml").read_text("utf-8")
    edits = {
        "cni: calico, ": "cni: calico, sandbox: gvisor, images: [registry.example], ",
        "class: incubation\n": "class: incubation\n        isolation: sandbox\n",
    }
    for old, new in edits.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    (folder / "center.yaml").write_text(text, "utf-8")
    (folder / "ssh_ca.pub").write_bytes((ROOT / "inventories/duo/ssh_ca.pub").read_bytes())
    command = [sys.executable, "-m", "generator", "render", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    files = sorted((folder / "generated/clusters/cloud").rglob("*.yaml"))
    bodies = [
        body for file in files if file.name != "kustomization.yaml" for body in yaml.safe_load_all(file.read_text())
    ]
    return [body for body in bodies if body]


@contextlib.contextmanager
def handed_out(plane: ControlPlane, tools: Tools, folder: Path) -> Iterator[Tenancy]:
    """The cluster with everything rendered in it, and policies at work."""
    found = Tenancy(plane, rendered_duo(folder))
    operator = found.operator
    plane.kubectl("apply", "--server-side", f"--filename={tools.gateway_crds}")
    ranks: dict[int, list[Body]] = {}
    for body in found.rendered:
        ranks.setdefault(RANKS.get(body["kind"], 2), []).append(body)
    for rank in (0, 1):
        put(operator, ranks[rank])
    wait_until(lambda: all(map(is_counted, operator.ask("GET", "/api/v1/resourcequotas").body["items"])), 30, "quotas")
    put(operator, ranks[2])
    put(operator, sentinel())
    # What was made last is at work last: then all policies are.
    refused = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "sentinel"}}
    wait_until(lambda: "sentinel" in operator.create(refused).message, 30, "policies")
    yield found
    for person in found.people.values():
        person.client.close()


def put(operator: Person, bodies: Iterable[Body]) -> None:
    """Apply as the operator does, server-side."""

    def apply(body: Body) -> str:
        path = path_of(body, body["metadata"].get("namespace", ""))
        media = {"Content-Type": "application/apply-patch+yaml"}
        answer = operator.client.patch(path, json=body, params={"fieldManager": "test"}, headers=media)
        return "" if answer.is_success else f"{path}: {answer.text}"

    with ThreadPoolExecutor(8) as pool:
        assert [problem for problem in pool.map(apply, bodies) if problem] == []


def is_counted(quota: Body) -> bool:
    """Whether the controller knows what is used of a quota."""
    hard, used = (quota.get("status", {}).get(part, {}) for part in ("hard", "used"))
    return bool(hard) and set(hard) <= set(used)


def sentinel() -> Iterator[Body]:
    api = "admissionregistration.k8s.io/v1"
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}]
    holds = {"expression": "object.metadata.name != 'sentinel'", "message": "sentinel"}
    spec = {"matchConstraints": {"resourceRules": rules}, "validations": [holds]}
    kind, name = "ValidatingAdmissionPolicy", {"name": "sentinel"}
    yield {"apiVersion": api, "kind": kind, "metadata": name, "spec": spec}
    bound = {"policyName": "sentinel", "validationActions": ["Deny"]}
    yield {"apiVersion": api, "kind": f"{kind}Binding", "metadata": name, "spec": bound}


def path_of(body: Body, namespace: str, *, named: bool = True) -> str:
    version = body["apiVersion"]
    base = f"/apis/{version}" if "/" in version else f"/api/{version}"
    cluster_wide = body["kind"] in CLUSTER_WIDE
    place = "" if cluster_wide else f"/namespaces/{namespace}"
    return f"{base}{place}/{plural(body['kind'])}" + (f"/{body['metadata']['name']}" if named else "")


CLUSTER_WIDE = {
    "Namespace", "ClusterRole", "ClusterRoleBinding", "RuntimeClass", "CustomResourceDefinition", "PersistentVolume",
    "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ResourceFlavor", "Cohort", "ClusterQueue",
    "WorkloadPriorityClass", "Topology", "Node", "CertificateSigningRequest", "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration", "PriorityClass",
}  # fmt: skip


def merged(first: Any, second: Any) -> Any:
    """The first with the changes of the second; None takes a key away."""
    if not (isinstance(first, dict) and isinstance(second, dict)):
        return second
    result = {**first, **{key: merged(first.get(key), value) for key, value in second.items()}}
    return {key: value for key, value in result.items() if value is not None}


def pod(container: Body | None = None, /, labels: Body | None = None, **spec: Any) -> Body:
    """A pod that a tenant may make, with changes."""
    secure = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    main = {
        "name": "main",
        "image": "registry.example/team/main:1",
        "imagePullPolicy": "Always",
        "resources": {part: {"cpu": "1", "memory": "1Gi"} for part in ("requests", "limits")},
        "securityContext": secure,
    }
    usual = {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "restartPolicy": "Never",
        "containers": [merged(main, container or {})],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "mine", "labels": merged({QUEUE: "train-h"}, labels or {})},
        "spec": merged(usual, spec),
    }


def job(container: Body | None = None, /, labels: Body | None = None, **spec: Any) -> Body:
    """The same pod as a job."""
    inside = pod(container)["spec"]
    meta = {"name": "mine", "labels": merged({QUEUE: "train-h"}, labels or {})}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": meta,
        "spec": merged({"template": {"spec": inside}}, spec),
    }


def deployment(container: Body | None = None, /, labels: Body | None = None, kind: str = "Deployment") -> Body:
    """The same pod as a deployment."""
    made = deepcopy(job(container, labels))
    own = {"app": "mine"}
    made |= {"apiVersion": "apps/v1", "kind": kind}
    made["spec"] |= {"selector": {"matchLabels": own}}
    made["spec"]["template"]["metadata"] = {"labels": own}
    made["spec"]["template"]["spec"].pop("restartPolicy")
    return made


def body(version: str, kind: str, name: str = "mine", **rest: Any) -> Body:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **rest}


def service(**spec: Any) -> Body:
    return body("v1", "Service", spec={"selector": {"app": "mine"}, "ports": [{"port": 80}], **spec})


def claim(**spec: Any) -> Body:
    usual = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "fast",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    return body("v1", "PersistentVolumeClaim", spec=merged(usual, spec))


def network(**spec: Any) -> Body:
    return body("networking.k8s.io/v1", "NetworkPolicy", spec={"podSelector": {}, **spec})


def role(*rules: tuple[str, str, str]) -> Body:
    named = [{"apiGroups": [group], "resources": [what], "verbs": [verb]} for group, what, verb in rules]
    return body("rbac.authorization.k8s.io/v1", "Role", rules=named)


def binding(role: str, *subjects: Body, kind: str = "ClusterRole") -> Body:
    group = "rbac.authorization.k8s.io"
    reference = {"apiGroup": group, "kind": kind, "name": role}
    return body(f"{group}/v1", "RoleBinding", roleRef=reference, subjects=list(subjects))


def group(name: str) -> Body:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": name}
