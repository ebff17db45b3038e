"""Monitor nodes: Prometheus and Alertmanager with the files of `monitoring`, and the exporter of cooling devices."""

from __future__ import annotations

from collections.abc import Iterator

from generator.artifact import Artifact
from generator.catalog.models import OperatingSystem
from generator.model import Center
from generator.nodes import Pool
from generator.outputs import alarms, alertmanager, monitoring
from generator.outputs.groups import HostFile, group, pools_by_system
from generator.outputs.hosts import NOTHING, Part, together, unit_file

RULES_UNIT = "center-alerts.service"
EXPORTER = "cooling-exporter"
EXPORTER_FILE = "/etc/cooling-exporter/cooling.json"
"""Where the unit of the exporter's own package looks for it."""
_CAUSES = ("pools", "halls", "cooling", "network.plans.nodes", "metadata.name")
_READ = ("monitoring/prometheus.yml", "monitoring/targets/", "monitoring/rules/")
"""What Prometheus reads of the folder; the rest is for people and for Grafana."""


def groups(center: Center, pool: Pool) -> Iterator[str]:
    if pool.role == "monitor":
        yield group("monitor", pool.system.name)


def artifacts(center: Center) -> Iterator[Artifact]:
    pools = [pool for pool in center.pools.values() if pool.role == "monitor"]
    found = pools_by_system(center, pools)
    if not found:
        return
    every = [*monitoring.artifacts(center), *alarms.artifacts(center)]
    files = [artifact for artifact in every if artifact.path.startswith(_READ)]
    routes = list(alertmanager.artifacts(center))
    for members in found.values():
        system = members[0].system
        parts = [
            _prometheus(system, files),
            _alertmanager(system, routes),
            _exporter(system, every, center.spec.monitoring.exporter is not None),
        ]
        yield from together(group("monitor", system.name), parts, _CAUSES)


def _exporter(system: OperatingSystem, artifacts: list[Artifact], in_cluster: bool) -> Part:
    """The exporter of cooling devices, where there are some and the site's packages of the system have it."""
    found = [artifact for artifact in artifacts if artifact.path == "exporter/cooling.json"]
    if not found or in_cluster or EXPORTER not in system.packages:
        return NOTHING
    unit = system.units[EXPORTER]
    files = tuple(HostFile(EXPORTER_FILE, one.body, (unit,), because=(*one.because, "pools")) for one in found)
    return Part(files, tuple(system.packages[EXPORTER]), (unit,))


def _alertmanager(system: OperatingSystem, artifacts: list[Artifact]) -> Part:
    """Who is told: beside each Prometheus one that knows the routes."""
    if not artifacts or "alertmanager" not in system.packages:
        return NOTHING
    unit, path = system.units["alertmanager"], system.paths["alertmanager"]
    files = tuple(HostFile(path, one.body, (unit,), because=(*one.because, "pools")) for one in artifacts)
    return Part(files, tuple(system.packages["alertmanager"]), (unit,))


def _prometheus(system: OperatingSystem, artifacts: list[Artifact]) -> Part:
    unit, folder = system.units["prometheus"], system.paths["prometheus"]
    files = []
    for artifact in artifacts:
        name = artifact.path.removeprefix("monitoring/")
        # Prometheus looks for new targets by itself, reads rules again when told to, the rest when it starts.
        reader = {"prometheus.yml": (unit,)}.get(name, (RULES_UNIT,) if name.startswith("rules/") else ())
        files.append(HostFile(f"{folder}/{name}", artifact.body, reader, because=(*artifact.because, "pools")))
    files.append(unit_file(RULES_UNIT, "alerts.service", {"unit": unit}, _CAUSES))
    return Part(tuple(files), tuple(system.packages["prometheus"]), (unit, RULES_UNIT))
