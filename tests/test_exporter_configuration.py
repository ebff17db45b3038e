"""The configuration file: what is wrong in it is said, all at once and where; nothing unknown is accepted."""

from __future__ import annotations

import copy
import json
import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from cooling_exporter.__main__ import main
from cooling_exporter.quantities import QUANTITIES

REPOSITORY = Path(__file__).parents[1]
CATALOG = REPOSITORY / "generator" / "catalog" / "cooling"
READ = [file for file in sorted(CATALOG.glob("*.yaml")) if "\nprotocol: none\n" not in file.read_text("utf-8")]
PAGE = REPOSITORY / "docs" / "cooling-exporter.md"

MODBUS: dict[str, Any] = {
    "name": "rpu-1",
    "loop": "plate-1",
    "profile": "ocp-orv3-rpu",
    "protocol": "modbus-tcp",
    "address": "10.24.0.11",
    "points": [
        {
            "metric": "cooling_flow_cubic_meters_per_second",
            "circuit": "secondary",
            "register": 36864,
            "function": 3,
            "type": "uint16",
            "scale": 0.1,
            "unit": "L/min",
        },
        {
            "metric": "cooling_leak_state",
            "register": 37378,
            "function": 3,
            "type": "flags",
            "bits": {"internal": 4},
            "faults": {"internal": 12},
        },
    ],
}
REDFISH = {
    "name": "cdu-1",
    "loop": "plate-1",
    "profile": "redfish-cooling-unit",
    "protocol": "redfish",
    "url": "https://10.24.1.1/redfish/v1/ThermalEquipment/CDUs/1",
    "credentials": {"kind": "session", "reference": "file:/etc/center/credentials/cdu"},
    "points": [
        {"metric": "cooling_power_watts", "path": "EnvironmentMetrics", "property": "/PowerWatts/Reading", "unit": "W"},
        {
            "metric": "cooling_leak_state",
            "path": "LeakDetection/LeakDetectors/*",
            "property": "/DetectorState",
            "states": {"ok": ["OK"], "critical": ["Critical"]},
            "expect": ["Moisture"],
        },
    ],
}
SNMP: dict[str, Any] = {
    "name": "pdu-1",
    "profile": "generic-snmp-pdu",
    "protocol": "snmp",
    "address": "10.24.2.1",
    "version": "3",
    "credentials": {"reference": "credential:pdu"},
    "measures": "it",
    "points": [
        {"metric": "electrical_power_watts", "oid": "1.3.6.1.2.1.99.1.1.1.4.7", "unit": "W"},
        {"metric": "electrical_current_amperes", "oid": "1.3.6.1.2.1.99.1.1.1.4.*", "unit": "A", "expect": ["8", "9"]},
    ],
}
GOOD = {"listen": "0.0.0.0:9841", "interval": 10, "timeout": 5, "devices": [MODBUS, REDFISH, SNMP]}
FLOW, LEAK, POWER, DETECTORS = (
    "devices[0].points[0]",
    "devices[0].points[1]",
    "devices[1].points[0]",
    "devices[1].points[1]",
)
OBJECT, COLUMN = "devices[2].points[0]", "devices[2].points[1]"


@dataclass(frozen=True, slots=True)
class Outcome:
    code: int
    out: str
    err: str


class Command:
    """The command line, called in this process: starting the interpreter a hundred times would take minutes."""

    def __init__(self, folder: Path, output: pytest.CaptureFixture[str]) -> None:
        self.file = folder / "exporter.json"
        self._output = output

    def run(self, *arguments: str) -> Outcome:
        try:
            code = main(arguments)
        except SystemExit as leaving:
            code = int(str(leaving.code))
        shown = self._output.readouterr()
        return Outcome(code, shown.out, shown.err)

    def check(self, text: str) -> Outcome:
        self.file.write_text(text, encoding="utf-8")
        return self.run("--check", "--config", str(self.file))


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(tmp_path, capsys)


