"""Devices that are silent, slow, broken or hostile: visible, harmless to the others, and back when they recover."""

from __future__ import annotations

import datetime
import ipaddress
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from control_plane.processes import free_port, wait_until
from cooling_exporter.configuration import Configuration
from cooling_exporter.polling import Reading, stations
from tests.rig.devices.configuration import UNITS, configuration, modbus_device, redfish_device
from tests.rig.devices.exporter import Exporter, Scrape
from tests.rig.devices.simulator import Simulator

pytest_plugins = ("tests.device_fixtures",)

ACCOUNT = "monitor:correct-horse"
SESSIONS = "/redfish/v1/SessionService/Sessions"


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A device that never misbehaves: whatever the others do, it must stay readable."""
    with Simulator("modbus_rpu", tmp_path_factory.mktemp("steady") / "log") as simulator:
        yield simulator


@pytest.fixture(scope="module")
def cdu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    log = tmp_path_factory.mktemp("cdu") / "log"
    with Simulator("redfish_unit", log, "--unit", "cdu", "--account", ACCOUNT) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("account") / "cdu"
    file.write_text(ACCOUNT + "\n")
    return file


@pytest.fixture(scope="module")
def exporter(
    rpu: Simulator,
    steady: Simulator,
    cdu: Simulator,
    account: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Exporter]:
    devices = [
        modbus_device(rpu, timeout=0.5),
        modbus_device(steady, "steady"),
        redfish_device(cdu, "cdu", timeout=1.0, credentials=session(account)),
    ]
    with Exporter(configuration(*devices), tmp_path_factory.mktemp("exporter")) as running:
        yield running


def session(account: Path) -> dict[str, str]:
    return {"kind": "session", "reference": f"file:{account}"}


def errors(scrape: Scrape, device: str, reason: str) -> float:
    found = scrape.value("cooling_read_errors_total", device=device, reason=reason)
    assert found is not None
    return found


def check_withdrawn(scrape: Scrape, device: str) -> None:
    """A silent device shows no number at all; its detectors are there and say that nobody knows."""
    about = {"cooling_device_up", "cooling_device_info", "cooling_device_last_success_timestamp_seconds"}
    about |= {"cooling_read_duration_seconds", "cooling_read_errors_total"}
    states = {"cooling_leak_state", "cooling_pump_state", "cooling_reservoir_state"}
    shown = {name for name, labels in scrape.series if ("device", device) in labels}
    assert shown - about - states == set()
    assert "cooling_leak_state" in shown
    for labels in {
        labels - {("state", dict(labels)["state"])} for labels in scrape.matching("cooling_leak_state", device=device)
    }:
        assert scrape.state("cooling_leak_state", **dict(labels)) == "unavailable"


def last_success(scrape: Scrape, device: str) -> float:
    found = scrape.value("cooling_device_last_success_timestamp_seconds", device=device)
    assert found is not None
    return found


def fail_and_recover(exporter: Exporter, simulator: Simulator, device: str, mode: str, reason: str) -> None:
    """Go through trouble: counted under its reason, withdrawn, the steady device read on; then well again."""
    before = exporter.wait_up(device, "steady")
    simulator.set(mode=mode)
    try:
        counted = errors(before, device, reason)
        exporter.wait(lambda s: errors(s, device, reason) > counted, mode)
        down = exporter.wait_down(device)
        check_withdrawn(down, device)
        assert last_success(down, device) >= last_success(before, device)
        still = exporter.wait(lambda s: last_success(s, "steady") > last_success(down, "steady"), "steady is read on")
        assert still.value("cooling_device_up", device="steady") == 1
    finally:
        simulator.set(mode="normal")
    after = exporter.wait_up(device)
    assert after.matching("cooling_flow_cubic_meters_per_second", device=device)
    assert last_success(after, device) > last_success(down, device)


@pytest.mark.parametrize(
    ("mode", "reason"),
    [("silent", "timeout"), ("half", "timeout"), ("garbage", "timeout"), ("strange", "protocol")],
)
def test_modbus_trouble_is_visible_and_passes(exporter: Exporter, rpu: Simulator, mode: str, reason: str) -> None:
    fail_and_recover(exporter, rpu, "rpu", mode, reason)


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("silent", "timeout"),
        ("half", "timeout"),
        ("drip", "timeout"),
        ("garbage", "protocol"),
        ("oversize", "oversize"),
        ("error", "status"),
    ],
)
def test_redfish_trouble_is_visible_and_passes(exporter: Exporter, cdu: Simulator, mode: str, reason: str) -> None:
    fail_and_recover(exporter, cdu, "cdu", mode, reason)


def test_a_redirect_to_another_origin_is_refused(exporter: Exporter, cdu: Simulator, tmp_path: Path) -> None:
    with Simulator("redfish_unit", tmp_path / "elsewhere.log", "--unit", "cdu") as elsewhere:
        cdu.set(elsewhere=f"http://127.0.0.1:{elsewhere.port}")
        fail_and_recover(exporter, cdu, "cdu", "redirect", "redirect")
        assert elsewhere.state()["asked"] == {}


@pytest.mark.parametrize("link", ["{elsewhere}/redfish/v1/x", "//127.0.0.1/redfish/v1/x", "/redfish/v1/../x", 7, None])
def test_a_member_that_leads_away_is_not_followed(
    exporter: Exporter, cdu: Simulator, tmp_path: Path, link: object
) -> None:
    before = errors(exporter.wait_up("cdu"), "cdu", "protocol")
    with Simulator("redfish_unit", tmp_path / "elsewhere.log", "--unit", "cdu") as elsewhere:
        if isinstance(link, str):
            link = link.format(elsewhere=f"http://127.0.0.1:{elsewhere.port}")
        cdu.set(overrides={f"{UNITS}/CDUs/1/Pumps": {"Members": [{"@odata.id": link}]}})
        exporter.wait(lambda s: errors(s, "cdu", "protocol") > before, "refused")
        cdu.set(overrides={f"{UNITS}/CDUs/1/Pumps": None})
        assert elsewhere.state()["asked"] == {}
    exporter.wait_up("cdu")


def test_names_that_a_device_invents_are_bounded_and_harmless(cdu: Simulator, account: Path, tmp_path: Path) -> None:
    pumps = f"{UNITS}/CDUs/1/Pumps"
    with Exporter(configuration(redfish_device(cdu, "cdu", credentials=session(account))), tmp_path) as running:
        running.wait_up("cdu")
        odd = f'{pumps}/a"b{{c=}}漏' + "d" * 99
        cdu.set(overrides={pumps: {"Members": [{"@odata.id": odd}]}, odd: {"Status": {"Health": "OK"}}})
        safe = "a_b_c___" + "d" * 56
        scrape = running.wait(lambda s: s.state("cooling_pump_state", pump=safe) == "ok", "a safe name")
        assert scrape.state("cooling_pump_state", pump="1") == "absent"
        many = [{"@odata.id": f"{pumps}/{number}"} for number in range(300)]
        cdu.set(overrides={pumps: {"Members": many}, odd: None})
        running.wait(lambda s: errors(s, "cdu", "oversize") > 0, "too many members")
        cdu.set(overrides={pumps: None})
        running.wait_up("cdu")


def test_a_forgotten_session_is_made_anew_without_a_gap(exporter: Exporter, cdu: Simulator) -> None:
    def failed(scrape: Scrape) -> float:
        return sum(scrape.matching("cooling_read_errors_total", device="cdu").values())

    before = exporter.wait_up("cdu")
    made = cdu.state()["asked"][f"POST {SESSIONS}"]
    cdu.set(mode="forgetful")
    wait_until(lambda: cdu.state()["asked"][f"POST {SESSIONS}"] == made + 1, 30, "a new session")
    later = exporter.scrape()
    after = exporter.wait(lambda s: last_success(s, "cdu") > last_success(later, "cdu"), "a later reading")
    assert failed(after) == failed(before)


def test_a_refused_connection_and_a_restart_on_the_same_port(tmp_path: Path, steady: Simulator) -> None:
    port = free_port()
    first = Simulator("modbus_rpu", tmp_path / "first.log", port=port)
    with Exporter(configuration(modbus_device(first), modbus_device(steady, "steady")), tmp_path) as running:
        running.wait_up("rpu", "steady")
        first.process.kill()
        first.end()
        down = running.wait(lambda s: errors(s, "rpu", "connection") > 0, "refused")
        check_withdrawn(down, "rpu")
        with Simulator("modbus_rpu", tmp_path / "second.log", port=port):
            running.wait_up("rpu", "steady")


def test_a_connection_that_stays_half_open(tmp_path: Path, steady: Simulator) -> None:
    """The peer takes the connection and vanishes without a word, as a device does that lost its power."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    held.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=take, daemon=True).start()
        dead = modbus_device(steady, "dead", port=server.getsockname()[1], timeout=0.3)
        with Exporter(configuration(dead, modbus_device(steady, "steady")), tmp_path) as running:
            scrape = running.wait(lambda s: errors(s, "dead", "timeout") >= 2, "dead peer")
            check_withdrawn(scrape, "dead")
            running.wait_up("steady")
        server.shutdown(socket.SHUT_RDWR)
    for connection in held:
        connection.close()


