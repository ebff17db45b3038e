"""Monitor nodes: Prometheus and Alertmanager with the files of `monitoring`, and the exporter of cooling devices."""

from __future__ import annotations

from collections.abc import Iterator

from generator.artifact import Artifact, TextTemplate
from generator.catalog.models import OperatingSystem
from generator.model import Center
from generator.nodes import Pool
from generator.outputs import alarms, alertmanager, monitoring
from generator.outputs.groups import HostFile, Secret, group, pools_by_system
from generator.outputs.hosts import NOTHING, Part, together, unit_file

RULES_UNIT = "center-alerts.service"
EXPORTER = "cooling-exporter"
EXPORTER_FILE = "/etc/cooling-exporter/cooling.json"
"""Where the unit of the exporter's own package looks for it."""
EXPORTER_LOGINS = "/etc/cooling-exporter/environment"
"""Where that unit looks for logins that are said as ``env:NAME``."""
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
            _exporter(center, system, every),
        ]
        yield from together(group("monitor", system.name), parts, _CAUSES)


def _exporter(center: Center, system: OperatingSystem, artifacts: list[Artifact]) -> Part:
    """The exporter of cooling devices, where there are some and the site's packages of the system have it."""
    found = [artifact for artifact in artifacts if artifact.path == "exporter/cooling.json"]
    if not found or center.spec.monitoring.exporter or EXPORTER not in system.packages:
        return NOTHING
    unit = system.units[EXPORTER]
    files = [HostFile(EXPORTER_FILE, one.body, (unit,), because=(*one.because, "pools")) for one in found]
    logins = sorted({device.credentials or "" for device in (*center.devices(), *center.trays())} - {""})
    names = [login.removeprefix("env:") for login in logins if login.startswith("env:")]
    secrets = {_hole(name): Secret(f"env:{name}", "cooling-login") for name in names}
    if names:
        body = TextTemplate("hosts/cooling-environment", {"logins": [(name, _hole(name)) for name in names]}, "plain")
        holes = tuple(f"secret.{hole}" for hole in secrets)
        file = HostFile(EXPORTER_LOGINS, body, (unit,), mode="0600", holes=holes, because=_CAUSES)
        files.append(file)
    return Part(tuple(files), tuple(system.packages[EXPORTER]), (unit,), secrets=secrets)


def _hole(name: str) -> str:
    """What the hole of a login is called: ``cooling-cdu-login`` of ``CDU_LOGIN``."""
    return f"cooling-{name.lower().replace('_', '-')}"


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
