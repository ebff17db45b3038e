"""Rendering is pure: the same spec makes the same bytes, whatever surrounds the process that renders."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
CENTERS = ["starter", "duo"]
each_center = pytest.mark.parametrize("name", CENTERS)

SURROUNDINGS: dict[str, dict[str, str]] = {
    "hash seed 0": {"PYTHONHASHSEED": "0", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "PYTHONUTF8": "0"},
    "hash seed 1": {"PYTHONHASHSEED": "1", "TZ": "Pacific/Kiritimati", "PYTHONOPTIMIZE": "2", "COLUMNS": "20"},
    "hash seed 4711": {"PYTHONHASHSEED": "4711", "TZ": "America/St_Johns", "LC_ALL": "C", "SOURCE_DATE_EPOCH": "1"},
}


def center(folder: Path, *arguments: str, umask: int = 0o022, **environment: str) -> subprocess.CompletedProcess[str]:
    """Render in a process of its own, from a folder that is not the repository."""
    command = [sys.executable, "-m", "generator", *arguments]
    surroundings = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(
        command, cwd=folder, env=surroundings, umask=umask, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def digest(tree: Path) -> dict[str, str]:
    files = sorted(file for file in tree.rglob("*") if file.is_file())
    assert files
    return {str(file.relative_to(tree)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def copied(name: str, folder: Path) -> Path:
    shutil.copytree(ROOT / "inventories" / name, folder, ignore=shutil.ignore_patterns("generated"))
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """What each centre renders to when nothing is special."""
    trees = {}
    for name in CENTERS:
        folder = tmp_path_factory.mktemp(name)
        center(folder, "render", str(ROOT / "inventories" / name), "--out", "out")
        trees[name] = digest(folder / "out")
    return trees


@each_center
@pytest.mark.parametrize("surroundings", SURROUNDINGS)
def test_surroundings_do_not_matter(
    name: str, surroundings: str, plain: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    spec = copied(name, tmp_path / "elsewhere/深い") / "center.yaml"
    center(tmp_path, "render", str(spec), "--out", "out", umask=0o077, **SURROUNDINGS[surroundings])
    assert digest(tmp_path / "out") == plain[name]


@each_center
def test_a_second_render_writes_nothing(name: str, tmp_path: Path) -> None:
    copied(name, tmp_path / name)
    first = center(tmp_path, "render", name)
    before = {
        file: (file.stat().st_mtime_ns, file.stat().st_ino) for file in (tmp_path / name / "generated").rglob("*")
    }
    second = center(tmp_path, "render", name)
    after = {file: (file.stat().st_mtime_ns, file.stat().st_ino) for file in (tmp_path / name / "generated").rglob("*")}
    assert before == after
    files = len(digest(tmp_path / name / "generated")) - 1  # the index does not count itself
    assert f"{files} new, 0 changed, 0 removed, 0 unchanged" in first.stderr
    assert f"0 new, 0 changed, 0 removed, {files} unchanged" in second.stderr
    assert center(tmp_path, "render", name, "--check").stdout == ""


def shuffled(value: Any, chance: random.Random) -> Any:
    """The same mappings with their keys in another order."""
    if isinstance(value, dict):
        keys = list(value)
        chance.shuffle(keys)
        return {key: shuffled(value[key], chance) for key in keys}
    return [shuffled(item, chance) for item in value] if isinstance(value, list) else value


@each_center
@pytest.mark.parametrize("seed", range(2))
def test_the_order_of_keys_does_not_matter(
    name: str, seed: int, plain: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    file = copied(name, tmp_path / name) / "center.yaml"
    data = shuffled(yaml.load(file.read_text("utf-8"), yaml.BaseLoader), random.Random(seed))
    file.write_text(as_yaml(data), "utf-8")
    center(tmp_path, "render", name, "--out", "out")
    found = digest(tmp_path / "out")
    assert {path for path in found if found[path] != plain[name].get(path)} == set()
    assert found == plain[name]


def as_yaml(value: Any) -> str:
    """Flow style with numbers and truths left plain, since the product tells 1 from "1"."""
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}": {as_yaml(item)}' for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_yaml, value)) + "]"
    return str(value) if number(value) or value in ("true", "false") else f'"{value}"'


def number(text: str) -> bool:
    """Versions are text; every other number of the two centres is one."""
    return text.replace(".", "", 1).isdigit() and text not in ("1.36", "22.05")
