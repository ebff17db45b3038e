"""Edits whose preview is compared with the API server's audit log; `make campaign` makes 300."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import cluster_edits


@pytest.mark.cluster
def test_a_preview_is_what_the_api_server_then_sees(tmp_path: Path) -> None:
    with cluster_edits.started(tmp_path / "site") as ground:
        counts, faults = ground.walk(seed=1, count=8)
    assert faults == []
    assert counts["previews"] == 8 and counts["objects"] > 10 and counts["deletions"] > 0
