"""The centre on which alarms are proven, rendered by the command as a user renders it."""

from __future__ import annotations

import atexit
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import yaml

RULES = ("cooling-limits", "cooling-records", "cooling-alerts")
ROOT = Path(__file__).parent.parent
CENTER = ROOT / "tests/centers/plant"


@cache
def rendered() -> Path:
    """The tree of the centre, rendered once a process."""
    folder = Path(tempfile.mkdtemp(prefix="center-alarms-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    words = [sys.executable, "-m", "generator", "render", str(CENTER), "--out", str(folder / "tree")]
    subprocess.run(words, check=True, capture_output=True, timeout=120, cwd=ROOT)
    return folder / "tree"


@cache
def rules_of(name: str) -> dict[str, Any]:
    """A rendered file of rules."""
    told: dict[str, Any] = yaml.safe_load((rendered() / f"monitoring/rules/{name}.yaml").read_text("utf-8"))
    return told


def rule_files() -> list[Path]:
    """The rendered files of rules about cooling, in the order in which they build on each other."""
    return [rendered() / f"monitoring/rules/{name}.yaml" for name in RULES]
