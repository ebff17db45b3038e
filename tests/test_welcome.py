"""The page of a tenant says what its queues and namespaces say, read from the rendered tree by other means."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from control_plane.processes import wait_until
from control_plane.tools import build_tools
from tests.lessons import ROOT
from tests.queue_site import SECONDS, Site, centre, tenant

ROW = re.compile(r"^\| (?P<queue>[a-z0-9-]+) \| .* \| (?P<certain>\d+) (?P<unit>\w+) \| (?P<loan>\d+) \| ", re.M)
ENVIRONMENTS = ["main", "exam"]
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
def test_a_page_says_what_a_namespace_allows(sample: str, tmp_path: Path) -> None:
    tree = rendered(sample, tmp_path)
    seen = 0
    for cluster in sorted((tree / "clusters").iterdir()):
        for body in documents(cluster):
            if body["kind"] not in ("ResourceQuota", "LimitRange") or body["metadata"]["name"] == "work":
                continue
            page = (tree / "tenants" / f"{body['metadata']['namespace'].partition('--')[0]}.md").read_text("utf-8")
            chapter = page.partition(f"## Kubernetes cluster {cluster.name}\n")[2].partition("\n## ")[0]
            if body["kind"] == "ResourceQuota":
                hard = body["spec"]["hard"]
                [found] = re.findall(r"at most (\d+) pods, (\d+) jobs and (\d+) volume claims of (\d+) TB", chapter)
                kinds = ("pods", "count/jobs.batch", "persistentvolumeclaims")
                wanted = [*(hard[kind] for kind in kinds), hard["requests.storage"].removesuffix("000000M")]
                assert list(found) == wanted
            else:
                [limits] = body["spec"]["limits"]
                said = re.findall(r"([\d.]+) cores? and ([\d.]+) GB", chapter.partition("A container that says no")[2])
                wanted = [(limits[kind]["cpu"], limits[kind]["memory"]) for kind in ("defaultRequest", "default")]
                assert [(f"{float(cpu) * 1000:g}m", f"{float(memory) * 1000:g}M") for cpu, memory in said] == wanted
            seen += 1
    assert seen


def test_a_page_says_that_everything_runs_in_the_sandbox(tmp_path: Path) -> None:
    site = Path(shutil.copytree(ROOT / "inventories/starter", tmp_path / "mine"))
    words = (site / "center.yaml").read_text("utf-8").replace("cni: calico,", "cni: calico, sandbox: gvisor,")
    (site / "center.yaml").write_text(
        words.replace("class: research,", "class: research, isolation: sandbox,"), "utf-8"
    )
    page = (rendered(str(site), tmp_path) / "tenants/vision-lab.md").read_text("utf-8")
    assert re.findall(r"`runtimeClassName: (.*?)`(.*)", page) == [("gvisor", ", every pod in every queue.")]


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
def test_a_member_runs_every_command_of_the_page(tmp_path: Path) -> None:
    """Jobs of all queues and environments run beside one another, each on the pool of its queue."""
    models = {"p0": "simulated-8", "p1": "metax-c500"}
    resources = {"p0": "center.internal/accelerator", "p1": "metax-tech.com/gpu"}
    vision = tenant({"p0": 2, "p1": 2}, environments=ENVIRONMENTS)
    spec = centre(models, {"p0": 1, "p1": 1}, {"red": {"tenants": {"vision": vision}}})
    spec["clusters"]["cloud"]["images"] = ["images.example/base"]
    site = Site(tmp_path / "site", spec, resources, {"p0": 1, "p1": 1})
    folder = site.folder / "generated/tenants"
    lines = "".join(
        re.findall(r"^```\n(.*?)^```$", (folder / "vision.md").read_text("utf-8"), re.M | re.S)
    ).splitlines()
    assert len(lines) == len(ENVIRONMENTS) * (1 + len(models))
    with site.started():
        member = site.plane.kubeconfig_for("ann", ["oidc:people"])
        environment = {"PATH": f"{build_tools().kubectl.parent}:/usr/bin:/bin", "KUBECONFIG": str(member)}
        for line in lines:
            words = ["bash", "-o", "pipefail", "-c", line]
            done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, f"{line}: {done.stderr}"
        for pool in models:
            wait_until(lambda: site.used()["vision", pool] == 2, SECONDS, f"the first jobs in {pool}")  # noqa: B023
            wait_until(lambda: len(nodes(site, pool)) == 2, SECONDS, "their nodes")  # noqa: B023
            assert all(node.startswith(f"{pool}-") for node in nodes(site, pool))
            for pod in pods(site, pool):
                [container] = pod["spec"]["containers"]
                assert container["image"] == "images.example/base/first:1.0"


def pods(site: Site, pool: str) -> list[dict[str, Any]]:
    """The pods of the first jobs of a queue."""
    selector = f"--selector=job-name=first-{pool}"
    spaces = [f"vision--{environment}" for environment in ENVIRONMENTS]
    return [pod for space in spaces for pod in site.plane.read("pods", f"--namespace={space}", selector)["items"]]


def nodes(site: Site, pool: str) -> list[str]:
    """Where they are."""
    return [pod["spec"]["nodeName"] for pod in pods(site, pool) if pod["spec"].get("nodeName")]
