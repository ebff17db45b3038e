"""Centres of an enemy, each judged by a process of its own with 200 MiB of memory.

Each ends with findings, the first at its line and column; nobody's secret is quoted and nothing is written.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile import files, texts
from tests.hostile.case import SECRET, Case, write
from tests.lessons import ROOT, STARTER

Ends = dict[str, tuple[int, str]]


def judged(cases: dict[str, Case], folder: Path) -> Ends:
    """What the command says of each case, and how it ends."""
    folders = {name: folder / "cases" / str(number) / "center" for number, name in enumerate(cases)}
    for name, case in cases.items():
        write(case, folders[name])
    home = folder / "home"
    home.mkdir()
    before = everything_below(folder)
    command = [sys.executable, "-B", "-m", "tests.hostile", str(STARTER), *map(str, folders.values())]
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=300, check=True)
    assert everything_below(folder) == before
    ends = json.loads(done.stdout)
    return {name: (ends[str(folders[name])][0], ends[str(folders[name])][1]) for name in cases}


def everything_below(folder: Path) -> dict[str, tuple[int, int, int]]:
    found = {}
    for path in sorted(folder.rglob("*")):
        about = path.lstat()
        found[str(path)] = (about.st_mode, about.st_size, about.st_mtime_ns)
    return found


def wrong(case: Case, code: int, printed: str) -> str | None:
    """What is not as it should be."""
    sound = code == case.code and printed.startswith(case.finds)
    sound = sound and not any(word in printed for word in ("Traceback", "defect", SECRET))
    return None if sound else f"wanted {case.code} {case.finds}, got {code} {printed[:300]}"


def check(cases: dict[str, Case], folder: Path) -> None:
    found = {name: wrong(cases[name], *end) for name, end in judged(cases, folder).items()}
    faults = [f"{name}: {what}" for name, what in found.items() if what]
    assert not faults, "\n".join(faults)


CASES = texts.CASES | files.CASES
GROUPS = sorted({name.partition(":")[0] for name in CASES})


@pytest.mark.parametrize("group", GROUPS)
def test_every_case_is_a_finding_at_its_place(group: str, tmp_path: Path) -> None:
    check({name: case for name, case in CASES.items() if name.startswith(f"{group}:")}, tmp_path)


def test_no_pattern_is_slow_on_any_text() -> None:
    """Patterns that try again and again would take hours here; a fence of processor time ends them."""
    command = [sys.executable, "-m", "tests.hostile.patterns"]
    done = subprocess.run(command, preexec_fn=fenced, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 20_000


def fenced() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
