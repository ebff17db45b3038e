"""A controller that is killed: one rerun ends as a clean run does, and nothing is left anywhere.

`make campaign` kills it at 200 points; these are a few of them, of each kind.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.campaign.kinds import kills
from tests.obstacles import give_way_to

# Before anything is noted, at a task of Ansible, after the files and before what they are for, at the end of the work.
SAMPLE = ("before-3", "after-9", "before-17", "after-17", "moment-6", "alone-3")


@pytest.fixture(scope="module")
def ground() -> Iterator[kills.Ground]:
    give_way_to(kills.obstacle())
    made = kills.Ground()
    yield made
    made.close()


@pytest.mark.hosts
@pytest.mark.parametrize("point", SAMPLE)
def test_a_killed_run_and_one_more_end_as_one_clean_run(ground: kills.Ground, point: str) -> None:
    killed = ground.kill(point)
    assert killed.faults == []
    assert not killed.ended, "it ended before it could be killed"


def test_all_points_are_there() -> None:
    points = kills.units()
    assert len({*points}) == len(points) == 200
    assert {*SAMPLE} <= {*points}
