"""The samples: without findings, rendered, and Alps with the numbers that its operator has published."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SAMPLES = sorted(path.parent.name for path in (ROOT / "inventories").glob("*/center.yaml"))

# docs/alps/hardware.md of eth-cscs/cscs-docs: nodes and devices of each kind.
PUBLISHED_NODES = {"gh200": 2688, "zen2": 1024, "a100": 144, "mi250x": 24, "mi300a": 128}
PUBLISHED_DEVICES = {
    "nvidia-gh200-96gb": 10752, "nvidia-a100-sxm4-80gb": 576, "amd-mi250x": 96, "amd-mi300a": 512,
}  # fmt: skip
KIND_OF_POOL = {
    "daint": "gh200", "clariden": "gh200", "santis": "gh200",
    "eiger": "zen2", "bristen": "a100", "besso": "mi250x", "beverin": "mi300a",
}  # fmt: skip


def center(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "generator", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_have_no_findings(name: str) -> None:
    done = center("validate", f"inventories/{name}", "--strict", "--format", "json")
    assert (json.loads(done.stdout)["problems"], done.returncode) == ([], 0)


@pytest.fixture(scope="module")
def alps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("alps")
    assert center("-q", "render", "inventories/alps", "--out", str(out)).returncode == 0
    return out


def test_alps_has_the_nodes_that_are_published(alps: Path) -> None:
    names = [name for file in alps.glob("hosts/*/nodes.json") for name in json.loads(file.read_text("utf-8"))]
    pools = Counter(name.rsplit("-", 2)[0] for name in names)
    kinds = Counter[str]()
    for pool, kind in KIND_OF_POOL.items():
        kinds[kind] += pools[pool]
    assert kinds == PUBLISHED_NODES


def test_alps_has_the_accelerators_that_are_published(alps: Path) -> None:
    table = re.findall(r"^\| \S+ \| worker \| .*$", (alps / "summary.md").read_text("utf-8"), re.MULTILINE)
    devices = Counter[str]()
    for row in table:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        devices[cells[4]] += int(cells[5])
    assert {name: count for name, count in devices.items() if count} == PUBLISHED_DEVICES


def test_the_largest_sample_fills_every_part_of_the_summary(tmp_path: Path) -> None:
    assert center("-q", "render", "inventories/chaohu-mingyue", "--out", str(tmp_path)).returncode == 0
    parts = re.findall(r"^## (.+)$", (ROOT / "templates/summary.md").read_text("utf-8"), re.MULTILINE)
    shown = re.findall(r"^## (.+)$", (tmp_path / "summary.md").read_text("utf-8"), re.MULTILINE)
    assert (shown, len(parts) > 12) == (parts, True)


def test_queues_spell_quantities_as_kubernetes_does(tmp_path: Path) -> None:
    """Kueue writes its objects back; what it spelled otherwise would be a change in every later apply."""
    assert center("-q", "render", "inventories/chaohu-mingyue", "--out", str(tmp_path)).returncode == 0
    found = {
        value
        for file in tmp_path.glob("clusters/*/cluster.yaml")
        for value in re.findall(r'(?:Quota|Limit)": "([^"]+)"', file.read_text("utf-8"))
    }
    # 256 and 512 accelerators with 214,576 MiB and 15.2 cores each.
    assert {"53644Gi", "107288Gi", "3891200m", "512"} <= found
    for value in found:
        number, unit = re.fullmatch(r"([0-9]+)(|m|k|Ki|Mi|Gi|Ti)", value).groups()  # type: ignore[union-attr]
        assert int(number) % (1024 if unit.endswith("i") else 1000) or value == "0", value
