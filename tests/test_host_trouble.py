"""What goes wrong on a host is named by its cause, before an apply as well as after it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from generator.apply.plan import fingerprint
from generator.apply.report import FileChange, HostOutcome, UnitChange
from tests import test_apply_hosts
from tests.rig.hosts import LOGIN_USER
from tests.rig.vendor_packages import VendorRepository
from tests.test_apply_hosts import NODES, UNIT, Rig, unit_states, units

booted, rig = test_apply_hosts.booted, test_apply_hosts.rig
DEMO = "/etc/systemd/system/demo.service"
APT = ("/var/lib/apt", "/var/cache/apt", "/var/log/apt")
CRASHING = """[Service]
ExecStart=/bin/sh -c 'sleep {seconds}; exit 1'
Restart=on-failure
[Install]
WantedBy=multi-user.target
"""


def line(answer: dict[str, Any], about: str) -> str:
    """The line of a report about something."""
    return next((line for line in answer["lines"] if about in line), "")


def fingerprint_of(answer: dict[str, Any]) -> str:
    """What a plan would note of train-1."""
    said = answer["hosts"]["train-1"]
    parts = {"files": FileChange, "units": UnitChange}
    lists = {key: tuple(value) for key, value in said.items() if isinstance(value, list)}
    lists |= {key: tuple(kind(**one) for one in said[key]) for key, kind in parts.items()}
    return fingerprint(HostOutcome(**{**said, **lists}))


@pytest.mark.hosts
def test_a_greeting_of_a_login_shell_hinders_nobody(rig: Rig) -> None:
    greeting = f"/home/{LOGIN_USER}/.bashrc"
    rig.hosts.run("train-1", ["sh", "-c", f"cp -p {greeting} /run/bashrc; echo 'echo Welcome' >{greeting}"])
    try:
        assert rig.run("check")["hosts"]["train-1"]["state"] == "changed"
        assert rig.run("apply")["exit_code"] == 0
    finally:
        rig.hosts.run("train-1", ["cp", "-p", "/run/bashrc", greeting])


@pytest.mark.hosts
@pytest.mark.parametrize("seconds", [0.2, 6])
def test_a_daemon_that_does_not_stay_up_is_not_done_and_not_healthy(rig: Rig, seconds: float) -> None:
    rig.run("apply", "train-1")
    sound = rig.hosts.run("train-1", ["cat", DEMO])
    rig.tree.gives(DEMO, CRASHING.format(seconds=seconds), units=["demo.service"])
    patient = {"WATCH_SECONDS": "10"}
    done, status = (rig.run(verb, "train-1", environment=patient) for verb in ("apply", "check"))
    assert (done["exit_code"], rig.states(done)) == (1, {"train-1": "failed"})
    if seconds > 1:  # sooner, systemd gives up
        assert "restart demo.service (keeps failing: it ends soon" in done["hosts"]["train-1"]["reason"]
        assert line(status, "restart demo.service on train-1: keeps failing")
        assert line(rig.run("check", "train-1", environment=patient), "keeps failing"), "at whatever moment one looks"
    assert (status["exit_code"], units(status["hosts"]["train-1"])) == (2, ["demo.service"])

    rig.tree.gives(DEMO, sound, units=["demo.service"])
    assert rig.run("apply", "train-1")["exit_code"] == 0
    assert rig.run("check", "train-1")["exit_code"] == 0


@pytest.mark.hosts
def test_a_daemon_that_fell_once_and_stays_up_then_is_healthy(rig: Rig) -> None:
    once = "[Service]\nExecStart=/bin/sh -c '[ -e /run/fell ] || { touch /run/fell; exit 1; }; exec sleep infinity'\n"
    rig.tree.gives(DEMO, f"{once}Restart=on-failure\n[Install]\nWantedBy=multi-user.target\n", units=["demo.service"])
    assert rig.run("apply", "train-1")["exit_code"] == 0
    assert rig.run("check", "train-1")["exit_code"] == 0
    assert rig.hosts.run("train-1", ["systemctl", "show", "-P", "NRestarts", "demo.service"]) == "1\n"


@pytest.mark.hosts
def test_a_saved_plan_is_stale_when_contents_that_it_does_not_show_have_changed(rig: Rig) -> None:
    rig.tree.gives("/etc/secret.conf", "wanted\n", mode="0600")
    rig.run("apply", "train-1")
    rig.hosts.run("train-1", ["sh", "-c", "echo one >/etc/secret.conf"])
    first, same = (fingerprint_of(rig.run("check", "train-1")) for _ in range(2))
    rig.hosts.run("train-1", ["sh", "-c", "echo two >/etc/secret.conf"])
    other = rig.run("check", "train-1")
    assert "contents not shown" in line(other, "contents not shown")
    assert first == same != fingerprint_of(other)


@pytest.mark.hosts
def test_a_masked_unit_is_named_as_such_and_left_alone(rig: Rig) -> None:
    unit = "/lib/systemd/system/own.service"
    rig.hosts.run("train-1", ["sh", "-c", f"printf '[Service]\\nExecStart=/bin/sleep infinity\\n' >{unit}"])
    rig.hosts.run("train-1", ["systemctl", "mask", "own.service"])
    rig.tree.wants("units", {"name": "own.service", "class": "restart"}, to="pool_train")
    foretold, done = rig.run("check", "train-1"), rig.run("apply", "train-1")
    says = "cannot start own.service on train-1: masked there: unmask it or take it out of the spec"
    assert line(foretold, "own.service") == says
    assert done["exit_code"] == 1
    reason = done["hosts"]["train-1"]["reason"]
    assert "cannot start own.service (masked there" in reason and "Unit" not in reason
    assert rig.unit("train-1", "demo.service").active == "active", "all else is done"

    rig.hosts.run("train-1", ["systemctl", "unmask", "own.service"])
    rig.hosts.run("train-1", ["sh", "-c", f"printf '[Install]\\nWantedBy=multi-user.target\\n' >>{unit}"])
    assert rig.run("apply", "train-1")["exit_code"] == 0
    # With its file in the tree, the mask is only another file in its place.
    rig.hosts.run("train-1", ["sh", "-c", f"systemctl stop demo; ln -sf /dev/null {DEMO}; systemctl daemon-reload"])
    assert line(rig.run("check", "train-1"), "start demo.service on train-1: not running")
    assert rig.run("apply", "train-1")["exit_code"] == 0


@pytest.mark.hosts
def test_what_an_installation_removes_is_shown_first_or_not_done(rig: Rig) -> None:
    with VendorRepository(rig.network) as repository:
        source = f"deb [signed-by=/etc/apt/keyrings/vendor.asc] {repository.url} {repository.suite}\n"
        rig.tree.gives("/etc/apt/sources.list.d/vendor.list", source, before_packages=True)
        rig.tree.gives("/etc/apt/keyrings/vendor.asc", repository.signing_key.read_bytes(), before_packages=True)
        repository.publish("clock-one", "1.0", {"usr/share/clock-one": "one\n"})
        repository.publish("clock-tool", "1.0", {"usr/share/clock-tool": "one\n"})
        rig.tree.wants("packages", "clock-one", "clock-tool")
        assert rig.run("apply", "train-1")["exit_code"] == 0

        repository.publish("clock-tool", "2.0", {"usr/share/clock-tool": "two\n"})
        files = {"usr/share/clock-two": "two\n"}
        repository.publish("clock-two", "1.0", files, ["clock-tool (>= 2.0)"], ["clock-one"])
        rig.tree.wants("packages", "clock-two")
        foretold, done = rig.run("check", "train-1"), rig.run("apply", "train-1")
        assert package_lines(foretold) == ["install clock-two on train-1"], "its lists do not know it yet"
        assert rig.states(done) == {"train-1": "failed"}
        assert "would also remove clock-one, which had not been shown" in done["hosts"]["train-1"]["reason"]
        assert rig.hosts.files("train-1", ["/usr/share/clock-one"])

        lists = rig.hosts.files("train-1", APT)
        foretold = rig.run("check", "train-1")
        deeds = ["install clock-two", "remove clock-one", "upgrade clock-tool"]
        assert package_lines(foretold) == [f"{deed} on train-1" for deed in deeds]
        assert rig.hosts.files("train-1", APT) == lists, "a preview writes nothing"
        done = rig.run("apply", "train-1")
        assert (done["exit_code"], package_lines(done)) == (0, package_lines(foretold))
        assert not rig.hosts.files("train-1", ["/usr/share/clock-one"])
        assert rig.read("train-1", "/usr/share/clock-tool") == "two\n"
    assert rig.run("apply", "train-1")["hosts"]["train-1"]["state"] == "unchanged"


def package_lines(answer: dict[str, Any]) -> list[str]:
    return sorted(line for line in answer["lines"] if "clock-" in line and " on train-1" in line)


ACCEPT = """
import json, os
places = {"uuid": "class/dmi/id/product_uuid", "serial": "class/dmi/id/product_serial"}
places = {name: f"/sys/{place}" for name, place in places.items()} | {"machine-id": "/etc/machine-id"}
machine = {name: open(place).readline().strip() if os.path.exists(place) else "" for name, place in places.items()}
os.makedirs("/var/lib/center", exist_ok=True)
with open("/var/lib/center/accepted.json", "w") as file:
    json.dump({"version": 1, "machine": machine}, file)
