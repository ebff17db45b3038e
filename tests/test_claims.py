"""Accelerators that pods claim: the real scheduler gives them out, the real Kueue counts them, nobody gets around it.

The driver is this test: it publishes the devices of KWOK's nodes as a driver would, and prepares none of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from control_plane.cluster import KubectlError
from control_plane.processes import wait_until
from tests.accelerator_site import DIGEST, MEMBERS, carry_part
from tests.queue_site import EACH, SECONDS, Site, centre, tenant
from tests.vendors import vendors

pytestmark = pytest.mark.cluster

VENDOR = vendors()["simulated"]
CLAIMS = VENDOR.facts["cluster"]["claims"]
CLASS = CLAIMS["device-class"]["value"]
DRIVER = CLASS  # as its selector says
POOLS = {"claimed": 2, "spare": 1}
GUEST = ("--namespace", "guest--main")


def spec() -> dict[str, Any]:
    """Two pools that a driver serves; the guest has three accelerators of one of them, and none of the other."""
    people = {"east": {"tenants": {"guest": tenant({"claimed": 3}), "other": tenant({"spare": 2})}}}
    made = centre(dict.fromkeys(POOLS, VENDOR.model), POOLS, people)
    source = "https://parts.site.example/driver.yaml"
    made["clusters"]["cloud"] |= {
        "devices": {"simulated": {"part": "driver", "claims": True}},
        "parts": {"driver": {"version": "1", "source": source, "digest": f"sha256:{DIGEST}"}},
    }
    image = "registry.example/library/torch:1.0"
    hello = {"kind": "training-example", "tenant": "guest", "pool": "claimed", "inputs": {"image": image}}
    made["services"] = {"hello": hello, "pair": {**hello, "inputs": {"image": image, "accelerators": 2}}}
    return made


def devices(site: Site) -> Iterator[dict[str, Any]]:
    """What a driver publishes of the devices of each node."""
    for node in site.plane.read("nodes")["items"]:
        name = node["metadata"]["name"]
        yield {
            "apiVersion": "resource.k8s.io/v1",
            "kind": "ResourceSlice",
            "metadata": {"name": f"{name}-devices"},
            "spec": {
                "driver": DRIVER,
                "nodeName": name,
                "pool": {"name": name, "generation": 1, "resourceSliceCount": 1},
                "devices": [{"name": f"device-{number}"} for number in range(EACH)],
            },
        }


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("claims")
    carry_part(folder / "cache")
    # Nodes do not say a resource of the vendor: with a driver there is none.
    site = Site(folder / "site", spec(), dict.fromkeys(POOLS, "example.com/unused"), POOLS, folder / "cache")
    with site.started():
        site.plane.apply(*devices(site))
        yield site


def start(site: Site, service: str, run: str) -> None:
    people = site.plane.kubeconfig_for("somebody", [MEMBERS])
    site.plane.kubectl("create", "job", run, f"--from=cronjob/{service}", *GUEST, kubeconfig=people)


def given(site: Site) -> dict[str, tuple[str, ...]]:
    """The devices that the scheduler has given to each run, with their nodes."""
    found = {}
    for claim in site.plane.read("resourceclaims", *GUEST)["items"]:
        results = claim.get("status", {}).get("allocation", {}).get("devices", {}).get("results", [])
        pod = claim["metadata"]["ownerReferences"][0]["name"]
        found[pod.rpartition("-")[0].removesuffix("-0")] = tuple(f"{each['pool']}/{each['device']}" for each in results)
    return found


def used(site: Site) -> int:
    """Accelerators of the guest that Kueue counts."""
    [queue] = [
        each
        for each in site.plane.read("clusterqueues")["items"]
        if each["metadata"]["name"] == "guest.claimed"
    ]  # fmt: skip
    flavors = queue.get("status", {}).get("flavorsUsage", [])
    amounts = [each for flavor in flavors for each in flavor["resources"] if each["name"] == VENDOR.resource]
    return sum(int(each["total"]) for each in amounts)


def test_claims_are_served_from_the_own_pool_within_the_quota(site: Site) -> None:
    start(site, "pair", "pair")
    wait_until(lambda: used(site) == 2, SECONDS, "two that the queue has counted")
    start(site, "hello", "single")
    wait_until(lambda: used(site) == 3, SECONDS, "three that the queue has counted")
    start(site, "hello", "waits")
    wait_until(lambda: len(given(site).get("pair", ())) == 2, SECONDS, "devices of the pair")
    wait_until(lambda: len(given(site).get("single", ())) == 1, SECONDS, "a device of the single")
    assert used(site) == 3 and "waits" not in given(site)
    assert site.plane.read("job", "waits", *GUEST)["spec"]["suspend"]
    places = [place for each in given(site).values() for place in each]
    assert len(places) == len(set(places)) == 3
    assert {place.rpartition("-a")[0] for place in places} == {"claimed"}
    site.plane.kubectl("delete", "job", "pair", *GUEST)
    wait_until(lambda: len(given(site).get("waits", ())) == 1, SECONDS, "a device for who has waited")


def test_tenants_claim_by_templates_alone(site: Site) -> None:
    people = site.plane.kubeconfig_for("somebody", [MEMBERS])
    wait_until(lambda: len(given(site)) > 0, SECONDS, "a claim to take")
    claim = site.plane.read("resourceclaims", *GUEST)["items"][0]
    template = site.plane.read("cronjob", "hello", *GUEST)["spec"]["jobTemplate"]
    taken = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {**template["metadata"], "name": "taken"}}
    pod = template["spec"]["template"]["spec"]
    pod["resourceClaims"] = [{"name": "accelerators", "resourceClaimName": claim["metadata"]["name"]}]
    words = ("create", *GUEST, "-f-")
    with pytest.raises(KubectlError, match="by templates"):
        body = json.dumps({**taken, "spec": template["spec"]})
        site.plane.kubectl(*words, kubeconfig=people, stdin=body)
    own = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {"name": "own"},
        "spec": claim["spec"],
    }
    with pytest.raises(KubectlError, match=r"[Ff]orbidden"):
        site.plane.kubectl(*words, kubeconfig=people, stdin=json.dumps(own))


def test_the_first_job_of_a_tenant_is_taken(site: Site) -> None:
    people = site.plane.kubeconfig_for("somebody", [MEMBERS])
    file = site.folder / "generated/tenants/guest.claimed.yaml"
    site.plane.kubectl("create", "--filename", file, kubeconfig=people)
    assert "resourceClaims" in site.plane.read("job", "first-claimed", *GUEST)["spec"]["template"]["spec"]
    site.plane.kubectl("delete", "--filename", file, kubeconfig=people)


def test_more_than_a_tenant_may_have_is_behind_a_wall(site: Site) -> None:
    """Whoever gets past the queue, an operator by mistake too, meets the quota of the namespace."""
    [quota] = [each for each in site.objects if each["metadata"]["name"] == "work" and is_guests(each)]
    assert quota["spec"]["hard"][f"{CLASS}.deviceclass.resource.k8s.io/devices"] == "3"
    many = {"name": "many", "exactly": {"deviceClassName": CLASS, "allocationMode": "ExactCount", "count": 4}}
    claim = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {"name": "many"},
        "spec": {"devices": {"requests": [many]}},
    }
    with pytest.raises(KubectlError, match="exceeded quota"):
        site.plane.kubectl("create", *GUEST, "-f-", stdin=json.dumps(claim))


def is_guests(body: dict[str, Any]) -> bool:
    return bool(body["metadata"].get("namespace") == "guest--main")


def test_what_is_rendered_is_the_catalogues(site: Site) -> None:
    [found] = [each for each in site.objects if each["kind"] == "DeviceClass"]
    assert found["metadata"]["name"] == CLASS
    assert found["spec"]["selectors"] == [{"cel": {"expression": CLAIMS["selector"]["value"]}}]
    text = next(each["data"] for each in site.objects if each["metadata"]["name"] == "kueue-manager-config")
    resources = yaml.safe_load(text["controller_manager_config.yaml"])["resources"]
    assert resources["deviceClassMappings"] == [{"name": VENDOR.resource, "deviceClassNames": [CLASS]}]
    pods = [
        each["spec"]["jobTemplate"]["spec"]["template"]["spec"] for each in site.objects if each["kind"] == "CronJob"
    ]
    for pod in pods:
        assert "runtimeClassName" not in pod
        assert all("/" not in name for name in pod["containers"][0]["resources"]["limits"])


def test_a_second_apply_finds_nothing(site: Site) -> None:
    site.in_cluster("diff")
