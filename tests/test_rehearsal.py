"""The whole path, from center.yaml to hosts, cluster and cooling alarms; and what the demo does without privileges."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.obstacles import give_way_to
from tests.rehearsal.console import Console
from tests.rehearsal.story import rehearse, why_not

REPOSITORY = Path(__file__).parents[1]


@pytest.mark.rehearsal
def test_duo_comes_up_and_its_cooling_alarms_ring(capsys: pytest.CaptureFixture[str]) -> None:
    give_way_to(why_not())
    with capsys.disabled():
        console = Console()
        rehearse(console)
    found = {step.title: step.found for step in console.steps}
    assert all(step.passed for step in console.steps)
    assert found["Validate duo"] == "0 errors, 0 warnings"
    assert found["Apply with --limit to the three hosts"].endswith("as rendered")
    assert found["Apply again"].startswith("0 changed")
    assert found["Ask slurmctld"].startswith("slurmctld is UP with 7 nodes")
    assert found["Start two jobs, the second over the quota"].startswith("run-1 runs on train-h, run-2 waits")
    assert found["Stop a pump of cdu-1"].startswith("CoolingPumpLost")
    assert found["Status of the three hosts"] == "3 hosts: 3 unchanged"
    assert found["Status of the four hosts"] == "4 hosts: 4 unchanged"
    assert found["Change one line, look, apply"].endswith("on 4 hosts, nothing else")
    assert found["Kill a host before a change, bring it back"].startswith("train-a01-2 was pending, exit code 1")
    assert found["Remove a node that is dead"].startswith("train-a01-3: as previewed")
    assert found["Look for what is left on this machine"].startswith("no process")


def test_the_demo_without_privileges_shows_what_it_can_and_says_what_it_leaves_out() -> None:
    """In a user namespace nobody is root, whoever runs the tests."""
    demo = [sys.executable, "-m", "tests.rehearsal", "demo"]
    done = subprocess.run(["unshare", "--user", *demo], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 errors, 0 warnings" in done.stdout
    assert "error[power.feed-capacity]" in done.stdout
    assert "| train-d | worker | 4 |" in done.stdout
    assert "Left out: three booted hosts" in done.stdout
    assert "test hosts need root" in done.stdout
    assert "\033" not in done.stdout