def test_wrong_or_missing_credentials_are_told_and_never_shown(cdu: Simulator, account: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("monitor:hunter2")
    devices = [
        redfish_device(cdu, "wrong", credentials=session(wrong)),
        redfish_device(cdu, "missing", credentials=session(tmp_path / "nowhere")),
        redfish_device(cdu, "nobody"),
        redfish_device(cdu, "basic", credentials={"kind": "basic", "reference": "env:CDU_ACCOUNT"}),
    ]
    with Exporter(configuration(*devices), tmp_path, env={"CDU_ACCOUNT": ACCOUNT}) as running:
        running.wait_up("basic")
        running.wait(lambda s: errors(s, "wrong", "unauthorized") > 0, "wrong password")
        running.wait(lambda s: errors(s, "missing", "credentials") > 0, "missing file")
        scrape = running.wait(lambda s: errors(s, "nobody", "unauthorized") > 0, "no credentials")
        # Repaired in place: the reference is read again at the next attempt.
        wrong.write_text(ACCOUNT)
        running.wait_up("wrong")
        shown = scrape.text + running.process.log.read_text()
    assert "hunter2" not in shown and "correct-horse" not in shown


def test_the_end_deletes_the_session(cdu: Simulator, account: Path, tmp_path: Path) -> None:
    with Exporter(configuration(redfish_device(cdu, "cdu", credentials=session(account))), tmp_path) as running:
        running.wait_up("cdu")
        gone = deleted(cdu)
        running.process.signal(signal.SIGTERM)
        assert running.process.end() == 0
    assert deleted(cdu) == gone + 1
    assert "Traceback" not in running.process.log.read_text()


def deleted(cdu: Simulator) -> int:
    return sum(count for request, count in cdu.state()["asked"].items() if request.startswith("DELETE"))


@pytest.mark.parametrize("fault", ["", "authority", "expired", "early", "address"])
def test_https_is_checked_against_the_authority(tmp_path: Path, fault: str) -> None:
    trusted = not fault
    first, last = {"expired": (-2.0, -1.0), "early": (1.0, 2.0)}.get(fault, (-1.0, 1.0))
    pem = certificate(tmp_path / "device", "127.0.0.2" if fault == "address" else "127.0.0.1", first, last)
    authority = certificate(tmp_path / "other") if fault == "authority" else pem
    with Simulator("redfish_unit", tmp_path / "log", "--unit", "immersion", "--certificate", str(pem)) as tank:
        device = redfish_device(tank, "tank", "ImmersionUnits", authority=str(authority))
        device["url"] = device["url"].replace("http://", "https://")
        with Exporter(configuration(device), tmp_path) as running:
            if trusted:
                running.wait_up("tank")
            else:
                scrape = running.wait(lambda s: errors(s, "tank", "connection") > 0, "untrusted")
                assert scrape.value("cooling_device_up", device="tank") == 0
                assert tank.state()["asked"] == {}


def certificate(folder: Path, address: str = "127.0.0.1", first: float = -1, last: float = 1) -> Path:
    """A self-signed certificate with its key in one PEM file, valid between two times, in hours from now."""
    folder.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, folder.name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(hours=first))
        .not_valid_after(now + datetime.timedelta(hours=last))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    secret = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / "device.pem"
    file.write_bytes(secret + made.public_bytes(encoding))
    return file


