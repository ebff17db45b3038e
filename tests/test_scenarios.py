"""Scenarios of the simulated plant: each fires exactly the alerts that it must, in time, and no others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from control_plane.processes import wait_until
from simulator.plan import Plan
from simulator.scenario import Scenario, scenarios
from simulator.series import promtool_test
from tests.alarm_site import rendered, rule_files
from tests.live_plant import LivePlant
from tests.rig.prometheus import run_rule_tests

ALL = scenarios()
SLOW = sorted(name for name, scenario in ALL.items() if scenario.lasts > 2 * 3600)
"""In a file of their own, so that two workers share the time."""


@pytest.mark.parametrize("name", sorted(ALL.keys() - set(SLOW)))
def test_a_scenario_fires_its_alerts_in_time_and_no_others(name: str, tmp_path: Path) -> None:
    judged(name, tmp_path)


def judged(name: str, tmp_path: Path) -> None:
    """Let promtool judge the scenario with the rendered rules."""
    told = promtool_test(ALL[name], Plan.of(rendered()), rule_files())
    assert any(look["exp_samples"] for look in told["tests"][0]["promql_expr_test"]) == bool(ALL[name].expects)
    (tmp_path / "scenario.json").write_text(json.dumps(told))
    run_rule_tests(tmp_path / "scenario.json")


def test_a_day_without_trouble_would_show_a_false_alarm(tmp_path: Path) -> None:
    """The proof of the proof: with a limit in the way, the quiet day is not quiet."""
    first, *others = rule_files()
    limits = first.read_text("utf-8")
    assert '"vector(0.9)"' in limits  # of what a unit is rated for
    (tmp_path / "limits.yaml").write_text(limits.replace('"vector(0.9)"', '"vector(0.1)"'))
    rules = [tmp_path / "limits.yaml", *others]
    quiet = Scenario("quiet", "Nothing happens", 1800.0, 30.0, (), (), live=False)
    (tmp_path / "scenario.json").write_text(json.dumps(promtool_test(quiet, Plan.of(rendered()), rules)))
    with pytest.raises(AssertionError, match="CoolingLoadTooHigh"):
        run_rule_tests(tmp_path / "scenario.json")


def test_real_programs_tell_the_same(tmp_path: Path) -> None:
    """Three scenarios and a quiet beginning, live: devices, exporter, Prometheus, Alertmanager, pager."""
    live = [scenario for scenario in ALL.values() if scenario.live]
    assert len(live) >= 3
    with LivePlant(rendered(), tmp_path) as plant:
        devices = len(json.loads((rendered() / "exporter/cooling.json").read_text())["devices"])
        wait_until(lambda: plant.prometheus.value("sum(cooling_device_up)") == devices, 60, "all devices answer")
        wait_until(lambda: plant.prometheus.value("count(cooling:device_heat_watts)"), 60, "rules are evaluated")
        # What waits from before the first scrape goes; nothing comes.
        wait_until(lambda: not plant.prometheus.alerts(), 60, "no alert, not even one that waits")
        every_query_of_the_dashboards_has_data(plant)
        for scenario in live:
            play(plant, scenario)
        assert all(one["login"] == "Bearer canary-of-the-pager" for one in plant.pager.told)
        assert "CoolingLeak" in plant.pager.names()


def play(plant: LivePlant, scenario: Scenario) -> None:
    """Let the scenario happen at once; its alerts come in time, and go when all is well again."""
    began = min(expected.at for expected in scenario.expects)
    undone = []
    for event in scenario.events:
        if event.at <= began:
            plant.happen(device=event.device, **event.changes)
            undone.append((event.device, event.changes))
    expected = {(one.alert, one.device) for one in scenario.expects}
    patience = max(one.by - one.at for one in scenario.expects) + 15  # two scrapes and an evaluation, at the worst
    seen: list[set[tuple[str, str]]] = []

    def as_expected() -> bool:
        seen.append(plant.firing())
        return seen[-1] == expected

    try:
        wait_until(as_expected, patience + 20, scenario.name)
    except TimeoutError:
        raise AssertionError(f"{scenario.name}: {sorted(seen[-1])} instead of {sorted(expected)}") from None
    for device, changes in undone:
        plant.happen(device=device, **{name: healed(value) for name, value in changes.items()})
    wait_until(lambda: not plant.firing(), 60, f"{scenario.name}: all alerts end")


def healed(value: object) -> object:
    """The state before trouble of what a live scenario changes."""
    if isinstance(value, dict):
        return {name: "ok" if isinstance(one, str) else True for name, one in value.items()}
    return not value


def every_query_of_the_dashboards_has_data(plant: LivePlant) -> None:
    empty = []
    for file in sorted((plant.tree / "monitoring/dashboards").glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel["targets"]:
                query = target["expr"].replace("$loop", ".*").replace("$device", ".*")
                if panel["type"] != "table" and not plant.prometheus.query(query):
                    empty.append((file.name, panel["title"], query))
    # The clean state of a filter and completeness are computed every five minutes only.
    assert [
        one for one in empty if "filter_resistance_clean" not in one[2] and "completeness_ratio" not in one[2]
    ] == []
