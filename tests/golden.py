"""The rendered tree of the starter centre as reviewed: ``python -m tests.golden`` brings it up to date."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
STARTER = ROOT / "inventories/starter"
EXPECTED = ROOT / "tests/centers/starter/expected"


def render(out: Path) -> None:
    """Render the starter centre with the command, as an operator would."""
    command = [sys.executable, "-m", "generator", "--quiet", "render", str(STARTER), "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)


if __name__ == "__main__":
    shutil.rmtree(EXPECTED, ignore_errors=True)
    render(EXPECTED)