def change(place: str, value: object) -> dict[str, Any]:
    """The good configuration with one value put at a place such as `devices[0].points[1].unit`; None deletes."""
    data: Any = copy.deepcopy(GOOD)
    steps = [int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", place)]
    inner = data
    for step in steps[:-1]:
        inner = inner[step]
    if value is None:
        del inner[steps[-1]]
    else:
        inner[steps[-1]] = value
    return dict(data)


def test_a_good_file_is_accepted(command: Command) -> None:
    done = command.check(json.dumps(GOOD))
    assert (done.code, done.out) == (0, f"{command.file}: 3 devices, 6 points\n")


@pytest.mark.parametrize(
    ("place", "value", "where", "says"),
    [
        ("lisen", "0.0.0.0:1", "lisen", "unknown key"),
        ("listen", "everywhere:9841", "listen", "numeric IP address"),
        ("listen", "0.0.0.0:99999", "listen", "ADDRESS:PORT"),
        ("users", {"prometheus": "hunter2"}, "users.prometheus", "pattern"),
        ("users", {"prometheus": "env:PASSWORD"}, "", 'need "tls"'),
        ("token", "env:TOKEN", "", 'need "tls"'),
        ("tls", {"certificate": "/c.pem"}, "tls.key", "required"),
        ("tls", {"certificate": "c.pem", "key": "/k.pem"}, "tls.certificate", "pattern"),
        ("interval", 0, "interval", "greater than 0"),
        ("interval", "10", "interval", "number"),
        ("devices[1].name", "rpu-1", "", "two devices have the name: rpu-1"),
        ("devices[0].name", "rpu\n1", "devices[0].name", "pattern"),
        ("devices[0].protocol", "telnet", "devices[0]", "'modbus-tcp', 'redfish', 'snmp'"),
        ("devices[0].measures", "water", "devices[0].measures", "'utility'"),
        ("devices[0].loop", "a b", "devices[0].loop", "pattern"),
        (f"{FLOW}.values", {"1": 1}, FLOW, "is no switch"),
        ("devices[0].address", "rpu-1.example", "devices[0].address", "numeric IP address"),
        ("devices[0].url", "https://10.0.0.1/redfish/v1/x", "devices[0].url", "unknown key"),
        ("devices[0].unit", 256, "devices[0].unit", "255"),
        ("devices[0].points", [], "devices[0].points", "at least 1"),
        (f"{FLOW}.metric", "cooling_flow_cubic_metres_per_second", FLOW, 'did you mean "cooling_flow_cubic_meters'),
        (f"{FLOW}.unit", "gpm", f"{FLOW}.unit", 'write "unit: L/min" and a scale 3.785412 times as large'),
        (f"{FLOW}.unit", "M3/H", f"{FLOW}.unit", 'write "unit: m3/h"'),
        (f"{FLOW}.unit", "furlong", f"{FLOW}.unit", "L/min, L/s, m3/h, m3/s"),
        (f"{POWER}.unit", "mW", f"{POWER}.unit", "needs a unit out of: W, kW, MW"),
        (f"{FLOW}.unit", None, FLOW, "needs a unit"),
        (f"{FLOW}.circuit", None, FLOW, 'needs "circuit"'),
        (f"{FLOW}.circuit", "third", f"{FLOW}.circuit", "'primary' or 'secondary'"),
        (f"{FLOW}.function", 6, f"{FLOW}.function", "less than or equal to 4"),
        (f"{FLOW}.function", 1, FLOW, "functions 1 and 2"),
        (f"{FLOW}.type", "float16", f"{FLOW}.type", "'float32'"),
        (f"{FLOW}.type", "flags", FLOW, "cannot be read from flags"),
        (f"{FLOW}.register", 65536, f"{FLOW}.register", "65535"),
        (f"{FLOW}.range", [5, 1], FLOW, "begins above its end"),
        (f"{FLOW}.states", {"ok": [1]}, FLOW, "is a number"),
        (f"{FLOW}.scale", 0, FLOW, "every raw value would be the same"),
        (f"{FLOW}.scale", True, f"{FLOW}.scale", "number"),
        (f"{LEAK}.unit", "V", LEAK, "is a state"),
        (f"{LEAK}.bits", {"internal": 16}, f"{LEAK}.bits.internal", "15"),
        (f"{LEAK}.bits", {}, LEAK, 'need "bits"'),
        (f"{LEAK}.faults", {"external": 5}, LEAK, '"faults" names external'),
        (f"{LEAK}.type", "uint16", LEAK, "belong to"),
        ("devices[1].url", "https://10.24.1.1/", "devices[1].url", "below /redfish/v1/"),
        ("devices[1].url", "https://u:p@10.24.1.1/redfish/v1/x", "devices[1].url", "without user"),
        ("devices[1].url", "http://10.24.1.1/redfish/v1/x", "devices[1]", "credentials need https"),
        ("devices[1].credentials.reference", "secret", "devices[1].credentials.reference", "pattern"),
        ("devices[1].credentials.reference", None, "devices[1].credentials", 'need a "reference"'),
        (f"{POWER}.path", "/redfish/v1/x", POWER, "relative to the unit"),
        (f"{POWER}.path", "../../Managers", POWER, "relative to the unit"),
        (f"{POWER}.path", "Pumps/*", POWER, "members of a collection"),
        (f"{POWER}.property", "PowerWatts", POWER, "JSON pointer"),
        (f"{POWER}.expect", ["1"], POWER, "ends in /*"),
        (f"{DETECTORS}.states", None, DETECTORS, 'needs "states"'),
        (f"{DETECTORS}.states", {"wet": ["Critical"]}, f"{DETECTORS}.states.wet", "'absent'"),
        ("devices[2].version", "1", "devices[2].version", "'2c' or '3'"),
        ("devices[2].credentials", None, "devices[2].credentials", "required"),
        ("devices[2].credentials.reference", "public", "devices[2].credentials.reference", "pattern"),
        ("devices[2].credentials.privacy", "des", "devices[2].credentials.privacy", "'aes128'"),
        (f"{OBJECT}.oid", "SNMPv2-MIB::sysUpTime.0", OBJECT, "a number with dots"),
        (f"{OBJECT}.oid", "1.3.6.4294967296", OBJECT, "a number with dots"),
        (f"{OBJECT}.oid", ".1.3.6.1.2.1.1.3.0", OBJECT, 'write it without the first dot, "1.3.6.1.2.1.1.3.0"'),
        (f"{OBJECT}.expect", ["1"], OBJECT, "any other has none"),
        (f"{COLUMN}.expect", None, COLUMN, 'needs "expect"'),
        (f"{COLUMN}.expect", ["L1"], COLUMN, "numbers with dots"),
        (f"{COLUMN}.part", "a", COLUMN, "name the parts"),
        (f"{COLUMN}.metric", "cooling_coolant_ph", COLUMN, "needs a unit"),
        ("devices[2].points[1]", SNMP["points"][0], "", "reads electrical_power_watts twice"),
        ("devices[0].points[1]", MODBUS["points"][0], "", "reads cooling_flow_cubic_meters_per_second twice"),
    ],
)
def test_each_fault_is_one_finding_at_its_place(
    place: str, value: object, where: str, says: str, command: Command
) -> None:
    done = command.check(json.dumps(change(place, value)))
    assert done.code == 1
    findings = done.err.splitlines()
    assert len(findings) == 1, findings
    assert findings[0].startswith(f"{command.file}: {where}"), findings
    assert says in findings[0]


def test_all_findings_are_told_at_once(command: Command) -> None:
    data = change("interval", -1)
    data["devices"][0]["port"] = 0
    data["devices"][1]["points"][0]["unit"] = "hp"
    done = command.check(json.dumps(data))
    assert done.code == 1 and len(done.err.splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not JSON"),
        ('{"devices": [', "not JSON"),
        ('{"interval": 1, "interval": 2, "devices": []}', "'interval' is given twice"),
        ('{"interval": NaN, "devices": []}', "NaN"),
        ("[" * 100_000, "not JSON"),
        ("[]", "dictionary"),
        ('{"devices": [], "\\u001b[31m": 1}', "unknown key"),
    ],
)
def test_hostile_text_is_a_finding(text: str, says: str, command: Command) -> None:
    done = command.check(text)
    assert done.code == 1
    assert says in done.err and "Traceback" not in done.err and "\x1b" not in done.err


