"""The second way to a cluster: what Kustomize reads from the tree is what `center apply` would bring."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from control_plane.tools import build_tools
from generator.apply.clusters import kube, lease, runs
from tests.lessons import ROOT

TREES = sorted(ROOT.glob("tests/centers/*/expected/clusters/*/kustomization.yaml"))


def objects(text: str) -> set[tuple[str, str, str]]:
    found = [body for body in yaml.safe_load_all(text) if body]
    return {(body["kind"], body["metadata"].get("namespace", ""), body["metadata"]["name"]) for body in found}


@pytest.mark.cluster
@pytest.mark.parametrize("file", TREES, ids=lambda file: str(file.relative_to(ROOT).parent))
def test_kustomize_reads_every_object_of_a_cluster(file: Path) -> None:
    built = subprocess.run(
        [build_tools().kubectl, "kustomize", file.parent], capture_output=True, text=True, check=True, timeout=120
    )
    rendered = [other for other in file.parent.rglob("*.yaml") if other != file]
    wanted = set().union(*(objects(other.read_text("utf-8")) for other in rendered))
    assert objects(built.stdout) == wanted and len(wanted) > 10


def test_the_page_speaks_of_findings_and_times_that_there_are() -> None:
    page = " ".join((ROOT / "docs/delivery.md").read_text("utf-8").split())
    sources = "".join(file.read_text("utf-8") for file in (ROOT / "generator/apply").rglob("*.py"))
    named = set(re.findall(r"\bcluster\.[a-z]+-?[a-z]+\b", page)) - {"cluster.yaml"}
    assert len(named) > 8 and [name for name in sorted(named) if f'"{name}"' not in sources] == []
    assert f"its lock runs out within {lease.SECONDS} s" in page
    assert (runs.READY_SECONDS, "have five minutes to work" in page) == (300, True)
    assert f"away for more than {kube.PATIENCE_SECONDS:g} s" in page
    for words in ("does not serve", "of them rendered", "in the cluster first"):
        assert words in page and words in sources
