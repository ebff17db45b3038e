"""The Debian package of the exporter, and a system of a site's own catalogue whose packages have it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGING = ROOT / "packaging" / "cooling-exporter"
PYTHON = Path("/usr/bin/python3")
SYSTEM = "own-12"
UNIT = "cooling-exporter.service"


def said(*words: str | Path) -> str:
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True, timeout=300).stdout


def same_python() -> bool:
    """Whether this is the Python of the system, for which alone a package can be built here."""
    version = "import sys; print(sys.version_info[:2])"
    return PYTHON.exists() and said(PYTHON, "-c", version) == said(sys.executable, "-c", version)


def built(folder: Path) -> Path:
    """The package, built into a folder."""
    return Path(said(sys.executable, PACKAGING / "build.py", "--output", folder).strip())


def add_system(catalog: Path, packaged: bool = True) -> None:
    """Debian 12 with the exporter among the site's own packages, or without it."""
    system = (ROOT / "generator/catalog/systems/debian-12.yaml").read_text("utf-8")
    system = system.replace("name: debian-12", f"name: {SYSTEM}").replace("proven: true", "proven: false")
    if packaged:
        system = system.replace("packages:\n", "packages:\n  cooling-exporter: [cooling-exporter]\n")
        system = system.replace("units:\n", f"units:\n  cooling-exporter: {UNIT}\n")
    (catalog / "systems").mkdir(parents=True, exist_ok=True)
    (catalog / f"systems/{SYSTEM}.yaml").write_text(system)
