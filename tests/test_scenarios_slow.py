"""The scenarios of the simulated plant that take hours and days; those of minutes are in test_scenarios.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_scenarios import SLOW, judged


@pytest.mark.parametrize("name", SLOW)
def test_a_slow_scenario_fires_its_alerts_in_time_and_no_others(name: str, tmp_path: Path) -> None:
    judged(name, tmp_path)
