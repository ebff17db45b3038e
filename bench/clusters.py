"""`python -m bench.clusters`: 1,000 objects against `kubectl apply --server-side` on the same API server."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from control_plane.cluster import ControlPlane
from control_plane.tools import build_tools
from generator.apply.clusters.comparison import Manifest
from generator.apply.clusters.kubeconfig import Access
from generator.apply.clusters.runs import Target, apply_cluster

OBJECTS = 1000


def objects(namespace: str) -> list[dict[str, object]]:
    """A namespace full of ConfigMaps of 0.3 KB."""
    configs: list[dict[str, object]] = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"config-{number}", "namespace": namespace},
            "data": {"key": "x" * 250},
        }
        for number in range(OBJECTS)
    ]
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}, *configs]


def seconds(work: Callable[[], object]) -> float:
    """How long a piece of work takes."""
    start = time.monotonic()
    work()
    return time.monotonic() - start


def main() -> None:
    """Print seconds of both, into an empty namespace and again."""
    with (
        tempfile.TemporaryDirectory(prefix="center-bench-") as folder,
        ControlPlane(build_tools(), Path(folder), kueue=False, kwok=False) as plane,
    ):
        target = Target("bench", "bench", Access(plane.kubeconfig))
        ours = [Manifest("bench.yaml", body) for body in objects("ours")]
        theirs = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects("theirs")})

        def apply_ours() -> None:
            report = apply_cluster(target, ours)
            assert not report.problems, report.problems

        def apply_theirs() -> None:
            plane.kubectl("apply", "--server-side", "-f-", stdin=theirs)

        print(f"{'apply of ' + str(OBJECTS) + ' objects':<24} {'center':>8} {'kubectl':>8} {'ratio':>6}")
        for what in ("first", "again, unchanged"):
            own, other = seconds(apply_ours), seconds(apply_theirs)
            print(f"{what:<24} {own:>6.2f} s {other:>6.2f} s {other / own:>6.1f}")


if __name__ == "__main__":
    main()
