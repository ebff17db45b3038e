"""The exporter as a pod: what is rendered stands in a real API server, and its configuration is the exporter's own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from control_plane.cluster import ControlPlane, KubectlError
from control_plane.processes import wait_until
from tests.cluster_fixtures import plane as plane

ROOT = Path(__file__).parent.parent
NAMESPACE = ("--namespace", "center-monitoring")
IMAGE = "registry.starter.example/cooling-exporter@sha256:" + "0" * 64


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pod")
    shutil.copytree(ROOT / "inventories/starter", folder / "starter", ignore=shutil.ignore_patterns("generated"))
    spec = folder / "starter/center.yaml"
    words = f'  exporter: {{cluster: cloud, image: "{IMAGE}"}}\n'
    spec.write_text(spec.read_text("utf-8").rstrip("\n") + "\n" + words, "utf-8")
    render = [sys.executable, "-m", "generator", "render", str(spec), "--out", str(folder / "tree")]
    subprocess.run(render, check=True, capture_output=True, timeout=60, cwd=ROOT)
    return folder / "tree"


def objects(tree: Path) -> dict[str, Any]:
    documents = yaml.safe_load_all((tree / "clusters/cloud/cooling.yaml").read_text("utf-8"))
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in documents}


def test_its_configuration_is_that_of_the_exporter(tree: Path, tmp_path: Path) -> None:
    told = objects(tree)["ConfigMap/cooling-exporter"]["data"]["cooling.json"]
    assert json.loads(told) == json.loads((tree / "exporter/cooling.json").read_text("utf-8"))
    (tmp_path / "cooling.json").write_text(told)
    check = [sys.executable, "-m", "cooling_exporter", "--config", str(tmp_path / "cooling.json"), "--check"]
    assert "1 devices" in subprocess.run(check, check=True, capture_output=True, text=True, cwd=ROOT).stdout


def test_prometheus_looks_where_the_service_is(tree: Path) -> None:
    [target] = json.loads((tree / "monitoring/targets/cooling.json").read_text("utf-8"))
    service = objects(tree)["Service/cooling-exporter"]
    name = f"{service['metadata']['name']}.{service['metadata']['namespace']}"
    assert target["targets"] == [f"{name}:{service['spec']['ports'][0]['port']}"]


@pytest.mark.cluster
def test_the_api_server_takes_it_and_makes_its_pod(tree: Path, plane: ControlPlane) -> None:
    plane.apply(*objects(tree).values())

    def pods() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = plane.read("pods", *NAMESPACE)["items"]
        return found

    wait_until(pods, 60, "the pod, which Pod Security lets in")
    [pod] = pods()
    assert pod["spec"]["containers"][0]["image"] == IMAGE
    assert pod["metadata"]["annotations"]["center.internal/configuration"]
    # Pod Security "restricted" stands over the namespace: what asks for more is refused.
    [container] = objects(tree)["Deployment/cooling-exporter"]["spec"]["template"]["spec"]["containers"]
    spec = {"hostNetwork": True, "containers": [{"name": "greedy", "image": container["image"]}]}
    named = {"name": "greedy", "namespace": NAMESPACE[1]}
    with pytest.raises(KubectlError, match="restricted"):
        plane.apply({"apiVersion": "v1", "kind": "Pod", "metadata": named, "spec": spec})
