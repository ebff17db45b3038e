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


RPM = 'cooling_pump_speed_rpm{{device="rpu-1",loop="pumped",pump="{}"}}'
DUTY = 'cooling_pump_speed_ratio{device="rpu-1",loop="pumped"}'


@pytest.mark.parametrize(("resting", "fires"), [(1, 0), (2, 2)])
def test_as_many_pumps_may_rest_as_the_design_says(resting: int, fires: int, tmp_path: Path) -> None:
    speeds = {RPM.format(pump): f"{0 if pump <= resting else 2500}x{STEPS}" for pump in range(1, 5)}
    samples = [{"labels": "{}", "value": fires}] if fires else []
    shown(tmp_path, {**speeds, DUTY: f"0.8x{STEPS}"}, firing("CoolingPumpLost"), samples)


HEAT = 'cooling_heat_removed_watts{{device="{}",loop="plate",circuit="secondary"}}'
HALF = 81_900 / 2 / 2  # W: design heat of the loop, two units, half of the share of each


@pytest.mark.parametrize(("heat", "fires"), [(HALF * 0.999, 0), (HALF * 1.001, 1)])
def test_pumps_are_judged_from_half_of_the_heat_of_a_unit_on(heat: float, fires: int, tmp_path: Path) -> None:
    series = {HEAT.format(name): f"{heat}x{STEPS}" for name in ("cdu-1", "cdu-2")}
    series |= {'cooling_power_watts{device="cdu-1",loop="plate"}': f"{0.03 * heat}x{STEPS}"}
    samples = [{"labels": "{}", "value": fires}] if fires else []
    shown(tmp_path, series, firing("CoolingPumpsTakeMuch"), samples)


@pytest.mark.parametrize(("heat", "fires"), [(HALF * 0.999, 0), (HALF * 1.001, 1)])
def test_sides_of_a_unit_are_compared_from_half_of_its_heat_on(heat: float, fires: int, tmp_path: Path) -> None:
    """A flow sensor may miss 5 % of its full scale: at a third of the flow that is 15 %, all that the limit allows."""
    flow, water = heat / (4_008_200 * 10), 1.2 * heat / (4_146_404 * 8)
    sides = {"secondary": (flow, 36, 46), "primary": (water, 30, 38)}
    series = {HEAT.format("cdu-2"): f"{heat}x{STEPS}"}
    for circuit, values in sides.items():
        for metric, value in zip((FLOW, SUPPLY, RETURN), values, strict=True):
            name = metric.format("cdu-1") if metric is FLOW else metric.format(circuit)
            series[name.replace("secondary", circuit)] = f"{value}x{STEPS}"
    samples = [{"labels": "{}", "value": fires}] if fires else []
    shown(tmp_path, series, firing("CoolingHeatBalance"), samples)


DEW = 'cooling_dew_point_celsius{device="cdu-1",loop="plate"}'
TARGET = 'cooling_supply_temperature_target_celsius{device="cdu-1",loop="plate",circuit="secondary"}'
RETURN = 'cooling_return_temperature_celsius{{device="cdu-1",loop="plate",circuit="{}"}}'


@pytest.mark.parametrize(
    ("dew", "supply", "fires"),
    # Designed for 36 °C: told above 38, or 7 K above the dew point (5 K apart and 2 K of control); alarm at 41.
    [(31, 38.0, 0), (31, 38.1, 1), (32, 38.1, 0), (32, 39.0, 0), (32, 39.1, 1), (20, 38.1, 1), (38, 40.9, 0),
     (38, 41.1, 1)],
)  # fmt: skip
def test_coolant_may_be_as_warm_as_the_dew_point_asks_for(
    dew: float, supply: float, fires: int, tmp_path: Path
) -> None:
    series = {SUPPLY.format("secondary"): f"{supply}x{STEPS}", DEW: f"{dew}x{STEPS}"}
    samples = [{"labels": "{}", "value": fires}] if fires else []
    shown(tmp_path, series, firing("CoolingSupplyTooWarm"), samples)


@pytest.mark.parametrize(
    ("dew", "target", "supply", "fires"),
    # Designed for 36 °C: told below 34, unless the set point is as low, the coolant keeps to it, and the air is dry.
    [(20, 36, 34.1, 0), (20, 36, 33.9, 1), (20, 30, 28.1, 0), (20, 30, 27.9, 1), (23.2, 30, 28.1, 1),
     (23.0, 30, 28.1, 0), (None, 30, 28.1, 1)],
)  # fmt: skip
def test_coolant_may_be_as_cold_as_a_set_point_in_dry_air(
    dew: float | None, target: float, supply: float, fires: int, tmp_path: Path
) -> None:
    series = {SUPPLY.format("secondary"): f"{supply}x{STEPS}", TARGET: f"{target}x{STEPS}"}
    series |= {} if dew is None else {DEW: f"{dew}x{STEPS}"}
    samples = [{"labels": "{}", "value": fires}] if fires else []
    shown(tmp_path, series, firing("CoolingSupplyTooCold"), samples)


@pytest.mark.parametrize(("drop", "fires"), [(24_900, 0), (25_100, 1)])
def test_a_filter_is_compared_with_the_data_sheet_where_that_is_known(drop: float, fires: int, tmp_path: Path) -> None:
    """12.5 kPa at 120 L/min, and nobody has seen it clean."""
    of = 'device="b01",loop="bath"'
    series = {f'cooling_flow_cubic_meters_per_second{{{of},circuit="secondary"}}': f"{120 / 60_000}x{STEPS}"}
    series |= {f'cooling_filter_differential_pressure_pascals{{{of},filter="1"}}': f"{drop}x{STEPS}"}
    samples = [{"labels": "{}", "value": fires}] if fires else []
    shown(tmp_path, series, firing("CoolingFilterClogged"), samples)


def test_a_clean_filter_is_remembered_longer_than_two_weeks(tmp_path: Path) -> None:
    """240 steps of four hours are 40 days: seen clean on the first of them, then at 2.2 times its resistance."""
    of = 'device="cdu-1",loop="plate"'
    series = {f'cooling_flow_cubic_meters_per_second{{{of},circuit="secondary"}}': f"0.01x{STEPS}"}
    told = f"10000x5 22000x{STEPS - 6}"
    series |= {f'cooling_filter_differential_pressure_pascals{{{of},filter="1"}}': told}
    shown(tmp_path, series, firing("CoolingFilterClogged"), [{"labels": "{}", "value": 1}], step=4 * 3600)
