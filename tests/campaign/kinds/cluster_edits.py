"""Random edits of a centre and by hand in its cluster: the preview is what the API server's audit log then shows."""

from __future__ import annotations

import atexit
import tempfile
from collections import Counter
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from tests import cluster_edits
from tests.campaign.base import Outcome

SUBJECT = (
    "generator/apply/clusters/*.py",
    "generator/outputs/*.py",
    "generator/outputs/policies/*.py",
    "tests/cluster_edits.py",
    "tests/campaign/kinds/cluster_edits.py",
)
UNITS, EDITS, BRIEF_EDITS = 30, 10, 2


def obstacle() -> str | None:
    """Nothing stands in its way; but it starts a control plane, so its sample is a test of its own."""
    return None


def units() -> list[str]:
    return [f"seed-{seed}" for seed in range(1, UNITS + 1)]


def prove(unit: str, *, brief: bool = False) -> Outcome:
    counts, faults = ground().walk(int(unit.removeprefix("seed-")), BRIEF_EDITS if brief else EDITS)
    return Outcome(dict(counts), tuple(faults))


def summary(counts: Counter[str]) -> list[str]:
    return [
        f"{counts['edits']} edits: {counts['previews']} previews that named {counts['objects']:,} objects, of which "
        f"{counts['deletions']:,} were to go, against the audit log; {counts['refused']} were refused by validation."
    ]


@cache
def ground() -> cluster_edits.Ground:
    """The cluster of all units of this process."""
    stack = ExitStack()
    atexit.register(stack.close)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="center-edits-")))
    return stack.enter_context(cluster_edits.started(folder / "site"))
