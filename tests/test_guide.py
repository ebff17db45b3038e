"""The designer's guide shows only what stands in a sample, so that it cannot grow old."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "docs/designing.md").read_text("utf-8")


def test_every_block_of_the_guide_stands_in_a_sample() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    samples = [file.read_text("utf-8") for file in sorted((ROOT / "inventories").glob("*/*.yaml"))]
    assert len(blocks) > 6
    assert [block for block in blocks if not any(block in sample for sample in samples)] == []
