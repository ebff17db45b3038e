"""The page of metrics behind TLS and logins: scraped by a real Prometheus, closed to others, calm under bad clients."""

from __future__ import annotations

import base64
import contextlib
import gzip
import shutil
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from control_plane.certificates import Authority, Certificate
from control_plane.processes import wait_until
from tests.rig.devices.configuration import configuration, modbus_device
from tests.rig.devices.exporter import Exporter
from tests.rig.devices.simulator import Simulator
from tests.rig.prometheus import Prometheus, check_configuration

pytest_plugins = ("tests.device_fixtures",)

PATIENCE = 60.0
PASSWORD, TOKEN = "correct:horse", "battery-staple-token"
SCRAPE = """
global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}
scrape_configs:
  - job_name: password
    scheme: https
    tls_config: {{ca_file: {authority}}}
    basic_auth: {{username: prometheus, password_file: {password}}}
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
  - job_name: token
    scheme: https
    tls_config: {{ca_file: {authority}}}
    authorization: {{credentials_file: {token}}}
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
  - job_name: stranger
    scheme: https
    tls_config: {{ca_file: {authority}}}
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("page")
    (place / "password").write_text(f"{PASSWORD}\n")
    (place / "token").write_text(f"{TOKEN}\n")
    return place


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    made = Authority(folder / "authority")
    put(folder, made.server("exporter", ["127.0.0.1"]))
    return made


def put(place: Path, served: Certificate, *names: str) -> None:
    for source, name in ((served.key, "key.pem"), (served.certificate, "certificate.pem")):
        if not names or name in names:
            shutil.copy(source, place / f"{name}.new")
            (place / f"{name}.new").rename(place / name)


@pytest.fixture(scope="module")
def exporter(rpu: Simulator, folder: Path, authority: Authority) -> Iterator[Exporter]:
    given = configuration(modbus_device(rpu))
    given |= {
        "tls": {"certificate": str(folder / "certificate.pem"), "key": str(folder / "key.pem")},
        "users": {"prometheus": f"file:{folder / 'password'}", "gone": f"file:{folder / 'nowhere'}"},
        "token": f"file:{folder / 'token'}",
    }
    login = basic("prometheus", PASSWORD)
    with Exporter(given, folder, authority=authority.certificate, authorization=login) as running:
        running.wait_up("rpu")
        yield running


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def ask(exporter: Exporter, request: bytes) -> tuple[int | None, bytes]:
    """Send bytes as they are; the status and the whole answer, None when it hangs up without one."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", exporter.port), timeout=30) as plain,
        context.wrap_socket(plain) as stream,
    ):
        answer = b""
        # A server that has heard enough may be gone before all is said.
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            stream.sendall(request)
            while chunk := stream.recv(65536):
                answer += chunk
    return (int(answer.split()[1]) if answer else None), answer


def get(authorization: str | None, *, method: str = "GET", path: str = "/metrics") -> bytes:
    header = "" if authorization is None else f"Authorization: {authorization}\r\n"
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{header}\r\n".encode()


def test_prometheus_scrapes_with_a_password_and_with_a_token(
    exporter: Exporter, folder: Path, authority: Authority, tmp_path: Path
) -> None:
    places = {"authority": authority.certificate, "password": folder / "password", "token": folder / "token"}
    (tmp_path / "prometheus.yml").write_text(SCRAPE.format(port=exporter.port, **places))
    check_configuration(tmp_path / "prometheus.yml")
    with Prometheus(tmp_path, tmp_path / "prometheus.log") as prometheus:

        def health() -> dict[str, str]:
            return {target["labels"]["job"]: target["health"] for target in prometheus.targets()}

        wanted = {"password": "up", "token": "up", "stranger": "down"}
        wait_until(lambda: health() == wanted, PATIENCE, "two jobs see it, one does not")
        assert prometheus.value('cooling_device_up{job="password"}') == 1
        assert prometheus.value('cooling_device_up{job="stranger"}') is None


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "Basic",
        "Basic !!!",
        "Bearer",
        f"Bearer {TOKEN}x",
        f"Digest {TOKEN}",
        basic("prometheus", "wrong"),
        basic("nobody", PASSWORD),
        basic("gone", ""),
        basic("", ""),
        "Basic " + base64.b64encode(b"prometheus").decode(),
    ],
)
def test_a_wrong_login_is_told_nothing(exporter: Exporter, authorization: str | None) -> None:
    status, answer = ask(exporter, get(authorization))
    same, other = ask(exporter, get(None, path="/nowhere"))
    assert status == same == 401
    # Neither what was wrong nor whether the page is there.
    assert answer == other and b"cooling" not in answer.partition(b"WWW-Authenticate")[0]