def test_a_file_that_is_not_there_and_wrong_usage(command: Command) -> None:
    assert command.run("--config", "/nowhere/none.json").code == 1
    assert command.run().code == 64
    assert command.run("--config", "x", "--listen", "nowhere").code == 64


def test_another_place_must_be_as_safe(command: Command) -> None:
    given = {**GOOD, "listen": "127.0.0.1:9841", "users": {"prometheus": "env:PASSWORD"}}
    assert command.check(json.dumps(given)).code == 0
    done = command.run("--check", "--config", str(command.file), "--listen", "0.0.0.0:9841")
    assert done.code == 64 and 'need "tls"' in done.err


def test_a_port_that_is_taken_ends_the_program(command: Command) -> None:
    command.file.write_text(json.dumps({"devices": []}))
    with socket.create_server(("127.0.0.1", 0)) as server:
        words = [sys.executable, "-m", "cooling_exporter", "--config", str(command.file)]
        words += ["--listen", f"127.0.0.1:{server.getsockname()[1]}"]
        done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("file", READ, ids=lambda file: file.stem)
def test_every_device_of_the_catalogue_can_be_configured(file: Path, command: Command) -> None:
    entry = yaml.safe_load(file.read_text(encoding="utf-8"))
    device = {
        "name": "device-1",
        "loop": "loop-1",
        "profile": entry["name"],
        "protocol": entry["protocol"],
        "points": entry["points"],
        **entry["example"],
    }
    done = command.check(json.dumps({"devices": [device]}))
    assert done.code == 0, done.err
    assert entry["sources"], "numbers need sources"


def test_the_example_of_the_documentation_is_accepted(command: Command) -> None:
    examples = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert examples
    for example in examples:
        done = command.check(example)
        assert done.code == 0, done.err


def test_the_documentation_names_every_metric() -> None:
    """Both ways: nothing served is undocumented, nothing documented is gone."""
    listed = set(
        re.findall(r"^\| `((?:cooling|electrical)_[a-z_]+)`", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    )
    about_devices = {
        "cooling_device_info",
        "cooling_device_up",
        "cooling_device_last_success_timestamp_seconds",
        "cooling_read_duration_seconds",
        "cooling_read_errors_total",
        "cooling_events_total",
        "cooling_events_readable",
        "cooling_point_valid",
    }
    assert listed == set(QUANTITIES) | about_devices
