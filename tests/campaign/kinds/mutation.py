"""Faults put into the code on purpose are noticed by its tests; what survives is a remark, not a failure.

For rules only their lessons count: each passes at its limit and fails one step beyond.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

from tests.campaign.base import ROOT, Outcome
from tests.campaign.executioner import TESTS
from tests.campaign.mutants import count

MODULES = [*TESTS, *(str(file.relative_to(ROOT)) for file in sorted((ROOT / "generator/rules").glob("[a-z]*.py")))]
SUBJECT = (*MODULES, "tests/*.py", "tests/bad/*.yaml", "tests/campaign/mutants.py", "tests/campaign/executioner.py")
CHUNK = 20


def units() -> list[str]:
    """The first mutants of every module, then the next, so that a short campaign has seen all modules."""
    counts = {module: count((ROOT / module).read_text("utf-8")) for module in MODULES}
    chunks = [(first, module) for module in MODULES for first in range(1, counts[module] + 1, CHUNK)]
    chunks.sort(key=lambda chunk: chunk[0])
    return [f"{module}:{first}-{min(first + CHUNK - 1, counts[module])}" for first, module in chunks]


def prove(unit: str, *, brief: bool = False) -> Outcome:
    module, _, span = unit.partition(":")
    first, _, last = span.partition("-")
    end = str(min(int(last), int(first) + 2)) if brief else last
    command = [sys.executable, "-m", "tests.campaign.executioner", module, first, end]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    survivors = [f"{module}:{what}" for what in told["survivors"]]
    counts = {f"{module} mutants": told["mutants"], f"{module} noticed": told["mutants"] - len(survivors)}
    return Outcome(counts, remarks=tuple(survivors))


def summary(counts: Counter[str]) -> list[str]:
    lines = ["", "| module | mutants | noticed | |", "|---|---|---|---|"]
    for module in MODULES:
        all_of_it, noticed = counts[f"{module} mutants"], counts[f"{module} noticed"]
        if all_of_it:
            lines.append(f"| {module} | {all_of_it} | {noticed} | {100 * noticed // all_of_it} % |")
    return [*lines, ""]
