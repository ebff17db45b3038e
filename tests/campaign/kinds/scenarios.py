"""Every scenario of the simulated plant with other noise of its sensors: exactly its alerts, in time, and no others."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

from simulator.plan import Plan
from simulator.scenario import scenarios
from simulator.series import promtool_test
from tests.alarm_site import rendered, rule_files
from tests.campaign.base import Outcome
from tests.rig.prometheus import ProgramMissing, program, run_rule_tests

SUBJECT = (
    "generator/catalog/alerts/*.yaml", "generator/catalog/limits/*.yaml", "templates/monitoring/records.yaml",
    "generator/limits.py", "generator/outputs/alarms.py", "simulator/**/*.py", "simulator/scenarios/*.yaml",
    "tests/centers/plant/center.yaml", "tests/campaign/kinds/scenarios.py",
)  # fmt: skip
NEEDS_HOSTS = False
SEEDS = 5


def obstacle() -> str | None:
    """Why this proof cannot be done here, or None."""
    try:
        program("promtool")
    except ProgramMissing as error:
        return str(error)
    return None


def units() -> list[str]:
    """Each scenario with the noise of the tests and with four others."""
    return [f"{name}@{seed}" for seed in range(1, SEEDS + 1) for name in scenarios()]


def prove(unit: str, *, brief: bool = False) -> Outcome:
    """One scenario with one noise."""
    name, _, seed = unit.partition("@")
    scenario = scenarios()[name]
    if brief:
        scenario = replace(scenario, lasts=10 * scenario.step)
    told = promtool_test(scenario, Plan.of(rendered()), rule_files(), seed=int(seed))
    looks = len(told["tests"][0]["promql_expr_test"])
    with tempfile.TemporaryDirectory(prefix="center-scenario-") as folder:
        file = Path(folder) / "scenario.json"
        file.write_text(json.dumps(told))
        try:
            run_rule_tests(file)
        except AssertionError as error:
            lines = [line.strip() for line in str(error).splitlines() if "exp:" in line or "got:" in line]
            return Outcome({"scenarios": 1, "looks": looks}, (f"{unit}: {' '.join(lines)[:500]}",))
    return Outcome({"scenarios": 1, "looks": looks})


def summary(counts: Counter[str]) -> list[str]:
    return [f"{counts['scenarios']} runs of scenarios, looked at {counts['looks']:,} times."]
