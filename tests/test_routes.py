"""Whom an alert reaches and what it silences, as Alertmanager itself reads the rendered routes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.alarm_site import rendered
from tests.rig.prometheus import program

ROUTES = "monitoring/alertmanager.yml"
# Labels of an alert, who is told, and after how many seconds at most for the first time.
TOLD = [
    ({"severity": "critical", "family": "leak"}, "critical", "0s"),
    ({"severity": "critical", "family": "flow"}, "critical", "10s"),
    ({"severity": "warning", "family": "leak"}, "warning", "30s"),
    ({"severity": "warning", "family": "service"}, "warning", "30s"),
    ({"severity": "other"}, "nobody", "30s"),
]


def amtool(*words: str) -> str:
    done = subprocess.run([program("amtool"), *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def routes() -> dict[str, Any]:
    told: dict[str, Any] = yaml.safe_load((rendered() / ROUTES).read_text("utf-8"))
    return told


def test_alertmanager_accepts_the_file() -> None:
    assert "SUCCESS" in amtool("check-config", str(rendered() / ROUTES))


@pytest.mark.parametrize(("labels", "receiver", "wait"), TOLD)
def test_an_alert_reaches_its_people(labels: dict[str, str], receiver: str, wait: str) -> None:
    words = [f"{name}={value}" for name, value in labels.items()]
    shown = amtool("config", "routes", "test", f"--config.file={rendered() / ROUTES}", *words)
    assert shown.split() == [receiver]
    matching = [one for one in routes()["route"]["routes"] if one["receiver"] == receiver]
    # Leaks come first; what has no time of its own waits as long as the route above it.
    taken = matching[:1] if labels.get("family") == "leak" else matching[-1:]
    assert [one.get("group_wait", routes()["route"]["group_wait"]) for one in taken or [{}]] == [wait]


def test_people_are_those_of_the_spec() -> None:
    told = {one["name"]: one for one in routes()["receivers"]}
    [hook] = told["critical"]["webhook_configs"]
    assert hook["url"] == "https://pager.plant.example/hook"
    assert hook["http_config"]["authorization"] == {"credentials_file": "/etc/center/credentials/pager"}
    assert [mail["to"] for mail in told["warning"]["email_configs"]] == ["cooling@plant.example"]
    assert told["nobody"] == {"name": "nobody"}


def test_nothing_silences_a_leak_but_a_leak() -> None:
    """A unit that is switched off, a lost flow, a silent device: a leak is told all the same."""
    alerts = yaml.safe_load((rendered() / "monitoring/rules/cooling-alerts.yaml").read_text("utf-8"))
    family = {rule["alert"]: rule["labels"]["family"] for rule in alerts["groups"][0]["rules"]}
    for rule in routes()["inhibit_rules"]:
        source, target = rule["source_matchers"][0], rule["target_matchers"][0]
        name = source.removeprefix('alertname="').removesuffix('"')
        if name not in family:
            assert (source, target) == ('severity="critical"', 'severity="warning"') and "alertname" in rule["equal"]
            continue
        kind, _, words = target.partition('=~"')
        hit = words.rstrip('"').split("|")
        silenced = {family[one] for one in hit} if kind == "alertname" else set(hit)
        assert "leak" not in silenced or family[name] == "leak", (name, hit)
        assert "center" in rule["equal"] and len(rule["equal"]) > 1


def test_a_warning_keeps_no_critical_alert_from_anybody() -> None:
    """Water that is a little warm must not hide coolant that is far too hot; only what says nothing more may."""
    meant = {"CoolingUnitOff", "CoolingDeviceSilent"}
    for rule in routes()["inhibit_rules"]:
        if 'severity="warning"' in rule["source_matchers"] and 'severity="warning"' not in rule["target_matchers"]:
            assert rule["source_matchers"][0].split('"')[1] in meant, rule


def test_a_unit_that_is_off_does_not_hide_water_that_freezes() -> None:
    """What is off and full of water freezes first."""
    alerts = yaml.safe_load((rendered() / "monitoring/rules/cooling-alerts.yaml").read_text("utf-8"))
    cold = {
        rule["labels"]["family"] for rule in alerts["groups"][0]["rules"] if rule["alert"] == "CoolingFacilityWaterCold"
    }
    [off] = [rule for rule in routes()["inhibit_rules"] if 'alertname="CoolingUnitOff"' in rule["source_matchers"]]
    assert cold == {"frost"} and "frost" not in off["target_matchers"][0]


def test_every_silence_names_alerts_that_are_there() -> None:
    """In a centre with all kinds of loops no silence lacks its alerts."""
    folder = Path(__file__).parent.parent / "generator/catalog/alerts"
    names = {file.stem for file in folder.glob("*.yaml")}
    for file in folder.glob("*.yaml"):
        for silence in yaml.safe_load(file.read_text("utf-8")).get("silences", []):
            assert set(silence.get("alerts", [])) <= names, file.name
