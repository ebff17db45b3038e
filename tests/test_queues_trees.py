"""One random tree of organisations; the campaign grows many."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import queue_trees

pytestmark = pytest.mark.cluster


def test_promises_of_a_random_tree_hold(tmp_path: Path) -> None:
    jobs, faults = queue_trees.prove(tmp_path / "site", seed=24)
    assert jobs > 20
    assert faults == []


def test_a_forest_has_what_can_go_wrong() -> None:
    """The seeds of the campaign reach guarantees, borrowers, spares and what nobody was promised."""
    forests = [queue_trees.grow(seed, pools=3) for seed in range(1, 13)]
    for amounts in ("kept", "borrow", "spares"):
        assert sum(any(getattr(forest, amounts).values()) for forest in forests) >= 6, amounts
    promised = [
        forest.capacity(pool) - sum(n for (_, where), n in forest.quota.items() if where == pool)
        for forest in forests
        for pool in forest.nodes
    ]
    assert min(promised) >= 0
    assert sum(rest > 0 for rest in promised) >= 6
