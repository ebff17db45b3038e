"""`python -m bench.tenants`: 1,000 nodes of four vendors for 200 tenants, and kubectl on the same API server.

Nodes are KWOK's, Kueue is real. What kubectl applies are the same namespaces and queues under other names.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from bench.centers import SSH_AUTHORITY
from control_plane.cluster import ControlPlane
from control_plane.tools import build_tools
from tests.queue_site import EACH, SERVER, machine, tenant

MODELS = {
    "ascend": ("ascend-910b", "huawei.com/Ascend910"),
    "dcu": ("hygon-dcu-k100-ai", "hygon.com/dcu"),
    "mlu": ("cambricon-mlu370-x8", "cambricon.com/mlu"),
    "gpu": ("nvidia-h100-sxm5-80gb", "nvidia.com/gpu"),
}
NODES, TENANTS, PER_RACK = 1000, 200, 25
ROOT = Path(__file__).parent.parent


def spec() -> dict[str, Any]:
    """Each vendor has ten racks of 25 small nodes; each tenant has a node of one vendor and borrows of it."""
    racks = NODES // PER_RACK // len(MODELS)
    each = NODES // len(MODELS) * EACH // (TENANTS // len(MODELS))
    organizations: dict[str, Any] = {}
    for number in range(TENANTS):
        pool = [*MODELS][number % len(MODELS)]
        place = organizations.setdefault(f"o{number % 20}", {"tenants": {}})["tenants"]
        place[f"t{number}"] = tenant({pool: each - 1}, {pool: 1})
    rows = {
        letter: {"racks": {f"{letter}01..{racks:02d}": pool}, "base": f"10.16.{16 * number}.0", "stride": 32}
        for number, (letter, pool) in enumerate(zip("bcde", MODELS, strict=True))
    }
    control = {"racks": {"a01": "head"}, "base": "10.16.240.0", "stride": 32}
    kinds = {pool: {"type": "rack-48u", "holds": {pool: PER_RACK}} for pool in MODELS}
    return {
        "apiVersion": "center/v1",
        "kind": "Center",
        "metadata": {"name": "scale"},
        "site": {"timezone": "Asia/Shanghai"},
        "network": {"domain": "scale.example", "plans": {"nodes": "10.16.0.0/16"}, "ntp": ["10.16.240.1"]},
        "power": {"feeds": {"west": {"capacity": "90 MW", "rack": "9x 125 A 400 V 3-phase", "derating": "80 %"}}},
        "halls": {
            "hall-1": {
                "feeds": ["west"],
                "air": {"supply": "24 °C", "humidity": "45 %", "capacity": "90 MW"},
                "rack-kinds": {"head": {"type": "rack-42u", "holds": {"control": 1}}, **kinds},
                "rows": {"a": control, **rows},
            }
        },
        "pools": {
            "control": {"server": "generic-1u", "role": "control", "cluster": "cloud"},
            **{pool: {"server": "small", "accelerator": m, "cluster": "cloud"} for pool, (m, _) in MODELS.items()},
        },
        "clusters": {
            "cloud": {"kind": "kubernetes", "version": "1.36", "pods": "10.128.0.0/12", "services": "10.96.0.0/16"}
        },
        "access": {
            "ssh": {"authority": "path:ssh_ca.pub"},
            "identity": {"oidc": {"issuer": "https://id.scale.example"}},
        },
        "organizations": organizations,
    }


def machines(tree: Path) -> Iterator[dict[str, Any]]:
    """The workers as their kubelets would announce them."""
    nodes = json.loads((tree / "hosts/hall-1/nodes.json").read_text("utf-8"))
    for name in nodes:
        pool = name.rpartition("-")[0].rpartition("-")[0]
        if pool in MODELS:
            yield machine(name, MODELS[pool][1])


def renamed(tree: Path) -> str:
    """The namespaces of tenants once more, for kubectl: as strangers' of other names."""
    files = sorted((tree / "clusters/cloud/namespaces").glob("*.yaml"))
    text = json.dumps([body for file in files for body in yaml.safe_load_all(file.read_text("utf-8"))])
    bodies = json.loads(text.replace("--main", "--other").replace("center.internal/", "others.example/"))
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies})


def center(*words: str) -> tuple[float, float, str]:
    """Seconds, MiB at the peak, and the last line of a verb."""
    start = time.monotonic()
    command = [sys.executable, "-m", "generator", *words]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    output, complaint = process.communicate()
    if process.returncode not in (0, 2):
        raise SystemExit(f"{words}: exit code {process.returncode}\n{complaint[-2000:]}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return time.monotonic() - start, peak, (output.strip().splitlines() or [""])[-1]


def main() -> None:
    """Print what an apply of all, of nothing, and of one tenant more costs."""
    tools = build_tools()
    with tempfile.TemporaryDirectory(prefix="center-bench-") as name:
        folder = Path(name) / "scale"
        (folder / "catalog/servers").mkdir(parents=True)
        (folder / "catalog/servers/small.yaml").write_text(SERVER)
        (folder / "ssh_ca.pub").write_bytes(SSH_AUTHORITY.read_bytes())
        words = spec()
        (folder / "center.yaml").write_text(json.dumps(words), "utf-8")
        center("-q", "render", str(folder))
        tree = folder / "generated"
        with ControlPlane(tools, Path(name) / "plane") as plane:
            plane.add_nodes(list(machines(tree)), deadline=600)
            reach = (str(folder), "--cluster", "cloud", "--kubeconfig", str(plane.kubeconfig))
            seconds, peak, said = center("apply", *reach)
            objects = int(said.split()[1])
            formula = 200 + 15 * TENANTS
            print(f"{TENANTS} tenants: {objects - NODES:,} objects (limit {formula:,}), and labels of {NODES:,} nodes")
            print(f"first apply                 {seconds:>7.1f} s {objects / seconds:>7.0f}/s {peak:>5.0f} MiB")
            theirs = renamed(tree)
            start = time.monotonic()
            plane.kubectl("apply", "--server-side", "--field-manager=other", "-f-", stdin=theirs)
            other = time.monotonic() - start
            count = len(json.loads(theirs)["items"])
            print(f"kubectl, {count:,} of them      {other:>7.1f} s {count / other:>7.0f}/s")
            seconds, peak, said = center("apply", *reach)
            print(f"again, unchanged            {seconds:>7.1f} s                ({said})")
            words["organizations"]["o0"]["tenants"]["newcomer"] = tenant({"gpu": 1})
            (folder / "center.yaml").write_text(json.dumps(words), "utf-8")
            center("-q", "render", str(folder))
            seconds, peak, said = center("apply", *reach)
            print(f"one tenant more             {seconds:>7.1f} s                ({said})")
            memory = {name: size / 2**20 for name, size in plane.resident_bytes().items()}
            print("memory of the servers:", ", ".join(f"{name} {size:.0f} MiB" for name, size in memory.items()))


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    main()
