"""Accelerators of every vendor in one real cluster: their programs stand where they should, and one job fits all.

Nodes are KWOK's: no program of a vendor runs, no device is handed out. What is proven is what the API server, the
scheduler and Kueue do with what is rendered.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from control_plane.cluster import KubectlError
from control_plane.processes import wait_until
from tests.accelerator_site import (
    MEMBERS,
    NAMESPACE,
    VENDORS,
    complete,
    offers,
    site_in,
    spec,
)
from tests.queue_site import PLACE, SECONDS, Site, job

pytestmark = pytest.mark.cluster
each_vendor = pytest.mark.parametrize("vendor", VENDORS)
GUEST = ("--namespace", "guest--main")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("accelerators")
    site = site_in(folder, spec())
    with site.started():
        yield site


def pods(site: Site, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = site.plane.read("pods", *words)["items"]
    return found


def pool_of(pod: dict[str, Any]) -> str:
    return str(pod["spec"].get("nodeName", "")).rpartition("-a")[0]


def test_programs_stand_on_the_nodes_of_their_vendor_and_nowhere_else(site: Site) -> None:
    wanted = {f"{name}-{kind}": name for name, said in offers().items() for kind in said if kind != "part"}
    assert len(wanted) >= 9

    def stands() -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for pod in pods(site, "--namespace", NAMESPACE):
            found.setdefault(pod["metadata"]["labels"]["app.kubernetes.io/name"], []).append(pool_of(pod))
        return found

    wait_until(lambda: stands() == {daemon: [name] * 2 for daemon, name in wanted.items()}, SECONDS, "all programs")


def test_nobody_of_a_tenant_gets_to_them(site: Site) -> None:
    people = site.plane.kubeconfig_for("somebody", [MEMBERS])
    [pod, *_] = pods(site, "--namespace", NAMESPACE)
    name = pod["metadata"]["name"]
    for words in (
        ("get", "pods"), ("get", "pod", name), ("logs", name), ("exec", name, "--", "id"), ("delete", "pod", name),
        ("get", "daemonsets"), ("create", "configmap", "mine"), ("create", "token", "default"),
    ):  # fmt: skip
        with pytest.raises(KubectlError, match=r"Forbidden|forbidden"):
            site.plane.kubectl(words[0], "--namespace", NAMESPACE, *words[1:], kubeconfig=people)
    taken = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "mine"}, "spec": pod["spec"]}
    with pytest.raises(KubectlError, match="forbidden"):
        site.plane.kubectl("create", *GUEST, "-f-", kubeconfig=people, stdin=json.dumps(taken))


@pytest.mark.parametrize("vendor", [name for name, facts in VENDORS.items() if facts.handler])
def test_a_runtime_hands_out_no_accelerators_that_no_queue_has_counted(site: Site, vendor: str) -> None:
    people, facts = site.plane.kubeconfig_for("somebody", [MEMBERS]), VENDORS[vendor]

    def create(resource: str | None, **more: Any) -> str:
        made = job("taker", vendor, resource, runtimeClassName=facts.handler)
        [container] = made["spec"]["template"]["spec"]["containers"]
        container.setdefault("resources", {})
        if resource is None:
            container["resources"] = {"requests": {"cpu": "1", "memory": "1Gi"}}
        container |= more
        words = ("create", *GUEST, "--dry-run=server", "-f-")
        return site.plane.kubectl(*words, kubeconfig=people, stdin=json.dumps(made))

    assert "taker" in create(facts.resource)
    with pytest.raises(KubectlError, match="asks for accelerators"):
        create(None)
    with pytest.raises(KubectlError, match="one by one"):
        create(facts.resource, envFrom=[{"configMapRef": {"name": "mine"}}])
    variable = facts.facts["cluster"].get("selects", {}).get("value")
    if variable:
        with pytest.raises(KubectlError, match="which accelerators a container sees"):
            create(facts.resource, env=[{"name": variable, "value": "all"}])


@each_vendor
def test_one_training_example_runs_on_the_accelerators_of_each_vendor(site: Site, vendor: str) -> None:
    """Started as a tenant starts it; what its pod says follows from the catalogue, read here without the product."""
    people = site.plane.kubeconfig_for("somebody", [MEMBERS])
    started = ("create", "job", f"run-{vendor}", f"--from=cronjob/hello-{vendor}", *GUEST)
    site.plane.kubectl(*started, kubeconfig=people)
    mine = (*GUEST, "--selector", f"batch.kubernetes.io/job-name=run-{vendor}")
    wait_until(lambda: [pool_of(pod) for pod in pods(site, *mine)] == [vendor], SECONDS, f"a node of {vendor}")
    [pod] = pods(site, *mine)
    facts, known = VENDORS[vendor], complete(VENDORS[vendor])
    [container] = pod["spec"]["containers"]
    assert container["image"] == known["image"]
    assert container["resources"]["limits"][facts.resource] == "1"
    assert {name for name in container["resources"]["limits"] if "/" in name} == {facts.resource}
    told = {each["name"]: each.get("value") for each in container["env"]}
    assert told["CENTER_TORCH_DEVICE"] == known["device"]
    assert told.get("CENTER_TORCH_MODULES", "") == " ".join(known["modules"])
    assert told["CENTER_TORCH_COLLECTIVES"] == known["collectives"]
    assert pod["spec"].get("runtimeClassName") == facts.handler
    if facts.handler:
        assert pod["spec"]["nodeSelector"][f"{PLACE}/vendor"] == vendor


def test_the_jobs_of_all_vendors_differ_in_what_the_catalogue_says_alone(site: Site) -> None:
    jobs = [each for each in site.objects if each["kind"] == "CronJob"]
    assert len(jobs) == len(VENDORS)
    plain = set()
    for each in jobs:
        name = each["metadata"]["name"]
        template = each["spec"]["jobTemplate"]
        assert template["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == name.removeprefix("hello-")
        pod = template["spec"]["template"]["spec"]
        [container] = pod["containers"]
        pod.pop("runtimeClassName", None)
        container.pop("image")
        container["env"] = [told for told in container["env"] if not told["name"].startswith("CENTER_TORCH_")]
        for amounts in container["resources"].values():
            amounts.pop(VENDORS[name.removeprefix("hello-")].resource)
        plain.add(json.dumps(each, sort_keys=True).replace(name, "NAME").replace(name.removeprefix("hello-"), "POOL"))
    assert len(plain) == 1


def test_more_than_the_quota_waits(site: Site) -> None:
    people = site.plane.kubeconfig_for("somebody", [MEMBERS])
    for number in range(3):
        words = ("create", "job", f"more-{number}", "--from=cronjob/hello-simulated", *GUEST)
        site.plane.kubectl(*words, kubeconfig=people)
    wait_until(lambda: site.used()["guest", "simulated"] == 2, SECONDS, "the two of the quota")
    waiting = [
        each["metadata"]["name"]
        for each in site.plane.read("jobs", *GUEST)["items"]
        if each["spec"].get("suspend") and "simulated" in json.dumps(each["metadata"]["labels"])
    ]
    assert len(waiting) >= 1


def test_a_second_apply_finds_nothing(site: Site) -> None:
    site.in_cluster("diff")
