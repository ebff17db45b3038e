"""A cluster handed to strangers: what tenants of the rendered duo try against each other and against the centre.

The names are those of the multi-tenancy benchmarks (kubernetes-retired/multi-tenancy, 18 checks) where there is one.
Whatever is refused is tried beside something of the same kind that is allowed, so that nothing passes by refusing all.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from control_plane.cluster import ControlPlane
from control_plane.processes import wait_until
from control_plane.tools import build_tools
from tests.tenants import (
    ADMIN,
    MEMBER,
    NAMESPACE,
    OTHER,
    QUEUE,
    SANDBOXED,
    STRANGER,
    Body,
    Tenancy,
    binding,
    body,
    claim,
    deployment,
    group,
    handed_out,
    job,
    merged,
    network,
    path_of,
    pod,
    role,
    service,
)

pytestmark = pytest.mark.cluster

VERBS = ("create", "get", "list", "watch", "update", "patch", "delete", "deletecollection")
# Everybody may ask about himself.
ONESELF = {f"selfsubject{what}" for what in ("accessreviews", "rulesreviews", "reviews")}
PEOPLE = (MEMBER, ADMIN)


@pytest.fixture(scope="module")
def tenancy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenancy]:
    folder = tmp_path_factory.mktemp("tenancy")
    tools = build_tools()
    with ControlPlane(tools, folder / "plane", kwok=False) as plane, handed_out(plane, tools, folder) as found:
        yield found


def allowed(
    tenancy: Tenancy, namespace: str, groups: tuple[str, ...], *, namespaced: bool
) -> set[tuple[str, str, str]]:
    """Who may do what with which resource, asked one by one."""
    resources = tenancy.resources(namespaced=namespaced)
    assert len(resources) > 25
    asked = [(group, verb, resource) for group in groups for verb in VERBS for resource in resources]
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda each: tenancy.may(each[0], each[1], each[2], namespace), asked)
        return {each for each, answer in zip(asked, answers, strict=True) if answer}


# What members may do, so that the refusals below mean something


@pytest.mark.parametrize("made", [pod(), job(), deployment(), deployment(kind="StatefulSet"), service(), claim()])
def test_members_do_their_work(tenancy: Tenancy, made: Body) -> None:
    answer = tenancy.person(MEMBER).create(made)
    assert answer.is_yes, answer.message


def test_the_checks_of_types_have_nothing_to_say_about_the_policies(tenancy: Tenancy) -> None:
    path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"

    def states() -> list[Body]:
        return [each.get("status", {}) for each in tenancy.plane.api.get(path).json()["items"]]

    wait_until(lambda: all("typeChecking" in state for state in states()), 30, "checks of types")
    assert len(states()) > 12
    assert [state for state in states() if state["typeChecking"]] == []


# The 18 checks of the benchmarks


def test_mtb_pl1_cc_cpi_1_cluster_resources(tenancy: Tenancy) -> None:
    found = allowed(tenancy, "", PEOPLE, namespaced=False)
    assert {each for each in found if each[2].partition(".")[0] not in ONESELF} == set()


@pytest.mark.parametrize("kind", ["ResourceQuota", "LimitRange", "NetworkPolicy", "RoleBinding", "LocalQueue"])
def test_mtb_pl1_bc_cpi_2_what_the_centre_has_made(tenancy: Tenancy, kind: str) -> None:
    made = tenancy.of(kind, NAMESPACE)
    assert made
    for each in made:
        for who in PEOPLE:
            person = tenancy.person(who)
            for answer in (person.patch(each, {"metadata": {"annotations": {"mine": "yes"}}}), person.delete(each)):
                assert answer.status in (403, 422), answer


def test_mtb_pl1_bc_cpi_2_objects_that_tenants_may_otherwise_edit(tenancy: Tenancy) -> None:
    admin, said = tenancy.person(ADMIN), "what the centre has made is changed in its spec only"
    # Those that open something are refused to tenants for that as well, and either policy may be the first to say so.
    closed = [each for each in tenancy.of("NetworkPolicy", NAMESPACE) if each["metadata"]["name"] == "default-deny"]
    for each in [*closed, *tenancy.of("RoleBinding", NAMESPACE)]:
        assert said in admin.patch(each, {"metadata": {"annotations": {"mine": "yes"}}}).message
        assert said in admin.patch(each, {"metadata": {"labels": None}}).message
        assert said in admin.delete(each).message
    # Not all of them at once either.
    assert admin.ask("DELETE", path_of(network(), NAMESPACE, named=False)).status == 403
    for labels in ({"center.internal/tenant": "course-ai-101"}, {"app.kubernetes.io/managed-by": "center"}):
        answer = tenancy.person(MEMBER).create(pod(labels=labels))
        assert "are set by the centre only" in answer.message
    inside = merged(deployment(), {"spec": {"template": {"metadata": {"labels": {"center.internal/tenant": "x"}}}}})
    assert "are set by the centre only" in tenancy.person(MEMBER).create(inside).message
    assert tenancy.operator.patch(
        tenancy.of("ResourceQuota", NAMESPACE)[0], {"metadata": {"labels": {"a": "b"}}}
    ).is_yes


CONTEXT = "securityContext"
BAD_PODS: dict[str, list[tuple[Body, str]]] = {
    "MTB-PL1-BC-CPI-3 capabilities": [
        (pod({CONTEXT: {"capabilities": {"add": ["SYS_ADMIN"]}}}), "unrestricted capabilities"),
        (pod({CONTEXT: {"capabilities": None}}), "unrestricted capabilities"),
    ],
    "MTB-PL1-BC-CPI-4 not root": [
        (pod(securityContext={"runAsNonRoot": None}), "runAsNonRoot != true"),
        (pod(securityContext={"runAsUser": 0}), "runAsUser=0"),
    ],
    "MTB-PL1-BC-CPI-5 privileged": [
        (pod({CONTEXT: {"privileged": True, "allowPrivilegeEscalation": True}}), "privileged"),
    ],
    "MTB-PL1-BC-CPI-6 escalation": [
        (pod({CONTEXT: {"allowPrivilegeEscalation": True}}), "allowPrivilegeEscalation != false"),
        (pod({CONTEXT: {"allowPrivilegeEscalation": None}}), "allowPrivilegeEscalation != false"),
    ],
    "MTB-PL1-BC-HI-1 host paths": [
        (pod(volumes=[{"name": "host", "hostPath": {"path": "/"}}]), "restricted volume type"),
    ],
    "MTB-PL1-BC-HI-3 host network and ports": [
        (pod(hostNetwork=True), "host namespaces"),
        (pod({"ports": [{"containerPort": 80, "hostPort": 80}]}), "hostPort"),
    ],
    "MTB-PL1-BC-HI-4 host processes": [(pod(hostPID=True), "host namespaces")],
    "MTB-PL1-BC-HI-5 host memory": [(pod(hostIPC=True), "host namespaces")],
    "MTB-PL1-CC-DI-1 pull policy": [
        (pod({"imagePullPolicy": "IfNotPresent"}), "imagePullPolicy Always"),
        (pod({"imagePullPolicy": "Never"}), "imagePullPolicy Always"),
        (
            pod(initContainers=[{**pod()["spec"]["containers"][0], "name": "first", "imagePullPolicy": "Never"}]),
            "Always",
        ),
        (job({"imagePullPolicy": None}), "imagePullPolicy Always"),
    ],
}


@pytest.mark.parametrize("check", BAD_PODS)
def test_pods_that_the_benchmarks_refuse(tenancy: Tenancy, check: str) -> None:
    for bad, said in BAD_PODS[check]:
        for who in PEOPLE:
            answer = tenancy.person(who).create(bad)
            assert answer.status in (403, 422) and said in answer.message, answer


def test_a_digest_is_as_good_as_pulling(tenancy: Tenancy) -> None:
    image = f"registry.example/team/main@sha256:{'0' * 64}"
    assert tenancy.person(MEMBER).create(pod({"image": image, "imagePullPolicy": "IfNotPresent"})).is_yes


def test_mtb_pl1_bc_hi_1_ports_of_nodes(tenancy: Tenancy) -> None:
    member = tenancy.person(MEMBER)
    for bad in (
        service(type="NodePort"),
        service(type="LoadBalancer"),
        service(type="ExternalName", externalName="x.y"),
    ):
        assert "of type ClusterIP" in member.create(bad).message
    assert "no external addresses" in member.create(service(externalIPs=["10.16.1.1"])).message


def test_mtb_pl1_cc_ti_1_quotas(tenancy: Tenancy) -> None:
    verbs = ("create", "update", "patch", "delete", "deletecollection")
    assert not [(who, verb) for who in PEOPLE for verb in verbs if tenancy.may(who, verb, "resourcequotas", NAMESPACE)]
    assert all(tenancy.may(who, "get", "resourcequotas", NAMESPACE) for who in PEOPLE)


def test_mtb_pl1_cc_ti_2_namespaces_of_others(tenancy: Tenancy) -> None:
    assert allowed(tenancy, OTHER, PEOPLE, namespaced=True) == set()


def test_mtb_pl1_cc_fns_1_and_2_quotas_are_there(tenancy: Tenancy) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}/resourcequotas"
    hard = {
        name: amount
        for each in tenancy.person(MEMBER).ask("GET", path).body["items"]
        for name, amount in each["spec"]["hard"].items()
    }
    assert {"requests.cpu", "requests.memory", "requests.storage"} <= set(hard)
    counted = {
        "pods", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps",
        "persistentvolumeclaims", "services.nodeports", "services.loadbalancers",
    }  # fmt: skip
    assert counted <= set(hard)


def test_whatever_tenants_may_create_is_counted(tenancy: Tenancy) -> None:
    hard = {name for each in tenancy.of("ResourceQuota", NAMESPACE) for name in each["spec"]["hard"]}
    created = {
        resource for _, verb, resource in allowed(tenancy, NAMESPACE, PEOPLE, namespaced=True) if verb == "create"
    }
    created -= {"localsubjectaccessreviews.authorization.k8s.io"}
    assert len(created) > 10
    assert {resource for resource in created if not {resource, f"count/{resource}"} & hard} == set()


def test_mtb_pl2_bc_ops_3_roles_and_bindings_of_ones_own(tenancy: Tenancy) -> None:
    admin = tenancy.person(ADMIN)
    assert admin.create(role(("", "pods", "get")), dry=False).is_yes
    assert admin.create(binding("mine", group("oidc:vision-guests"), kind="Role")).is_yes
    assert not tenancy.person(MEMBER).create(role(("", "pods", "get"))).is_yes


def test_mtb_pl2_bc_ops_4_network_policies_of_ones_own(tenancy: Tenancy) -> None:
    admin = tenancy.person(ADMIN)
    own = {"namespaceSelector": {"matchLabels": {"center.internal/tenant": "vision-lab"}}}
    for good in (
        network(),
        network(ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "front"}}}]}]),
        network(ingress=[{"from": [own]}], egress=[{"to": [own]}]),
    ):
        answer = admin.create(good)
        assert answer.is_yes, answer.message


# Pending checks that an API server can show


OPEN_PEERS: list[Body] = [
    {"namespaceSelector": {}},
    {"namespaceSelector": {"matchLabels": {"center.internal/tenant": "course-ai-101"}}},
    {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}},
    {"namespaceSelector": {"matchExpressions": [{"key": "center.internal/tenant", "operator": "Exists"}]}},
    {"ipBlock": {"cidr": "0.0.0.0/0"}},
    {"ipBlock": {"cidr": "10.128.0.0/16"}},
]


@pytest.mark.parametrize("peer", OPEN_PEERS, ids=str)
def test_pending_network_access_across_tenants(tenancy: Tenancy, peer: Body) -> None:
    admin, said = tenancy.person(ADMIN), "network policies of tenants name own pods"
    assert said in admin.create(network(ingress=[{"from": [peer]}])).message
    assert said in admin.create(network(egress=[{"to": [peer]}])).message


def test_pending_network_policies_without_peers_allow_all(tenancy: Tenancy) -> None:
    admin, said = tenancy.person(ADMIN), "network policies of tenants name own pods"
    for bad in (network(ingress=[{}]), network(egress=[{}]), network(ingress=[{"ports": [{"port": 80}]}])):
        assert said in admin.create(bad).message


def test_pending_volumes_that_are_there(tenancy: Tenancy) -> None:
    member, said = tenancy.person(MEMBER), "claims of tenants get new volumes"
    for bad in (
        claim(volumeName="theirs"),
        claim(selector={"matchLabels": {"a": "b"}}),
        claim(storageClassName=""),
        claim(storageClassName=None),
    ):
        assert said in member.create(bad).message
    late = claim()
    late["metadata"]["name"] = "late"
    assert member.create(late, dry=False).is_yes
    assert said in member.patch(late, {"spec": {"volumeName": "theirs"}}).message
    assert tenancy.operator.ask("DELETE", path_of(late, NAMESPACE), dry=False).is_yes
    foreign = {"apiGroup": "", "kind": "PersistentVolumeClaim", "name": "data", "namespace": OTHER}
    answer = member.create(claim(dataSourceRef=foreign))
    assert not answer.is_yes or "namespace" not in answer.body["spec"].get("dataSourceRef", {})


# Ways to more rights

CLUSTER_WIDE = (
    ("create", "persistentvolumes"), ("get", "nodes/proxy"), ("create", "nodes/proxy"), ("patch", "namespaces"),
    ("create", "certificatesigningrequests.certificates.k8s.io"),
    ("update", "certificatesigningrequests/approval.certificates.k8s.io"),
    ("create", "validatingwebhookconfigurations.admissionregistration.k8s.io"),
    ("create", "mutatingwebhookconfigurations.admissionregistration.k8s.io"),
    ("delete", "validatingadmissionpolicybindings.admissionregistration.k8s.io"),
    ("impersonate", "users"), ("impersonate", "groups"), ("impersonate", "serviceaccounts"),
    ("escalate", "clusterroles.rbac.authorization.k8s.io"), ("bind", "clusterroles.rbac.authorization.k8s.io"),
    ("create", "clusterrolebindings.rbac.authorization.k8s.io"), ("list", "secrets"), ("list", "pods"),
)  # fmt: skip
OWN = (
    ("create", "serviceaccounts/token"), ("impersonate", "serviceaccounts"), ("create", "pods/binding"),
    ("update", "pods/ephemeralcontainers"), ("patch", "pods"), ("update", "pods"), ("update", "pods/status"),
    ("escalate", "roles.rbac.authorization.k8s.io"), ("bind", "roles.rbac.authorization.k8s.io"),
    ("create", "workloads.kueue.x-k8s.io"), ("update", "workloads/status.kueue.x-k8s.io"),
    ("create", "localqueues.kueue.x-k8s.io"), ("update", "localqueues.kueue.x-k8s.io"),
    ("create", "endpoints"), ("create", "endpointslices.discovery.k8s.io"), ("create", "daemonsets.apps"),
    ("create", "replicasets.apps"), ("create", "cronjobs.batch"), ("create", "poddisruptionbudgets.policy"),
    ("create", "referencegrants.gateway.networking.k8s.io"), ("create", "leases.coordination.k8s.io"),
)  # fmt: skip


@pytest.mark.parametrize("who", PEOPLE)
def test_no_role_has_a_way_to_more(tenancy: Tenancy, who: str) -> None:
    assert [way for way in CLUSTER_WIDE if tenancy.may(who, *way)] == []
    assert [way for way in OWN if tenancy.may(who, *way, NAMESPACE)] == []
    assert tenancy.may(who, "list", "secrets", NAMESPACE), "who makes pods can read them anyway"


def test_rendered_roles_have_no_wildcards(tenancy: Tenancy) -> None:
    rules = [rule for each in tenancy.of("ClusterRole") for rule in each["rules"]]
    assert len(rules) > 15
    words = {word for rule in rules for part in ("verbs", "resources", "apiGroups") for word in rule[part]}
    assert "*" not in words
    assert words & {"escalate", "bind", "impersonate", "nodes", "serviceaccounts/token", "deletecollection"} == set()


def test_roles_hand_out_nothing_that_their_maker_lacks(tenancy: Tenancy) -> None:
    admin = tenancy.person(ADMIN)
    for bad in (("", "pods", "*"), ("", "pods", "patch"), ("*", "*", "*"), ("", "serviceaccounts/token", "create")):
        assert "attempting to grant RBAC permissions not currently held" in admin.create(role(bad)).message
    for name in ("cluster-admin", "admin", "edit"):
        assert "not currently held" in admin.create(binding(name, group("oidc:vision-pi"))).message


def test_bindings_let_no_strangers_in(tenancy: Tenancy) -> None:
    admin, said = tenancy.person(ADMIN), "bindings of tenants name people"
    account = {"kind": "ServiceAccount", "name": "default"}
    for bad in (group("system:authenticated"), group("system:unauthenticated"), group("system:serviceaccounts"),
                {**group("system:anonymous"), "kind": "User"}, {**account, "namespace": OTHER}):  # fmt: skip
        assert said in admin.create(binding("center-tenant-member", bad)).message
    assert admin.create(binding("center-tenant-member", {**account, "namespace": NAMESPACE})).is_yes


def test_namespaces_keep_their_labels(tenancy: Tenancy) -> None:
    own = body("v1", "Namespace", NAMESPACE)
    loose = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}
    for who in PEOPLE:
        assert tenancy.person(who).patch(own, loose).status == 403
        assert not tenancy.person(who).create(body("v1", "Namespace", "new")).is_yes


# Ways past the quota

GROUP = "kueue.x-k8s.io/pod-group-name"

PAST_THE_QUEUE: list[tuple[Body, str]] = [
    (pod(labels={QUEUE: None}), "needs the label"),
    (job(labels={QUEUE: None}), "needs the label"),
    (deployment(labels={QUEUE: None}), "needs the label"),
    (deployment(labels={QUEUE: None}, kind="StatefulSet"), "needs the label"),
    (pod(labels={GROUP: "theirs"}), "set by controllers only"),
    (job(template={"metadata": {"labels": {GROUP: "theirs"}}}), "set by controllers only"),
    (job(labels={"kueue.x-k8s.io/priority-class": "event"}), "is the class of the tenant"),
    (pod(nodeName="train-h-a01-1"), "until all schedulingGates have been cleared"),
    (job(template={"spec": {"nodeName": "train-h-a01-1"}}), "scheduler chooses the node"),
    (pod(tolerations=[{"operator": "Exists"}]), "tolerate no taints"),
    (pod(tolerations=[{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]), "tolerate no taints"),
    (pod(priorityClassName="system-node-critical"), "system priority classes"),
    (job(template={"spec": {"priorityClassName": "system-cluster-critical"}}), "system priority classes"),
    (job({"resources": None}), "requests cpu and memory"),
    (job({"resources": {"requests": {"cpu": "0"}}}), "requests cpu and memory"),
    (pod({"resources": {"requests": {"cpu": "0"}}}), "requests cpu and memory"),
    (job({"resources": {"requests": {"cpu": "-1"}}}), "must be greater than or equal to 0"),
    (pod({"image": "docker.io/library/main:1"}), "images of tenants come from registry.example"),
    (pod({"image": "registry.example.evil/main:1"}), "images of tenants come from registry.example"),
    (deployment({"image": "main"}), "images of tenants come from registry.example"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("bad", "said"), PAST_THE_QUEUE, ids=[f"{n}-{said}" for n, (_, said) in enumerate(PAST_THE_QUEUE)]
)
def test_work_does_not_go_past_the_queue(tenancy: Tenancy, bad: Body, said: str) -> None:
    answer = tenancy.person(ADMIN).create(bad)
    assert not answer.is_yes and said in answer.message, answer


def test_priorities_of_the_sites_own_programs_are_not_for_tenants(tenancy: Tenancy) -> None:
    """A storage or network program brings a class that is above everybody; a class below everybody hurts nobody."""
    admin = tenancy.person(ADMIN)
    for name, value in (("storage-critical", 1000000), ("spare-time", -10)):
        made = body("scheduling.k8s.io/v1", "PriorityClass", name, value=value)
        assert tenancy.operator.create(made, dry=False).is_yes
    said = "do not use priority classes above"

    def refused(bad: Body) -> bool:
        return said in admin.create(bad).message

    high: Body = {"priorityClassName": "storage-critical"}
    for bad in (pod(**high), job(template={"spec": high})):
        wait_until(partial(refused, bad), 20, said)
    assert admin.create(pod(priorityClassName="spare-time")).is_yes


def test_pods_that_say_nothing_get_what_their_class_says(tenancy: Tenancy) -> None:
    answer = tenancy.person(MEMBER).create(pod({"resources": None}))
    assert answer.is_yes, answer.message
    assert answer.body["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "100m", "memory": "128M"}


WITHOUT_THE_QUEUE = ("no queue holds this pod", "only its queue starts a job")


def test_nobody_says_whose_his_work_is(tenancy: Tenancy) -> None:
    member, said = tenancy.person(MEMBER), "only a controller makes work that belongs to other work"
    counted = job(suspend=True)
    counted["metadata"]["name"] = "counted"
    real = tenancy.person(MEMBER).create(counted, dry=False).body["metadata"]["uid"]
    for kind, uid in (("Job", real), ("Job", "0" * 8), ("CronJob", "0" * 8)):
        owner = {"apiVersion": "batch/v1", "kind": kind, "name": "counted", "uid": uid, "controller": True}
        for made in (pod(), job(), deployment()):
            made["metadata"]["ownerReferences"] = [owner]
            answer = member.create(made)
            if (kind, made["kind"]) == ("CronJob", "Job"):
                assert answer.is_yes, "a run of a job template belongs to it, as kubectl says"
            else:
                # The queue lets pass what belongs to counted work, so any of three policies may be the first to say no.
                assert any(words in answer.message for words in (said, *WITHOUT_THE_QUEUE)), answer
    again = {"metadata": {"ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "mine", "uid": real}]}}
    assert said in member.patch(counted, again).message


def test_jobs_start_by_their_queue_alone(tenancy: Tenancy) -> None:
    member = tenancy.person(MEMBER)
    waiting = job()
    waiting["metadata"]["name"] = "waiting"
    made = member.create(waiting, dry=False)
    assert made.is_yes and made.body["spec"]["suspend"]
    assert "only its queue starts a job" in member.patch(waiting, {"spec": {"suspend": False}}).message
    assert not member.patch(waiting, {"metadata": {"labels": {QUEUE: None}}}).is_yes
    # Without the queue nothing suspends it, and then it is not made.
    path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
    [webhooks] = tenancy.plane.api.get(path).json()["items"]
    path += f"/{webhooks['metadata']['name']}"
    assert tenancy.operator.ask("DELETE", path, dry=False).is_yes
    try:
        wait_until(lambda: WITHOUT_THE_QUEUE[1] in member.create(job()).message, 20, "jobs refused")
        wait_until(lambda: WITHOUT_THE_QUEUE[0] in member.create(pod()).message, 20, "pods refused")
    finally:
        del webhooks["metadata"]["resourceVersion"], webhooks["metadata"]["uid"]
        webhooks |= {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration"}
        assert tenancy.operator.ask("POST", path.rpartition("/")[0], webhooks, dry=False).is_yes
        wait_until(lambda: member.create(job()).is_yes, 20, "jobs again")


def test_a_sandboxed_tenant_never_gets_the_kernel(tenancy: Tenancy) -> None:
    stranger, said = tenancy.person(STRANGER, SANDBOXED), "say the runtimeClassName"
    labels = {QUEUE: "train-d"}
    for bad in (pod(labels=labels), job(labels=labels), pod(labels=labels, runtimeClassName=None)):
        assert said in stranger.create(bad).message
    good = stranger.create(pod(labels=labels, runtimeClassName="gvisor"))
    assert good.is_yes, good.message


# What tenants get when a site gives them more


def route(**spec: Any) -> Body:
    parents = [{"name": "center", "namespace": "center-system"}]
    usual = {"parentRefs": parents, "hostnames": [f"mine.{NAMESPACE}.duo.example"]}
    return body("gateway.networking.k8s.io/v1", "HTTPRoute", spec=merged(usual, spec))


def test_routes_take_no_name_of_others(tenancy: Tenancy) -> None:
    admin, operator = tenancy.person(ADMIN), tenancy.operator
    assert admin.create(route()).status == 403
    given = role(*(("gateway.networking.k8s.io", "httproutes", verb) for verb in ("create", "update", "patch")))
    given["metadata"]["name"] = "routes"
    bound = merged(binding("routes", group(ADMIN), kind="Role"), {"metadata": {"name": "routes"}})
    assert operator.create(given, dry=False).is_yes and operator.create(bound, dry=False).is_yes
    wait_until(lambda: admin.create(route()).is_yes, 30, "a route of the tenant's own")
    for names in (["duo.example"], [f"mine.{OTHER}.duo.example"], ["*.duo.example"], [], None):
        assert "routes of tenants say host names" in admin.create(route(hostnames=names)).message
    assert "join gateways" in admin.create(route(parentRefs=[{"name": "own"}])).message
