"""Every folder of templates/services, used with its own example as a tenant would use it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
FOLDERS = sorted(file.parent for file in (ROOT / "templates/services").glob("*/service.yaml"))
NAMESPACE = "vision-lab--main"


def centre(folder: Path, kind: str, inputs: dict[str, Any]) -> Path:
    """The starter centre with this service alone."""
    shutil.copytree(ROOT / "inventories/starter", folder, ignore=shutil.ignore_patterns("generated"))
    text = (folder / "center.yaml").read_text("utf-8").partition("services:\n  first")[0]
    used = {"kind": kind, "tenant": "vision-lab", "pool": "train", "inputs": inputs}
    (folder / "center.yaml").write_text(f"{text}services:\n  mine: {json.dumps(used)}\n", "utf-8")
    return folder


def center(verb: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "generator", verb, str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_example_becomes_objects_of_the_tenant(folder: Path, tmp_path: Path) -> None:
    described = yaml.safe_load((folder / "service.yaml").read_text("utf-8"))
    assert described["name"] == folder.name
    assert {file.name for file in folder.iterdir()} == {"service.yaml", *described["templates"]}
    made = centre(tmp_path / "mine", folder.name, described["example"]["inputs"])
    done = center("render", made)
    assert done.returncode == 0, done.stderr
    files = sorted((made / "generated/clusters/cloud/services").glob("mine*.yaml"))
    assert len(files) == len(described["templates"])
    bodies = [body for file in files for body in yaml.safe_load_all(file.read_text("utf-8"))]
    assert {body["metadata"]["namespace"] for body in bodies} == {NAMESPACE}
    for body in bodies:
        assert body["metadata"]["labels"]["center.internal/service"] == "mine"
    scaled = {body["spec"]["scaleTargetRef"]["name"] for body in bodies if body["kind"] == "HorizontalPodAutoscaler"}
    assert not [body for body in bodies if body["metadata"]["name"] in scaled and "replicas" in body.get("spec", {})]
    assert any('"kueue.x-k8s.io/queue-name": "train"' in json.dumps(body) for body in bodies), "no queue counts it"


@pytest.mark.parametrize(
    ("kind", "inputs", "shows"),
    [
        ("training", {"nodes": 0}, "a whole number from 1 to 512"),
        ("training", {"nodes": True}, "a whole number"),
        ("training", {"image": "no image"}, "a container image"),
        ("training", {"command": []}, "a list of words"),
        ("training", {"node": 1}, 'did you mean "nodes"'),
        ("inference", {}, 'needs the input "model"'),
        ("inference", {"model": "x", "replicas": "4-1"}, "needs bounds"),
        ("inference", {"model": "x", "host": "no host"}, "a DNS name"),
        ("inference", {"model": "x" * 2001}, "at most 2,000 characters"),
    ],
)
def test_inputs_that_do_not_fit(kind: str, inputs: dict[str, Any], shows: str, tmp_path: Path) -> None:
    done = center("validate", centre(tmp_path / "mine", kind, inputs))
    assert done.returncode == 1 and shows in done.stdout
    assert re.findall(r"error\[(.*?)\]", done.stdout) == ["service.input"]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_images_may_need_a_login(folder: Path, tmp_path: Path) -> None:
    """Where a service has an input for it, the spec names a secret of the tenant, and every pod says it."""
    if "registry-login" not in yaml.safe_load((folder / "service.yaml").read_text("utf-8")).get("inputs", {}):
        assert folder.name not in ("inference", "training", "training-example")
        return
    inputs = yaml.safe_load((folder / "service.yaml").read_text("utf-8"))["example"]["inputs"]
    made = centre(tmp_path / "mine", folder.name, {**inputs, "registry-login": "our-registry"})
    assert center("render", made).returncode == 0
    files = sorted((made / "generated/clusters/cloud/services").glob("mine*.yaml"))
    pods = [
        body["spec"].get("jobTemplate", body)["spec"]["template"]["spec"]
        for file in files
        for body in yaml.safe_load_all(file.read_text("utf-8"))
        if body["kind"] in ("CronJob", "Deployment")
    ]
    assert pods and all(pod["imagePullSecrets"] == [{"name": "our-registry"}] for pod in pods)
