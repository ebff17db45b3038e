"""A run that is busy with a cluster and is asked to end gives its lock back, whoever asks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from control_plane.cluster import ControlPlane
from control_plane.tools import build_tools
from tests.rig.gate import Gate

pytestmark = pytest.mark.cluster

REPOSITORY = Path(__file__).parents[1]
CENTER = (sys.executable, "-m", "generator")
BEYOND = 12
"""Requests more than a preview sends: it has its lock and writes, and is far from its end."""


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(build_tools(), tmp_path_factory.mktemp("plane"), kwok=False) as plane:
        yield plane


def center(folder: Path, *words: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    pipe = subprocess.PIPE
    return subprocess.Popen([*CENTER, *words], cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_asked_to_end_gives_its_lock_back(plane: ControlPlane, tmp_path: Path, number: int) -> None:
    assert center(tmp_path, "init", "mine").wait(60) == 0
    spec = tmp_path / "mine/center.yaml"
    spec.write_text(spec.read_text("utf-8").replace("vision-lab", f"lab-{number}"), "utf-8")
    assert center(tmp_path, "render", "mine").wait(60) == 0
    held: list[str] = []
    with Gate(plane, tmp_path) as gate:
        there = ("mine", "--cluster", "cloud", "--kubeconfig", str(gate.kubeconfig))
        looked = center(tmp_path, "diff", *there)
        assert (looked.communicate(timeout=120), looked.returncode)[1] == 2
        run = center(tmp_path, "apply", *there)

        def ask() -> None:
            held.append(holder(plane))
            run.send_signal(number)

        gate.arm("after", gate.count + BEYOND, ask)
        said = run.communicate(timeout=120)

    assert run.returncode == 130, said
    assert f"/{run.pid}/" in held[0]
    assert holder(plane) == ""


def holder(plane: ControlPlane) -> str:
    return str(plane.read("lease", "center", "-n", "center-system")["spec"].get("holderIdentity", ""))
