"""The Debian package: built from pinned wheels, it runs with Debian's own Python; its unit may do next to nothing."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from control_plane.processes import Process, free_port
from tests.packaged_exporter import PACKAGING, ROOT, SYSTEM, add_system, built, said, same_python
from tests.rig.devices.configuration import configuration, modbus_device
from tests.rig.devices.simulator import Simulator
from tests.rig.prometheus import fetch
from tests.test_samples import center

UNIT = PACKAGING / "cooling-exporter.service"
# Of 10.0, what "systemd-analyze security" calls OK ends at 4; a service of the network cannot reach 0.
WORST_EXPOSURE = 1.6


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("dpkg-deb"):
        pytest.skip("needs dpkg-deb")
    return built(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def tree(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    said("dpkg-deb", "--extract", package, folder)
    return folder


def test_nothing_in_it_can_be_written_or_runs_as_root(package: Path) -> None:
    listed = [line.split(maxsplit=5) for line in said("dpkg-deb", "--contents", package).splitlines()]
    assert {owner for _, owner, *_ in listed} == {"root/root"}
    assert not [path for mode, *_, path in listed if re.search(r"s|t", mode) or mode[5] == "w" or mode[8] == "w"]
    assert [mode for mode, *_, path in listed if path.endswith("/credentials/")] == ["drwx------"]
    python = "{}.{}".format(*sys.version_info[:2])
    assert f"python3 (>= {python})" in said("dpkg-deb", "--field", package, "Depends")


def test_every_library_is_pinned_by_hash() -> None:
    lock, whole = ((folder / "requirements.lock").read_text("utf-8") for folder in (PACKAGING, ROOT))
    pins = re.findall(r"^[a-z][a-z0-9-]+==[^ ]+", lock, re.MULTILINE)
    assert {"pydantic", "pymodbus", "pysnmp", "httpx", "prometheus-client"} <= {pin.partition("==")[0] for pin in pins}
    assert not [pin for pin in pins if pin not in whole], "the exporter that is tested is the one that is packaged"
    assert lock.count("--hash=sha256:") >= len(pins)


@pytest.mark.skipif(not same_python(), reason="the package is for the Python that built it")
def test_it_reads_devices_with_the_python_of_the_system(tree: Path, tmp_path: Path) -> None:
    port = free_port()
    with Simulator("modbus_rpu", tmp_path / "rpu.log") as rpu:
        given = {**configuration(modbus_device(rpu)), "listen": f"127.0.0.1:{port}"}
        (tmp_path / "cooling.json").write_text(json.dumps(given))
        words: list[str | Path] = [tree / "usr/bin/cooling-exporter", "--config", tmp_path / "cooling.json"]
        assert "1 devices" in said(*words, "--check")
        with Process(words, log=tmp_path / "log", name="packaged", cwd=tmp_path) as packaged:
            page = f"http://127.0.0.1:{port}/metrics"
            packaged.wait_ready(lambda: b'cooling_device_up{device="rpu",loop="plate"} 1.0' in fetch(page))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_the_unit_may_do_next_to_nothing(tree: Path) -> None:
    unit = tree / "lib/systemd/system/cooling-exporter.service"
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    found = re.search(r"Overall exposure level for cooling-exporter.service: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= WORST_EXPOSURE, done.stdout
    verify = ["systemd-analyze", "verify", "--man=no", str(unit)]
    told = subprocess.run(verify, capture_output=True, text=True, timeout=60, check=False).stderr.splitlines()
    # Units of this machine may have faults of their own, and the program is not installed here.
    assert not [line for line in told if "cooling-exporter" in line and "not executable" not in line], told


@pytest.mark.parametrize("packaged", [True, False])
def test_monitor_nodes_get_it_where_their_system_packages_it(tmp_path: Path, packaged: bool) -> None:
    """The packages of Debian do not have it: a site that put it into its own says so in a system of its catalogue."""
    folder = tmp_path / "duo"
    shutil.copytree(ROOT / "inventories/duo", folder, ignore=shutil.ignore_patterns("generated"))
    words = (folder / "center.yaml").read_text("utf-8")
    assert "monitor: {server:" in words
    (folder / "center.yaml").write_text(words.replace("monitor: {server:", f"monitor: {{system: {SYSTEM}, server:"))
    add_system(folder / "catalog", packaged)
    done = center("-q", "render", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    group = folder / "generated/hosts/groups/monitor_own_12"
    manifest = json.loads((group / "manifest.json").read_text("utf-8"))
    configuration_file = group / "files/etc/cooling-exporter/cooling.json"
    assert configuration_file.exists() is packaged
    assert ("cooling-exporter" in manifest["packages"]) is packaged
    assert ("cooling-exporter.service" in {unit["name"] for unit in manifest["units"]}) is packaged
    if packaged:
        rendered = folder / "generated/exporter/cooling.json"
        assert json.loads(configuration_file.read_text("utf-8")) == json.loads(rendered.read_text("utf-8"))
        [file] = [file for file in manifest["files"] if file["path"] == "/etc/cooling-exporter/cooling.json"]
        assert file["units"] == ["cooling-exporter.service"]
        # Logins reach the unit the way that it reads them, and nobody else.
        [logins] = [file for file in manifest["files"] if file["path"] == "/etc/cooling-exporter/environment"]
        assert (logins["mode"], logins["holes"]) == ("0600", ["secret.cooling-tank-login"])
        assert manifest["secrets"]["cooling-tank-login"] == {"reference": "env:TANK_LOGIN", "use": "cooling-login"}
        lines = (group / "files/etc/cooling-exporter/environment").read_text("utf-8").splitlines()
        assert lines[1:] == ["TANK_LOGIN='@{secret.cooling-tank-login}'"]
        assert "EnvironmentFile=-/etc/cooling-exporter/environment" in UNIT.read_text("utf-8").splitlines()
