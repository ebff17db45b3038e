"""Build the Debian package of the cooling exporter: pinned wheels with their hashes, for the Python that runs this.

    python packaging/cooling-exporter/build.py --output dist

The same commit and the same Python give the same package. It installs nothing that runs as root.
"""

from __future__ import annotations

import argparse
import compileall
import os
import py_compile
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LIBRARY = "usr/lib/cooling-exporter"
LAUNCHER = """#!/usr/bin/python3 -I
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib" / "cooling-exporter"))
from cooling_exporter.__main__ import main

sys.exit(main())
"""
CONTROL = """Package: cooling-exporter
Version: {version}
Architecture: {architecture}
Maintainer: the people who built it <root@localhost>
Depends: python3 (>= {python}), python3 (<< {next_python}), libc6
Section: net
Priority: optional
Installed-Size: {size}
Description: readings of cooling devices and meters for Prometheus
 Reads coolant distribution units, immersion tanks, heat rejection and meters
 over Modbus TCP, Redfish and SNMP, and serves what they say to Prometheus.
 It only reads.
"""
COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Comment: Licences of the libraries stand beside them, in the dist-info folders of /usr/lib/cooling-exporter.

Files: *
Copyright: the authors of center-generator
License: Apache-2.0
 On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.
"""
# The unit is started by who writes its configuration; an upgrade restarts it where it runs.
POSTINST = """#!/bin/sh
set -e
if [ "$1" = configure ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl try-restart cooling-exporter.service
fi
"""
PRERM = """#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl disable --now cooling-exporter.service
fi
"""


def main() -> None:
    """Build it and print where it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    output: Path = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    architecture = _said("dpkg", "--print-architecture")
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name) / "tree"
        _fill(tree)
        _describe(tree, version, architecture)
        target = output / f"cooling-exporter_{version}_{architecture}.deb"
        moment = {"SOURCE_DATE_EPOCH": _said("git", "-C", str(ROOT), "log", "-1", "--format=%ct")}
        words = ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(target)]
        subprocess.run(words, check=True, env={**os.environ, **moment}, stdout=subprocess.DEVNULL)
    print(target)


def _fill(tree: Path) -> None:
    """The program with its libraries, its unit, its launcher, its page of documentation and empty places for a site."""
    library = tree / LIBRARY
    library.mkdir(parents=True)
    words = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile", "--only-binary=:all:"]
    words += ["--require-hashes", "--requirement", str(HERE / "requirements.lock"), "--target", str(library)]
    subprocess.run([sys.executable, "-m", "pip", "install", *words], check=True)
    # Programs of libraries, whose first lines name the Python that built this package.
    shutil.rmtree(library / "bin", ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "cooling_exporter", library / "cooling_exporter", ignore=ignored)
    # Nobody may write there later; a hash that is not looked at keeps the package the same at each build.
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(library, stripdir=str(tree), prependdir="/", quiet=2, invalidation_mode=mode)
    _put(tree / "usr/bin/cooling-exporter", LAUNCHER, 0o755)
    _put(tree / "lib/systemd/system/cooling-exporter.service", (HERE / "cooling-exporter.service").read_text("utf-8"))
    documents = tree / "usr/share/doc/cooling-exporter"
    _put(documents / "cooling-exporter.md", (ROOT / "docs/cooling-exporter.md").read_text("utf-8"))
    _put(documents / "copyright", COPYRIGHT)
    (tree / "etc/cooling-exporter/credentials").mkdir(parents=True)
    (tree / "etc/cooling-exporter/credentials").chmod(0o700)


def _describe(tree: Path, version: str, architecture: str) -> None:
    python = ".".join(map(str, sys.version_info[:2]))
    following = f"{sys.version_info[0]}.{sys.version_info[1] + 1}"
    size = sum(file.stat().st_size for file in tree.rglob("*") if file.is_file()) // 1024
    about = {"version": version, "architecture": architecture, "python": python, "next_python": following}
    _put(tree / "DEBIAN/control", CONTROL.format(**about, size=size))
    _put(tree / "DEBIAN/postinst", POSTINST, 0o755)
    _put(tree / "DEBIAN/prerm", PRERM, 0o755)
    for path in tree.rglob("*"):
        if path.is_dir() and path.name != "credentials":
            path.chmod(0o755)


def _put(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(mode)


def _said(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
