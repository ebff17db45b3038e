"""Quota binds for every vendor of the catalogue, borrowed capacity goes back, and nobody gets past the queues."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from control_plane.cluster import KubectlError
from control_plane.processes import wait_until
from tests.queue_site import PLACE, QUEUE, SECONDS, Site, centre, job, tenant
from tests.vendors import free_ports, vendors

pytestmark = pytest.mark.cluster

VENDORS = vendors()
NODES = dict.fromkeys([*VENDORS, "own"], 2)
MODELS = {name: vendor.model for name, vendor in VENDORS.items()} | {"own": VENDORS["simulated"].model}
RESOURCES = {name: vendor.resource for name, vendor in VENDORS.items()} | {"own": VENDORS["simulated"].resource}
TWO = dict.fromkeys(VENDORS, 2)
# Each vendor's pool has four accelerators; the last pool is one tenant's alone.
ORGANIZATIONS: dict[str, Any] = {
    "east": {"weight": 2, "tenants": {"owner": tenant(TWO)}},
    "west": {"tenants": {"guest": tenant(TWO, TWO)}},
    "north": {"guarantee": {"own": "2 accelerators"}, "tenants": {"hermit": tenant({"own": 4})}},
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("queues")
    spec = centre(MODELS, NODES, ORGANIZATIONS, ports=free_ports(VENDORS))
    site = Site(folder / "site", spec, RESOURCES, NODES)
    with site.started():
        yield site


def test_quota_binds_and_goes_back_for_every_vendor(site: Site) -> None:
    for pool in VENDORS:
        for number in range(5):
            site.submit("guest", pool, f"{pool}-{number}")
    full = {("guest", pool): 4 for pool in VENDORS}
    wait_until(lambda: +site.used() == full, SECONDS, "two of its own and two borrowed in each pool")
    for pool in VENDORS:
        for number in range(2):
            site.submit("owner", pool, f"{pool}-{number}")
    back = {(name, pool): 2 for pool in VENDORS for name in ("guest", "owner")}
    wait_until(lambda: +site.used() == back, SECONDS, "what was borrowed in the hands of its owner")
    wait_until(lambda: len(list(site.places())) == 4 * len(VENDORS), SECONDS, "pods of all that is admitted")
    for _, pool, node in site.places():
        assert node.rpartition("-a")[0] == pool


def test_a_dedicated_pool_serves_its_tenant_alone(site: Site) -> None:
    """A queue that the tenant lacks admits nothing; nor does its own queue, when the job names the other pool."""
    stray = {"nodeSelector": {f"{PLACE}/pool": "own"}}
    site.submit("guest", "own", "stranger")
    for pool in VENDORS:
        assert site.ask("guest", job(f"stray-{pool}", pool, RESOURCES[pool], **stray)).is_success
        site.submit("hermit", pool, f"guest-of-{pool}")
    site.submit("hermit", "own", "at-home")
    wait_until(lambda: site.used()["hermit", "own"] == 1, SECONDS, "the job of the pool's own tenant")
    for who, prefix in (("guest", "stra"), ("hermit", "guest-of-")):
        there = site.plane.read("jobs", "--namespace", f"{who}--main")["items"]
        waiting = [each["spec"]["suspend"] for each in there if each["metadata"]["name"].startswith(prefix)]
        assert waiting == [True] * (len(VENDORS) + (who == "guest"))
    assert {who for who, _, node in site.places() if node.startswith("own-")} <= {"hermit"}
    assert "hermit" not in {who for who, _, node in site.places() if not node.startswith("own-")}


def test_work_that_no_queue_counts_is_refused(site: Site) -> None:
    people = site.plane.kubeconfig_for("somebody", ["oidc:people"])
    where = ("--namespace", "hermit--main")

    def create(manifest: dict[str, Any]) -> str:
        return site.plane.kubectl("create", *where, "-f-", kubeconfig=people, stdin=json.dumps(manifest))

    with pytest.raises(KubectlError, match=QUEUE):
        create(job("free", None, RESOURCES["own"]))
    with pytest.raises(KubectlError, match="requests cpu and memory"):
        create(job("modest", "own"))


def test_jobs_may_ask_to_stay_together(site: Site) -> None:
    [topology] = [body for body in site.objects if body["kind"] == "Topology"]
    levels = [f"{PLACE}/leaf", f"{PLACE}/rack", "kubernetes.io/hostname"]
    assert [level["nodeLabel"] for level in topology["spec"]["levels"]] == levels
    labels = site.plane.read("node", "nvidia-a14-1")["metadata"]["labels"]
    assert labels[f"{PLACE}/leaf"] == labels[f"{PLACE}/rack"] == "a14"
    together = job("together", "own", RESOURCES["own"])
    asks = {"kueue.x-k8s.io/podset-required-topology": f"{PLACE}/rack"}
    together["spec"]["template"]["metadata"]["annotations"] = asks
    together["spec"] |= {"parallelism": 2, "completions": 2}
    assert site.ask("hermit", together).is_success
    mine = ("pods", "--namespace", "hermit--main", "--selector", "batch.kubernetes.io/job-name=together")

    def racks() -> list[str]:
        nodes = [pod["spec"].get("nodeName", "") for pod in site.plane.read(*mine)["items"]]
        return [node.rpartition("-")[0] for node in nodes if node]

    wait_until(lambda: len(racks()) == 2, SECONDS, "two pods")
    assert len(set(racks())) == 1


def test_flavors_stay_in_their_bounds(site: Site) -> None:
    flavors = [body["spec"] for body in site.objects if body["kind"] == "ResourceFlavor"]
    assert len(flavors) == len(NODES)
    assert all(1 <= len(flavor["nodeLabels"]) <= 8 for flavor in flavors)
    queues = [body["spec"] for body in site.objects if body["kind"] == "ClusterQueue"]
    assert all(len(group["flavors"]) == 1 for queue in queues for group in queue["resourceGroups"])


def test_a_second_apply_finds_nothing(site: Site) -> None:
    site.in_cluster("diff")
