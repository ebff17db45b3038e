"""A real Prometheus scrapes the exporter: its expressions see the readings, and a leak and a silence raise alerts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from control_plane.processes import wait_until
from tests.rig.devices.configuration import configuration, modbus_device, redfish_device
from tests.rig.devices.exporter import Exporter
from tests.rig.devices.simulator import Simulator
from tests.rig.prometheus import Prometheus, QueryRefused, check_configuration, check_rules

RULES = """
groups:
  - name: cooling
    interval: 500ms
    rules:
      - alert: Leak
        expr: cooling_leak_state{state="critical"} == 1
      - alert: Blind
        expr: cooling_leak_state{state=~"unavailable|absent"} == 1 unless on (device) cooling_device_up == 0
      - alert: Silent
        expr: cooling_device_up == 0
"""
SCRAPE = """
global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: cooling
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
PATIENCE = 60.0


def firing(prometheus: Prometheus) -> list[tuple[str, str, str]]:
    alerts = [alert["labels"] for alert in prometheus.alerts("firing")]
    return sorted((one["alertname"], one["device"], one.get("detector", "")) for one in alerts)


def wait_for(prometheus: Prometheus, *alerts: tuple[str, ...]) -> None:
    wait_until(lambda: firing(prometheus) == sorted(alerts), PATIENCE, f"exactly {alerts} firing")


def test_readings_reach_queries_and_trouble_reaches_alerts(tmp_path: Path) -> None:
    with (
        Simulator("modbus_rpu", tmp_path / "rpu.log") as rpu,
        Simulator("redfish_unit", tmp_path / "cdu.log", "--unit", "cdu") as cdu,
        Exporter(configuration(modbus_device(rpu, timeout=0.5), redfish_device(cdu, "cdu")), tmp_path) as exporter,
    ):
        exporter.wait_up("rpu", "cdu")
        (tmp_path / "rules.yml").write_text(RULES)
        (tmp_path / "prometheus.yml").write_text(SCRAPE.format(port=exporter.port))
        check_rules(tmp_path / "rules.yml")
        check_configuration(tmp_path / "prometheus.yml")
        with Prometheus(tmp_path, tmp_path / "prometheus.log") as prometheus:
            told = rpu.set(flow_target=48.0)["readings"]
            flow = 'cooling_flow_cubic_meters_per_second{device="rpu"} * 60000'
            wait_until(lambda: prometheus.value(flow) == pytest.approx(told["flow"]), PATIENCE, "flow in L/min")
            # Empty labels are none: one expression fits devices with and without connectors.
            rise = "cooling_return_temperature_celsius - cooling_supply_temperature_celsius"
            seen: list[dict[str, Any]] = prometheus.query(
                f'({rise}) and on (device) cooling_device_info{{loop="plate"}}'
            )
            assert {sample["metric"]["device"] for sample in seen} == {"rpu", "cdu"}
            assert [target["health"] for target in prometheus.targets()] == ["up"]
            with pytest.raises(QueryRefused):
                prometheus.query("cooling_device_up ==")

            assert firing(prometheus) == []
            rpu.set(leaks={"internal": True})
            wait_for(prometheus, ("Leak", "rpu", "internal"))
            cdu.set(leaks={"Overflow": None})
            wait_for(prometheus, ("Leak", "rpu", "internal"), ("Blind", "cdu", "Overflow"))
            rpu.set(leaks={"internal": False})
            cdu.set(leaks={"Overflow": "OK"})
            wait_for(prometheus)
            rpu.set(mode="silent")
            wait_for(prometheus, ("Silent", "rpu", ""))
            assert prometheus.value(flow) is None
            rpu.set(mode="normal")
            wait_for(prometheus)
