"""Labels of living nodes: where a node stands and which pool it is of. Only nodes that exist are touched.

The labels are outside the record of members: a node belongs to the cluster, not to us, and is never created or deleted
here. Its kubelet may not change them (the NodeRestriction plugin guards their prefix).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from generator.apply.clusters.comparison import Step
from generator.apply.clusters.differences import Field
from generator.apply.clusters.kube import ApiError, Kube, Resource, spread
from generator.apply.clusters.membership import Key

Labels = Mapping[str, Mapping[str, str]]
"""The labels that each node shall have, by name of the node."""

NO_LABELS: Labels = MappingProxyType({})
MANAGER = "center-nodes"
_NODES = Resource("", "v1", "Node", "nodes", namespaced=False)


def missing_labels(kube: Kube, wanted: Labels) -> list[Step]:
    """A step for each living node that lacks one of its labels or has another value."""
    steps = []
    for node in kube.every(_NODES) if wanted else ():
        name, living = node["metadata"]["name"], node["metadata"].get("labels") or {}
        fields = tuple(
            Field(f"metadata.labels.{key}", living.get(key), value)
            for key, value in sorted(wanted.get(name, {}).items())
            if living.get(key) != value
        )
        if fields:
            steps.append(Step("change", Key("", "Node", "", name), fields=fields))
    return sorted(steps, key=lambda step: step.key)


def label(kube: Kube, wanted: Labels, steps: list[Step]) -> list[Step]:
    """Give nodes their labels; returns the steps that were taken. A node that left meanwhile is not made anew."""

    def give(step: Step) -> bool:
        living = kube.get(_NODES.item("", step.key.name))
        if living is None:
            return False
        # The UID is a precondition: without it, server-side apply would create a node that has just been deleted.
        meta = {"name": step.key.name, "uid": living["metadata"]["uid"], "labels": dict(wanted[step.key.name])}
        body = {"apiVersion": "v1", "kind": "Node", "metadata": meta}
        try:
            kube.apply(_NODES, body, manager=MANAGER, force=True)
        except ApiError as error:
            if error.status in (404, 409):
                return False
            raise
        return True

    return [step for step, given in zip(steps, spread(give, steps), strict=True) if given]
