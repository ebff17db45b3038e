"""The rendered trees of the sample centres, pictures of two more and the reference pages as reviewed.

``python -m tests.golden`` brings them up to date.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
CENTRES = ("starter", "duo")
PICTURES = {name: ROOT / "tests/centers" / name / "cooling.svg" for name in ("twelve", "refused")}
PAGES = {"spec": ROOT / "docs/spec.md", "rules": ROOT / "docs/rules.md", "catalog": ROOT / "docs/catalog.md"}


def expected(centre: str) -> Path:
    return ROOT / "tests/centers" / centre / "expected"


def render(centre: str, out: Path) -> None:
    """Render a sample with the command, as an operator would."""
    folder = str(ROOT / "inventories" / centre)
    command = [sys.executable, "-m", "generator", "--quiet", "render", folder, "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)


def picture(folder: Path) -> bytes:
    """The cooling of a centre as the command draws it, also of one that validation refuses."""
    command = [sys.executable, "-m", "generator", "--quiet", "show", "cooling", str(folder), "--format", "svg"]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, timeout=60).stdout


def page(name: str) -> bytes:
    """Print a reference page with the command."""
    command = [sys.executable, "-m", "generator", "docs", name]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60).stdout


if __name__ == "__main__":
    for name in CENTRES:
        shutil.rmtree(expected(name), ignore_errors=True)
        render(name, expected(name))
    for file in PICTURES.values():
        file.write_bytes(picture(file.parent))
    for name, file in PAGES.items():
        file.write_bytes(page(name))
