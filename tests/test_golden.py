"""Every byte of the samples' trees was reviewed; whoever changes one sees it in the diff of the commit."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from tests.golden import CENTRES, PICTURES, expected, picture, render


def texts(tree: Path) -> dict[str, str]:
    return {str(file.relative_to(tree)): file.read_text("utf-8") for file in tree.rglob("*") if file.is_file()}


@pytest.mark.parametrize("centre", CENTRES)
def test_the_centre_renders_as_reviewed(centre: str, tmp_path: Path) -> None:
    render(centre, tmp_path / "tree")
    found, reviewed = texts(tmp_path / "tree"), texts(expected(centre))
    lines = [
        line
        for path in sorted(found.keys() | reviewed.keys())
        for line in difflib.unified_diff(
            reviewed.get(path, "").splitlines(), found.get(path, "").splitlines(), f"reviewed/{path}", path, lineterm=""
        )
    ]
    assert found == reviewed, "\n".join(["run `make golden` and review:", *lines[:80]])


@pytest.mark.parametrize("centre", PICTURES)
def test_the_cooling_is_drawn_as_reviewed(centre: str) -> None:
    assert picture(PICTURES[centre].parent) == PICTURES[centre].read_bytes(), "run `make golden` and look at it"
