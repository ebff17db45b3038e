"""A real SNMP agent, version 2c and 3: objects, columns, texts, absences, wrong secrets, silence."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from control_plane.processes import free_port
from tests.rig.devices.configuration import configuration
from tests.rig.devices.exporter import Exporter, Scrape
from tests.rig.devices.snmp_agent import AUTHENTICATION, COMMUNITY, PRIVACY, USER, Agent, snmp_device

# An invented tree: what it means is told by the points below and nowhere else.
TREE = "1.3.6.1.4.1.99999"
POWER = {"metric": "electrical_power_watts", "oid": f"{TREE}.1.1.0", "unit": "W", "scale": 10}
LINES = {
    "metric": "electrical_current_amperes",
    "oid": f"{TREE}.2.1.3.*",
    "unit": "A",
    "scale": 0.01,
    "expect": ["1", "2.7"],
}
ENERGY = {"metric": "electrical_energy_joules_total", "oid": f"{TREE}.1.2.0", "unit": "Wh"}
SUPPLY = {"metric": "cooling_supply_temperature_celsius", "circuit": "secondary", "oid": f"{TREE}.3.0", "unit": "°C"}
PUMP = {
    "metric": "cooling_pump_state",
    "part": "a",
    "oid": f"{TREE}.4.0",
    "states": {"ok": [2], "critical": [5, "dead"]},
}
DOOR = {"metric": "cooling_lid_open", "oid": f"{TREE}.5.0", "values": {"open": 1, "closed": 0}}
HOURS = {"metric": "cooling_filter_service_seconds", "part": "y", "oid": f"{TREE}.6.0", "scale": 0.01, "unit": "s"}
POINTS: list[dict[str, Any]] = [POWER, LINES, ENERGY, SUPPLY, PUMP, DOOR, HOURS]
OBJECTS: dict[str, tuple[str, int | str]] = {
    f"{TREE}.1.1.0": ("gauge", 420),
    f"{TREE}.1.2.0": ("counter64", 9_000_000_000),
    f"{TREE}.2.1.3.1": ("integer", 1650),
    f"{TREE}.2.1.3.2.7": ("integer", 320),
    f"{TREE}.3.0": ("text", " 31.5 "),
    f"{TREE}.4.0": ("integer", 2),
    f"{TREE}.5.0": ("text", "closed"),
    f"{TREE}.6.0": ("ticks", 123_400),
}  # fmt: skip


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    with Agent(OBJECTS, tmp_path_factory.mktemp("agent") / "log") as running:
        yield running


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "community").write_text(f"{COMMUNITY}\n")
    (folder / "user").write_text(f"{USER}:{AUTHENTICATION}:{PRIVACY}\n")
    return folder


@pytest.fixture(scope="module")
def exporter(agent: Agent, secrets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    devices = [
        snmp_device(agent, "plain", POINTS, secrets / "community"),
        snmp_device(agent, "secret", POINTS, secrets / "user", version="3"),
    ]
    with Exporter(configuration(*devices), tmp_path_factory.mktemp("exporter")) as running:
        yield running


def errors(scrape: Scrape, device: str, reason: str) -> float:
    return scrape.value("cooling_read_errors_total", device=device, reason=reason) or 0


@pytest.mark.parametrize("device", ["plain", "secret"])
def test_objects_columns_and_texts_are_read(exporter: Exporter, device: str) -> None:
    scrape = exporter.wait_up(device)
    assert scrape.value("electrical_power_watts", device=device) == 4200
    assert scrape.value("electrical_energy_joules_total", device=device) == 9_000_000_000 * 3600
    assert scrape.value("electrical_current_amperes", device=device, line="1") == 16.5
    assert scrape.value("electrical_current_amperes", device=device, line="2.7") == 3.2
    assert scrape.value("cooling_supply_temperature_celsius", device=device) == 31.5
    assert scrape.state("cooling_pump_state", device=device, pump="a") == "ok"
    assert scrape.value("cooling_lid_open", device=device) == 0
    assert scrape.value("cooling_filter_service_seconds", device=device, filter="y") == 1234
    assert set(scrape.matching("cooling_point_valid", device=device).values()) == {1}
    assert scrape.value("cooling_device_info", device=device, protocol="snmp") == 1


def test_what_changes_and_what_goes_is_seen(agent: Agent, exporter: Exporter) -> None:
    exporter.wait_up("plain", "secret")
    changed: dict[str, tuple[str, int | str]] = {
        **OBJECTS,
        f"{TREE}.3.0": ("text", "N/A"),
        f"{TREE}.4.0": ("text", "dead"),
        f"{TREE}.5.0": ("text", "ajar"),
    }
    # No such object, and no such row.
    del changed[f"{TREE}.6.0"], changed[f"{TREE}.2.1.3.2.7"]
    agent.set(changed)
    for device in ("plain", "secret"):
        scrape = exporter.wait(lambda s, d=device: s.state("cooling_pump_state", device=d) == "critical", "dead")  # type: ignore[misc]
        assert scrape.value("cooling_device_up", device=device) == 1
        gone = ("supply_temperature_celsius", "lid_open", "filter_service_seconds/y", "electrical_current_amperes/2.7")
        for point in gone:
            assert scrape.value("cooling_point_valid", device=device, point=point) == 0, point
        assert scrape.value("cooling_supply_temperature_celsius", device=device) is None
        assert scrape.value("electrical_current_amperes", device=device, line="2.7") is None
        assert scrape.value("electrical_current_amperes", device=device, line="1") == 16.5
    agent.set(OBJECTS)
    for device in ("plain", "secret"):
        exporter.wait(lambda s, d=device: s.state("cooling_pump_state", device=d) == "ok", "well")  # type: ignore[misc]


def test_an_agent_that_stops_is_silent_and_comes_back(agent: Agent, secrets: Path, tmp_path: Path) -> None:
    devices = [
        snmp_device(agent, "plain", [POWER], secrets / "community", timeout=1),
        snmp_device(agent, "secret", [POWER], secrets / "user", version="3", timeout=2),
    ]
    with Exporter(configuration(*devices), tmp_path) as running:
        running.wait_up("plain", "secret")
        agent.process.signal(signal.SIGSTOP)
        try:
            scrape = running.wait_down("plain", "secret")
            assert errors(scrape, "plain", "timeout") and errors(scrape, "secret", "timeout")
            assert not scrape.matching("electrical_power_watts")
        finally:
            agent.process.signal(signal.SIGCONT)
        running.wait_up("plain", "secret")


def test_many_objects_need_several_requests(secrets: Path, tmp_path: Path) -> None:
    rows = [str(row) for row in range(1, 101)]
    objects: dict[str, tuple[str, int | str]] = {f"{TREE}.9.{row}": ("integer", 100 * int(row)) for row in rows}
    column = {**LINES, "oid": f"{TREE}.9.*", "expect": rows}
    with Agent(objects, tmp_path / "log") as pdu:
        device = snmp_device(pdu, "pdu", [column], secrets / "community")
        with Exporter(configuration(device), tmp_path) as running:
            found = running.wait_up("pdu").matching("electrical_current_amperes")
            assert {dict(key)["line"]: value for key, value in found.items()} == {row: float(row) for row in rows}


@pytest.mark.parametrize(
    ("version", "secret", "reason"),
    [
        ("2c", "hunter2", "timeout"),
        ("3", f"{USER}:hunter2-hunter2:{PRIVACY}", "unauthorized"),
        ("3", f"nobody:{AUTHENTICATION}:{PRIVACY}", "unauthorized"),
        ("3", f"{USER}:{AUTHENTICATION}", "credentials"),
        ("3", f"{USER}:hunter2:{PRIVACY}", "credentials"),
        ("2c", "", "credentials"),
    ],
)
def test_a_wrong_secret_has_its_reason_and_is_never_shown(
    agent: Agent, tmp_path: Path, version: str, secret: str, reason: str
) -> None:
    file = tmp_path / "secret"
    file.write_text(secret)
    device = snmp_device(agent, "pdu", [POWER], file, version=version, timeout=1.5)
    with Exporter(configuration(device), tmp_path) as running:
        scrape = running.wait(lambda s: errors(s, "pdu", reason) > 0, reason)
        assert scrape.value("cooling_device_up", device="pdu") == 0
        shown = scrape.text + running.process.log.read_text()
    assert "hunter2" not in shown and AUTHENTICATION not in shown and "Traceback" not in shown


def test_stronger_algorithms(secrets: Path, tmp_path: Path) -> None:
    with Agent(OBJECTS, tmp_path / "log", authentication="SHA256", privacy="AES256") as pdu:
        device = snmp_device(pdu, "pdu", [POWER], secrets / "user", version="3")
        device["credentials"] |= {"authentication": "sha256", "privacy": "aes256"}
        with Exporter(configuration(device), tmp_path) as running:
            assert running.wait_up("pdu").value("electrical_power_watts") == 4200


def test_nobody_there_garbage_and_none_of_the_objects(agent: Agent, secrets: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as liar:
        liar.bind(("127.0.0.1", 0))
        lying = snmp_device(agent, "liar", [POWER], secrets / "community", timeout=1, port=liar.getsockname()[1])
        nobody = snmp_device(agent, "nobody", [POWER], secrets / "community", timeout=1, port=free_port())
        nothing = snmp_device(agent, "nothing", [{**POWER, "oid": f"{TREE}.77.0"}], secrets / "community")
        with Exporter(configuration(lying, nobody, nothing), tmp_path) as running:
            asked, place = liar.recvfrom(2000)
            assert asked[0] == 0x30
            liar.sendto(bytes(range(256)) * 4, place)
            running.wait(lambda s: errors(s, "liar", "protocol") > 0, "garbage")
            running.wait(lambda s: errors(s, "nobody", "connection") > 0, "nobody")
            scrape = running.wait(lambda s: errors(s, "nothing", "empty") > 0, "nothing")
            assert all(errors(scrape, device, "internal") == 0 for device in ("liar", "nobody", "nothing"))
        assert "Traceback" not in running.process.log.read_text()


def test_only_get_is_ever_asked(agent: Agent, exporter: Exporter) -> None:
    """The agent's own log: writing variations are never reached, so a request of another kind would be told."""
    exporter.wait_up("plain", "secret")
    log = agent.process.log.read_text()
    assert "SET" not in log and "Traceback" not in log
