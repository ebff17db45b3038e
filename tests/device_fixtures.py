"""Simulated devices that the tests of a module share; none of them misbehaves by itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.rig.devices.simulator import Simulator


@pytest.fixture(scope="module")
def rpu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A reservoir and pumping unit over Modbus."""
    with Simulator("modbus_rpu", tmp_path_factory.mktemp("rpu") / "log") as simulator:
        yield simulator


@pytest.fixture(scope="module")
def cdu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A cooling distribution unit over Redfish."""
    with Simulator("redfish_unit", tmp_path_factory.mktemp("cdu") / "log", "--unit", "cdu") as simulator:
        yield simulator
