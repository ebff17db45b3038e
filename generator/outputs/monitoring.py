"""Prometheus: what it scrapes, and the alerts of the loops; the exporter's configuration, one a centre."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from generator.artifact import Artifact, Json, Yaml
from generator.devices import metrics_port
from generator.model import Center
from generator.plant import Device

EXPORTER_PORT = 9841
_ALERTING = {"alerting": {"alertmanagers": [{"static_configs": [{"targets": ["localhost:9093"]}]}]}}
NODE_EXPORTER_PORT = 9100
READ = ("cooling", "halls", "power.meters", "pools", "network.plans")
"""What decides which devices are read, and how."""
POD_SERVICE = "cooling-exporter.center-monitoring"
"""Where a Prometheus of the cluster finds the exporter that runs there."""
_OFFERED = ("pools", "clusters", "network.ports", "network.repositories")
"""What decides which nodes tell how their accelerators are."""
INTERVAL = 5
"""Seconds between two readings of a device: loss of flow heats the coolant of a rack by about 1 K a second."""


def artifacts(center: Center) -> Iterator[Artifact]:
    devices = list(center.devices())
    causes = ("pools", "halls", "network.plans.nodes")
    offered = {pool.name: port for pool in center.pools.values() if (port := metrics_port(center, pool))}
    told = ("metadata.name", "cooling.loops", *_OFFERED)
    yield Artifact("monitoring/prometheus.yml", Yaml((_prometheus(center, bool(offered)),)), told)
    for block in center.blocks.values():
        targets = [
            _target(node.address, NODE_EXPORTER_PORT, node=node.name, pool=nodes.pool.name)
            for node, nodes in block.nodes()
        ]
        yield Artifact(f"monitoring/targets/nodes-{block.name}.json", Json(targets), causes)
        # Names of metrics are those of each vendor, and some vendors have those of another.
        targets = [
            _target(node.address, offered[pool.name], node=node.name, pool=pool.name, vendor=pool.vendor.name)
            for node, nodes in block.nodes()
            if (pool := nodes.pool).name in offered and pool.vendor
        ]
        if targets:
            path = f"monitoring/targets/accelerators-{block.name}.json"
            yield Artifact(path, Json(targets), (*causes, *_OFFERED))
    if not devices:
        return
    # Each Prometheus reads the exporter beside it, and all of them tell the same: two that watch are no two alarms.
    place = POD_SERVICE if center.spec.monitoring.exporter else "localhost"
    targets = [_target(place, EXPORTER_PORT, instance="cooling-exporter")]
    yield Artifact("monitoring/targets/cooling.json", Json(targets), (*causes, "monitoring.exporter"))
    yield Artifact("exporter/cooling.json", Json(exporter(center), expand=3), READ)


def exporter(center: Center) -> dict[str, Any]:
    """The configuration of the exporter: every device that is read."""
    return {
        "listen": f"0.0.0.0:{EXPORTER_PORT}",
        "interval": INTERVAL,
        "timeout": 3,
        "devices": [_device(device) for device in (*center.devices(), *center.trays())],
    }


def _prometheus(center: Center, has_accelerators: bool) -> dict[str, Any]:
    jobs = [_job("nodes", "nodes-*.json", "15s")]
    if has_accelerators:
        jobs.append(_job("accelerators", "accelerators-*.json", "30s"))
    if center.loops:
        jobs.append(_job("cooling", "cooling.json", f"{INTERVAL}s"))
    return {
        "global": {"scrape_interval": "15s", "evaluation_interval": "5s", "external_labels": {"center": center.name}},
        "rule_files": ["rules/*.yaml"],
        "scrape_configs": jobs,
        **(_ALERTING if center.loops else {}),
    }


def _job(name: str, files: str, interval: str) -> dict[str, Any]:
    return {
        "job_name": name,
        "scrape_interval": interval,
        "scrape_timeout": interval,
        "file_sd_configs": [{"files": [f"targets/{files}"], "refresh_interval": "30s"}],
    }


def _target(host: str, port: int, **labels: str) -> dict[str, Any]:
    return {"targets": [f"{host}:{port}"], "labels": labels}


def _device(device: Device) -> dict[str, Any]:
    """A device as the exporter reads it; the credentials stay a reference."""
    found: dict[str, Any] = {"name": device.name, "profile": device.device.name, "points": device.device.points}
    found |= {"loop": device.loop} if device.loop else {}
    found |= {"measures": device.measures} if device.measures else {}
    login = {"reference": device.credentials} if device.credentials else {}
    match device.device.protocol:
        case "modbus-tcp":
            unit = {"unit": int(device.rest)} if device.rest else {}
            return {**found, "protocol": "modbus-tcp", "address": device.host, "port": device.port, **unit}
        case "snmp":
            place = {"address": device.host, "port": device.port, "version": device.rest or "3"}
            return {**found, "protocol": "snmp", **place, "credentials": login}
    scheme = "http" if device.port == 80 else "https"
    url = f"{scheme}://{device.host}:{device.port}/{device.rest or device.device.resource}"
    return {
        **found,
        "protocol": "redfish",
        "url": url,
        "credentials": {"kind": "session" if login else "none", **login},
    }
