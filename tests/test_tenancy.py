"""What is rendered for tenants: walls behind queues, classes as files, and what the page for tenants says of them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
SAMPLES = sorted(file.parent.name for file in (ROOT / "inventories").glob("*/center.yaml"))
PAGE = (ROOT / "docs/tenants.md").read_text("utf-8")
FACTORS = {"m": 0.001, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "": 1}
Body = dict[str, Any]


def rendered(folder: Path) -> list[tuple[str, Body]]:
    """Every object with its cluster."""
    command = [sys.executable, "-m", "generator", "render", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = []
    for file in sorted((folder / "generated/clusters").rglob("*.yaml")):
        cluster = file.relative_to(folder / "generated/clusters").parts[0]
        found += [
            (cluster, body) for body in yaml.safe_load_all(file.read_text("utf-8")) if body and "metadata" in body
        ]
    return found


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[str, Body]]]:
    folder = tmp_path_factory.mktemp("samples")
    ignored = shutil.ignore_patterns("generated")
    return {
        name: rendered(Path(shutil.copytree(ROOT / "inventories" / name, folder / name, ignore=ignored)))
        for name in SAMPLES
    }


def number(amount: object) -> float:
    match = re.fullmatch(rf"([0-9.]+)({'|'.join(FACTORS)})", str(amount))
    assert match, amount
    return float(match[1]) * FACTORS[match[2]]


def of(bodies: list[tuple[str, Body]], kind: str) -> Iterator[tuple[str, Body]]:
    return ((cluster, body) for cluster, body in bodies if body["kind"] == kind)


def runtimes(bodies: list[tuple[str, Body]]) -> dict[str, Body]:
    return {body["metadata"]["name"]: body for _, body in of(bodies, "RuntimeClass")}


@pytest.mark.parametrize("sample", SAMPLES)
def test_no_quota_of_a_namespace_is_tighter_than_what_its_queues_may_admit(
    sample: str, samples: dict[str, list[tuple[str, Body]]]
) -> None:
    bodies = samples[sample]
    most = {
        (cluster, queue["metadata"]["name"], each["name"]): number(each["nominalQuota"])
        + number(each["borrowingLimit"])
        for cluster, queue in of(bodies, "ClusterQueue")
        for group in queue["spec"]["resourceGroups"]
        for flavor in group["flavors"]
        for each in flavor["resources"]
    }
    admitted: Counter[tuple[str, str, str]] = Counter()
    for cluster, queue in of(bodies, "LocalQueue"):
        for (where, name, resource), amount in most.items():
            if (where, name) == (cluster, queue["spec"]["clusterQueue"]):
                admitted[cluster, queue["metadata"]["namespace"], resource] += int(amount * 1000)
    hard = {
        (cluster, quota["metadata"]["namespace"], name.removeprefix("requests.")): number(amount)
        for cluster, quota in of(bodies, "ResourceQuota")
        for name, amount in quota["spec"]["hard"].items()
        if name.startswith("requests.")
    }
    assert all(hard[place] * 1000 >= amount for place, amount in admitted.items())
    assert admitted or sample == "alps"  # whose tenants work with Slurm


@pytest.mark.parametrize("sample", SAMPLES)
def test_objects_follow_tenants_and_services(sample: str, samples: dict[str, list[tuple[str, Body]]]) -> None:
    """At most 200, 15 for each environment and 40 for each service."""
    for cluster in {cluster for cluster, _ in samples[sample]}:
        bodies = [body for where, body in samples[sample] if where == cluster]
        environments = [body for body in bodies if "center.internal/environment" in body["metadata"].get("labels", {})]
        spaces = Counter(body["metadata"].get("namespace") for body in environments if not is_of_service(body))
        assert all(count <= 15 for count in spaces.values()), spaces
        assert len([body for body in bodies if body not in environments]) <= 200


def is_of_service(body: Body) -> bool:
    return "center.internal/service" in body["metadata"]["labels"]


def test_pod_security_is_of_the_version_of_the_cluster(samples: dict[str, list[tuple[str, Body]]]) -> None:
    for _, body in of(samples["duo"], "Namespace"):
        labels = body["metadata"]["labels"]
        if "center.internal/tenant" in labels:
            for mode in ("enforce", "audit", "warn"):
                assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"
                assert labels[f"pod-security.kubernetes.io/{mode}-version"] == "v1.36"


def test_a_class_is_one_file(tmp_path: Path) -> None:
    """A site's own class says every number of its tenants; the tenant may say another isolation."""
    site = Path(shutil.copytree(ROOT / "inventories/starter", tmp_path / "mine"))
    text = (ROOT / "generator/catalog/classes/research.yaml").read_text("utf-8")
    for old, new in (
        ("name: research", "name: summer"), ("pods: 500", "pods: 7"), ("secrets: 200", "secrets: 3"),
        ("storage: 50 TB", "storage: 1.5 TB"), ("isolation: shared", "isolation: sandbox"),
        ("cores: 0.1", "cores: 0.25"),
    ):  # fmt: skip
        assert text.count(old) == 1
        text = text.replace(old, new)
    (site / "catalog/classes").mkdir(parents=True)
    (site / "catalog/classes/summer.yaml").write_text(text, "utf-8")
    spec = (site / "center.yaml").read_text("utf-8")
    spec = spec.replace("class: research", "class: summer").replace("cni: calico", "cni: calico, sandbox: gvisor")
    (site / "center.yaml").write_text(spec, "utf-8")
    bodies = rendered(site)
    hard = {name: amount for _, quota in of(bodies, "ResourceQuota") for name, amount in quota["spec"]["hard"].items()}
    # 7 and one for each of the 16 accelerators.
    assert (hard["pods"], hard["secrets"], hard["requests.storage"]) == ("23", "3", "1500000M")
    [(_, limits)] = of(bodies, "LimitRange")
    assert limits["spec"]["limits"][0]["defaultRequest"]["cpu"] == "250m"
    assert runtimes(bodies)["gvisor"]["handler"] == "runsc"
    [template] = [body["spec"]["jobTemplate"]["spec"]["template"] for _, body in of(bodies, "CronJob")]
    assert template["spec"]["runtimeClassName"] == "gvisor"


