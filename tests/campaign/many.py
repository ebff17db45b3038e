"""A plugin of pytest: every property is tried on as many examples as the campaign asks for, whatever it says itself."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    examples = int(os.environ["CAMPAIGN_EXAMPLES"])
    for item in items:
        own = item.obj._hypothesis_internal_use_settings
        health = [*own.suppress_health_check, HealthCheck.too_slow]
        item.obj._hypothesis_internal_use_settings = settings(
            own, max_examples=examples, deadline=None, database=None, suppress_health_check=health
        )
