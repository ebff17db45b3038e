"""Alarms where readings are few: units that tell little, and the first hours after the start of Prometheus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simulator.series import GROUPS
from tests.alarm_site import rule_files, rules_of
from tests.rig.prometheus import run_rule_tests

SUPPLY = 'cooling_supply_temperature_celsius{{device="cdu-1",loop="plate",circuit="{}"}}'
FLOW = 'cooling_flow_cubic_meters_per_second{{device="{}",loop="plate",circuit="secondary"}}'
LEVEL = 'cooling_reservoir_level_ratio{{device="{}",loop="{}",reservoir="1"}}'
STEPS = 240


def shown(
    tmp_path: Path, series: dict[str, str], expression: str, samples: list[dict[str, Any]], step: int = 60
) -> None:
    """What the rendered rules make of some series after 240 steps."""
    told = {
        "rule_files": [str(file) for file in rule_files()],
        "evaluation_interval": f"{step}s",
        "group_eval_order": GROUPS,
        "tests": [
            {
                "interval": f"{step}s",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [{"expr": expression, "eval_time": f"{STEPS * step}s", "exp_samples": samples}],
            }
        ],
    }
    (tmp_path / "test.json").write_text(json.dumps(told))
    run_rule_tests(tmp_path / "test.json")


def firing(alert: str) -> str:
    return f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})'


@pytest.mark.parametrize(("water", "coolant", "fires"), [(15, 36, 0), (15, 36.4, 0), (32, 41, 2)])
def test_cold_water_is_no_fouling_where_a_unit_tells_no_valve(
    water: float, coolant: float, fires: int, tmp_path: Path
) -> None:
    """In winter the coolant is far above the water because the unit throttles, whether or not it says so."""
    series = {SUPPLY.format("primary"): f"{water}x{STEPS}", SUPPLY.format("secondary"): f"{coolant}x{STEPS}"}
    samples = [{"labels": "{}", "value": fires}] if fires else []
    shown(tmp_path, series, firing("CoolingApproachTooWide"), samples)


@pytest.mark.parametrize(("flow", "fires"), [(2e-5, 1), (5e-3, 0)])
def test_a_sensor_that_shows_a_little_at_rest_hides_no_standstill(flow: float, fires: int, tmp_path: Path) -> None:
    series = {FLOW.format(name): f"{flow}x{STEPS}" for name in ("cdu-1", "cdu-2")}
    samples = [{"labels": "{}", "value": fires}] if fires else []
    shown(tmp_path, series, firing("CoolingNoFlow"), samples)


@pytest.mark.parametrize(
    ("device", "loop", "alert", "step"),
    [("cdu-1", "plate", "CoolingCoolantLostSlowly", 60), ("b03", "boil", "CoolingFluidLost", 300)],
)
def test_the_last_digit_of_a_level_is_no_loss(device: str, loop: str, alert: str, step: int, tmp_path: Path) -> None:
    """One step of 0.1 % soon after the start looks like a steep slope."""
    level = f"0.96x{STEPS // 2} 0.959x{STEPS // 2}"
    shown(tmp_path, {LEVEL.format(device, loop): level}, firing(alert), [], step)


def test_conductivity_is_told_in_the_unit_of_its_limit(tmp_path: Path) -> None:
    name = 'cooling_coolant_conductivity_siemens_per_meter{device="cdu-1",loop="plate"}'
    told = [{"labels": '{device="cdu-1", loop="plate"}', "value": 1000}]
    expression = next(
        rule["expr"]
        for rule in rules_of("cooling-alerts")["groups"][0]["rules"]
        if rule["alert"] == "CoolingConductivityLow" and rule["labels"]["severity"] == "warning"
    )
    shown(tmp_path, {name: f"0.1x{STEPS}"}, expression, told)
