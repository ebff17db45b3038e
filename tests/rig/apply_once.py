"""One apply in a process of its own, so that a test can stop or kill it: job on stdin, report on stdout, as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from generator.apply.clusters.comparison import Manifest
from generator.apply.clusters.kubeconfig import Access
from generator.apply.clusters.runs import Target, apply_cluster


def main() -> None:
    """Apply the objects of the job to its cluster."""
    job = json.load(sys.stdin)
    target = Target(job["centre"], job["cluster"], Access(Path(job["kubeconfig"])))
    manifests = [Manifest(f"clusters/{index}.yaml", body) for index, body in enumerate(job["bodies"])]
    confirm = frozenset(job.get("confirm", []))
    report = apply_cluster(target, manifests, confirm=confirm, lease_seconds=job.get("lease_seconds", 60))
    json.dump({"done": len(report.done), "rules": [problem.rule for problem in report.problems]}, sys.stdout)


if __name__ == "__main__":
    main()