"""
PACKAGED = ("/etc/packaged.conf", "/etc/systemd/system/packaged.service.d/50-center.conf")


@pytest.fixture
def packaged(rig: Rig) -> Iterator[list[dict[str, str]]]:
    """A unit that is there without us, and what the tree wants of others."""
    for host in NODES:
        write = f"printf '{UNIT}' >/lib/systemd/system/packaged.service; systemctl daemon-reload"
        rig.hosts.run(host, ["sh", "-c", write])
    yield [{"name": name, "class": "restart"} for name in ("demo.service", "other.service")]
    for host in NODES:
        end = (
            "systemctl disable --now packaged; rm -f /lib/systemd/system/packaged.service /var/lib/center/accepted.json"
        )
        end += "; systemctl daemon-reload"
        rig.hosts.run(host, ["sh", "-c", end])


def of_the_package(rig: Rig) -> list[str]:
    """Whether the unit runs and would, and the files that are there for it."""
    ask = f"systemctl is-active packaged; systemctl is-enabled packaged; ls {' '.join(PACKAGED)} 2>/dev/null; true"
    return rig.hosts.run("train-1", ["sh", "-c", ask]).split()


@pytest.mark.hosts
def test_a_unit_of_a_package_that_nothing_wants_stops_and_one_of_the_system_does_not(
    rig: Rig, packaged: list[dict[str, str]]
) -> None:
    journald, live = "systemd-journald.service", "systemd-ask-password-console.path"
    more = [{"name": name, "class": "restart"} for name in ("packaged.service", journald)]
    rig.tree.gives("/etc/packaged.conf", "a\n", units=["packaged.service"])
    rig.tree.wants("units", *packaged, *more, {"name": live, "class": "live"})
    assert rig.run("apply")["exit_code"] == 0
    assert of_the_package(rig) == ["active", "enabled", *PACKAGED]
    journal = rig.unit("train-1", journald)

    rig.tree.takes_back("/etc/packaged.conf")
    rig.tree.wants("units", *packaged)
    foretold, done = rig.run("check", "train-1"), rig.run("apply")
    for answer in (foretold, done):
        assert unit_states(answer["hosts"]["train-1"]) == {"packaged.service": "stopped"}
    assert done["exit_code"] == 0
    assert of_the_package(rig) == ["inactive", "disabled"]
    assert rig.unit("train-1", journald) == journal
    assert rig.run("check")["exit_code"] == 0


@pytest.mark.hosts
@pytest.mark.parametrize("described", [{"class": "drain"}, {"class": "restart", "gate": "accepted"}])
def test_what_runs_jobs_ends_on_an_empty_node_only(
    rig: Rig, packaged: list[dict[str, str]], described: dict[str, str]
) -> None:
    rig.tree.gives("/etc/packaged.conf", "a\n", units=["packaged.service"])
    rig.tree.wants("units", *packaged, {"name": "packaged.service", **described})
    for host in NODES:
        rig.hosts.run(host, ["python3", "-c", ACCEPT])
    assert rig.run("apply")["exit_code"] == 0
    there = of_the_package(rig)
    assert there == ["active", "enabled", *PACKAGED]

    rig.tree.takes_back("/etc/packaged.conf")
    rig.tree.wants("units", *packaged)
    foretold, done = rig.run("check", "train-1"), rig.run("apply", "train-1")
    assert foretold["hosts"]["train-1"]["needs"] == "drain"
    assert done["exit_code"] == 2
    for deed in (*(f"remove {path}" for path in PACKAGED), "stop packaged.service"):
        assert f"{deed} waits for an empty node (apply --up-to drain)" in done["hosts"]["train-1"]["waiting"]
    assert of_the_package(rig) == there, "what it runs with stays as well"

    done = rig.run("apply", environment={"UP_TO": "drain"})
    assert (done["exit_code"], unit_states(done["hosts"]["train-1"])) == (0, {"packaged.service": "stopped"})
    assert of_the_package(rig) == ["inactive", "disabled"]


@pytest.mark.hosts
def test_a_note_that_waits_keeps_its_mark(rig: Rig, packaged: list[dict[str, str]]) -> None:
    """Else it would be taken for somebody's own when nothing wants the unit any more, which then would run on."""
    rig.tree.gives("/etc/packaged.conf", "a\n", units=["packaged.service"])
    rig.tree.wants("units", *packaged, {"name": "packaged.service", "class": "restart"})
    assert rig.run("apply")["exit_code"] == 0
    rig.tree.gives("/etc/packaged.conf", "b\n", units=["packaged.service"])
    rig.tree.gives("/etc/harmless.conf", "a\n")
    assert rig.run("apply", environment={"UP_TO": "live"})["exit_code"] == 2
    assert rig.read("train-1", "/etc/packaged.conf") == "a\n"

    rig.tree.takes_back("/etc/packaged.conf")
    rig.tree.takes_back("/etc/harmless.conf")
    rig.tree.wants("units", *packaged)
    done = rig.run("apply")
    assert done["exit_code"] == 0 and not {*PACKAGED} & {*done["hosts"]["train-1"]["kept"]}
    assert of_the_package(rig) == ["inactive", "disabled"]


@pytest.mark.hosts
def test_a_note_that_cannot_be_read_asks_for_an_empty_node(rig: Rig) -> None:
    unit, note = "/etc/systemd/system/other.service", "/etc/systemd/system/other.service.d/50-center.conf"
    assert rig.run("apply")["exit_code"] == 0
    rig.hosts.run("train-1", ["sed", "-i", "1s/.*/# of another time/", note])
    for path in ("/etc/other.conf", unit):
        rig.tree.takes_back(path)
    rig.tree.wants("units", {"name": "demo.service", "class": "restart"})
    done = rig.run("apply", "train-1")
    assert done["exit_code"] == 2
    assert "stop other.service waits for an empty node (apply --up-to drain)" in done["hosts"]["train-1"]["waiting"]
    assert rig.unit("train-1", "other.service").active == "active" and rig.hosts.files("train-1", [unit])

    done = rig.run("apply", "train-1", environment={"UP_TO": "drain"})
    assert (done["exit_code"], unit_states(done["hosts"]["train-1"])) == (0, {"other.service": "stopped"})
    assert note in done["hosts"]["train-1"]["kept"], "somebody has edited it"
    rig.hosts.run("train-1", ["sh", "-c", f"rm {note}; systemctl daemon-reload"])
