"""What the rendered services of a cluster run: workloads that stand, and templates of jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from generator.apply.clusters.comparison import Manifest

QUEUE = "kueue.x-k8s.io/queue-name"
_SERVICE = "center.internal/service"
_STANDING = ("Deployment", "StatefulSet", "Job")

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Work:
    """What one object of a service runs: pods that pass through a queue, which has the name of its pool."""

    service: str
    namespace: str
    labels: Mapping[str, str]
    pool: str
    pods: int
    template: Body
    """Of a pod."""
    job: Body | None = None
    """The job that a person starts from it; None for what runs as soon as it is applied."""


def work_of(manifests: Iterable[Manifest]) -> list[Work]:
    """The queued work of every service among these objects."""
    bodies = [each.body for each in manifests if _SERVICE in (each.body["metadata"].get("labels") or {})]
    least = {
        (scaler["metadata"]["namespace"], scaler["spec"]["scaleTargetRef"]["name"]): scaler["spec"]["minReplicas"]
        for scaler in bodies
        if scaler["kind"] == "HorizontalPodAutoscaler"
    }
    return [work for body in bodies for work in _work(body, least)]


def _work(body: Body, least: Mapping[tuple[str, str], int]) -> Iterator[Work]:
    meta, job = body["metadata"], None
    if body["kind"] == "CronJob":
        job = body["spec"]["jobTemplate"]
        queue, spec = job["metadata"]["labels"].get(QUEUE), job["spec"]
        pods = spec.get("parallelism", 1)
    elif body["kind"] in _STANDING:
        queue, spec = meta["labels"].get(QUEUE), body["spec"]
        pods = least.get((meta["namespace"], meta["name"])) or spec.get("replicas", spec.get("parallelism", 1))
    else:
        return
    if queue:
        yield Work(meta["name"], meta["namespace"], meta["labels"], queue, pods, spec["template"], job)


def first_jobs(tree: Path) -> dict[str, Body | None]:
    """The first job of each queue; None where it claims devices of a driver, which no fake node has."""
    found: dict[str, Body | None] = {}
    for file in sorted((tree / "tenants").glob("*.yaml")):
        bodies = {body["kind"]: body for body in yaml.safe_load_all(file.read_text("utf-8"))}
        found[file.stem] = bodies["Job"] if len(bodies) == 1 else None
    return found


def nodes_needed(works: Iterable[Work]) -> Counter[str]:
    """Nodes of each pool that suffice for all that stands, each pod on a node of its own, and for the largest job."""
    standing, largest = Counter[str](), Counter[str]()
    for work in works:
        if work.job is None:
            standing[work.pool] += work.pods
        else:
            largest[work.pool] = max(largest[work.pool], work.pods)
    return standing + largest
