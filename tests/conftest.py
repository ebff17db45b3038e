"""The longest story is begun first, so that it is not what everybody waits for in the end."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("rehearsal") is None)
