"""The centres of tests/bad, written to disk and judged by the product."""

from __future__ import annotations

import re
from pathlib import Path

from generator.explain import Side, Texts, lesson
from generator.problems import Problem
from generator.validate import validate

ROOT = Path(__file__).parent.parent
STARTER = ROOT / "inventories/starter"


def findings(folder: Path, rule: str, side: Side) -> list[Problem]:
    """What the product says of one side of a lesson."""
    return validate(write(folder, rule, side), lesson(rule).as_of).problems


def write(folder: Path, rule: str, side: Side) -> Path:
    """One side of a lesson as a centre on disk; its spec."""
    authority = (STARTER / "ssh_ca.pub").read_text()
    for name, text in {"ssh_ca.pub": authority, **spelt_out(lesson(rule).texts(side))}.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8", errors="surrogateescape")
    return folder / "center.yaml"


def spelt_out(texts: Texts) -> Texts:
    return {name: repeated(text) for name, text in texts.items()}


def repeated(text: str) -> str:
    """``{ab*3}`` is ababab."""
    return re.sub(r"\{([^{}]+?)\*([0-9]+)\}", lambda found: found[1] * int(found[2]), text)
