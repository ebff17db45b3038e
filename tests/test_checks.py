"""Acceptance checks as data: what a file may say, for which pools it is, and how its places are filled in."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from generator import catalog
from generator.apply.hosts import expectation
from generator.catalog.check import Check
from generator.problems import Refused
from tests.lessons import ROOT

CHECK = """\
kind: check
name: own
title: Ours
why: it is ours
argv: ["true"]
"""
SCRIPTS = [
    (file.stem, told["argv"])
    for file in sorted((ROOT / "generator/catalog/checks").glob("*.yaml"))
    if (told := yaml.safe_load(file.read_text("utf-8"))).get("argv", [""])[0] == "python3"
]


def own(folder: Path, text: str) -> Path:
    file = folder / "catalog/checks/own.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    return folder


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('argv: ["a{coers}"]', 'has a place for "coers"; did you mean "cores"?'),
        ('argv: ["-n{controllers}"]', 'has the list "{controllers}" inside of a word; it must be a word of its own'),
        ("argv: []", "at least 1"),
        ('argv: [""]', "needs a word of a command"),
        ("argv: true", "list"),
        ("fact: colour", "colour"),
        ("title: Ours", 'needs either "argv" or one "fact" of memory, '),
        ('argv: ["true"]\nfact: memory', 'needs either "argv" or one "fact"'),
        ("fact: memory\nnumber: {pattern: '(1)', most: 1, status: N}", "which only a command prints"),
        ('argv: ["true"]\nnumber: {pattern: "(", most: 1, status: N}', "is no regular expression"),
        ('argv: ["true"]\nnumber: {pattern: "1", most: 1, status: N}', "with one group"),
        ('argv: ["true"]\nnumber: {pattern: "(1)", status: N}', 'needs "least", "most" or both'),
        ('argv: ["true"]\nnumber: {pattern: "(1)", most: "{mounts}", status: N}', "needs a number, or one of the pool"),
        ('argv: ["true"]\nnumber: {pattern: "(1)", most: 1, status: V}', "names no source"),
        ('argv: ["true"]\nseconds: 100000', "600"),
    ],
)
def test_a_faulty_check_is_a_finding_in_its_file(lines: str, message: str, tmp_path: Path) -> None:
    text = CHECK.replace('argv: ["true"]', lines).replace("title: Ours\n", "", lines.count("title:"))
    with pytest.raises(Refused) as refused:
        catalog.of(own(tmp_path, text)).get(Check, "own")
    problems = refused.value.problems
    assert any(message in problem.message + (problem.hint or "") for problem in problems), problems
    assert all(problem.position and problem.position.file == "catalog/checks/own.yaml" for problem in problems)


def rendered(folder: Path, text: str, pool: str) -> dict[str, Any] | None:
    """Our check as it is rendered for a pool of the duo centre, if it is for that pool."""
    spec = (ROOT / "inventories/duo/center.yaml").read_text("utf-8")
    (folder / "center.yaml").write_text(spec, "utf-8")
    (folder / "ssh_ca.pub").write_bytes((ROOT / "inventories/duo/ssh_ca.pub").read_bytes())
    command = [sys.executable, "-m", "generator", "render", str(own(folder, text))]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=100)
    checks = json.loads((folder / f"generated/hosts/groups/pool_{pool}/checks.json").read_text("utf-8"))["checks"]
    return next((check for check in checks if check["name"] == "own"), None)


def test_places_are_filled_in_for_each_pool(tmp_path: Path) -> None:
    argv = '[run, "-n{accelerators}", "{cores}", "{controllers}"]'
    limits = 'number: {pattern: "(1)", least: "50 % of {accelerators}", most: 9.5, status: X}'
    text = CHECK.replace('["true"]', f"{argv}\n{limits}")
    found = rendered(tmp_path, text, "train_h")
    control = ["control-c01-1", "control-c02-1", "control-c03-1", "scheduler-c01-1"]
    assert found and found["argv"] == ["run", "-n8", "128", *control]
    assert found["number"] == {"pattern": "(1)", "unit": "", "least": 4, "most": 9.5}
    assert rendered(tmp_path, text, "science") is None, "it has no accelerators"


@pytest.mark.parametrize(
    ("when", "pools"),
    [
        ("{}", ["train_h", "science", "control"]),
        ("{roles: [worker]}", ["train_h", "science"]),
        ("{clusters: [slurm]}", ["science"]),
        ("{accelerators: false}", ["science", "control"]),
        ("{accelerators: true}", ["train_h"]),
        ("{vendors: [hygon]}", []),
        ("{fabrics: [roce]}", []),
    ],
)
def test_a_check_is_for_the_pools_that_it_names(when: str, pools: list[str], tmp_path: Path) -> None:
    text = f"{CHECK}when: {when}\n"
    found = [pool for pool in ("train_h", "science", "control") if rendered(tmp_path, text, pool)]
    assert found == pools


@pytest.mark.parametrize(("name", "argv"), SCRIPTS, ids=lambda value: value if isinstance(value, str) else "")
def test_the_scripts_of_our_checks_pass_on_a_sound_machine(name: str, argv: list[str]) -> None:
    assert len(SCRIPTS) == 3
    done = subprocess.run([sys.executable, *argv[1:]], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_page_tells_the_limits_that_are_used() -> None:
    page = (ROOT / "docs/nodes.md").read_text("utf-8")
    rows = {row[1].strip(): " ".join(row[2:]) for row in (line.split("|") for line in page.splitlines() if "|" in line)}
    numbers = {what: [float(number) for number in re.findall(r"[0-9]+", row)] for what, row in rows.items()}
    (root, root_good), (var, var_good) = (expectation.FREE_GIB[path] for path in ("/", "/var"))
    assert numbers["disk"] == [root, var, root_good, var_good]
    assert numbers["clock"] == [expectation.CLOCK_FAILS, expectation.CLOCK_WARNS]
    assert numbers["memory"] == [round(100 * expectation.MEMORY_LEAST), round(100 * expectation.MEMORY_MOST)]
    assert {"accelerators", "network", "serial", "mirror"} <= numbers.keys() & expectation.COMPARISONS.keys()


def test_the_example_of_the_page_is_read(tmp_path: Path) -> None:
    [example] = re.findall(r"```\n(kind: check\n.*?)```", (ROOT / "docs/nodes.md").read_text("utf-8"), re.S)
    assert catalog.of(own(tmp_path, example.replace("scratch-speed", "own"))).get(Check, "own")
