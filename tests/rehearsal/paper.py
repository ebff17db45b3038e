"""What needs no privilege: the centre is checked and rendered, and Ansible reads its inventories."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.rehearsal.centre import Centre, expect
from tests.rehearsal.console import Step

ANSIBLE_INVENTORY = Path(sys.executable).with_name("ansible-inventory")
# Counted by hand in center.yaml: nodes of each block, and members of groups of every kind.
MEMBERS = {
    "east-hall": {
        "all": 17, "pool_train_h": 4, "pool_science": 7, "pool_control": 3, "rack_a02": 2, "rack_b01": 4, "rack_b02": 3,
        "role_control": 4, "role_worker": 11, "cluster_cloud": 7, "cluster_hpc": 9, "vendor_nvidia": 4,
    },
    "tanks": {"all": 4, "pool_train_d": 4, "rack_t01": 4, "cluster_cloud": 4, "vendor_hygon": 4},
}  # fmt: skip


def validate(centre: Centre, step: Step) -> None:
    answer = centre.run("validate")
    step.found = answer.remarks.strip()


def find_mistake(centre: Centre, step: Step) -> None:
    """One number of one line is wrong: the finding names it, before anybody has drawn a cable."""
    centre.edit(r"west: \{capacity: 300 kW", "west: {capacity: 60 kW")
    answer = centre.run("validate", exits=1)
    centre.edit(r"west: \{capacity: 60 kW", "west: {capacity: 300 kW")
    step.say(*answer.lines)
    # By hand: 76.4 kW of all racks x 90 % simultaneity and 5.6 kW of cooling against 60 kW x 80 % derating.
    needed = 'error[power.feed-capacity]: feed "west" must carry 74.3 kW'
    expect(needed in answer.output and "48.0 kW" in answer.output, f"the overload is not found; see {centre.log}")
    step.found = "exit code 1, position, rule and both figures"


def render(centre: Centre, step: Step) -> None:
    centre.run("render")
    before = dict(_written(centre.tree))
    centre.run("render")
    centre.run("render", "--check")
    expect(dict(_written(centre.tree)) == before, "rendering again has written files")
    size = sum(len(content) for _, content in before.values()) / 1024
    step.found = f"{len(before)} files, {size:.0f} KiB; rendered again: none written"


def show_summary(centre: Centre, step: Step) -> None:
    text = (centre.tree / "summary.md").read_text("utf-8")
    step.say(*text[: text.index("\n## Performance")].splitlines())
    step.found = "the rest is in summary.md of the rendered tree"


def load_inventories(centre: Centre, step: Step) -> None:
    total = 0
    for block, sizes in MEMBERS.items():
        listed = _listed(centre.tree / "hosts" / block / "inventory.json")
        hosts = {group: set(_hosts(listed, group)) for group in sizes}
        found = {group: len(members) for group, members in hosts.items()}
        expect(found == sizes, f"ansible-inventory reads {found} in block {block}, not {sizes}")
        expect(hosts["all"] == set(centre.read(f"hosts/{block}/nodes.json")), f"{block}: inventory and nodes differ")
        expect(not any(listed["_meta"]["hostvars"].values()), f"{block}: hosts have variables")
        total += found["all"]
    step.found = f"{len(MEMBERS)} blocks, {total} hosts, groups as counted by hand"


def _listed(inventory: Path) -> dict[str, Any]:
    strict = {"ANSIBLE_INVENTORY_ENABLED": "ansible.builtin.yaml", "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1"}
    command = [str(ANSIBLE_INVENTORY), "-i", str(inventory), "--list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **strict})
    expect(done.returncode == 0, f"ansible-inventory refuses {inventory}:\n{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def groups_of(inventory: Path, host: str) -> list[str]:
    """The groups that a host is in, by name."""
    listed = _listed(inventory)
    return sorted(group for group in listed if host in _hosts(listed, group))


def _hosts(listed: dict[str, Any], group: str) -> Iterator[str]:
    yield from listed.get(group, {}).get("hosts", [])
    for child in listed.get(group, {}).get("children", []):
        yield from _hosts(listed, child)


def _written(tree: Path) -> Iterator[tuple[str, tuple[int, bytes]]]:
    """Every file with the time of its last write and its content."""
    for path in tree.rglob("*"):
        if path.is_file():
            yield str(path.relative_to(tree)), (path.stat().st_mtime_ns, path.read_bytes())
