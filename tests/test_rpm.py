"""Which packages a node with rpm lacks, asked of a real database of packages."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lessons import ROOT

SPEC = "Name: {name}\nVersion: 4.3\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\n%description\nx\n%files\n"
# The module of the node as it runs there, on a machine that has no other package manager.
ASK = """
import json, sys, ansible.module_utils
ansible.module_utils.__path__.append(sys.argv[1])
from ansible.module_utils import center_packages
del center_packages.PACKAGE_MANAGERS["apt"]
print(json.dumps(center_packages.find_missing(json.loads(sys.argv[3]), sys.argv[2])))
"""


@pytest.mark.skipif(shutil.which("rpmbuild") is None, reason="rpm is not installed")
def test_rpm_says_what_is_there(tmp_path: Path) -> None:
    database = tmp_path / "root/var/lib/rpm"
    database.mkdir(parents=True)
    for name in ("chrony", "gcc-c++"):
        (tmp_path / f"{name}.spec").write_text(SPEC.format(name=name))
        build = ["rpmbuild", "--quiet", "-bb", "--define", f"_topdir {tmp_path}/build", f"{tmp_path}/{name}.spec"]
        subprocess.run(build, check=True, capture_output=True)
    rpms = sorted((tmp_path / "build/RPMS/noarch").glob("*.rpm"))
    install = ["rpm", f"--dbpath={database}", "--justdb", "--nodeps", "--force-debian", "-i", *map(str, rpms)]
    subprocess.run(install, check=True, capture_output=True)

    wanted = ["chrony", "gcc-c++", "chrony=4.3-1", "chrony=4.4-1", "chron", "absent"]
    command = [
        sys.executable,
        "-c",
        ASK,
        str(ROOT / "playbooks/module_utils"),
        str(tmp_path / "root"),
        json.dumps(wanted),
    ]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert json.loads(answer) == ["dnf", ["chrony=4.4-1", "chron", "absent"]]
