"""What the rendered services of a cluster run: workloads that stand, and templates of jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
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
    claimed: int = 0
    """Devices that each pod claims from a driver."""


@dataclass(frozen=True, slots=True)
class FirstJob:
    """The first job of a queue, and the template by which it claims devices, where a driver offers them."""

    job: Body
    template: Body | None = None


def work_of(manifests: Iterable[Manifest]) -> list[Work]:
    """The queued work of every service among these objects."""
    bodies = [each.body for each in manifests if _SERVICE in (each.body["metadata"].get("labels") or {})]
    least = {
        (scaler["metadata"]["namespace"], scaler["spec"]["scaleTargetRef"]["name"]): scaler["spec"]["minReplicas"]
        for scaler in bodies
        if scaler["kind"] == "HorizontalPodAutoscaler"
    }
    claims = {
        (body["metadata"]["namespace"], body["metadata"]["name"]): claimed_by(body)
        for body in bodies
        if body["kind"] == "ResourceClaimTemplate"
    }
    return [
        replace(work, claimed=sum(claims[work.namespace, name] for name in _templates(work)))
        for body in bodies
        for work in _work(body, least)
    ]


def claimed_by(template: Body) -> int:
    """The devices that a template of claims asks for."""
    return sum(int(request["exactly"]["count"]) for request in template["spec"]["spec"]["devices"]["requests"])


def _templates(work: Work) -> list[str]:
    return [claim["resourceClaimTemplateName"] for claim in work.template["spec"].get("resourceClaims") or []]


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


def first_jobs(tree: Path) -> dict[str, FirstJob]:
    """The first job of each queue."""
    found: dict[str, FirstJob] = {}
    for file in sorted((tree / "tenants").glob("*.yaml")):
        bodies = {body["kind"]: body for body in yaml.safe_load_all(file.read_text("utf-8"))}
        found[file.stem] = FirstJob(bodies["Job"], bodies.get("ResourceClaimTemplate"))
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
