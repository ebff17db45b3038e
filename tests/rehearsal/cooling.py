"""Simulated cooling units fail one after the other; the rendered exporter, rules and routes must tell."""

from __future__ import annotations

import json
import secrets
import sys
import tempfile
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
from tests.rig.alertmanager import Alertmanager
from tests.rig.devices.control import ask
from tests.rig.network import Network
from tests.rig.prometheus import Prometheus, fetch

CHECKOUT = Path(__file__).parents[2]
EXPORTER = Path(sys.executable).with_name("cooling-exporter")
# By hand from center.yaml: two pumping units, and a tank with an address of its own.
TANK = "10.24.1.1"
METRICS = "http://127.0.0.1:9841/metrics"
ROUTES_PORT = 9093
# A reading, a scrape and an evaluation every 5 s, 5 s of patience and the evaluation after it: 25 s at the worst.
WORST_SECONDS = 25
PATIENCE = 60.0


class Facility:
    """The simulated plant, the exporter, Prometheus and Alertmanager, with the rendered files exactly as they are."""

    def __init__(self, folder: Path, centre: Centre, network: Network) -> None:
        self._folder = folder
        self._centre = centre
        self._network = network
        self._ending = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as ending:
            login = f"reader:{secrets.token_hex(8)}"
            authority = Authority(self._folder / "tank")
            # The path of a Unix socket must be short.
            short = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="center-plant-")))
            self._control = short / "control"
            words: list[str | Path] = [
                sys.executable, "-m", "simulator", self._centre.tree, "--control", self._control,
                "--account", login, "--certificate", _certificate(authority),
            ]  # fmt: skip
            plant = self._process(words, "plant")
            ending.enter_context(plant)
            plant.wait_ready(lambda: self._control.exists() and self.happen())
            exporter = self._process(
                [EXPORTER, "--config", self._centre.tree / "exporter" / "cooling.json"],
                "exporter",
                # The tank's authority among those that the system trusts, as on a monitor node.
                {"TANK_LOGIN": login, "SSL_CERT_FILE": str(authority.certificate)},
            )
            ending.enter_context(exporter)
            exporter.wait_ready(lambda: b"cooling_device_up" in fetch(METRICS, self._network.name))
            monitoring, log = self._centre.tree / "monitoring", self._folder / "alertmanager.log"
            routes = Alertmanager(monitoring / "alertmanager.yml", log, port=ROUTES_PORT, netns=self._network.name)
            self.routes = ending.enter_context(routes)
            self.prometheus = ending.enter_context(
                Prometheus(monitoring, self._folder / "prometheus.log", netns=self._network.name)
            )
            self._ending = ending.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.close()

    def _process(self, words: list[str | Path], name: str, env: dict[str, str] | None = None) -> Process:
        log = self._folder / f"{name}.log"
        return Process(words, log=log, name=name, cwd=CHECKOUT, netns=self._network.name, env=env)

    def happen(self, **told: Any) -> dict[str, Any]:
        """Let something happen to the plant, as an event of a scenario says it."""
        return ask(self._control, told)

    def firing(self) -> list[dict[str, Any]]:
        return self.prometheus.alerts("firing")

    def names(self) -> list[str]:
        """Names of the alerts that fire."""
        return sorted(alert["labels"]["alertname"] for alert in self.firing())

    def evaluated(self) -> datetime:
        """When the rule that waits longest was evaluated; what looks back over weeks is left out."""
        answer = fetch(f"http://127.0.0.1:{self.prometheus.port}/api/v1/rules", self._network.name)
        groups = [group for group in json.loads(answer)["data"]["groups"] if group["interval"] < 60]
        return min(datetime.fromisoformat(rule["lastEvaluation"]) for group in groups for rule in group["rules"])

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
    now = datetime.now(UTC)
    wait_until(lambda: facility.evaluated() > now, PATIENCE, "evaluation of all rules")
    # By hand: the set point of the loop, the water at the tank's condenser, and the flow that was asked for.
    readings = {
        'cooling_supply_temperature_celsius{device="cdu-1",circuit="secondary"}': (37.0, 0.2),
        'cooling_supply_temperature_celsius{device="t01"}': (32.0, 0.2),
        'cooling:flow_ratio{device="cdu-2",circuit="secondary"}': (1.0, 0.02),
    }
    for expression, (wanted, tolerance) in readings.items():
        value = ask(expression)
        expect(value is not None and abs(value - wanted) < tolerance, f"{expression} is {value}, not {wanted}")
    expect(not facility.prometheus.alerts(), f"alerts without a cause: {facility.prometheus.alerts()}")
    step.found = "2 CDUs over Modbus, 1 tank over Redfish; no alert"


def lose_pump(facility: Facility, step: Step) -> None:
    """One pump of a CDU stands still: the others carry on, and somebody is told."""
    start = time.monotonic()
    facility.happen(device="cdu-1", pumps={"1": False})
    step.say("  +0.0 s  pump 1 of cdu-1 stands still")
    _tell(facility, step, start, "CoolingPumpLost", "cdu-1")
    wait_until(lambda: facility.routes.alerts() == ["CoolingPumpLost"], PATIENCE, "one alert that calls somebody")
    others = [name for name in facility.names() if name != "CoolingPumpLost"]
    expect(set(others) <= {"CoolingDeviceAlarm"}, f"more than the pump and the unit's own alarm of it: {others}")
    seconds = f"{time.monotonic() - start:.0f} s (at the worst {WORST_SECONDS} s)"
    step.found = f"CoolingPumpLost after {seconds}; what the unit says of it is silenced"


def lose_flow_and_leak(facility: Facility, step: Step) -> None:
    """The other pumps follow, and the tank leaks: two units, two critical alerts."""
    start = time.monotonic()
    facility.happen(device="cdu-1", pumps={str(pump): False for pump in (2, 3, 4)})
    facility.happen(device="t01", detectors={"Moisture": "critical"})
    step.say("  +0.0 s  the other pumps of cdu-1 stand still; tank t01 leaks")
    _tell(facility, step, start, "CoolingLeak", "t01")
    _tell(facility, step, start, "CoolingNoFlow", "cdu-1")
    called = wait_until(
        lambda: set(facility.routes.alerts()) == {"CoolingLeak", "CoolingNoFlow"}, PATIENCE, "two alerts that call"
    )
    silent = [alert for alert in facility.firing() if alert["labels"].get("device") == "cdu-2"]
    expect(bool(called) and not silent, f"cdu-2 works, but {silent}")
    step.found = f"CoolingLeak, CoolingNoFlow after {time.monotonic() - start:.0f} s; cdu-2 silent"


def repair(facility: Facility, step: Step) -> None:
    """Everything works again, and the alerts end by themselves."""
    facility.happen(device="cdu-1", pumps={str(pump): True for pump in (1, 2, 3, 4)})
    facility.happen(device="t01", detectors={"Moisture": "ok"})
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
    step.say(f"{time.monotonic() - start:+6.1f} s  {name} ({labels['severity']}): {notes['summary']}")
    step.say(*(f"          {what}: {notes[what]}" for what in ("look", "do", "never")))


def _certificate(authority: Authority) -> Path:
    """Certificate and key of the tank in one file, as the simulated device wants them."""
    served = authority.server("tank", [TANK])
    together = served.certificate.with_suffix(".pem")
    together.touch(mode=0o600)
    together.write_bytes(served.certificate.read_bytes() + served.key.read_bytes())
    return together
