"""A test that cannot run here says why; where CI is set, it fails instead."""

from __future__ import annotations

import os

import pytest


def give_way_to(reason: str | None) -> None:
    """Skip the test for this reason, if there is one; with CI set nothing is skipped, so it fails."""
    if reason:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
