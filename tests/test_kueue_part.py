"""Kueue's own published manifests as a part of a cluster: fetched by digest, applied, awaited, and then at work."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from control_plane.cluster import ControlPlane
from control_plane.processes import wait_until
from control_plane.tools import build_tools
from tests.obstacles import give_way_to
from tests.queue_site import SECONDS, Site, centre, tenant
from tests.rig.published_kueue import manifests, started_when_applied

pytestmark = pytest.mark.cluster

POOL, RESOURCE = "p0", "center.internal/accelerator"


def spec(parts: dict[str, Any]) -> dict[str, Any]:
    made = centre({POOL: "simulated-8"}, {POOL: 1}, {"east": {"tenants": {"owner": tenant({POOL: 2})}}})
    made["clusters"]["cloud"]["parts"] = parts
    return made


class Published(Site):
    """A centre whose cluster gets Kueue from its makers' own file."""

    published = b""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    give_way_to(None if os.geteuid() == 0 else "a root for the program needs root")
    folder, tools = tmp_path_factory.mktemp("published"), build_tools()
    with ControlPlane(tools, folder / "plane", kueue=False, services="127.96.0.0/16") as plane:
        text = manifests(plane, tools)
        digest = hashlib.sha256(text).hexdigest()
        (folder / "cache/center/parts").mkdir(parents=True)
        (folder / "cache/center/parts" / digest).write_bytes(text)
        source = "https://parts.site.example/manifests.yaml"
        parts = {"kueue": {"version": "0.18.4", "source": source, "digest": f"sha256:{digest}"}}
        site = Published(folder / "site", spec(parts), {POOL: RESOURCE}, {POOL: 1}, folder / "cache")
        site.plane, site.published = plane, text
        plane.add_nodes(site.machines())
        with started_when_applied(plane, tools, folder / "root"):
            yield site


def test_it_comes_with_one_apply_and_works(site: Published) -> None:
    seen = site.in_cluster("diff", exits=2)
    assert "CustomResourceDefinition workloads.kueue.x-k8s.io" in seen and "ClusterQueue owner.p0" in seen
    site.in_cluster("apply")
    # It has written its certificates into definitions and webhooks by then, which are fields of its own.
    assert "drift" not in site.in_cluster("status")
    site.in_cluster("diff")
    for number in range(3):
        site.submit("owner", POOL, f"job-{number}")
    wait_until(lambda: site.used()["owner", POOL] == 2, SECONDS, "both accelerators")
    wait_until(lambda: len(list(site.places())) == 2, SECONDS, "their pods")
    states = [each["spec"]["suspend"] for each in site.plane.read("jobs", "--namespace", "owner--main")["items"]]
    assert sorted(states) == [False, False, True]


def test_the_rendered_configuration_keeps_the_pace_of_the_published_one(site: Published) -> None:
    config = next(body for body in yaml.safe_load_all(site.published) if body["kind"] == "ConfigMap")
    published, ours = yaml.safe_load(config["data"]["controller_manager_config.yaml"]), site.configuration()
    for word in ("clientConnection", "controller", "health", "leaderElection", "webhook"):
        assert ours[word] == published[word]


def test_it_does_not_leave_without_a_word(site: Published) -> None:
    """With its definitions every queue and workload of the cluster would go."""
    site.write(spec({}))
    site.run("render", str(site.folder))
    seen = site.in_cluster("diff", exits=2)
    assert "--confirm" in seen and "workloads.kueue.x-k8s.io" in seen