def test_a_changed_password_needs_no_restart(exporter: Exporter, folder: Path) -> None:
    (folder / "password").write_text("another")
    assert ask(exporter, get(basic("prometheus", PASSWORD)))[0] == 401
    assert ask(exporter, get(basic("prometheus", "another")))[0] == 200
    (folder / "password").write_text(PASSWORD)
    assert ask(exporter, get(basic("prometheus", PASSWORD)))[0] == 200
    log = exporter.process.log.read_text()
    assert log.count("cannot be read") == 1 and PASSWORD not in log and TOKEN not in log


LOGIN = f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (get(LOGIN), 200),
        (get(LOGIN, path="/metrics?name[]=x"), 200),
        (get(LOGIN, path="/"), 404),
        (get(LOGIN, path="/../etc/passwd"), 404),
        (get(LOGIN, method="POST"), 405),
        (get(LOGIN, method="HEAD"), 405),
        (get(LOGIN, method="DELETE"), 405),
        (b"GET /metrics\r\n\r\n", 400),
        (b"GET  /metrics HTTP/1.1\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nnonsense\r\n\r\n", 400),
        (get(LOGIN).replace(b"Host: x", b"Authorization: Bearer y"), 400),
        (bytes(range(256)).replace(b"\r\n", b"") + b"\r\n\r\n", 400),
        (get(LOGIN).replace(b"Host: x", b"X: " + b"y" * 9000), 431),
        (b"", None),
    ],
)
def test_requests_that_are_none(exporter: Exporter, request_: bytes, status: int | None) -> None:
    if not request_:
        # A client that connects and goes.
        socket.create_connection(("127.0.0.1", exporter.port)).close()
    else:
        assert ask(exporter, request_)[0] == status
    assert ask(exporter, get(LOGIN))[0] == 200


def test_who_never_ends_a_request_is_hung_up_on(exporter: Exporter) -> None:
    assert ask(exporter, b"G" * 1_000_000)[0] in {431, None}
    assert ask(exporter, get(LOGIN))[0] == 200


def test_the_answer_is_compressed_for_who_asks(exporter: Exporter) -> None:
    plain = ask(exporter, get(LOGIN))[1].partition(b"\r\n\r\n")[2]
    head, _, body = ask(exporter, get(LOGIN).replace(b"Host: x", b"Accept-Encoding: gzip"))[1].partition(b"\r\n\r\n")
    assert b"Content-Encoding: gzip" in head and b"Connection: close" in head
    assert gzip.decompress(body).count(b"\n") == plain.count(b"\n") > 100


def test_slow_clients_stop_nobody(exporter: Exporter) -> None:
    """Thirty never begin to speak TLS, thirty stop in the middle of a request: the page is there for others."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    mute = [socket.create_connection(("127.0.0.1", exporter.port)) for _ in range(30)]
    halting = [context.wrap_socket(socket.create_connection(("127.0.0.1", exporter.port))) for _ in range(30)]
    try:
        for one in halting:
            one.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")
        assert ask(exporter, get(LOGIN))[0] == 200
        # They are hung up on after their time.
        for one in halting:
            one.settimeout(PATIENCE)
            assert one.recv(1) == b""
    finally:
        for stream in (*mute, *halting):
            stream.close()
    assert ask(exporter, get(LOGIN))[0] == 200


def test_more_clients_than_are_served_are_hung_up_on(exporter: Exporter) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    many = [context.wrap_socket(socket.create_connection(("127.0.0.1", exporter.port))) for _ in range(64)]
    try:
        wait_until(lambda: _refused(exporter), PATIENCE, "the one after 64 is hung up on")
    finally:
        for one in many:
            one.close()
    wait_until(lambda: not _refused(exporter), PATIENCE, "served again")


def _refused(exporter: Exporter) -> bool:
    try:
        return ask(exporter, get(LOGIN))[0] is None
    except (ConnectionError, ssl.SSLError):
        return True


def test_a_new_certificate_is_taken_and_half_a_pair_is_not(
    exporter: Exporter, folder: Path, authority: Authority
) -> None:
    def served() -> str:
        return ssl.get_server_certificate(("127.0.0.1", exporter.port), timeout=30)

    first, second, third = served(), authority.server("second", ["127.0.0.1"]), authority.server("third", ["127.0.0.1"])
    put(folder, second)
    wait_until(lambda: served() != first, PATIENCE, "the second certificate")
    now = served()
    assert now.split() == second.certificate.read_text().split()
    put(folder, third, "certificate.pem")
    wait_until(lambda: "cannot be renewed" in exporter.process.log.read_text(), PATIENCE, "half a pair is told")
    assert served() == now
    put(folder, third)
    wait_until(lambda: served().split() == third.certificate.read_text().split(), PATIENCE, "the third certificate")
    exporter.wait_up("rpu")


def test_nothing_left_a_traceback(exporter: Exporter) -> None:
    assert "Traceback" not in exporter.process.log.read_text()
