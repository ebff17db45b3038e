"""A simulated plant, the exporter, Prometheus and Alertmanager, all real programs with what was rendered."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from control_plane.processes import Process
from tests.alarm_site import ROOT
from tests.rig.alertmanager import Alertmanager, Pager
from tests.rig.devices.control import ask
from tests.rig.devices.exporter import Exporter
from tests.rig.prometheus import Prometheus


class LivePlant:
    """Everything from the devices to the person who is woken, on loopback."""

    def __init__(self, tree: Path, folder: Path) -> None:
        self.tree, self.folder = tree, folder
        self._ending = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as ending:
            self._short = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="center-plant-")))
            moved = self.folder / "moved.json"
            words: list[str | Path] = [
                sys.executable,
                "-m",
                "simulator",
                self.tree,
                "--control",
                self._short / "control",
                "--loopback",
                moved,
            ]
            self.plant = ending.enter_context(Process(words, log=self.folder / "plant.log", name="plant", cwd=ROOT))
            self.plant.wait_ready(self.happen)
            self.exporter = ending.enter_context(Exporter(json.loads(moved.read_text()), self.folder))
            self.pager = Pager()
            ending.callback(self.pager.close)
            self.alertmanager = ending.enter_context(Alertmanager(self._routes(), self.folder / "alertmanager.log"))
            monitoring = self.folder / "monitoring"
            shutil.copytree(self.tree / "monitoring", monitoring)
            self._point_prometheus(monitoring)
            self.prometheus = ending.enter_context(Prometheus(monitoring, self.folder / "prometheus.log"))
            self._ending = ending.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.close()

    def happen(self, **told: Any) -> dict[str, Any]:
        """Let something happen to the plant, as an event of a scenario says it."""
        return ask(self._short / "control", told)

    def firing(self) -> set[tuple[str, str]]:
        """Name and device of every alert that fires."""
        alerts = (alert["labels"] for alert in self.prometheus.alerts("firing"))
        return {(labels["alertname"], labels.get("device", "")) for labels in alerts}

    def _routes(self) -> Path:
        """The rendered routes; only where the pager is and what its token is differ."""
        routes = yaml.safe_load((self.tree / "monitoring/alertmanager.yml").read_text("utf-8"))
        token = self.folder / "token"
        token.write_text("canary-of-the-pager")
        for receiver in routes["receivers"]:
            receiver.pop("email_configs", None)
            for hook in receiver.get("webhook_configs", []):
                hook["url"] = self.pager.url
                hook["http_config"]["authorization"]["credentials_file"] = str(token)
        file = self.folder / "alertmanager.yml"
        file.write_text(yaml.safe_dump(routes))
        return file

    def _point_prometheus(self, monitoring: Path) -> None:
        place = f"127.0.0.1:{self.exporter.port}"
        targets = json.loads((monitoring / "targets/cooling.json").read_text())
        (monitoring / "targets/cooling.json").write_text(json.dumps([{**targets[0], "targets": [place]}]))
        for file in monitoring.glob("targets/nodes-*.json"):
            file.write_text("[]")
        told = yaml.safe_load((monitoring / "prometheus.yml").read_text("utf-8"))
        told["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{self.alertmanager.port}"]
        (monitoring / "prometheus.yml").write_text(yaml.safe_dump(told))
