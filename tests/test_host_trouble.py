"""What goes wrong on a host is named by its cause, before an apply as well as after it."""

from __future__ import annotations

from typing import Any

import pytest

from tests import test_apply_hosts
from tests.rig.hosts import LOGIN_USER
from tests.test_apply_hosts import Rig, units

booted, rig = test_apply_hosts.booted, test_apply_hosts.rig
DEMO = "/etc/systemd/system/demo.service"
CRASHING = """[Service]
ExecStart=/bin/sh -c 'sleep {seconds}; exit 1'
Restart=on-failure
[Install]
WantedBy=multi-user.target
"""


def line(answer: dict[str, Any], about: str) -> str:
    """The line of a report about something."""
    return next((line for line in answer["lines"] if about in line), "")


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
    done, status = rig.run("apply", "train-1"), rig.run("check", "train-1")
    assert (done["exit_code"], rig.states(done)) == (1, {"train-1": "failed"})
    if seconds > 1:  # sooner, systemd gives up
        assert "restart demo.service (keeps failing: it ends soon" in done["hosts"]["train-1"]["reason"]
        assert line(status, "restart demo.service on train-1: keeps failing")
        assert line(rig.run("check", "train-1"), "keeps failing"), "at whatever moment one looks"
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
