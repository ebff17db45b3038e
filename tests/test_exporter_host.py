"""The exporter in production: the package on a booted monitor node, its unit as hardened, a plant that it can reach."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from control_plane.certificates import Authority
from control_plane.processes import wait_until
from tests.obstacles import give_way_to
from tests.packaged_exporter import ROOT, SYSTEM, UNIT, add_system, built, same_python
from tests.rig.base import obstacle
from tests.rig.devices.exporter import Scrape
from tests.rig.devices.simulator import Simulator
from tests.rig.hosts import CommandFailed, TestHosts, UnitState, make_ssh_key
from tests.rig.network import Network
from tests.rig.packages import PackageRepository

pytestmark = pytest.mark.hosts
# By hand from center.yaml; the controller has the addresses of the devices too, and plays the mirror.
MONITOR, ADDRESS = "monitor-c02-1", "10.16.3.136"
HERE, RPU, SILENT, TANK = "10.16.0.1", "10.24.0.11", "10.24.0.12", "10.24.1.1"
PORT, PATIENCE = 9841, 90
LOCKED_OUT, NO_CAPABILITIES, FILTERED = "1", "0000000000000000", "2"
OPERATOR = """
secrets:
  allow:
  - {reference: "env:TANK_LOGIN", use: [cooling-login]}
