"""Shared data: whoever may read it knows on which terms."""

from __future__ import annotations

from collections.abc import Iterator

from generator.model import Center
from generator.rules import Finding, rule


@rule("data.license")
def open_data_has_a_licence(center: Center) -> Iterator[Finding]:
    """Data without a licence is not open: by default nobody may pass it on or publish what he makes of it."""
    for name, data in center.spec.data.items():
        if data.access == "open" and data.license is None:
            message = f'data "{name}" is open and has no licence'
            yield Finding(("data", name), message, 'name one by its SPDX name, such as "license: CC-BY-4.0"')
