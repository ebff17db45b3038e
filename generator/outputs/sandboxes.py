"""Sandboxes: the runtime class in which pods of some tenants must run; hosts bring its program with their image, and
containerd gets its handler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from generator.model import Center
from generator.outputs.objects import metadata


def runtime_classes(center: Center, cluster: str) -> Iterator[dict[str, Any]]:
    """The sandbox of a cluster, with what it takes for itself: the queue counts that as well."""
    sandbox = center.sandboxes.get(cluster)
    if sandbox is None:
        return
    fixed = {}
    if sandbox.millicores:
        fixed["cpu"] = f"{sandbox.millicores}m"
    if sandbox.megabytes:
        fixed["memory"] = f"{sandbox.megabytes}M"
    yield {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": metadata(center, sandbox.name),
        "handler": sandbox.handled_by,
        **({"overhead": {"podFixed": fixed}} if fixed else {}),
    }
