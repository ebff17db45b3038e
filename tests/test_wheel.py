"""The wheel carries all that the program reads: every verb that needs no hosts works outside of a checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout and unpacked where nothing else of ours is."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(REPOSITORY)], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def run(installed: Path, cwd: Path, *arguments: str, module: str = "generator") -> str:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_wheel_is_used_and_not_the_checkout(installed: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [
        sys.executable,
        "-c",
        "import generator.resources as r; print(r.folder('templates'), r.folder('playbooks'))",
    ]
    found = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert all(Path(part).is_relative_to(installed) for part in found.stdout.split())


def test_verbs_work_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    run(installed, tmp_path, "init", "mine")
    run(installed, tmp_path, "validate", "mine", "--strict")
    run(installed, tmp_path, "render", "mine")
    run(installed, tmp_path, "render", "mine", "--check")
    assert "power.rack-feed" in run(installed, tmp_path, "explain")
    assert "power.rack-feed" in run(installed, tmp_path, "explain", "power.rack-feed")
    assert "draft-07/schema" in run(installed, tmp_path, "schema")
    exporter = tmp_path / "mine" / "generated" / "exporter" / "cooling.json"
    run(installed, tmp_path, "--check", "--config", str(exporter), module="cooling_exporter")


def test_the_wheel_has_what_a_rehearsal_compiles_and_starts(installed: Path) -> None:
    carried, known = (
        {path.relative_to(root): path.read_bytes() for path in (root / "control_plane").rglob("*") if path.is_file()}
        for root in (installed, REPOSITORY)
    )
    wanted = {path: content for path, content in known.items() if "__pycache__" not in path.parts}
    assert (carried, Path("control_plane/go/kueue/go.sum") in carried) == (wanted, True)


def test_the_wheel_has_the_same_tree_as_the_checkout(installed: Path, tmp_path: Path) -> None:
    starter = REPOSITORY / "inventories" / "starter"
    run(installed, tmp_path, "render", str(starter), "--out", str(tmp_path / "wheel"))
    subprocess.run(
        [sys.executable, "-m", "generator", "render", str(starter), "--out", str(tmp_path / "checkout")],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    trees = [
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path / "wheel", tmp_path / "checkout")
    ]
    assert trees[0] == trees[1] and len(trees[0]) > 15
