"""Points of a site's own device, judged by the exporter that will read them: better told here than at night."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import create_model

from generator.catalog.models import CoolingDevice, Entry, HeatRejection
from generator.problems import Path, Problem, Refused
from generator.source import Source
from generator.spec import read_as

RULE = "catalog.points"


def findings(entry: Entry, source: Source) -> list[Problem]:
    """What the exporter would refuse of the points of a device, each at its line."""
    if not isinstance(entry, CoolingDevice | HeatRejection) or not entry.points:
        return []
    from cooling_exporter import points  # the exporter's own words; only sites with devices of their own need them

    kinds = {"modbus-tcp": points.ModbusPoint, "redfish": points.RedfishPoint, "snmp": points.SnmpPoint}
    kind: Any = kinds[entry.protocol]
    only_points = replace(source, data={"points": entry.points})
    try:
        read_as(create_model("Points", points=(list[kind], ...)), only_points, "catalog")
    except Refused as refused:
        return [replace(problem, rule=RULE) for problem in refused.problems]
    return _elsewhere(entry, source) if isinstance(entry, CoolingDevice) else []


def _elsewhere(entry: CoolingDevice, source: Source) -> list[Problem]:
    """Points on a side that the device does not have."""
    found = []
    for index, point in enumerate(entry.points):
        circuit = point.get("circuit")
        if circuit is not None and circuit not in entry.has_sides:
            message = f'the circuit "{circuit}" is no side of this {entry.form}'
            place: Path = ("points", index, "circuit")
            found.append(Problem(RULE, message, place, 'say its "sides"', position=source.locate(place)))
    return found
