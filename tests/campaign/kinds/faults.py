"""Hosts that die, boot, fill up, lie or are locked, controllers that meet or are interrupted: one run mends it all."""

from __future__ import annotations

import atexit
import traceback
from collections import Counter
from functools import cache
from random import Random

from tests.campaign.base import Outcome
from tests.host_faults import FAULTS, Centre
from tests.rig.base import obstacle as rig_obstacle

SUBJECT = (
    "generator/apply/*.py", "generator/apply/hosts/*.py", "playbooks/**/*.py",
    "tests/host_site.py", "tests/host_faults.py", "tests/campaign/kinds/faults.py",
)  # fmt: skip
NEEDS_HOSTS = True
SEEDS = 5


def obstacle() -> str | None:
    """Why this proof cannot be done here, or None."""
    return rig_obstacle()


def units() -> list[str]:
    return [f"{name}@{seed}" for seed in range(1, SEEDS + 1) for name in FAULTS]


def prove(unit: str, *, brief: bool = False) -> Outcome:
    """One fault; all of one process meet the same hosts."""
    if reason := obstacle():
        raise RuntimeError(reason)
    failures: tuple[str, ...] = ()
    try:
        meet(centre(), unit)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        failures = (f"{unit}: {type(error).__name__}: {error} at {place.line}"[:600],)
        centre().__exit__()  # the next one begins on hosts of its own
        centre.cache_clear()
    return Outcome({"faults": 1}, failures)


def meet(centre: Centre, unit: str) -> None:
    """Let hosts that are as rendered, but for one edit, meet a fault, such as "disk-full@3"."""
    name, _, _ = unit.partition("@")
    centre.edit()
    FAULTS[name](centre, Random(unit))


def summary(counts: Counter[str]) -> list[str]:
    return [f"{counts['faults']:,} faults of {len(FAULTS)} kinds, each on four booted hosts."]


@cache
def centre() -> Centre:
    made = Centre()
    made.__enter__()
    atexit.register(made.__exit__)
    return made
