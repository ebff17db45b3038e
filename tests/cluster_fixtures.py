"""One control plane for all tests of cluster applies, handed to each as if it belonged to nobody yet."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from control_plane.cluster import ControlPlane
from control_plane.tools import build_tools
from tests.clusters import Cluster

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One API server with its controllers, without nodes and without Kueue."""
    with ControlPlane(build_tools(), tmp_path_factory.mktemp("plane"), kueue=False, kwok=False) as running:
        yield running


@pytest.fixture
def cluster(plane: ControlPlane) -> Iterator[Cluster]:
    """The control plane as a cluster that belongs to nobody yet."""
    found = Cluster(plane, f"tenant{next(_numbers)}--main")
    found.forget()
    yield found
    for kind in ("configmap", "lease"):
        plane.kubectl("delete", kind, "center", "-n", "center-system", "--ignore-not-found")
