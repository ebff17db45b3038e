"""An apply to a cluster that is killed: one rerun ends as a clean run does; `make campaign` kills it at 200 points."""

from __future__ import annotations

import pytest

from tests.campaign.kinds import cluster_kills

# The first read, in the comparison, the lock, the record of what is intended, among the writes and the deletions.
SAMPLE = ("before-1", "after-20", "before-60", "after-63", "before-66", "after-80", "before-95", "after-100")


@pytest.mark.cluster
@pytest.mark.parametrize("point", SAMPLE)
def test_a_killed_apply_and_one_more_end_as_one_clean_run(point: str) -> None:
    outcome = cluster_kills.ground().kill(point)
    assert outcome.failures == ()
    assert outcome.counts["kills"] == 1, "it ended before it could be killed"


def test_all_points_are_there() -> None:
    points = cluster_kills.units()
    assert len({*points}) == len(points) == 200
    assert {*SAMPLE} <= {*points}
