"""Command line: see simulator/live.py."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from control_plane.processes import free_port
from simulator import live
from simulator.live import Live, serve_control
from simulator.modbus import ModbusUnit
from simulator.physics import Device, Plant
from simulator.plan import EXPORTER, Plan
from simulator.redfish import Service
from simulator.snmp import COMMUNITY, Agent


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m simulator", description=live.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tree", type=Path, help="rendered tree of a centre")
    parser.add_argument("--control", type=Path, required=True, metavar="SOCKET")
    parser.add_argument(
        "--loopback", type=Path, metavar="FILE", help="answer on 127.0.0.1 and write the exporter's configuration here"
    )
    parser.add_argument("--account", metavar="USER:PASSWORD", help="login of the Redfish devices")
    parser.add_argument("--certificate", type=Path, metavar="PEM", help="certificate and key of the Redfish devices")
    asyncio.run(run(parser.parse_args()))


async def run(told: argparse.Namespace) -> None:
    """Serve until ended."""
    plant = Live(Plant(Plan.of(told.tree)))
    servers: list[Any] = []
    places = {}
    for device in plant.plant.devices.values():
        places[device.name] = await _serve(plant, device, told, servers)
    if told.loopback:
        login = told.loopback.with_name("community")
        login.write_text(COMMUNITY)
        told.loopback.write_text(json.dumps(_moved(told.tree, places, login)))
    await serve_control(plant, told.control)
    await asyncio.Event().wait()


async def _serve(plant: Live, device: Device, told: argparse.Namespace, servers: list[Any]) -> tuple[str, int]:
    """Let a device answer; where it does."""
    said = device.plan.said
    if said["protocol"] == "modbus-tcp":
        place = ("127.0.0.1", free_port()) if told.loopback else (said["address"], said["port"])
        servers.append(await ModbusUnit(plant, device).start(*place))
    elif said["protocol"] == "redfish":
        parts = urlsplit(said["url"])
        place = ("127.0.0.1", free_port()) if told.loopback else (parts.hostname or "", parts.port or 443)
        service = Service(
            plant, device, *place, None if told.loopback else told.account, None if told.loopback else told.certificate
        )
        service.start()
        servers.append(service)
    else:
        place = ("127.0.0.1", free_port()) if told.loopback else (said["address"], said["port"])
        servers.append(Agent(plant, device).start(*place))
    return place


def _moved(tree: Path, places: dict[str, tuple[str, int]], login: Path) -> dict[str, Any]:
    """The exporter's configuration with the devices where they are."""
    configuration: dict[str, Any] = json.loads((tree / EXPORTER).read_text("utf-8"))
    for device in configuration["devices"]:
        address, port = places[device["name"]]
        if device["protocol"] == "redfish":
            device["url"] = f"http://{address}:{port}{urlsplit(device['url']).path}"
            device["credentials"] = {"kind": "none"}
            device.pop("authority", None)
        else:
            device["address"], device["port"] = address, port
        if device["protocol"] == "snmp":
            device |= {"version": "2c", "credentials": {"reference": f"file:{login}"}}
    return configuration


if __name__ == "__main__":
    main()
