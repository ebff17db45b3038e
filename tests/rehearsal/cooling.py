"""Simulated cooling units fail one after the other; the rendered exporter, rules and targets must tell."""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from control_plane.certificates import Authority
from control_plane.processes import Process, wait_until
from tests.rehearsal.centre import Centre, expect
from tests.rehearsal.console import Step
from tests.rig.devices.simulator import Simulator
from tests.rig.network import Network
from tests.rig.prometheus import Prometheus, fetch

EXPORTER = Path(sys.executable).with_name("cooling-exporter")
# By hand from center.yaml: the units' addresses, and the monitor node's, where Prometheus looks for the exporter.
UNITS = {"cdu-1": "10.24.0.11", "cdu-2": "10.24.0.12"}
TANK, TANK_PORT = "10.24.1.1", 8443
METRICS = "http://10.16.3.136:9841/metrics"
# A reading, a scrape and an evaluation every 5 s, 5 s of patience and the evaluation after it: 25 s at the worst.
WORST_SECONDS = 25
PATIENCE = 60.0


class Facility:
    """The simulated units, the exporter and Prometheus, both with the rendered configuration exactly as it is."""

    def __init__(self, folder: Path, centre: Centre, network: Network) -> None:
        self._folder = folder
        self._centre = centre
        self._network = network
        self._ending = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as ending:
            login = f"reader:{secrets.token_hex(8)}"
            authority = Authority(self._folder / "tank")
            self.units = {
                name: ending.enter_context(self._device("modbus_rpu", name, address, 502))
                for name, address in UNITS.items()
            }
            self.tank = ending.enter_context(
                self._device("redfish_unit", "t01", TANK, TANK_PORT, "--unit", "immersion",
                             "--account", login, "--certificate", str(_certificate(authority)))
            )  # fmt: skip
            exporter = Process(
                [EXPORTER, "--config", self._centre.tree / "exporter" / "cooling.json"],
                log=self._folder / "exporter.log",
                netns=self._network.name,
                # The tank's authority among those that the system trusts, as on a monitor node.
                env={"TANK_LOGIN": login, "SSL_CERT_FILE": str(authority.certificate)},
            )
            ending.enter_context(exporter)
            exporter.wait_ready(lambda: b"cooling_device_up" in fetch(METRICS, self._network.name))
            self.prometheus = ending.enter_context(
                Prometheus(self._centre.tree / "monitoring", self._folder / "prometheus.log", netns=self._network.name)
            )
            self._ending = ending.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.close()

    def _device(self, program: Any, name: str, address: str, port: int, *options: str) -> Simulator:
        log = self._folder / f"{name}.log"
        return Simulator(program, log, *options, address=address, port=port, netns=self._network.name)

    def firing(self) -> list[dict[str, Any]]:
        return self.prometheus.alerts("firing")

    def evaluated(self) -> datetime:
        """When the rule that waits longest was evaluated."""
        answer = fetch(f"http://127.0.0.1:{self.prometheus.port}/api/v1/rules", self._network.name)
        rules = [rule for group in json.loads(answer)["data"]["groups"] for rule in group["rules"]]
        return min(datetime.fromisoformat(rule["lastEvaluation"]) for rule in rules)

    def await_alert(self, name: str, device: str) -> dict[str, Any]:
        """The alert of this name and device, as soon as it fires."""

        def fires() -> dict[str, Any] | None:
            named = (alert for alert in self.firing() if alert["labels"]["alertname"] == name)
            return next((alert for alert in named if alert["labels"].get("device") == device), None)

        found = wait_until(fires, PATIENCE, f"alert {name} for {device}; see {self._folder}/*.log")
        assert found is not None
        return found


