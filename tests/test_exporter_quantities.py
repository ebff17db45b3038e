"""Every unit of the newer quantities, switches of words, counters and meters: what a real scrape shows of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cooling_exporter.quantities import FLOW, POWER, PRESSURE, unit_instead
from tests.rig import prometheus
from tests.rig.devices.configuration import UNITS, configuration, modbus_device, redfish_device
from tests.rig.devices.exporter import Exporter
from tests.rig.devices.simulator import Simulator

CDU = f"{UNITS}/CDUs/1"
# metric, more of the point, raw value, labels, value in the base unit by hand.
READINGS: list[tuple[str, dict[str, Any], Any, dict[str, str], float]] = [
    ("cooling_differential_pressure_target_pascals", {"circuit": "secondary", "unit": "kPa"}, 35, {}, 35_000),
    ("cooling_valve_position_target_ratio", {"circuit": "primary", "unit": "%"}, 40, {"circuit": "primary"}, 0.4),
    ("cooling_coil_vapour_temperature_celsius", {"unit": "°C"}, 48.5, {}, 48.5),
    ("cooling_vapour_concentration_ratio", {"part": "a", "unit": "ppm"}, 150, {"detector": "a"}, 0.00015),
    ("cooling_vapour_concentration_ratio", {"part": "b", "unit": "%"}, 2.5, {"detector": "b"}, 0.025),
    ("cooling_vapour_concentration_ratio", {"part": "c", "unit": "fraction"}, 0.5, {"detector": "c"}, 0.5),
    ("cooling_coolant_ph", {}, 8.4, {}, 8.4),
    ("cooling_coolant_conductivity_siemens_per_meter", {"unit": "µS/cm"}, 2400, {}, 0.24),
    ("cooling_coolant_turbidity_ntu", {"unit": "NTU"}, 6, {}, 6),
    ("cooling_makeup_water_cubic_meters_total", {"unit": "L"}, 1234, {}, 1.234),
    ("cooling_fan_speed_ratio", {"part": "1", "unit": "%"}, 55, {"fan": "1"}, 0.55),
    ("cooling_fan_speed_rpm", {"part": "1", "unit": "rpm"}, 900, {"fan": "1"}, 900),
    ("electrical_power_watts", {"unit": "kW"}, -12.5, {"line": ""}, -12_500),
    ("electrical_power_watts", {"part": "L1", "unit": "W"}, 4100, {"line": "L1"}, 4100),
    ("electrical_energy_joules_total", {"unit": "kWh"}, 10.5, {"line": ""}, 37_800_000),
    ("electrical_energy_joules_total", {"part": "L1", "unit": "Wh"}, 10, {"line": "L1"}, 36_000),
    ("electrical_energy_joules_total", {"part": "L2", "unit": "J"}, 77, {"line": "L2"}, 77),
    ("electrical_current_amperes", {"part": "L1", "unit": "A"}, 16.5, {"line": "L1"}, 16.5),
    ("electrical_current_amperes", {"part": "L2", "unit": "mA"}, 250, {"line": "L2"}, 0.25),
]
SWITCH = {"metric": "cooling_unit_enabled", "path": "", "property": "/Status/State"}
LID = {"metric": "cooling_lid_open", "path": "", "property": "/LidOpen"}
FLUID = {"metric": "cooling_coolant_state", "path": "", "property": "/Quality"}


@pytest.fixture(scope="module")
def cdu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator("redfish_unit", tmp_path_factory.mktemp("cdu") / "log", "--unit", "cdu") as simulator:
        show(simulator)
        yield simulator


def show(cdu: Simulator, **changes: Any) -> None:
    """Let the unit show the readings as they are above, but for the changes."""
    values = {f"Value{number}": raw for number, (_, _, raw, _, _) in enumerate(READINGS)}
    cdu.set(overrides={CDU: {**values, "Status": {"State": "Enabled"}, "LidOpen": False, "Quality": "OK", **changes}})


@pytest.fixture(scope="module")
def exporter(cdu: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    points: list[dict[str, Any]] = [
        {"metric": metric, "path": "", "property": f"/Value{number}", **more}
        for number, (metric, more, *_) in enumerate(READINGS)
    ]
    points += [
        {**SWITCH, "values": {"Enabled": 1, "StandbyOffline": 0}},
        {**LID, "values": {"true": 1, "false": 0}},
        {**FLUID, "states": {"ok": ["OK"], "critical": ["Critical"]}},
    ]
    device = redfish_device(cdu, "site", points=points, measures="utility")
    del device["loop"]
    with Exporter(configuration(device), tmp_path_factory.mktemp("exporter")) as running:
        running.wait_up("site")
        yield running


@pytest.mark.parametrize("number", range(len(READINGS)), ids=lambda number: f"{number}-{READINGS[number][0]}")
def test_each_unit_becomes_the_base_unit(number: int, exporter: Exporter) -> None:
    metric, _, _, labels, value = READINGS[number]
    found = {
        key: shown
        for key, shown in exporter.scrape().matching(metric, device="site").items()
        if all(dict(key).get(name, "") == label for name, label in labels.items())
    }
    assert list(found.values()) == [pytest.approx(value, rel=1e-12)]


@pytest.mark.parametrize(
    ("unit", "raw", "value"), [("mS/cm", 2.4, 0.24), ("S/m", 0.24, 0.24), ("m3", 3, 3)]
)  # fmt: skip
def test_the_other_units(cdu: Simulator, tmp_path: Path, unit: str, raw: float, value: float) -> None:
    metric = "cooling_makeup_water_cubic_meters_total" if unit == "m3" else READINGS[7][0]
    show(cdu, Other=raw)
    point = {"metric": metric, "path": "", "property": "/Other", "unit": unit}
    with Exporter(configuration(redfish_device(cdu, "cdu", points=[point])), tmp_path) as running:
        assert running.wait_up("cdu").value(metric) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("metric", "raw"),
    [
        ("cooling_coolant_ph", 14.1),
        ("cooling_vapour_concentration_ratio", 1_000_001),
        ("cooling_coolant_turbidity_ntu", -1),
    ],
)
def test_what_no_sensor_gives_is_no_number(cdu: Simulator, exporter: Exporter, metric: str, raw: float) -> None:
    number = next(number for number, row in enumerate(READINGS) if row[0] == metric)
    before = len(exporter.scrape().matching(metric))
    show(cdu, **{f"Value{number}": raw})
    exporter.wait(lambda s: len(s.matching(metric)) == before - 1, f"{metric} {raw}")
    show(cdu)
    exporter.wait(lambda s: len(s.matching(metric)) == before, "back")


def test_a_meter_says_what_it_measures_and_belongs_to_no_loop(exporter: Exporter) -> None:
    scrape = exporter.wait_up("site")
    for metric in ("electrical_power_watts", "electrical_energy_joules_total", "electrical_current_amperes"):
        assert {dict(key)["measures"] for key in scrape.matching(metric)} == {"utility"}
    assert scrape.value("cooling_device_info", device="site", measures="utility") == 1
    assert all("loop" not in dict(labels) for _, labels in scrape.series if ("device", "site") in labels)
    assert scrape.value("cooling_point_valid", point="electrical_power_watts/L1") == 1


def test_counters_are_counters_and_promtool_agrees(exporter: Exporter) -> None:
    text = exporter.scrape().text
    for name in ("cooling_makeup_water_cubic_meters_total", "electrical_energy_joules_total"):
        assert f"# TYPE {name} counter" in text
    prometheus.check_metrics(text)


def test_a_switch_shows_what_its_words_mean(cdu: Simulator, exporter: Exporter) -> None:
    for word, value in (("StandbyOffline", 0), ("Starting", None), (1, None), (None, None), ("Enabled", 1)):
        show(cdu, Status={"State": word})
        scrape = exporter.wait(lambda s, value=value: s.value("cooling_unit_enabled") == value, f"{word}")  # type: ignore[misc]
        assert scrape.value("cooling_point_valid", point="unit_enabled") == (value is not None)
    show(cdu, LidOpen=True)
    exporter.wait(lambda s: s.value("cooling_lid_open") == 1, "open")


def test_the_state_of_the_coolant(cdu: Simulator, exporter: Exporter) -> None:
    # True is the number 1 for Python; a state that lists 1 must not take it.
    for word, state in (("Critical", "critical"), ("Odd", "unavailable"), (True, "unavailable"), ("OK", "ok")):
        show(cdu, Quality=word)
        exporter.wait(lambda s, state=state: s.state("cooling_coolant_state") == state, state)  # type: ignore[misc]


def test_wide_registers_and_a_neighbour_that_is_not_there(tmp_path: Path) -> None:
    energy = {"metric": "electrical_energy_joules_total", "function": 3, "register": 36864, "unit": "Wh"}
    given = [
        {**energy, "part": "unsigned", "type": "uint64"},
        {**energy, "part": "float", "type": "float64", "word-order": "little"},
        {**energy, "part": "signed", "type": "int64", "register": 36874, "scale": -1},
        # The unit has 36868 to 36870 and no 36871, so it refuses the request for all that are adjacent.
        *({**energy, "part": f"word-{word}", "type": "uint16", "register": word} for word in range(36868, 36872)),
    ]
    # 2.5 as a double is 0x4004 followed by zeros; -7 as a signed number ends in 0xFFF9.
    words = {"36864": 0, "36865": 0, "36866": 0, "36867": 0x4004}
    words |= {"36874": 0xFFFF, "36875": 0xFFFF, "36876": 0xFFFF, "36877": 0xFFF9, "36869": 55}
    with Simulator("modbus_rpu", tmp_path / "log") as meter:
        meter.set(overrides=words)
        with Exporter(configuration(modbus_device(meter, points=given, measures="it")), tmp_path) as running:
            scrape = running.wait_up("rpu")
            found = scrape.matching("electrical_energy_joules_total", measures="it")
            by_line = {dict(key)["line"]: value for key, value in found.items()}
            assert by_line["unsigned"] == 0x4004 * 3600
            assert by_line["signed"] == 7 * 3600
            assert by_line["float"] == 2.5 * 3600
            assert by_line["word-36869"] == 55 * 3600
            assert scrape.value("cooling_point_valid", point="electrical_energy_joules_total/word-36871") == 0
            assert "word-36871" not in by_line


@pytest.mark.parametrize(
    ("unit", "written", "times"),
    # What one of them is in the unit that is proposed, worked out with definitions.
    [("L/min", "gpm", 231 * 0.0254**3 * 1000), ("W", "Btu/h", 1055.05585262 / 3600), ("kPa", "mH2O", 9.80665),
     ("kW", "RT", 12_000 * 1055.05585262 / 3.6e6), ("kPa", "MPa", 1000), ("kPa", "hPa", 0.1), ("bar", "mbar", 0.001),
     ("m3/h", "L/h", 0.001)],
)  # fmt: skip
def test_what_to_write_for_units_of_manuals(unit: str, written: str, times: float) -> None:
    [dimension] = [one for one in (FLOW, POWER, PRESSURE) if unit in one.units]
    told = unit_instead(dimension, written)
    assert told and told.startswith(f'write "unit: {unit}" and a scale ')
    assert float(told.split()[-4]) == pytest.approx(times, rel=1e-6)
