"""Random organisations on a real Kueue: nobody holds more than it may, and what is promised comes back."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

from tests import queue_trees
from tests.campaign.base import Outcome

SUBJECT = (
    "generator/outputs/queues.py",
    "tests/queue_site.py",
    "tests/queue_trees.py",
    "tests/campaign/kinds/queue_trees.py",
)
UNITS, POOLS, BRIEF_POOLS = 24, 4, 1


def obstacle() -> str | None:
    """Nothing stands in its way; but each unit starts a control plane, so its sample is a test of its own."""
    return None


def units() -> list[str]:
    return [f"seed-{seed}" for seed in range(1, UNITS + 1)]


def prove(unit: str, *, brief: bool = False) -> Outcome:
    pools = BRIEF_POOLS if brief else POOLS
    with tempfile.TemporaryDirectory(prefix="center-queues-") as folder:
        jobs, faults = queue_trees.prove(Path(folder) / "site", int(unit.removeprefix("seed-")), pools)
    return Outcome({"trees": 1, "pools": pools, "jobs": jobs}, tuple(faults))


def summary(counts: Counter[str]) -> list[str]:
    return [f"{counts['trees']} trees of organisations over {counts['pools']} pools, {counts['jobs']:,} jobs."]
