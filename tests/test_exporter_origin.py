"""The exporter's HTTP against a service whose every byte is written here: what is no answer, what may be kept open."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from control_plane.certificates import Authority
from control_plane.processes import free_port
from cooling_exporter import origin
from cooling_exporter.configuration import Configuration
from cooling_exporter.origin import Origin
from cooling_exporter.polling import stations
from cooling_exporter.readings import ReadFailed, Sample
from cooling_exporter.redfish import RedfishReader
from tests.rig.devices.configuration import UNITS, points
from tests.rig.devices.physics import PumpedLoop
from tests.rig.devices.redfish_unit import DETECTORS, expanding, tree

UNIT = f"{UNITS}/CDUs/1"
OK = b"HTTP/1.1 200 OK\r\n"
HANG = b"hang"


def told(document: Any) -> bytes:
    body = json.dumps(document).encode()
    return OK + b"Content-Length: %d\r\n\r\n" % len(body) + body


class Service:
    """Says to a path what it is told to, and notes on which connection it was asked; `after` comes unasked."""

    def __init__(
        self, answers: dict[str, bytes], *, ends: bool = False, tired: bool = False, after: bytes = b""
    ) -> None:
        self.answers = answers
        self.asked: list[tuple[int, str]] = []
        self.heads: list[str] = []
        self._numbers = itertools.count(1)
        self._ends, self._tired, self._after = ends, tired, after

    @property
    def paths(self) -> list[str]:
        return [path for _, path in self.asked]

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = next(self._numbers)
        try:
            for turn in itertools.count():
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                path = head.split(" ", 2)[1]
                self.asked.append((number, path))
                self.heads.append(head)
                if self._tired and turn:
                    break
                answer = self.answers.get(path, b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}")
                if answer is HANG:
                    await asyncio.Event().wait()
                writer.write(answer)
                await writer.drain()
                if self._ends:
                    break
                if self._after:
                    await asyncio.sleep(0.02)
                    writer.write(self._after)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def ask(service: Service, work: Callable[[int], Awaitable[None]]) -> None:
    """Run something against the service at its port."""

    async def run() -> None:
        server = await asyncio.start_server(service.meet, "127.0.0.1", 0)
        async with asyncio.timeout(20):
            await work(server.sockets[0].getsockname()[1])
        server.close()

    asyncio.run(run())


def bodies(service: Service, *paths: str, pause: float = 0.0) -> list[Any]:
    """What one client gets for one path after the other: bodies, or the reasons of failures."""
    found: list[Any] = []

    async def work(port: int) -> None:
        client = Origin(urlsplit(f"http://127.0.0.1:{port}{UNIT}"), None)
        for path in paths:
            try:
                found.append((await client.send("GET", path, {})).body)
            except ReadFailed as error:
                found.append(error.reason)
            await asyncio.sleep(pause)
        await client.close()

    ask(service, work)
    return found


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Length: 2\r\n\r\n{}",
        OK + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
def test_one_connection_is_enough_for_every_way_to_answer(answer: bytes) -> None:
    service = Service({"/a": answer, "/b": answer})
    assert bodies(service, "/a", "/b", "/a") == [b"{}"] * 3
    assert {connection for connection, _ in service.asked} == {1}


@pytest.mark.parametrize("answer", [OK + b"\r\n{}", OK + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}"])
def test_an_answer_may_end_its_connection(answer: bytes) -> None:
    service = Service({"/a": answer}, ends=True)
    assert bodies(service, "/a", "/a") == [b"{}"] * 2
    assert [connection for connection, _ in service.asked] == [1, 2]


def test_a_device_that_hangs_up_on_idle_connections_costs_no_reading() -> None:
    service = Service({"/a": told({})}, ends=True)
    assert bodies(service, "/a", "/a", pause=0.1) == [b"{}"] * 2
    assert service.asked == [(1, "/a"), (2, "/a")]


def test_neither_does_one_that_hangs_up_when_the_next_request_is_on_its_way() -> None:
    service = Service({"/a": told({})}, tired=True)
    assert bodies(service, "/a", "/a") == [b"{}"] * 2
    assert service.asked == [(1, "/a"), (1, "/a"), (2, "/a")]


@pytest.mark.parametrize("after", [told({"stolen": 1}), b"x"])
def test_what_comes_unasked_is_never_the_next_answer(after: bytes) -> None:
    service = Service({"/a": told({}), "/b": told({"b": 1})}, after=after)
    assert bodies(service, "/a", "/b", pause=0.1) == [b"{}", b'{"b": 1}']
    assert [connection for connection, _ in service.asked] == [1, 2]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "protocol"),
        (b"HTTP/2 200 OK\r\n\r\n", "protocol"),
        (OK + b"Content-Length: -2\r\n\r\n{}", "protocol"),
        (OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "protocol"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}", "protocol"),
        (OK + b"Transfer-Encoding: gzip\r\n\r\n{}", "protocol"),
        (OK + b"Bad Name: x\r\n\r\n", "protocol"),
        (OK + b"X: " + b"y" * 900_000, "protocol"),
        (OK + b"Content-Length: 9\r\n\r\n{}", "protocol"),
        (OK + b"Transfer-Enc", "protocol"),
        (b"", "protocol"),
        (OK + b"Content-Length: 2000000\r\n\r\n" + b"x" * 2_000_000, "oversize"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"8\r\nxxxxxxxx\r\n" * 150_000, "oversize"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000, "protocol"),
    ],
)
def test_what_is_no_answer_has_a_reason(answer: bytes, reason: str) -> None:
    service = Service({"/a": answer, "/b": told({})}, ends=True)
    assert bodies(service, "/a", "/b") == [reason, b"{}"]
    assert service.paths == ["/a", "/b"], "nothing is asked twice when an answer has begun, or on a new connection"


def test_a_request_that_is_given_up_leaves_nothing_for_the_next() -> None:
    service = Service({"/slow": HANG, "/b": told({"b": 1})})

    async def work(port: int) -> None:
        client = Origin(urlsplit(f"http://127.0.0.1:{port}{UNIT}"), None)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.send("GET", "/slow", {})
        assert (await client.send("GET", "/b", {})).body == b'{"b": 1}'
        await client.close()

    ask(service, work)
    assert [connection for connection, _ in service.asked] == [1, 2]


def test_nothing_that_a_device_says_gets_into_a_request() -> None:
    service = Service({})
    bodies(service, '/a b\r\nX-Evil: 1\r\n\r\n"{漏}', "/c?$expand=.")
    assert service.paths == ["/a%20b%0D%0AX-Evil:%201%0D%0A%0D%0A%22%7B%E6%BC%8F%7D", "/c?$expand=."]
    assert "Accept-Encoding: identity" in service.heads[0] and "Cookie" not in "".join(service.heads)


def test_one_context_judges_all_devices_of_an_authority(tmp_path: Path) -> None:
    one, other = (str(Authority(tmp_path / name).certificate) for name in ("one", "other"))
    assert origin.context(one) is origin.context(one) is not origin.context(other)
    assert origin.context(None) is origin.context(None)


def test_an_authority_that_is_renewed_under_its_name_is_believed(tmp_path: Path) -> None:
    """Its certificate is replaced in the file, and the device has one of the new kind; nobody restarts anything."""
    found: list[Any] = []

    async def work(authority: Path, old: Authority, new: Authority) -> None:
        client: Origin | None = None
        for served, trusted in ((old, old), (new, old), (new, new)):
            files = served.server("device", ["127.0.0.1"])
            judge = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            judge.load_cert_chain(files.certificate, files.key)
            authority.write_bytes(trusted.certificate.read_bytes())
            os.utime(authority, ns=(0, len(found) + 1))
            server = await asyncio.start_server(Service({"/a": told({})}).meet, "127.0.0.1", port, ssl=judge)
            client = client or Origin(urlsplit(f"https://127.0.0.1:{port}{UNIT}"), str(authority))
            try:
                found.append((await client.send("GET", "/a", {})).status)
            except ReadFailed as error:
                found.append(error.reason)
            await client.close()
            server.close()

    port = free_port()
    asyncio.run(work(tmp_path / "authority.pem", Authority(tmp_path / "old"), Authority(tmp_path / "new")))
    assert found == [200, "connection", 200]


# What a collection brings along


def documents(loop: PumpedLoop) -> dict[str, bytes]:
    """A CDU whose service announces that it can expand, and does."""
    return {path: told(one) for path, one in expanding(tree("cdu", loop)).items()}


def readings(service: Service, rounds: int = 2, timeout: float = 5.0) -> list[list[Sample] | str]:
    """What the reader of a device makes of it, one reading after the other."""
    found: list[list[Sample] | str] = []

    async def work(port: int) -> None:
        device = {
            "name": "cdu", "loop": "plate", "profile": "redfish-cooling-unit", "protocol": "redfish",
            "url": f"http://127.0.0.1:{port}{UNIT}", "points": points("redfish-cooling-unit"),
        }  # fmt: skip
        [station] = stations(Configuration.model_validate({"devices": [device]}))
        assert isinstance(station.reader, RedfishReader)
        for _ in range(rounds):
            try:
                async with asyncio.timeout(timeout):
                    found.append(await station.reader.read())
            except (ReadFailed, TimeoutError) as error:
                found.append(error.reason if isinstance(error, ReadFailed) else "timeout")
                await station.reader.drop()
        await station.reader.close()

    ask(service, work)
    return found


@pytest.fixture(scope="module")
def loop() -> PumpedLoop:
    return PumpedLoop(2, DETECTORS, good="OK", inertia=0)


@pytest.fixture(scope="module")
def alone(loop: PumpedLoop) -> list[Sample]:
    """The reading of a device that announces nothing."""
    answers = documents(loop) | {"/redfish/v1/": told({})}
    service = Service(answers)
    first, second = readings(service)
    assert first == second and isinstance(first, list)
    assert not [path for path in service.paths if "$" in path]
    return first


def test_members_come_with_their_collection_where_the_service_can(loop: PumpedLoop, alone: list[Sample]) -> None:
    service = Service(documents(loop))
    assert readings(service) == [alone, alone]
    per_reading = service.paths[len(service.paths) // 2 + 1 :]
    assert service.paths.count("/redfish/v1/") == 1
    assert sorted(per_reading) == sorted(
        [UNIT, f"{UNIT}/EnvironmentMetrics"]
        + [
            f"{UNIT}/{name}?$expand=."
            for name in (
                "PrimaryCoolantConnectors", "SecondaryCoolantConnectors", "Pumps", "Reservoirs", "Filters",
                "LeakDetection/LeakDetectors",
            )
        ]
    )  # fmt: skip


LINKS = told({"Members": [{"@odata.id": f"{UNIT}/Pumps/1"}, {"@odata.id": f"{UNIT}/Pumps/2"}]})


@pytest.mark.parametrize(
    "lie",
    [
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 501 Not Implemented\r\nContent-Length: 2\r\n\r\n{}",
        OK + b"Content-Length: 1\r\n\r\n{",
        OK + b"Content-Length: 2000000\r\n\r\n" + b"x" * 2_000_000,
        LINKS,
    ],
)
def test_a_service_that_cannot_do_what_it_announces_is_read_all_the_same(
    lie: bytes, loop: PumpedLoop, alone: list[Sample]
) -> None:
    service = Service(documents(loop) | {f"{UNIT}/Pumps?$expand=.": lie})
    assert readings(service) == [alone, alone]
    if lie is not LINKS:
        assert service.paths.count(f"{UNIT}/Pumps?$expand=.") == 1


def test_a_service_that_is_too_slow_with_it_is_asked_once(loop: PumpedLoop, alone: list[Sample]) -> None:
    service = Service(documents(loop) | {f"{UNIT}/Pumps?$expand=.": HANG})
    assert readings(service, 3, timeout=0.5) == ["timeout", alone, alone]
    assert service.paths.count(f"{UNIT}/Pumps?$expand=.") == 1


def test_a_collection_that_is_not_there_stops_nothing(loop: PumpedLoop, alone: list[Sample]) -> None:
    answers = {path: answer for path, answer in documents(loop).items() if "/Filters" not in path}
    service = Service(answers)
    left = [sample for sample in alone if "filter" not in sample.key.quantity.name]
    assert readings(service) == [left, left] and len(left) < len(alone)
    assert service.paths.count(f"{UNIT}/Pumps?$expand=.") == 2
