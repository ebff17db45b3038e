"""The exporter as a real process against simulated devices: what it serves is what the physics says, in base units."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig import prometheus
from tests.rig.devices.configuration import UNITS, configuration, modbus_device, redfish_device
from tests.rig.devices.exporter import Exporter, Scrape
from tests.rig.devices.simulator import Simulator

pytest_plugins = ("tests.device_fixtures",)


@pytest.fixture(scope="module")
def tank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator("redfish_unit", tmp_path_factory.mktemp("tank") / "log", "--unit", "immersion") as simulator:
        yield simulator


@pytest.fixture(scope="module")
def exporter(
    rpu: Simulator, cdu: Simulator, tank: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Exporter]:
    devices = modbus_device(rpu), redfish_device(cdu, "cdu"), redfish_device(tank, "tank", "ImmersionUnits")
    with Exporter(configuration(*devices), tmp_path_factory.mktemp("exporter")) as running:
        running.wait_up("rpu", "cdu", "tank")
        yield running


def per_minute(litres: float) -> float:
    """L/min as m3/s."""
    return litres / 60 / 1000


def shows(scrape: Scrape, device: str, expected: dict[str, float], **labels: str) -> bool:
    for name, value in expected.items():
        assert scrape.value(f"cooling_{name}", device=device, **labels) == pytest.approx(value, rel=1e-12, abs=1e-12), (
            name
        )
    return True


def test_modbus_readings_are_what_the_physics_says(rpu: Simulator, exporter: Exporter) -> None:
    told = rpu.set(heat=31.7, flow_target=47.3, cold=21.4)["readings"]
    secondary = {
        "supply_temperature_celsius": told["supply"],
        "return_temperature_celsius": told["return"],
        "supply_temperature_target_celsius": told["supply_target"],
        "flow_cubic_meters_per_second": per_minute(told["flow"]),
        "flow_target_cubic_meters_per_second": per_minute(47.3),
        "supply_pressure_pascals": told["supply_pressure"] * 1000,
        "return_pressure_pascals": told["return_pressure"] * 1000,
    }
    whole = {
        "power_watts": told["power"],
        "assembly_power_watts": told["assembly_power"],
        "ambient_temperature_celsius": 21.4,
        "pump_speed_ratio": told["duty"] / 100,
    }
    exporter.wait(lambda s: shows(s, "rpu", secondary, circuit="secondary"), "secondary circuit of the RPU")
    scrape = exporter.wait(lambda s: shows(s, "rpu", whole), "RPU")
    for pump, speed in told["speeds"].items():
        assert scrape.value("cooling_pump_speed_rpm", device="rpu", pump=pump) == speed
    assert set(scrape.matching("cooling_point_valid", device="rpu").values()) == {1}


def test_the_exact_tenth_is_served(rpu: Simulator, exporter: Exporter) -> None:
    rpu.set(overrides={"36866": 423})
    # 423 * 0.1 is 42.300000000000004 in binary floating point; the device means 42.3.
    exporter.wait(lambda s: s.value("cooling_return_temperature_celsius", device="rpu") == 42.3, "42.3 °C")
    rpu.set(overrides={"36866": None})


def test_negative_words_are_negative_readings(rpu: Simulator, exporter: Exporter) -> None:
    rpu.set(cold=-12.5)
    exporter.wait(lambda s: s.value("cooling_ambient_temperature_celsius", device="rpu") == -12.5, "-12.5 °C")
    rpu.set(cold=24.0)


def test_redfish_unit_readings_are_what_the_physics_says(cdu: Simulator, exporter: Exporter) -> None:
    told = cdu.set(heat=29.4, flow_target=51.0, cold=19.5)["readings"]
    primary = {
        "supply_temperature_celsius": 19.5,
        "return_temperature_celsius": told["cold_return"],
        "flow_cubic_meters_per_second": per_minute(told["cold_flow"]),
        "heat_removed_watts": told["heat"] * 1000,
        "valve_position_ratio": told["valve"] / 100,
    }
    secondary = {
        "supply_temperature_celsius": told["supply"],
        "return_temperature_celsius": told["return"],
        "supply_temperature_target_celsius": told["supply_target"],
        "flow_cubic_meters_per_second": per_minute(told["flow"]),
        "flow_target_cubic_meters_per_second": per_minute(51.0),
        "supply_pressure_pascals": told["supply_pressure"] * 1000,
        "return_pressure_pascals": told["return_pressure"] * 1000,
        "differential_pressure_pascals": told["pressure"] * 1000,
        "heat_removed_watts": told["heat"] * 1000,
    }
    whole = {
        "power_watts": told["power"],
        "ambient_temperature_celsius": 26.5,
        "ambient_humidity_ratio": 0.45,
        "dew_point_celsius": 11.1,
        "reservoir_level_ratio": 0.715,
        "filter_differential_pressure_pascals": 12_500,
        "filter_service_seconds": 5791 * 3600,
    }
    exporter.wait(lambda s: shows(s, "cdu", primary, circuit="primary", connector="1"), "primary circuit")
    exporter.wait(lambda s: shows(s, "cdu", secondary, circuit="secondary", connector="1"), "secondary circuit")
    scrape = exporter.wait(lambda s: shows(s, "cdu", whole), "CDU")
    for pump, speed in told["speeds"].items():
        assert scrape.value("cooling_pump_speed_rpm", device="cdu", pump=pump) == speed
        assert scrape.value("cooling_pump_speed_ratio", device="cdu", pump=pump) == told["duty"] / 100
        assert scrape.state("cooling_pump_state", device="cdu", pump=pump) == "ok"


def test_tank_readings_are_what_the_physics_says(tank: Simulator, exporter: Exporter) -> None:
    told = tank.set(heat=150.0, condenser_flow=160.0, level=84.0)["readings"]
    condenser = {
        "supply_temperature_celsius": told["supply"],
        "return_temperature_celsius": told["return"],
        "flow_cubic_meters_per_second": per_minute(160.0),
        "heat_removed_watts": 150_000,
        "differential_pressure_pascals": told["pressure"] * 1000,
    }
    fluid = {
        "tank_temperature_celsius": told["fluid"],
        "reservoir_level_ratio": 0.84,
        "reservoir_pressure_pascals": told["vapour"] * 1000,
    }
    exporter.wait(lambda s: shows(s, "tank", condenser, circuit="primary", connector="1"), "condenser")
    scrape = exporter.wait(lambda s: shows(s, "tank", fluid), "fluid")
    assert scrape.state("cooling_reservoir_state", device="tank", reservoir="1") == "warning"


@pytest.mark.parametrize(
    "detector", ["internal", "external", "optional-external-2", "heat-exchanger-pan", "heat-exchanger-floor"]
)
def test_each_leak_bit_is_one_detector(rpu: Simulator, exporter: Exporter, detector: str) -> None:
    def states(scrape: Scrape) -> dict[str, str]:
        found = {dict(labels)["detector"] for labels in scrape.matching("cooling_leak_state", device="rpu")}
        return {name: scrape.state("cooling_leak_state", device="rpu", detector=name) for name in found}

    rpu.set(leaks={detector: True})
    scrape = exporter.wait(lambda s: states(s)[detector] == "critical", detector)
    assert [name for name, state in states(scrape).items() if state != "ok"] == [detector]
    rpu.set(leaks={detector: False})
    assert len(states(exporter.wait(lambda s: set(states(s).values()) == {"ok"}, "dry again"))) == 8


def test_a_blind_detector_is_unavailable_and_a_leak_wins_over_its_fault(rpu: Simulator, exporter: Exporter) -> None:
    def pan(scrape: Scrape) -> str:
        return scrape.state("cooling_leak_state", device="rpu", detector="heat-exchanger-pan")

    rpu.set(leaks={"heat-exchanger-pan-error": True})
    scrape = exporter.wait(lambda s: pan(s) == "unavailable", "blind")
    assert scrape.value("cooling_point_valid", device="rpu", point="leak_state/heat-exchanger-pan") == 0
    assert scrape.state("cooling_leak_state", device="rpu", detector="heat-exchanger-floor") == "ok"
    rpu.set(leaks={"heat-exchanger-pan": True})
    exporter.wait(lambda s: pan(s) == "critical", "leak and fault")
    rpu.set(leaks={"heat-exchanger-pan": False, "heat-exchanger-pan-error": False})
    exporter.wait(lambda s: pan(s) == "ok", "dry again")


@pytest.mark.parametrize("word", ["OK", "Warning", "Critical", "Unavailable", "Absent"])
def test_each_redfish_detector_state(cdu: Simulator, exporter: Exporter, word: str) -> None:
    cdu.set(leaks={"Moisture": word})
    scrape = exporter.wait(
        lambda s: s.state("cooling_leak_state", device="cdu", detector="Moisture") == word.lower(), word
    )
    assert scrape.state("cooling_leak_state", device="cdu", detector="Overflow") == "ok"
    assert scrape.value("cooling_point_valid", device="cdu", point="leak_state/Moisture") == 1
    cdu.set(leaks={"Moisture": "OK"})


def test_a_detector_that_disappears_is_absent(cdu: Simulator, exporter: Exporter) -> None:
    cdu.set(leaks={"Overflow": None})
    scrape = exporter.wait(
        lambda s: s.state("cooling_leak_state", device="cdu", detector="Overflow") == "absent", "absent"
    )
    assert scrape.value("cooling_point_valid", device="cdu", point="leak_state/Overflow") == 0
    assert scrape.value("cooling_leak_detector_volts", device="cdu", detector="Overflow") is None
    assert scrape.state("cooling_leak_state", device="cdu", detector="Moisture") == "ok"
    cdu.set(leaks={"Overflow": "OK"})
    exporter.wait(lambda s: s.state("cooling_leak_state", device="cdu", detector="Overflow") == "ok", "back")


def test_a_word_that_no_state_has_is_unavailable(cdu: Simulator, exporter: Exporter) -> None:
    cdu.set(leaks={"Moisture": "Damp"})
    scrape = exporter.wait(
        lambda s: s.state("cooling_leak_state", device="cdu", detector="Moisture") == "unavailable", "unknown word"
    )
    assert scrape.value("cooling_point_valid", device="cdu", point="leak_state/Moisture") == 0
    cdu.set(leaks={"Moisture": "OK"})


def test_a_lost_pump_is_seen(rpu: Simulator, cdu: Simulator, exporter: Exporter) -> None:
    told = rpu.set(pumps={"1": False})["readings"]
    scrape = exporter.wait(lambda s: s.value("cooling_pump_speed_rpm", device="rpu", pump="1") == 0, "pump 1 stands")
    assert scrape.value("cooling_pump_speed_rpm", device="rpu", pump="2") == told["speeds"]["2"] > 0
    assert scrape.value("cooling_alarm_active", device="rpu", alarm="pump") == 1
    assert scrape.value("cooling_alarm_active", device="rpu", alarm="loop-blocked") == 0
    cdu.set(pumps={"2": False})
    exporter.wait(lambda s: s.state("cooling_pump_state", device="cdu", pump="2") == "critical", "pump 2 failed")
    rpu.set(pumps={"1": True})
    cdu.set(pumps={"2": True})


def test_an_implausible_word_is_no_number(rpu: Simulator, exporter: Exporter) -> None:
    rpu.set(overrides={"36865": 0x7FFF})
    scrape = exporter.wait(
        lambda s: s.value("cooling_point_valid", device="rpu", point="supply_temperature_celsius") == 0, "3276.7 °C"
    )
    assert scrape.value("cooling_supply_temperature_celsius", device="rpu") is None
    assert scrape.value("cooling_return_temperature_celsius", device="rpu") is not None
    rpu.set(overrides={"36865": None})
    exporter.wait(lambda s: s.value("cooling_supply_temperature_celsius", device="rpu") is not None, "back")


@pytest.mark.parametrize("value", [None, "33.5", True, [33.5], {"Reading": 33.5}, 1e300, -400])
def test_a_property_that_is_no_sane_number_is_no_number(cdu: Simulator, exporter: Exporter, value: object) -> None:
    connector = f"{UNITS}/CDUs/1/SecondaryCoolantConnectors/1"
    cdu.set(overrides={connector: {"SupplyTemperatureCelsius": {"Reading": value}}})
    labels = {"device": "cdu", "circuit": "secondary"}
    scrape = exporter.wait(
        lambda s: s.value("cooling_point_valid", **labels, point="supply_temperature_celsius/1") == 0, f"{value!r}"
    )
    assert scrape.value("cooling_supply_temperature_celsius", **labels) is None
    assert scrape.value("cooling_device_up", device="cdu") == 1
    cdu.set(overrides={connector: None})
    exporter.wait(lambda s: s.value("cooling_supply_temperature_celsius", **labels) is not None, "back")


def test_types_word_orders_sentinels_and_ranges(rpu: Simulator, tmp_path: Path) -> None:
    # 41003 and 41004 hold 0x42F6 and 0xE979: 123.456 as a float with the high word first.
    rpu.set(overrides={"41003": 0x42F6, "41004": 0xE979, "36874": 9999, "36875": 1200, "36876": 8000})
    volts = {"metric": "cooling_leak_detector_volts", "register": 41003, "function": 3, "unit": "V"}
    speed = {"metric": "cooling_pump_speed_rpm", "function": 3, "type": "uint16", "unit": "rpm"}
    given = [
        {**volts, "part": "float", "type": "float32", "word-order": "big"},
        {**volts, "part": "mixed", "type": "float32", "word-order": "little"},
        {**volts, "part": "unsigned", "type": "uint32", "scale": 1e-7},
        {**volts, "part": "signed", "type": "int32", "word-order": "little", "scale": 1e-7, "offset": 50},
        {**speed, "part": "sentinel", "register": 36874, "sentinels": [65535, 9999]},
        {**speed, "part": "believed", "register": 36875, "sentinels": [65535, 9999], "range": [0, 1200]},
        {**speed, "part": "beyond", "register": 36876, "range": [0, 7999]},
        {**speed, "part": "nowhere", "register": 50000},
        # A bit of the same word as a coil and as a discrete input; which bit is not told, so the test sets all of them.
        {"metric": "cooling_alarm_active", "part": "coil", "register": 37378, "function": 1, "type": "bit"},
        {"metric": "cooling_alarm_active", "part": "input", "register": 37378, "function": 2, "type": "bit"},
        {
            "metric": "cooling_pump_state",
            "part": "named",
            "register": 36875,
            "function": 4,
            "type": "uint16",
            "states": {"ok": [1200], "critical": [0]},
        },
    ]
    with Exporter(configuration(modbus_device(rpu, points=given)), tmp_path) as running:
        scrape = running.wait_up("rpu")

        def volt(part: str) -> float | None:
            return scrape.value("cooling_leak_detector_volts", detector=part)

        assert volt("float") == pytest.approx(123.456, rel=1e-6)
        assert volt("unsigned") == pytest.approx(0x42F6E979 * 1e-7, rel=1e-12)
        assert volt("signed") == pytest.approx((0xE97942F6 - (1 << 32)) * 1e-7 + 50, rel=1e-12)
        # As a float with its words exchanged it is about -1.88e25: no voltage.
        assert volt("mixed") is None
        speeds = {
            part: scrape.value("cooling_pump_speed_rpm", pump=part) for part in ("sentinel", "believed", "beyond")
        }
        assert speeds == {"sentinel": None, "believed": 1200, "beyond": None}
        assert scrape.value("cooling_point_valid", point="pump_speed_rpm/nowhere") == 0
        assert scrape.state("cooling_pump_state", pump="named") == "ok"
        assert set(scrape.matching("cooling_alarm_active").values()) == {0}
        rpu.set(overrides={"37378": 0xFFFF})
        running.wait(lambda s: list(s.matching("cooling_alarm_active").values()) == [1, 1], "coil and input")
    rpu.set(overrides=dict.fromkeys(("37378", "41003", "41004", "36874", "36875", "36876")))
    assert rpu.state()["asked"].keys() == {f"function {code}" for code in (1, 2, 3, 4)}


def test_promtool_finds_no_fault_in_the_metrics(exporter: Exporter) -> None:
    prometheus.check_metrics(exporter.wait_up("rpu", "cdu", "tank").text)


def test_only_reading_is_ever_asked_for(rpu: Simulator, cdu: Simulator, tank: Simulator, exporter: Exporter) -> None:
    exporter.wait_up("rpu", "cdu", "tank")
    assert rpu.state()["asked"].keys() <= {f"function {code}" for code in (1, 2, 3, 4)}
    assert {request.split()[0] for device in (cdu, tank) for request in device.state()["asked"]} == {"GET"}
