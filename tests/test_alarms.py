"""Every alert fires one step beyond its limit and not at it; promtool evaluates the rendered rules, nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from simulator.scenario import seconds
from tests.alarm_site import ROOT, rendered, rules_of
from tests.rig.prometheus import check_rules, run_rule_tests

CASES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "tests/alarms/cases.yaml").read_text("utf-8"))
ALERTS = sorted(file.stem for file in (ROOT / "generator/catalog/alerts").glob("*.yaml"))
ANTOINE = "cooling:saturation_"


@cache
def known(name: str) -> dict[str, Any]:
    told: dict[str, Any] = yaml.safe_load((ROOT / f"generator/catalog/alerts/{name}.yaml").read_text("utf-8"))
    return told


@cache
def constants() -> list[tuple[str, dict[str, str], float]]:
    """The series of the design, as they are rendered."""
    rules = rules_of("cooling-limits")["groups"][0]["rules"]
    return [(rule["record"], rule["labels"], float(rule["expr"][len("vector(") : -1])) for rule in rules]


def constant(name: str, **labels: str) -> float:
    [found] = [value for record, told, value in constants() if record == name and told.items() >= labels.items()]
    return found


def limit_of(case: dict[str, Any], limit: str, level: str) -> float:
    labels = {"level": level, "loop": case.get("loop", "plate")}
    labels = {name: value for name, value in labels.items() if value}
    labels |= {"device": case["device"]} if "device" in case else {}
    return constant(f"cooling:limit:{limit.replace('-', '_')}", **labels)


def boils() -> float:
    a, b, c = (constant(f"{ANTOINE}{letter}", loop="boil") for letter in "abc")
    return b / (a - math.log(101_325)) - c - 273.15


def values(said: Any, x: float, step: float, count: int, before: int) -> str:
    """A value of the table as promtool writes series of so many steps."""

    def ramp(start: float, change: float) -> str:
        return f"{start!r}{change * step:+.15g}x{count}"

    def after(first: float, then: float) -> str:
        return f"{first!r}x{before} {then!r}x{count - before}"

    value = eval(str(said), {"x": x, "ramp": ramp, "after": after, "boils": boils})  # our own table
    return value if isinstance(value, str) else f"{float(value)!r}x{count}"


def both_sides_of(name: str) -> Iterator[dict[str, Any]]:
    """Two tests for each level of an alert: beyond the limit, and at it."""
    case, alert = CASES[name], known(name)
    for level, held in alert["levels"].items():
        hold, warm_up = seconds(held["for"]), seconds(case.get("warm-up", 0))
        step = max(5.0, (hold + warm_up) / 120)
        before = int(warm_up / step)
        count = before + math.ceil(hold / step) + (1300 if "lost" in name or name == "loses-coolant" else 3)
        told = dict(case)
        for fires in (True, False):
            x = 0.0
            if alert.get("limit"):
                limit = limit_of(case, alert["limit"], level)
                side = known_limit(alert["limit"])["side"]
                nudge = max(1e-9, abs(limit) * 1e-4) * (1 if side == "above" else -1)
                x = limit + nudge if fires else limit - nudge
            series = told["series"] if fires or "quiet" not in told else told["quiet"]
            wanted = {"all-but-one": len(devices()) - 1}.get(str(case.get("count")), case.get("count", 1))
            selector = f'ALERTS{{alertname="{alertname(name)}", alertstate="firing", severity="{level}"}}'
            yield {
                "interval": f"{step:.0f}s",
                "name": f"{name} {level} {'beyond' if fires else 'at'} the limit",
                "input_series": [
                    {"series": key, "values": values(value, x, round(step), count, before)}
                    for key, value in series.items()
                ],
                "promql_expr_test": [
                    {
                        "expr": f"count({selector})",
                        "eval_time": f"{round(step) * count}s",
                        "exp_samples": [{"labels": "{}", "value": wanted}] if fires else [],
                    }
                ],
            }


def alertname(name: str) -> str:
    return "Cooling" + "".join(word.capitalize() for word in name.split("-"))


@cache
def known_limit(name: str) -> dict[str, Any]:
    told: dict[str, Any] = yaml.safe_load((ROOT / f"generator/catalog/limits/{name}.yaml").read_text("utf-8"))
    return told


def devices() -> list[str]:
    return [labels["device"] for record, labels, _ in constants() if record == "cooling:device"]


def test_the_table_has_every_alert_and_no_other() -> None:
    assert sorted(CASES) == ALERTS


def test_promtool_finds_no_fault_in_the_rules() -> None:
    check_rules(*sorted((rendered() / "monitoring/rules").glob("*.yaml")))


@pytest.mark.parametrize("name", [name for name in ALERTS if "unknown" not in CASES[name]])
def test_an_alert_fires_beyond_its_limit_and_not_at_it(name: str, tmp_path: Path) -> None:
    groups = rules_of("cooling-limits")["groups"] + rules_of("cooling-records")["groups"]
    alerts = rules_of("cooling-alerts")["groups"][0]
    own = [rule for rule in alerts["rules"] if rule["alert"] == alertname(name)]
    assert len(own) == len(known(name)["levels"])
    (tmp_path / "rules.yaml").write_text(json.dumps({"groups": [*groups, {**alerts, "rules": own}]}))
    tests = list(both_sides_of(name))
    shared = {"rule_files": ["rules.yaml"], "group_eval_order": [group["name"] for group in [*groups, alerts]]}
    file = tmp_path / "tests.json"
    file.write_text(json.dumps({**shared, "evaluation_interval": tests[0]["interval"], "tests": tests}))
    run_rule_tests(file)


@pytest.mark.parametrize("name", [name for name in ALERTS if "unknown" in CASES[name]])
def test_an_alert_whose_limit_nobody_knows_never_fires(name: str) -> None:
    limit = known(name)["limit"].replace("-", "_")
    assert not [record for record, _, _ in constants() if record == f"cooling:limit:{limit}"]
