"""Acceptance: the mark on a node names its machine; checks are run on booted hosts and decide about the mark."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PARTS = Path(__file__).parents[1] / "playbooks/module_utils"
# Loads the parts as a node does, by their dotted names, without Ansible.
LOADER = """
import json, sys, types
for name in ("ansible", "ansible.module_utils"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = []
for part in sys.argv[2:]:
    name = "ansible.module_utils." + part.rpartition("/")[2][:-3]
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(open(part).read(), part, "exec"), module.__dict__)
print(json.dumps(eval(sys.argv[1], module.__dict__)))
"""


def on_node(expression: str, last: str = "center_accepted") -> Any:
    """What an expression comes to inside the last of the parts."""
    parts = [str(PARTS / f"{part}.py") for part in ("center_disk", last)]
    words = [sys.executable, "-I", "-c", LOADER, expression, *parts]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The root of a machine with an id of its firmware and one of its installation."""
    identity = {"sys/class/dmi/id/product_uuid": "4c4c4544", "sys/class/dmi/id/product_serial": "SN1"}
    for path, text in {**identity, "etc/machine-id": "9f0e"}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text + "\n")
    return tmp_path


def accepted(root: Path) -> bool:
    return on_node(f"accepted_here({str(root)!r})") is True


def test_a_mark_counts_until_it_is_taken_away(root: Path) -> None:
    assert not accepted(root)
    on_node(f"give_mark('digest', {str(root)!r})")
    mark = json.loads((root / "var/lib/center/accepted.json").read_text())
    assert (mark["version"], mark["checks"], set(mark)) == (1, "digest", {"version", "checks", "date", "machine"})
    assert mark["machine"] == {"uuid": "4c4c4544", "serial": "SN1", "machine-id": "9f0e"}
    assert accepted(root)
    assert on_node(f"take_mark({str(root)!r})") is True
    assert not accepted(root)
    assert on_node(f"take_mark({str(root)!r})") is False


@pytest.mark.parametrize("path", ["sys/class/dmi/id/product_uuid", "sys/class/dmi/id/product_serial", "etc/machine-id"])
def test_a_mark_of_another_machine_or_installation_is_none(root: Path, path: str) -> None:
    on_node(f"give_mark('digest', {str(root)!r})")
    (root / path).write_text("another\n")
    assert not accepted(root)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 2}', '{"version": 1}', '{"version": 1, "machine": {}}', "\0"]
)
def test_what_is_no_mark_is_none(root: Path, text: str) -> None:
    on_node(f"give_mark('digest', {str(root)!r})")
    (root / "var/lib/center/accepted.json").write_text(text)
    assert not accepted(root)


def test_a_mark_that_others_could_have_written_is_none(root: Path, tmp_path: Path) -> None:
    on_node(f"give_mark('digest', {str(root)!r})")
    mark = root / "var/lib/center/accepted.json"
    mark.chmod(0o664)
    assert not accepted(root)
    mark.chmod(0o644)
    assert accepted(root)
    mark.rename(tmp_path / "elsewhere")
    mark.symlink_to(tmp_path / "elsewhere")
    assert not accepted(root)


def test_a_machine_without_an_id_cannot_be_accepted(root: Path) -> None:
    on_node(f"give_mark('digest', {str(root)!r})")
    (root / "etc/machine-id").write_text("")
    mark = root / "var/lib/center/accepted.json"
    mark.write_text(mark.read_text().replace("9f0e", ""))
    assert not accepted(root)
