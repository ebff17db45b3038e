"""Configurations of the exporter for simulated devices, with the points that the catalogue gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.rig.devices.simulator import Simulator

CATALOG = Path(__file__).parents[3] / "generator" / "catalog" / "cooling"
UNITS = "/redfish/v1/ThermalEquipment"


def points(profile: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((CATALOG / f"{profile}.yaml").read_text(encoding="utf-8"))["points"]
    return found


def modbus_device(simulator: Simulator, name: str = "rpu", **more: Any) -> dict[str, Any]:
    profile = "ocp-orv3-rpu"
    return {
        "name": name,
        "loop": "plate",
        "profile": profile,
        "protocol": "modbus-tcp",
        "address": simulator.address,
        "port": simulator.port,
        "unit": 12,
        "points": points(profile),
        **more,
    }


def redfish_device(simulator: Simulator, name: str, unit: str = "CDUs", **more: Any) -> dict[str, Any]:
    profile = "redfish-cooling-unit" if unit == "CDUs" else "redfish-immersion-unit"
    return {
        "name": name,
        "loop": "plate" if unit == "CDUs" else "tank",
        "profile": profile,
        "protocol": "redfish",
        "url": f"http://{simulator.address}:{simulator.port}{UNITS}/{unit}/1",
        "points": points(profile),
        **more,
    }


def configuration(*devices: dict[str, Any]) -> dict[str, Any]:
    return {"interval": 0.2, "timeout": 5, "devices": list(devices)}
