"""Every byte of the starter centre's tree was reviewed; whoever changes one sees it in the diff of the commit."""

from __future__ import annotations

import difflib
from pathlib import Path

from tests.golden import EXPECTED, render


def texts(tree: Path) -> dict[str, str]:
    return {str(file.relative_to(tree)): file.read_text("utf-8") for file in tree.rglob("*") if file.is_file()}


def test_the_starter_centre_renders_as_reviewed(tmp_path: Path) -> None:
    render(tmp_path / "tree")
    found, expected = texts(tmp_path / "tree"), texts(EXPECTED)
    lines = [
        line
        for path in sorted(found.keys() | expected.keys())
        for line in difflib.unified_diff(
            expected.get(path, "").splitlines(), found.get(path, "").splitlines(), f"reviewed/{path}", path, lineterm=""
        )
    ]
    assert found == expected, "\n".join(["run `make golden` and review:", *lines[:80]])