def test_nothing_but_reading_was_ever_asked_for(exporter: Exporter, rpu: Simulator, cdu: Simulator) -> None:
    exporter.wait_up("rpu", "cdu", "steady")
    assert rpu.state()["asked"].keys() == {"function 3"}
    written = {request for request in cdu.state()["asked"] if not request.startswith("GET ")}
    assert {request for request in written if not request.startswith(f"DELETE {SESSIONS}/")} == {f"POST {SESSIONS}"}


def test_no_trouble_left_a_traceback(exporter: Exporter) -> None:
    log = exporter.process.log.read_text()
    assert "Traceback" not in log and "defect" not in log
    assert all(errors(exporter.scrape(), device, "internal") == 0 for device in ("rpu", "cdu", "steady"))


def test_a_silent_device_is_asked_less_and_less_often(steady: Simulator) -> None:
    (station,) = stations(Configuration.model_validate(configuration(modbus_device(steady, interval=10))))
    pauses = []
    for failures in range(7):
        station.failures = failures
        pauses.append(station.pause)
    assert pauses == [10, 10, 20, 40, 80, 80, 80]


def test_a_reading_that_grew_old_is_not_shown(steady: Simulator) -> None:
    """Whatever stopped the reading task: age alone withdraws the values."""
    (station,) = stations(Configuration.model_validate(configuration(modbus_device(steady))))
    station.reading = Reading((), good_until=time.monotonic() + 60)
    assert station.fresh_samples() == ()
    station.reading = Reading((), good_until=time.monotonic() - 0.001)
    assert station.fresh_samples() is None


