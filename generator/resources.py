"""Where the folders that travel with the program lie: in a checkout or in an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
# A checkout keeps these elsewhere than at its root; the wheel lays all of them side by side.
_IN_CHECKOUT = {"bad": "tests/bad", "starter": "inventories/starter"}


def folder(name: str) -> Path:
    """The packaged folder of that name; FileNotFoundError when this installation lacks it."""
    candidates = (_PACKAGE / "_data" / name, _PACKAGE.parent / _IN_CHECKOUT.get(name, name))
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f'this installation has no folder "{name}" (looked for {candidates[0]})')


def checkout() -> Path | None:
    """The repository that this program runs from; None when it is installed."""
    return _PACKAGE.parent if (_PACKAGE.parent / _IN_CHECKOUT["bad"]).is_dir() else None
