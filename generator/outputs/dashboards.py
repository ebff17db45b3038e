"""Dashboards for Grafana: the halls at a glance, one loop in full, one rack or unit; the same for every centre."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from generator.artifact import Artifact, Json
from generator.model import Center

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_LOOP, _DEVICE = 'loop=~"$loop"', 'loop=~"$loop", device=~"$device"'
_SECOND = 'circuit="secondary"'
_FIRST = 'circuit="primary"'


@dataclass(frozen=True, slots=True)
class Panel:
    """A picture with its queries: what each line is called, and its expression."""

    title: str
    unit: str
    queries: dict[str, str]
    kind: str = "timeseries"
    width: int = 12
    height: int = 8
    about: str = ""


_LEAKS = 'max by (loop, device, detector, state) (cooling_leak_state{%s, state!="ok"}) == 1'
HALL = (
    Panel(
        "Alarms that fire",
        "none",
        {"{{alertname}} {{loop}} {{device}}": 'ALERTS{alertstate="firing", alertname=~"Cooling.*"}'},
        "table",
        24,
        7,
    ),
    Panel(
        "Interim PUE",
        "none",
        {"now": "cooling:interim_pue", "design": "cooling:design_pue"},
        width=8,
        about="Of a quarter of an hour; a PUE is that of a year.",
    ),
    Panel("Power", "watt", {"{{measures}}": "cooling:power_watts"}, width=8),
    Panel(
        "Heat by loop",
        "watt",
        {"{{loop}}": "cooling:loop_heat_watts", "{{loop}} by design": "cooling:design_heat_watts"},
        width=8,
    ),
    Panel(
        "Supply temperature by loop",
        "celsius",
        {"{{loop}}": 'max by (loop) (cooling:supply_celsius{circuit="secondary"})'},
    ),
    Panel(
        "Facility water at the units",
        "celsius",
        {"{{loop}}": 'max by (loop) (cooling:supply_celsius{circuit="primary"})'},
    ),
    Panel(
        "Distance from the dew point",
        "kelvin",
        {"{{loop}}": "min by (loop) (cooling:dew_point_margin_kelvin)"},
        width=8,
    ),
    Panel("Share of the rating in use", "percentunit", {"{{device}}": "topk(10, cooling:load_ratio)"}, width=8),
    Panel(
        "Devices that answer",
        "none",
        {"answer": "sum(cooling_device_up)", "of": "count(cooling_device_up)"},
        width=4,
        height=8,
    ),
    Panel(
        "Readings that can be used",
        "percentunit",
        {"{{device}}": "bottomk(5, cooling:completeness_ratio)"},
        width=4,
        height=8,
    ),
)
LOOP = (
    Panel(
        "Supply",
        "celsius",
        {
            "{{device}}": f"cooling:supply_celsius{{{_LOOP}, {_SECOND}}}",
            "limit {{level}}": f"cooling:limit:supply_too_warm{{{_LOOP}}}",
        },
        width=8,
    ),
    Panel("Return", "celsius", {"{{device}}": f"cooling:return_celsius{{{_LOOP}, {_SECOND}}}"}, width=8),
    Panel(
        "Rise",
        "kelvin",
        {
            "{{device}}": f"cooling:rise_kelvin{{{_LOOP}, {_SECOND}}}",
            "by design": f"cooling:design_rise_kelvin{{{_LOOP}}}",
        },
        width=8,
    ),
    Panel(
        "Flow",
        "flowlpm",
        {"{{device}}": f"cooling:flow_cubic_meters_per_second{{{_LOOP}, {_SECOND}}} * 60000"},
        width=8,
    ),
    Panel(
        "Flow for each kW",
        "none",
        {
            "{{device}} L/min/kW": f"cooling:flow_per_watt{{{_LOOP}}} * 60000000",
            "least": f'cooling:limit:flow_for_heat{{{_LOOP}, level="critical"}} * 60000000',
        },
        width=8,
    ),
    Panel(
        "Flow against its set point",
        "percentunit",
        {"{{device}}": f"cooling:flow_ratio{{{_LOOP}, {_SECOND}}}"},
        width=8,
    ),
    Panel(
        "Heat",
        "watt",
        {"{{device}}": f"cooling:device_heat_watts{{{_LOOP}}}", "the loop": f"cooling:loop_heat_watts{{{_LOOP}}}"},
        width=8,
    ),
    Panel("Both sides differ by", "percentunit", {"{{device}}": f"cooling:balance_ratio{{{_LOOP}}}"}, width=8),
    Panel(
        "Approach",
        "kelvin",
        {
            "{{device}}": f"cooling:approach_kelvin{{{_LOOP}}}",
            "{{device}} {{level}}": f"cooling:limit:approach_too_wide{{{_LOOP}}}",
        },
        width=8,
    ),
    Panel(
        "Pressure",
        "pressurepa",
        {
            "{{device}} supply": f"cooling_supply_pressure_pascals{{{_LOOP}, {_SECOND}}}",
            "{{device}} return": f"cooling_return_pressure_pascals{{{_LOOP}, {_SECOND}}}",
        },
        width=8,
    ),
    Panel("Level", "percentunit", {"{{device}} {{reservoir}}": f"cooling_reservoir_level_ratio{{{_LOOP}}}"}, width=8),
    Panel(
        "Filters against clean",
        "none",
        {"{{device}} {{filter}}": f"cooling:filter_resistance{{{_LOOP}}} / cooling:filter_resistance_clean"},
        width=8,
    ),
    Panel("Dew point margin", "kelvin", {"{{device}}": f"cooling:dew_point_margin_kelvin{{{_LOOP}}}"}, width=8),
    Panel(
        "Facility water",
        "celsius",
        {
            "{{device}} in": f"cooling:supply_celsius{{{_LOOP}, {_FIRST}}}",
            "{{device}} out": f"cooling:return_celsius{{{_LOOP}, {_FIRST}}}",
        },
        width=8,
    ),
    Panel(
        "Leak detectors that are not well", "none", {"{{device}} {{detector}} {{state}}": _LEAKS % _LOOP}, "table", 8
    ),
)
RACK = (
    Panel(
        "Leak detectors",
        "none",
        {
            "{{device}} {{detector}} {{state}}": "max by (device, detector, state) "
            f"(cooling_leak_state{{{_DEVICE}}}) == 1"
        },
        "table",
    ),
    Panel("Pumps", "rotrpm", {"{{device}} {{pump}}": f"cooling_pump_speed_rpm{{{_DEVICE}}}"}),
    Panel(
        "Fluid of tanks",
        "celsius",
        {
            "{{device}}": f"cooling_tank_temperature_celsius{{{_DEVICE}}}",
            "{{device}} by its pressure": f"cooling:saturation_celsius{{{_DEVICE}}}",
        },
        width=8,
    ),
    Panel("Pressure of tanks", "pressurepa", {"{{device}}": f"cooling:tank_pressure_pascals{{{_DEVICE}}}"}, width=8),
    Panel("Level", "percentunit", {"{{device}} {{reservoir}}": f"cooling_reservoir_level_ratio{{{_DEVICE}}}"}, width=8),
    Panel(
        "Temperatures",
        "celsius",
        {
            "{{circuit}} supply": f"cooling:supply_celsius{{{_DEVICE}}}",
            "{{circuit}} return": f"cooling:return_celsius{{{_DEVICE}}}",
        },
        width=8,
    ),
    Panel("Flow", "flowlpm", {"{{circuit}}": f"cooling:flow_cubic_meters_per_second{{{_DEVICE}}} * 60000"}, width=8),
    Panel("Electricity", "watt", {"{{device}}": f"cooling_power_watts{{{_DEVICE}}}"}, width=8),
    Panel(
        "Air",
        "celsius",
        {
            "air": f"cooling_ambient_temperature_celsius{{{_DEVICE}}}",
            "dew point": f"cooling:dew_point_celsius{{{_DEVICE}}}",
        },
        width=8,
    ),
    Panel("Answers", "none", {"{{device}}": f"cooling_device_up{{{_DEVICE}}}"}, width=4),
    Panel("A reading takes", "s", {"{{device}}": f"cooling_read_duration_seconds{{{_DEVICE}}}"}, width=4),
    Panel(
        "Readings that cannot be believed",
        "none",
        {"{{device}} {{circuit}} {{point}}": f"cooling_point_valid{{{_DEVICE}}} == 0"},
        "table",
        8,
    ),
)
DASHBOARDS = {
    "hall": ("Cooling: halls", HALL, ()),
    "loop": ("Cooling: a loop", LOOP, ("loop",)),
    "rack": ("Cooling: a rack or unit", RACK, ("loop", "device")),
}
_VALUES = {
    "loop": "label_values(cooling:loop, loop)",
    "device": 'label_values(cooling_device_up{loop=~"$loop"}, device)',
}


def artifacts(center: Center) -> Iterator[Artifact]:
    if center.has_cooling_devices:
        for name, (title, panels, variables) in DASHBOARDS.items():
            yield Artifact(
                f"monitoring/dashboards/cooling-{name}.json",
                Json(_dashboard(name, title, panels, variables), expand=2),
                ("cooling.loops",),
            )


def _dashboard(name: str, title: str, panels: tuple[Panel, ...], variables: tuple[str, ...]) -> dict[str, Any]:
    return {
        "uid": f"cooling-{name}",
        "title": title,
        "tags": ["cooling"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_datasource(), *(_variable(variable) for variable in variables)]},
        "links": [
            {"type": "dashboards", "tags": ["cooling"], "title": "cooling", "includeVars": True, "keepTime": True}
        ],
        "panels": list(_placed(panels)),
    }


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _variable(name: str) -> dict[str, Any]:
    query = {"query": _VALUES[name], "refId": name}
    return {
        "name": name,
        "type": "query",
        "datasource": _SOURCE,
        "query": query,
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "sort": 7,
    }


def _placed(panels: tuple[Panel, ...]) -> Iterator[dict[str, Any]]:
    """Panels from left to right, 24 units a row."""
    x = y = 0
    for number, panel in enumerate(panels, 1):
        if x + panel.width > 24:
            x, y = 0, y + panel.height
        yield {"id": number, "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height}, **_panel(panel)}
        x += panel.width


def _panel(panel: Panel) -> dict[str, Any]:
    is_table = panel.kind == "table"
    targets = [
        {
            "refId": chr(ord("A") + number),
            "datasource": _SOURCE,
            "expr": query,
            "legendFormat": legend,
            **({"instant": True, "format": "table"} if is_table else {}),
        }
        for number, (legend, query) in enumerate(panel.queries.items())
    ]
    about = {"description": panel.about} if panel.about else {}
    return {
        "title": panel.title,
        "type": panel.kind,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": targets,
        **about,
    }
