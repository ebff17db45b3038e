"""The page of a tenant says what its queues and namespaces say, read from the rendered tree by other means."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from control_plane.processes import wait_until
from tests.lessons import ROOT
from tests.queue_site import SECONDS, Site, centre, tenant

ROW = re.compile(r"^\| (?P<queue>[a-z0-9-]+) \| .* \| (?P<certain>\d+) (?P<unit>\w+) \| (?P<loan>\d+) \| ", re.M)
SAMPLES = ["starter", "duo", "chaohu-mingyue"]


def documents(folder: Path) -> list[dict[str, Any]]:
    files = sorted(folder.rglob("*.yaml"))
    return [body for file in files for body in yaml.safe_load_all(file.read_text("utf-8"))]


def rendered(sample: str, folder: Path) -> Path:
    tree = folder / "generated"
    command = [sys.executable, "-m", "generator", "-q", "render", sample, "--out", str(tree)]
    subprocess.run(command, cwd=ROOT, check=True)
    return tree


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_page_says_what_the_queues_say(sample: str, tmp_path: Path) -> None:
    tree = rendered(sample, tmp_path)
    pages = {file.stem: file.read_text("utf-8") for file in (tree / "tenants").glob("*.md")}
    seen = 0
    for cluster in sorted((tree / "clusters").iterdir()):
        bodies = documents(cluster)
        queues = {body["metadata"]["name"]: body["spec"] for body in bodies if body["kind"] == "ClusterQueue"}
        for body in bodies:
            if body["kind"] != "LocalQueue":
                continue
            namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
            page = pages[namespace.partition("--")[0]]
            chapter = page.partition(f"## Kubernetes cluster {cluster.name}\n")[2].partition("\n## ")[0]
            assert f"`{namespace}`" in chapter
            rows = {row["queue"]: row for row in ROW.finditer(chapter)}
            [flavor] = queues[body["spec"]["clusterQueue"]]["resourceGroups"][0]["flavors"]
            amounts = {each["name"]: each for each in flavor["resources"]}
            if rows[name]["unit"] == "accelerators":
                [device] = [each for resource, each in amounts.items() if "/" in resource]
                assert (int(rows[name]["certain"]), int(rows[name]["loan"])) == (
                    int(device["nominalQuota"]),
                    int(device.get("borrowingLimit", 0)),
                )
                seen += 1
    assert seen


@pytest.mark.parametrize("sample", SAMPLES)
def test_first_jobs_of_a_tenant_are_not_one_another(sample: str, tmp_path: Path) -> None:
    """All commands of a page are run one after the other."""
    tree = rendered(sample, tmp_path)
    bodies = documents(tree / "tenants")
    keys = [(body["kind"], body["metadata"]["namespace"], body["metadata"]["name"]) for body in bodies]
    assert len(keys) == len(set(keys)) > 0
    for body in bodies:
        if body["kind"] == "Job":  # else the services of the tenant would end it
            page = (tree / "tenants" / f"{body['metadata']['namespace'].partition('--')[0]}.md").read_text("utf-8")
            assert f"class `{body['metadata']['labels']['kueue.x-k8s.io/priority-class']}`" in page


@pytest.mark.cluster
def test_first_jobs_are_created_by_a_member_and_run_on_the_pools_of_their_queues(tmp_path: Path) -> None:
    models = {"p0": "simulated-8", "p1": "metax-c500"}
    resources = {"p0": "center.internal/accelerator", "p1": "metax-tech.com/gpu"}
    vision = tenant({"p0": 1, "p1": 1})
    spec = centre(models, {"p0": 1, "p1": 1}, {"red": {"tenants": {"vision": vision}}})
    spec["clusters"]["cloud"]["images"] = ["images.example/base"]
    site = Site(tmp_path / "site", spec, resources, {"p0": 1, "p1": 1})
    with site.started():
        member = site.plane.kubeconfig_for("ann", ["oidc:people"])
        for pool in models:
            file = site.folder / f"generated/tenants/vision.{pool}.yaml"
            site.plane.kubectl("create", f"--filename={file}", kubeconfig=member)
            wait_until(lambda: site.used()["vision", pool] == 1, SECONDS, f"the first job in {pool}")  # noqa: B023
            [pod] = pods(site, pool)
            assert pod["spec"]["containers"][0]["image"] == "images.example/base/first:1.0"
            wait_until(lambda: bool(nodes(site, pool)), SECONDS, "a node")  # noqa: B023
            assert all(node.startswith(f"{pool}-") for node in nodes(site, pool))


def pods(site: Site, pool: str) -> list[dict[str, Any]]:
    """The pods of the first job of a queue."""
    found: list[dict[str, Any]] = site.plane.read("pods", "-n", "vision--main", "-l", f"job-name=first-{pool}")["items"]
    return found


def nodes(site: Site, pool: str) -> list[str]:
    """Where they are."""
    return [pod["spec"]["nodeName"] for pod in pods(site, pool) if pod["spec"].get("nodeName")]