hosts: {watch-seconds: 3}
"""


@dataclass
class Plant:
    """The sample duo with one booted host, and of its devices a pumping unit and a tank; the other unit is silent."""

    network: Network
    hosts: TestHosts
    folder: Path
    key: Path
    rpu: Simulator
    place: Path
    stack: ExitStack
    logins: list[str] = field(default_factory=list)

    def new_login(self) -> None:
        """Another password of the tank."""
        self.logins.append(f"reader:{secrets.token_hex(12)}")
        self.start_tank()

    def new_authority(self, name: str) -> None:
        """Another certificate of the tank, by another authority than that of the certificates before."""
        authority = Authority(self.place / name)
        served = authority.server("tank", [TANK])
        (self.place / "tank.pem").write_bytes(served.certificate.read_bytes() + served.key.read_bytes())
        (self.folder / "roots.pem").write_bytes(authority.certificate.read_bytes())
        if self.logins:
            self.start_tank()

    def start_tank(self) -> None:
        """The tank as it is meant to be now; the one before is gone."""
        self.stack.close()
        words = ["--unit", "immersion", "--account", self.logins[-1], "--certificate", str(self.place / "tank.pem")]
        log = self.place / "tank.log"
        tank = Simulator("redfish_unit", log, *words, address=TANK, port=8443, netns=self.network.name)
        self.tank = self.stack.enter_context(tank)

    def edit(self, old: str, new: str) -> None:
        file = self.folder / "center.yaml"
        text, count = re.subn(old, new, file.read_text("utf-8"), flags=re.MULTILINE)
        assert count == 1, old
        file.write_text(text, "utf-8")

    def center(self, verb: str, *words: str) -> str:
        own = {"CENTER_OPERATOR": str(self.folder / "operator.yaml"), "TANK_LOGIN": self.logins[-1]}
        command = self.network.command([sys.executable, "-m", "generator", verb, str(self.folder), *words])
        done = subprocess.run(
            command, env={**os.environ, **own}, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout

    def apply(self) -> dict[str, Any]:
        """Render and apply; what became of the host."""
        self.center("render")
        words = ("--hosts", "--format", "json", "--ssh-key", str(self.key), "--limit", MONITOR, "--yes")
        return dict(json.loads(self.center("apply", *words))["hosts"]["hosts"][MONITOR])

    def on(self, command: str) -> str:
        return self.hosts.run(MONITOR, ["sh", "-c", command])

    @property
    def unit(self) -> UnitState:
        return self.hosts.units(MONITOR)[UNIT]

    @property
    def process(self) -> str:
        return self.on(f"systemctl show --property=MainPID --value {UNIT}").strip()

    def page(self) -> Scrape:
        """The page where the rendered target says, asked by the host that has the target."""
        [target] = json.loads(self.on("cat /etc/prometheus/targets/cooling.json"))
        return Scrape(self.on(f"curl --silent --fail http://{target['targets'][0]}/metrics"))

    def errors(self, device: str, reason: str) -> float:
        return self.page().value("cooling_read_errors_total", device=device, reason=reason) or 0.0

    def up(self) -> set[str]:
        """Devices that answer."""
        shown = self.page().matching("cooling_device_up")
        return {dict(labels)["device"] for labels, value in shown.items() if value == 1}

    def wait_up(self) -> None:
        what = "the unit and the tank are read"
        wait_until(lambda: self.up() == {"cdu-1", "t01"}, PATIENCE, what, ignoring=(CommandFailed, AssertionError))

    def ask_prometheus(self, expression: str) -> dict[str, float]:
        """What Prometheus on the host says, by device."""
        query = f"curl --silent --fail --get --data-urlencode 'query={expression}' localhost:9090/api/v1/query"
        found = json.loads(self.on(query))["data"]["result"]
        return {one["metric"].get("device", ""): float(one["value"][1]) for one in found}

    def told(self) -> str:
        """All that the host keeps of the unit where others could read it."""
        return self.on(f"journalctl --no-pager --output=json --unit={UNIT}; systemctl show {UNIT}; ps axww -o args")


def describe(folder: Path, mirror: PackageRepository, keys: Path) -> None:
    """duo with a mirror that has the exporter, its own map of the pumping unit, a firewall and an authority."""
    shutil.copytree(ROOT / "inventories/duo", folder, ignore=shutil.ignore_patterns("generated"))
    shutil.copyfile(keys, folder / "ssh_ca.pub")
    shutil.copyfile(mirror.signing_key, folder / "mirror.asc")
    add_system(folder / "catalog")
    own = (ROOT / "generator/catalog/cooling/ocp-orv3-rpu.yaml").read_text("utf-8")
    (folder / "catalog/cooling").mkdir()
    (folder / "catalog/cooling/own-rpu.yaml").write_text(own.replace("name: ocp-orv3-rpu", "name: own-rpu"))
    (folder / "operator.yaml").write_text(OPERATOR)
    (folder / "operator.yaml").chmod(0o600)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    give_way_to(obstacle() or (None if same_python() else "the package is for the Python that built it"))
    folder = tmp_path_factory.mktemp("plant")
    authority, key = make_ssh_key(folder / "authority"), make_ssh_key(folder / "login")
    package = built(folder / "dist")
    devices = [f"{address}/20" for address in (RPU, SILENT, TANK)]
    with (
        Network(f"{HERE}/16", *devices) as network,
        PackageRepository(network, own=[package]) as mirror,
        TestHosts(network, {MONITOR: f"{ADDRESS}/16"}, ssh_authority=authority, login_key=key) as hosts,
        Simulator("modbus_rpu", folder / "rpu.log", address=RPU, port=502, netns=network.name) as rpu,
        ExitStack() as stack,
    ):
        describe(folder / "duo", mirror, authority.with_name("authority.pub"))
        made = Plant(network, hosts, folder / "duo", key, rpu, folder, stack)
        made.edit(
            r"^  mirror: .*$", f'  mirror: {{url: "{mirror.url}", key: "path:mirror.asc"}}\n  trust: "path:roots.pem"'
        )
        made.edit(r"^  monitor: {server:", f"  monitor: {{system: {SYSTEM}, server:")
        made.edit(r"device: ocp-orv3-rpu", "device: own-rpu")
        made.edit(r"^access:$", f"access:\n  from: [{HERE}/32]")
        made.new_authority("first")
        made.new_login()
        assert made.apply()["state"] == "changed"
        made.wait_up()
        yield made


def test_the_unit_is_active_under_its_hardening(plant: Plant) -> None:
    assert (plant.unit.active, plant.unit.sub, plant.unit.enabled) == ("active", "running", "enabled")
    told = plant.on(f"cat /proc/{plant.process}/status")
    status = dict(line.split(":\t", 1) for line in told.splitlines())
    assert status["Uid"].split()[0] != "0" and status["CapEff"].strip() == NO_CAPABILITIES
    assert (status["NoNewPrivs"], status["Seccomp"]) == (LOCKED_OUT, FILTERED)
    # Nowhere could it write even as root, besides a folder for temporary files of its own.
    places = "/etc/cooling-exporter /usr /var/lib /var/tmp /home /root /run /tmp"
    tried = f'for place in {places}; do touch "$place/written" 2>/dev/null && echo "$place"; done; :'
    assert plant.on(f"nsenter --target {plant.process} --mount sh -c '{tried}'").split() == ["/var/tmp", "/tmp"]
    assert plant.on("ls /tmp/written /var/tmp/written 2>/dev/null || :") == ""
    assert plant.on("systemctl --failed --quiet --no-legend") == ""


def test_readings_are_on_the_page_as_the_devices_show_them(plant: Plant) -> None:
    shown = plant.rpu.set(flow_target=51.0)["readings"]
    flow = {"device": "cdu-1", "circuit": "secondary"}

    def followed() -> bool:
        now = plant.page().value("cooling_flow_cubic_meters_per_second", **flow)
        return now == pytest.approx(shown["flow"] / 60000)

    wait_until(followed, PATIENCE, "the new flow", ignoring=(CommandFailed,))
    page, tank = plant.page(), plant.tank.state()["readings"]
    assert page.value("cooling_tank_temperature_celsius", device="t01") == pytest.approx(tank["fluid"])
    assert page.state("cooling_leak_state", device="t01", detector="Moisture") == "ok"
    # Nobody answers at the address of the other unit: visible, and of no consequence.
    assert page.value("cooling_device_up", device="cdu-2") == 0
    assert plant.errors("cdu-2", "connection") > 0


def test_nodes_reach_the_page_and_the_network_of_the_devices_does_not(plant: Plant) -> None:
    dial = "import socket, sys; socket.create_connection((sys.argv[2], int(sys.argv[3])), 2, (sys.argv[1], 0))"
    reached = {}
    for source in (HERE, TANK):
        command = plant.network.command([sys.executable, "-c", dial, source, ADDRESS, str(PORT)])
        reached[source] = subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0
    assert reached == {HERE: True, TANK: False}


def test_prometheus_on_the_host_scrapes_it(plant: Plant) -> None:
    wait_until(
        lambda: plant.ask_prometheus('up{job="cooling"}') == {"": 1}, PATIENCE, "a target that answers",
        ignoring=(CommandFailed,),
    )  # fmt: skip
    seen = plant.ask_prometheus("cooling_device_up")
    assert seen == {"cdu-1": 1, "cdu-2": 0, "t01": 1}
    shown = plant.rpu.state()["readings"]
    seen = plant.ask_prometheus('cooling_supply_temperature_celsius{device="cdu-1"}')
    assert seen == {"cdu-1": pytest.approx(shown["supply"], abs=0.1)}


def test_applying_again_changes_nothing(plant: Plant) -> None:
    before = plant.unit.invocation
    assert plant.apply()["state"] == "unchanged"
    assert plant.unit.invocation == before


def test_another_map_of_points_restarts_it(plant: Plant) -> None:
    before = plant.unit.invocation
    file = plant.folder / "catalog/cooling/own-rpu.yaml"
    profile = yaml.safe_load(file.read_text("utf-8"))
    volts = [point for point in profile["points"] if point["metric"] == "cooling_leak_detector_volts"]
    assert plant.page().matching("cooling_leak_detector_volts", device="cdu-1") and volts
    profile["points"] = [point for point in profile["points"] if point not in volts]
    file.write_text(yaml.safe_dump(profile, allow_unicode=True))
    done = plant.apply()
    assert UNIT in [unit["name"] for unit in done["units"]]
    assert plant.unit.invocation != before
    plant.wait_up()
    assert not plant.page().matching("cooling_leak_detector_volts", device="cdu-1")


def test_another_login_restarts_it(plant: Plant) -> None:
    before = plant.unit.invocation
    plant.new_login()
    wait_until(lambda: plant.errors("t01", "unauthorized") > 0, PATIENCE, "the old login refused")
    done = plant.apply()
    assert [unit["name"] for unit in done["units"]] == [UNIT]
    assert plant.unit.invocation != before
    plant.wait_up()


def test_another_authority_of_the_devices_is_believed_as_it_is(plant: Plant) -> None:
    before = plant.unit.invocation
    plant.new_authority("second")
    counted = plant.errors("t01", "connection")
    wait_until(lambda: plant.errors("t01", "connection") > counted, PATIENCE, "a stranger is refused")
    assert plant.tank.state()["asked"] == {}, "before it is told anything"
    assert UNIT not in [unit["name"] for unit in plant.apply()["units"]]
    plant.wait_up()
    assert plant.unit.invocation == before


def test_a_crash_restarts_it(plant: Plant) -> None:
    before = plant.unit.invocation
    plant.on(f"kill -KILL {plant.process}")
    wait_until(
        lambda: (plant.unit.active, plant.unit.invocation != before) == ("active", True), PATIENCE, "started again"
    )
    plant.wait_up()


def test_no_login_is_told_to_anybody(plant: Plant) -> None:
    told = plant.told()
    assert "serving 3 devices" in told
    assert not [login for login in plant.logins if login in told or login.partition(":")[2] in told]
    states = plant.hosts.files(MONITOR, ["/etc/cooling-exporter/environment", "/etc/cooling-exporter/cooling.json"])
    logins = states["/etc/cooling-exporter/environment"]
    assert (logins.mode, logins.owner, logins.group) == ("0600", "root", "root")
    assert plant.logins[-1].partition(":")[2] not in plant.on("cat /etc/cooling-exporter/cooling.json")


def test_after_a_stop_nothing_is_left(plant: Plant) -> None:
    user = plant.on(f"ps -o uid= -p {plant.process}").strip()
    ended = sum(count for asked, count in plant.tank.state()["asked"].items() if asked.startswith("DELETE"))
    plant.on(f"systemctl stop {UNIT}")
    assert plant.unit.active == "inactive"
    asked = plant.tank.state()["asked"]
    assert sum(count for name, count in asked.items() if name.startswith("DELETE")) == ended + 1, "its session"
    places = "/run /tmp /var /dev/shm"
    left = plant.on(
        f"ps -eo uid= | grep -w {user} || :; find {places} -xdev -uid {user}; ss --listening --tcp --numeric"
    )
    assert user not in left and f":{PORT}" not in left, left
    assert plant.on("ls /run/credentials") == "" or UNIT not in plant.on("ls /run/credentials")
    assert plant.on("find /tmp /var/tmp -name '*cooling-exporter*'") == ""
    plant.on(f"systemctl start {UNIT}")
    plant.wait_up()


def test_removing_the_package_ends_the_unit_and_leaves_what_the_site_wrote(plant: Plant) -> None:
    plant.on("DEBIAN_FRONTEND=noninteractive apt-get --quiet=2 --yes remove cooling-exporter")
    assert UNIT not in plant.hosts.units(MONITOR) or plant.unit.active == "inactive"
    assert plant.on("ls /usr/lib/cooling-exporter /usr/bin/cooling-exporter 2>/dev/null || :") == ""
    assert plant.on("ls /etc/systemd/system/multi-user.target.wants").find("cooling") < 0
    assert "cooling.json" in plant.on("ls /etc/cooling-exporter")
    assert UNIT in [unit["name"] for unit in plant.apply()["units"]]
    plant.wait_up()
