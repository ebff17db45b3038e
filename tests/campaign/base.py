"""What a kind of proof is, and what a unit of it has shown."""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from tests.campaign import kinds as folder

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Counts of what was tried; failures are faults of the product; remarks are worth a look."""

    counts: dict[str, int]
    failures: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class Kind(Protocol):
    """One file of ``kinds/``. The same unit of the same files shows the same, wherever it runs."""

    SUBJECT: tuple[str, ...]
    """Patterns of the files that the proof is about; when one changes, it is to be done again."""

    def units(self) -> list[str]:
        """The names of all units, in the order in which they are best done."""

    def prove(self, unit: str, *, brief: bool = False) -> Outcome:
        """Do one unit; briefly means in a second or two, for the everyday tests."""

    def summary(self, counts: Counter[str]) -> list[str]:
        """The sums of all units as sentences."""


def kinds() -> dict[str, Kind]:
    """Every kind by name, ``fuzz-source`` for the file fuzz_source.py."""
    names = [module.name for module in pkgutil.iter_modules(folder.__path__)]
    return {name.replace("_", "-"): cast(Kind, importlib.import_module(f"{folder.__name__}.{name}")) for name in names}


def fingerprint(kind: Kind) -> str:
    """Changes with every file that a kind is about; not with what Python lays down beside them."""
    found = hashlib.sha256()
    files = {file for pattern in kind.SUBJECT for file in ROOT.glob(pattern) if file.is_file()}
    for file in sorted(file for file in files if file.parent.name != "__pycache__"):
        found.update(f"{file.relative_to(ROOT)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()[:16]
