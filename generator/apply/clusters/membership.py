"""What belongs to us in a cluster: every object carries a label, and a record beside it holds their UIDs.

Both must agree before anything is deleted: a stranger may copy a label, but not a UID. A member is written down before
it is created (with no UID yet), so a run that is killed in between leaves nothing that the next one does not know.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from generator.apply.clusters.kube import Json, Kube, Resource
from generator.problems import Problem, Refused
from generator.text import visible

NAMESPACE = "center-system"
NAME = "center"
LABEL = "center.internal/member-of"
# A manager of its own: what is booked here must never take fields away from a rendered object of the same name.
BOOKKEEPER = "center-record"
RECORD_BYTES = 900_000  # an API server takes about 1 MiB in one ConfigMap
INTENDED = ""
_CENTRE, _CLUSTER, _TREE = (f"center.internal/{word}" for word in ("centre", "cluster", "tree"))
NAMESPACES = Resource("", "v1", "Namespace", "namespaces", namespaced=False)
_CONFIG_MAPS = Resource("", "v1", "ConfigMap", "configmaps", namespaced=True)


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """One object, whatever version of its kind is spoken; `namespace` is empty for what is cluster-wide."""

    group: str
    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, body: Json) -> Self:
        """The key of an object as it is rendered or answered."""
        meta = body["metadata"]
        group = body["apiVersion"].rpartition("/")[0]
        return cls(group, body["kind"], meta.get("namespace", ""), meta["name"])

    @property
    def place(self) -> str:
        """Namespace and name, or the name alone."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    def __str__(self) -> str:
        return visible(f"{self.kind} {self.place}")


@dataclass(frozen=True, slots=True)
class Record:
    """Whose cluster it is, the digest of the tree last applied to it, and its members with their UIDs."""

    centre: str
    cluster: str
    tree: str
    members: Mapping[Key, str]


def digest(bodies: Iterable[Json]) -> str:
    """A digest of rendered objects, whatever their order."""
    lines = sorted(json.dumps(body, sort_keys=True) for body in bodies)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def read_record(kube: Kube, centre: str, cluster: str) -> Record:
    """Read the record, an empty one if there is none yet; Refused if the cluster is recorded as another one."""
    found = kube.get(_CONFIG_MAPS.item(NAMESPACE, NAME))
    if found is None:
        return Record(centre, cluster, "", {})
    try:
        marks = found["metadata"]["annotations"]
        record = Record(marks[_CENTRE], marks[_CLUSTER], marks[_TREE], _decode(found.get("data", {})))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"the record of members (ConfigMap {NAMESPACE}/{NAME}) is damaged: {visible(error)}"
        raise Refused([Problem("cluster.record", message)]) from error
    if (record.centre, record.cluster) != (centre, cluster):
        message = (
            f'the API server is cluster "{visible(record.cluster)}" of centre "{visible(record.centre)}", '
            f'not cluster "{cluster}" of centre "{centre}"'
        )
        raise Refused([Problem("cluster.other-centre", message, hint="check the kubeconfig and its context")])
    return record


def write_record(kube: Kube, record: Record) -> None:
    """Write the record; only the holder of the lock may. Refused if it is too large for one ConfigMap."""
    data = _encode(record.members)
    if (size := sum(len(key) + len(value) for key, value in data.items())) > RECORD_BYTES:
        message = f"the record of {len(record.members)} members needs {size} bytes, the limit is {RECORD_BYTES}"
        raise Refused([Problem("cluster.record", message)])
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "namespace": NAMESPACE,
            "name": NAME,
            "labels": {"app.kubernetes.io/managed-by": "center"},
            "annotations": {_CENTRE: record.centre, _CLUSTER: record.cluster, _TREE: record.tree},
        },
        "data": data,
    }
    kube.apply(_CONFIG_MAPS, body, manager=BOOKKEEPER, force=True)


def _encode(members: Mapping[Key, str]) -> dict[str, str]:
    """One entry a kind, one line a member: short, and readable with kubectl."""
    lines = defaultdict(list)
    for key, uid in sorted(members.items()):
        lines[f"{key.kind}.{key.group}".rstrip(".")].append(f"{key.namespace}/{key.name} {uid or '-'}")
    return {kind: "\n".join(entries) for kind, entries in lines.items()}


def _decode(data: Mapping[str, str]) -> dict[Key, str]:
    members = {}
    for entry, text in data.items():
        kind, _, group = entry.partition(".")
        for line in text.splitlines():
            place, uid = line.split(" ")
            namespace, name = place.split("/")
            members[Key(group, kind, namespace, name)] = INTENDED if uid == "-" else uid
    return members
