"""Whatever befalls hosts or the controller is named, touches nobody else, and is mended by one more run.

`make campaign` does each fault several times, with other victims.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.campaign.kinds import faults
from tests.host_faults import FAULTS, Centre
from tests.obstacles import give_way_to


@pytest.fixture(scope="module")
def centre() -> Iterator[Centre]:
    give_way_to(faults.obstacle())
    with Centre() as made:
        yield made


@pytest.mark.hosts
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_and_mended(centre: Centre, name: str) -> None:
    faults.meet(centre, f"{name}@1")