def test_a_virtual_machine_is_counted(tmp_path: Path) -> None:
    site = Path(shutil.copytree(ROOT / "inventories/starter", tmp_path / "mine"))
    spec = (site / "center.yaml").read_text("utf-8").replace("cni: calico", "cni: calico, sandbox: kata-qemu")
    (site / "center.yaml").write_text(spec, "utf-8")
    # 160 MiB, as its makers say.
    assert runtimes(rendered(site))["kata-qemu"]["overhead"]["podFixed"] == {"cpu": "250m", "memory": "168M"}


def test_the_page_says_which_policy_refuses_what(samples: dict[str, list[tuple[str, Body]]], tmp_path: Path) -> None:
    """Each sentence that a policy says stands in the table behind its name, and none that no policy says."""
    site = Path(
        shutil.copytree(ROOT / "inventories/duo", tmp_path / "mine", ignore=shutil.ignore_patterns("generated"))
    )
    spec = (site / "center.yaml").read_text("utf-8")
    spec = spec.replace("cni: calico", "cni: calico, sandbox: gvisor, images: [registry.example]")
    (site / "center.yaml").write_text(
        spec.replace("class: incubation", "class: incubation\n        isolation: sandbox"), "utf-8"
    )
    said = {
        (body["metadata"]["name"], validation["message"].replace("duo.example", "DOMAIN"))
        for _, body in of(rendered(site), "ValidatingAdmissionPolicy")
        for validation in body["spec"]["validations"]
    }
    told = set(re.findall(r"^\| [^|]+ \| `(center-tenant-[a-z]+)` \| ([^|]+) \|$", PAGE, re.M))
    assert told == said