def watch(facility: Facility, step: Step) -> None:
    """All three units are read through their own protocols, and nothing is wrong with them."""
    ask = facility.prometheus.value
    wait_until(lambda: ask("sum(cooling_device_up)") == 3, PATIENCE, "three units that answer Prometheus")
    # By hand: 38 kW into 24 °C at 6.5 kW/K; 32 °C at the tank's condenser.
    readings = {
        'cooling_supply_temperature_celsius{device="cdu-1",circuit="secondary"}': 29.8,
        'cooling_supply_temperature_celsius{device="t01"}': 32.0,
        'cooling_flow_cubic_meters_per_second{device="cdu-2",circuit="secondary"} * 60000': 60.0,
    }
    for expression, wanted in readings.items():
        value = ask(expression)
        expect(value is not None and abs(value - wanted) < 0.1, f"{expression} is {value}, not {wanted}")
    now = datetime.now(UTC)
    wait_until(lambda: facility.evaluated() > now, PATIENCE, "evaluation of all rules")
    expect(not facility.prometheus.alerts(), f"alerts without a cause: {facility.prometheus.alerts()}")
    step.found = "2 CDUs over Modbus, 1 tank over Redfish; no alert"


def lose_pump(facility: Facility, step: Step) -> None:
    """One pump of a CDU stands still: the others carry on, and somebody is told."""
    start = time.monotonic()
    facility.units["cdu-1"].set(pumps={"1": False})
    step.say("  +0.0 s  pump 1 of cdu-1 stands still")
    _tell(facility, step, start, "CoolingPumpLost", "cdu-1")
    expect(len(facility.firing()) == 1, f"more than the pump: {facility.firing()}")
    step.found = f"CoolingPumpLost after {time.monotonic() - start:.0f} s (at the worst {WORST_SECONDS} s)"


def lose_flow_and_leak(facility: Facility, step: Step) -> None:
    """The other pumps follow, and the tank leaks: two units, two critical alerts."""
    start = time.monotonic()
    facility.units["cdu-1"].set(pumps={str(pump): False for pump in (2, 3, 4)})
    facility.tank.set(leaks={"Moisture": "Critical"})
    step.say("  +0.0 s  the other pumps of cdu-1 stand still; tank t01 leaks")
    _tell(facility, step, start, "CoolingLeak", "t01")
    _tell(facility, step, start, "CoolingNoFlow", "cdu-1")
    silent = [alert for alert in facility.firing() if alert["labels"].get("device") == "cdu-2"]
    expect(not silent, f"cdu-2 works, but {silent}")
    step.found = f"CoolingLeak, CoolingNoFlow after {time.monotonic() - start:.0f} s; cdu-2 silent"


def repair(facility: Facility, step: Step) -> None:
    """Everything works again, and the alerts end by themselves."""
    facility.units["cdu-1"].set(pumps={str(pump): True for pump in (1, 2, 3, 4)})
    facility.tank.set(leaks={"Moisture": "OK"})
    wait_until(lambda: not facility.firing(), PATIENCE, "end of all alerts")
    step.found = "no alert"


def scrape_nodes(facility: Facility, nodes: Iterable[str], step: Step) -> None:
    """The rendered targets hold every node; those that are booted answer."""
    ask = facility.prometheus.value
    for name in nodes:
        up = f'up{{job="nodes",node="{name}"}}'
        wait_until(partial(lambda query: ask(query) == 1, up), PATIENCE, f"metrics of {name}")
    total, answering = ask('count(up{job="nodes"})'), ask('sum(up{job="nodes"})')
    expect(total == 21, f"{total} targets, not the 21 nodes of center.yaml")
    step.found = f"{answering:.0f} of 21 nodes answer"


def _tell(facility: Facility, step: Step, start: float, name: str, device: str) -> None:
    alert = facility.await_alert(name, device)
    labels, notes = alert["labels"], alert["annotations"]
    step.say(
        f"{time.monotonic() - start:+6.1f} s  {name} ({labels['severity']}): {notes['summary']}",
        f"          runbook: {notes['runbook']}",
    )


def _certificate(authority: Authority) -> Path:
    """Certificate and key of the tank in one file, as the simulated device wants them."""
    served = authority.server("tank", [TANK])
    together = served.certificate.with_suffix(".pem")
    together.touch(mode=0o600)
    together.write_bytes(served.certificate.read_bytes() + served.key.read_bytes())
    return together
