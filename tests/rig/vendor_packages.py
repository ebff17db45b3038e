"""A vendor of accelerators for test hosts: its signed package repository, and a PCI tree with its devices.

The packages are small but do what real ones do: a driver that makes device files when its kernel module is loaded, a
container runtime in front of runc, an exporter of metrics as a service.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from control_plane.processes import Process
from tests.rig.hosts import TestHosts
from tests.rig.network import Network

PORT = 8000
DRIVER, TOOLKIT, EXPORTER = "center-simulated-driver", "center-simulated-toolkit", "center-simulated-exporter"
MODULE = "center_simulated"
VENDOR, DEVICE, ACCELERATOR_CLASS = "0x1d0f", "0xc001", "0x120000"
LOADED = "/run/center-simulated"
"""What the driver that is loaded says of itself on a host: its version, and what its module was loaded with."""

# The kernel has no such module: modprobe runs the package's programs in its place, as its manual describes.
MODPROBE = f"""install {MODULE} /usr/lib/center-simulated/bind "$CMDLINE_OPTS"
remove {MODULE} /usr/lib/center-simulated/unbind
"""
BIND = f"""#!/bin/sh
# As a driver does: a device file for each function of the vendor's on the PCI bus.
set -e
number=0
for place in /sys/bus/pci/devices/*; do
  [ "$(cat $place/vendor) $(cat $place/class)" = "{VENDOR} {ACCELERATOR_CLASS}" ] || continue
  [ -c /dev/center-simulated$number ] || mknod -m 666 /dev/center-simulated$number c 1 3
  number=$((number + 1))
done
echo "VERSION $1" >{LOADED}
"""
UNBIND = f"""#!/bin/sh
rm -f /dev/center-simulated[0-9]* {LOADED}
"""
LIST = """#!/bin/sh
ls -1 /dev/center-simulated[0-9]*
"""
RUNTIME = """#!/bin/sh
exec runc "$@"
"""
SERVER = """#!/usr/bin/python3
import glob, http.server, os

class Metrics(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"simulated_devices %d\\n" % len(glob.glob("/dev/center-simulated[0-9]*")))

host, _, port = os.environ["CENTER_SIMULATED_LISTEN"].rpartition(":")
http.server.HTTPServer((host, int(port)), Metrics).serve_forever()
"""
UNIT = """[Unit]
Description=Metrics of simulated accelerators
[Service]
ExecStart=/usr/lib/center-simulated/exporter
[Install]
WantedBy=multi-user.target
"""
# A boot loader's tool as the test hosts lack it: it notes what the kernel would be booted with.
UPDATE_GRUB = """#!/bin/sh
. /etc/default/grub.d/center.cfg
echo "$GRUB_CMDLINE_LINUX" >>/var/lib/boot-loader
"""
# What a machine has and a test host lacks: a folder of kernel modules, and accelerators on its bus.
PCI = "/mnt/pci"
BUS = f"""[Unit]
DefaultDependencies=no
Before=systemd-modules-load.service
[Mount]
What={PCI}
Where=/sys/bus/pci/devices
Options=bind,ro
[Install]
WantedBy=sysinit.target
"""
Files = dict[str, str]


def driver(version: str) -> Files:
    return {
        "usr/lib/modprobe.d/simulated-driver.conf": MODPROBE,
        "usr/lib/center-simulated/bind": BIND.replace("VERSION", version),
        "usr/lib/center-simulated/unbind": UNBIND,
        "usr/bin/center-simulated-list": LIST,
    }


TOOLKIT_FILES: Files = {"usr/bin/center-simulated-runtime": RUNTIME}
EXPORTER_FILES: Files = {
    "usr/lib/center-simulated/exporter": SERVER,
    f"lib/systemd/system/{EXPORTER}.service": UNIT,
}


def pci_tree(folder: Path, accelerators: int) -> Path:
    """Devices as sysfs shows them: accelerators of the vendor, and a device of another kind by the same vendor."""
    kinds = [*([(DEVICE, ACCELERATOR_CLASS)] * accelerators), ("0xd001", "0x020000")]
    for number, (device, class_) in enumerate(kinds, 1):
        place = folder / f"0000:{number:02x}:00.0"
        place.mkdir(parents=True)
        for name, value in {"vendor": VENDOR, "device": device, "class": class_}.items():
            (place / name).write_text(f"{value}\n")
    return folder


def become_a_machine(hosts: TestHosts, name: str) -> None:
    """Give a host what a machine has; its accelerators are those below PCI, which a bind mount has to bring there."""
    unit = "sys-bus-pci-devices.mount"
    hosts.run(name, ["sh", "-c", "cat >/usr/sbin/update-grub; chmod 755 /usr/sbin/update-grub"], UPDATE_GRUB)
    hosts.run(name, ["sh", "-c", f"cat >/etc/systemd/system/{unit}"], BUS)
    hosts.run(name, ["systemctl", "enable", "--now", unit])
    hosts.run(name, ["sh", "-c", "mkdir -p /lib/modules/$(uname -r); depmod"])


class VendorRepository:
    """Serves what was published, signed with one key, over HTTP while the block runs; it has no suites."""

    suite = "/"

    def __init__(self, network: Network) -> None:
        self._network = network
        self.root = network.folder / "vendor"
        self.url = f"http://{network.address}:{PORT}"

    @property
    def signing_key(self) -> Path:
        """The armoured public key that signs the repository."""
        return self.root / "signing-key.asc"

    def __enter__(self) -> Self:
        self.root.mkdir()
        # Short, because the agent's socket lies in it.
        self._keys = tempfile.TemporaryDirectory()
        self._gpg = ["gpg", "--homedir", self._keys.name, "--batch", "--quiet", "--yes", "--passphrase", ""]
        _output([*self._gpg, "--quick-generate-key", "a vendor", "ed25519", "sign", "never"])
        self.signing_key.write_text(_output([*self._gpg, "--armor", "--export"]))
        serve = [sys.executable, "-m", "http.server", "--bind", self._network.address]
        self._server = Process(
            [*serve, "--directory", self.root, str(PORT)],
            log=self._network.folder / "vendor.log", netns=self._network.name,
        )  # fmt: skip
        self._server.wait_ready(self._answers)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.end()
        _output(["gpgconf", "--homedir", self._keys.name, "--kill", "all"])
        self._keys.cleanup()

    def publish(
        self, name: str, version: str, files: Files, depends: Sequence[str] = (), conflicts: Sequence[str] = ()
    ) -> None:
        """Build a package and put it beside those that are there."""
        with tempfile.TemporaryDirectory() as folder:
            built = Path(folder)
            built.chmod(0o755)
            for path, text in files.items():
                file = built / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
                file.chmod(0o755 if text.startswith("#!") else 0o644)
            control = {
                "Package": name, "Version": version, "Architecture": "all", "Maintainer": "a vendor <vendor@example>",
                "Description": "for test hosts", "Depends": ", ".join(depends), "Conflicts": ", ".join(conflicts),
            }  # fmt: skip
            (built / "DEBIAN").mkdir()
            (built / "DEBIAN/control").write_text(
                "".join(f"{key}: {value}\n" for key, value in control.items() if value)
            )
            _output(["dpkg-deb", "--build", "--root-owner-group", built, self.root / f"{name}_{version}.deb"])
        (self.root / "Packages").write_text(_output(["apt-ftparchive", "packages", "."], self.root))
        (self.root / "Release").write_text(_output(["apt-ftparchive", "release", "."], self.root))
        _output([*self._gpg, "--output", self.root / "InRelease", "--clearsign", self.root / "Release"])

    def _answers(self) -> bool:
        probe = ["curl", "--silent", "--fail", "--output", "/dev/null", f"{self.url}/signing-key.asc"]
        return subprocess.run(self._network.command(probe)).returncode == 0


def _output(argv: Sequence[str | Path], folder: Path | None = None) -> str:
    return subprocess.run(argv, cwd=folder, stdout=subprocess.PIPE, text=True, check=True).stdout