def turn(clock: Path, seconds: int) -> None:
    """Whole at once: the exporter may read this file at any moment, and an empty one is no clock."""
    new = clock.with_suffix(".new")
    new.write_text(str(seconds))
    new.replace(clock)


def test_a_clock_that_jumps_changes_no_reading(rpu: Simulator, tmp_path: Path) -> None:
    """A year forth, then back before the epoch: readings go on at their pace, and only the time stamp follows."""
    jumps = "import time; real = time.time; place = {place!r}; time.time = lambda: real() + float(open(place).read())"
    turn(tmp_path / "jump", 0)
    (tmp_path / "sitecustomize.py").write_text(jumps.format(place=str(tmp_path / "jump")))
    device = modbus_device(rpu, interval=0.2, timeout=0.5)
    with Exporter(configuration(device), tmp_path, env={"PYTHONPATH": str(tmp_path)}) as running:
        before = running.wait_up("rpu")
        for jump in (365 * 86400, -60 * 365 * 86400, 0):
            turn(tmp_path / "jump", jump)
            moved = time.time() + jump - 60
            scrape = running.wait(lambda s, m=moved: m < last_success(s, "rpu") < m + 120, "read by the new clock")  # type: ignore[misc]
            assert scrape.value("cooling_device_up", device="rpu") == 1
            assert scrape.matching("cooling_flow_cubic_meters_per_second", device="rpu")
            asked = rpu.state()["asked"]["function 3"]
            wait_until(lambda a=asked: rpu.state()["asked"]["function 3"] > a + 20, 30, "read on")  # type: ignore[misc]
            later = running.scrape()
            assert later.value("cooling_device_up", device="rpu") == 1
            failed = sum(later.matching("cooling_read_errors_total", device="rpu").values())
            assert failed == sum(before.matching("cooling_read_errors_total", device="rpu").values())
            assert (later.value("cooling_read_duration_seconds", device="rpu") or 0) < 5
