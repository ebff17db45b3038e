"""Events of a Redfish unit: what appears in its log after the start is counted, once, under a name that cannot grow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig import prometheus
from tests.rig.devices.configuration import configuration, modbus_device, redfish_device
from tests.rig.devices.exporter import Exporter, Scrape
from tests.rig.devices.simulator import Simulator

ENTRIES = "/redfish/v1/Managers/Unit/LogServices/Log/Entries"


@pytest.fixture
def cdu(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator("redfish_unit", tmp_path / "cdu.log", "--unit", "cdu") as simulator:
        simulator.set(
            log={"1": "Environmental.1.4.PumpFailed", "2": "Base.1.0.Success", "3": "!Environmental.1.4.FanFailed"}
        )
        yield simulator


@pytest.fixture
def exporter(cdu: Simulator, tmp_path: Path) -> Iterator[Exporter]:
    with Exporter(configuration(redfish_device(cdu, "cdu", events=True)), tmp_path) as running:
        running.wait(lambda s: s.value("cooling_events_readable") == 1, "the first look")
        yield running


def counts(scrape: Scrape) -> dict[str, float]:
    """Messages that were counted at least once."""
    found = scrape.matching("cooling_events_total", device="cdu", loop="plate")
    return {dict(key)["message"]: value for key, value in found.items() if value}


def wait_for(exporter: Exporter, **expected: int) -> Scrape:
    wanted = {name.replace("__", "."): value for name, value in expected.items()}
    return exporter.wait(lambda s: counts(s) == wanted, f"{wanted}")


def test_what_is_new_is_counted_once(cdu: Simulator, exporter: Exporter) -> None:
    scrape = wait_for(exporter)
    # There before anything happened, so that the first one is an increase.
    assert scrape.value("cooling_events_total", message="Environmental.PumpFailed") == 0
    cdu.set(log={"4": "Environmental.1.2.PumpFailed", "5": "!Environmental.1.4.LeakDetectedCritical"})
    wait_for(exporter, Environmental__PumpFailed=1, Environmental__LeakDetectedCritical=1)
    looked = cdu.state()["asked"]
    cdu.set(log={"6": "!Environmental.1.4.PumpFailed", "7": "Vendor.9.9.9.Odd Thing{}"})
    scrape = exporter.wait(lambda s: len(counts(s)) == 3, "more")
    assert counts(scrape) == {
        "Environmental.PumpFailed": 2,
        "Environmental.LeakDetectedCritical": 1,
        "Vendor.Odd_Thing__": 1,
    }
    asked = cdu.state()["asked"]
    # An entry that was only linked is fetched once, and never those that stood there at the start.
    assert asked[f"GET {ENTRIES}/5"] == looked[f"GET {ENTRIES}/5"] == asked[f"GET {ENTRIES}/6"] == 1
    assert f"GET {ENTRIES}/3" not in asked and f"GET {ENTRIES}/4" not in asked
    assert {request.split()[0] for request in asked} == {"GET"}
    prometheus.check_metrics(scrape.text)


def test_an_entry_that_comes_again_is_new(cdu: Simulator, exporter: Exporter) -> None:
    cdu.set(log={"4": "Environmental.1.4.PumpFailed"})
    wait_for(exporter, Environmental__PumpFailed=1)
    # The log is cleared, which takes a look to notice, and fills again.
    cdu.set(log=dict.fromkeys("1234"))
    before = cdu.state()["asked"][f"GET {ENTRIES}"]
    exporter.wait(lambda s: cdu.state()["asked"][f"GET {ENTRIES}"] > before + 1, "a look at the empty log")
    cdu.set(log={"1": "Environmental.1.4.PumpFailed"})
    wait_for(exporter, Environmental__PumpFailed=2)


def test_messages_are_bounded(cdu: Simulator, exporter: Exporter) -> None:
    cdu.set(log={str(number): f"Flood.1.0.Message{number}" for number in range(100, 190)} | {"200": "nonsense"})
    scrape = exporter.wait(lambda s: sum(counts(s).values()) == 91, "all are counted")
    assert len(counts(scrape)) == 65
    assert counts(scrape)["other"] == 27


@pytest.mark.parametrize(
    "members",
    [[{"@odata.id": "http://127.0.0.1:1/redfish/v1/x"}], [{"@odata.id": "/redfish/v1/../x"}], [{"MessageId": 7}]],
)
def test_a_log_that_cannot_be_read_costs_no_reading(cdu: Simulator, exporter: Exporter, members: object) -> None:
    exporter.wait_up("cdu")
    if members == [{"MessageId": 7}]:
        cdu.set(overrides={ENTRIES: {"Members": members}})
        wait_for(exporter, other=1)
    else:
        cdu.set(overrides={ENTRIES: {"Members": members}})
        scrape = exporter.wait(lambda s: s.value("cooling_events_readable") == 0, "unreadable")
        assert scrape.value("cooling_device_up", device="cdu") == 1
        assert scrape.matching("cooling_flow_cubic_meters_per_second", device="cdu")
        cdu.set(overrides={ENTRIES: None})
        exporter.wait(lambda s: s.value("cooling_events_readable") == 1, "readable again")
    assert "Traceback" not in exporter.process.log.read_text()


def test_nobody_asks_for_logs_unless_told(cdu: Simulator, tmp_path: Path) -> None:
    with (
        Simulator("modbus_rpu", tmp_path / "rpu.log") as rpu,
        Exporter(configuration(redfish_device(cdu, "cdu"), modbus_device(rpu)), tmp_path) as running,
    ):
        scrape = running.wait_up("cdu", "rpu")
        assert not scrape.matching("cooling_events_total") and not scrape.matching("cooling_events_readable")
        assert not [request for request in cdu.state()["asked"] if "Managers" in request]
