"""The properties that the everyday tests try on some examples, on many: each in a pytest of its own, from a seed."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

from tests.campaign.base import ROOT, Outcome

SUBJECT = ("generator/**/*.py", "templates/**/*", "tests/*.py", "tests/campaign/kinds/properties.py")
SEEDS = 3
EXAMPLES, BRIEF_EXAMPLES = 3_000, 20


def units() -> list[str]:
    return [f"{name}@{seed}" for seed in range(1, SEEDS + 1) for name in _properties()]


def _properties() -> Iterator[str]:
    """Every test function that is given something, as pytest names it."""
    for file in sorted((ROOT / "tests").glob("test_*.py")):
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef) and any("given(" in ast.unparse(d) for d in node.decorator_list):
                yield f"tests/{file.name}::{node.name}"


def prove(unit: str, *, brief: bool = False) -> Outcome:
    name, _, seed = unit.rpartition("@")
    examples = BRIEF_EXAMPLES if brief else EXAMPLES
    command = [sys.executable, "-m", "pytest", "-n0", "-p", "tests.campaign.many", "--timeout=600", name]
    command += [f"--hypothesis-seed={seed}", "-p", "no:cacheprovider"]
    environment = {**os.environ, "CAMPAIGN_EXAMPLES": str(examples)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return Outcome({"properties": 1, "examples": examples})
    falsified = [line for line in done.stdout.splitlines() if line.startswith("E ")][:6]
    return Outcome({"properties": 1, "examples": 0}, (f"{unit}: {' '.join(falsified)}"[:600],))


def summary(counts: Counter[str]) -> list[str]:
    return [f"{counts['properties']} runs of a property, {counts['examples']:,} examples."]
