"""What an operator asks of Kubernetes clusters, one after the other, and what came of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from generator.apply.clusters import runs as clusters
from generator.apply.clusters.comparison import Manifest, Step
from generator.apply.clusters.kubeconfig import Access, check_known, out_of_reach
from generator.apply.clusters.manifests import clusters_of, labels_of, manifests_of
from generator.apply.clusters.parts import objects_of, parts_of, together
from generator.apply.junit import Case
from generator.apply.plan import Plan, tree_digest
from generator.apply.request import Outcome, Progress, Request
from generator.problems import Refused


def chosen(tree: Path, names: Sequence[str]) -> list[str]:
    """The clusters of the tree with these names, or all; Refused for one that the tree lacks."""
    known = clusters_of(tree)
    check_known(names, known)
    return list(names) or known


def one_cluster(
    verb: str, request: Request, name: str, access: Access | None, plan: Plan | None, progress: Progress
) -> Outcome:
    """Diff, apply, show the status of a cluster, or take its lock away."""
    if access is None:
        hint = f"give --kubeconfig {name}=FILE or a file with a context {name}; or --hosts for the hosts alone"
        return Outcome((), (out_of_reach(name, hint),), 1)
    target = clusters.Target(request.centre, name, access)
    if verb == "unlock":
        problems = clusters.unlock_cluster(target, request.lock)
        told = () if problems else (f"{name}: the lock {request.lock} is gone",)
        return Outcome(told, problems, 1 if problems else 0)
    if plan and (stale := plan.of_another_tree(request.tree) or plan.lacks_cluster(name)):
        return Outcome((), tuple(stale), 1)
    try:
        objects = _objects(request.tree, name)
    except Refused as refused:
        return Outcome((), tuple(refused.problems), 1)
    progress(f"cluster {name}: {len(objects)} objects")
    match verb:
        case "apply":
            return _apply(request, target, objects, plan, progress)
        case "diff":
            return _diff(request, target, objects)
    return _status(request, target, objects)


def _objects(tree: Path, cluster: str) -> list[Manifest]:
    """All that the cluster shall hold, parts of others included; Refused when a part has not been fetched."""
    theirs = [manifest for part in parts_of(tree, cluster) for manifest in objects_of(part)]
    return together(manifests_of(tree, cluster), theirs)


def _apply(
    request: Request, target: clusters.Target, objects: list[Manifest], plan: Plan | None, progress: Progress
) -> Outcome:
    name = target.cluster
    done = clusters.apply_cluster(
        target,
        objects,
        labels=labels_of(request.tree, name),
        confirm=request.confirm,
        expected=plan.clusters[name] if plan else "",
        progress=lambda step: progress(_sentence(name, step)),
        wait=request.wait,
        tell=lambda text: progress(f"{name}: {text}"),
    )
    total = f"{name}: {len(done.done)} objects changed, {done.unchanged} unchanged"
    lines = (*(_sentence(name, step) for step in done.done), *_waiting(name, done.withheld), total)
    code = 1 if done.problems else 2 if done.withheld else 0
    data = _data(name, done.done, done.withheld, done.unchanged)
    return Outcome(lines, done.problems, code, data, cases=_cases(name, done.done, done.withheld, total))


def _diff(request: Request, target: clusters.Target, objects: list[Manifest]) -> Outcome:
    labels = labels_of(request.tree, target.cluster)
    return _difference(request, clusters.diff_cluster(target, objects, labels=labels, confirm=request.confirm))


def _status(request: Request, target: clusters.Target, objects: list[Manifest]) -> Outcome:
    name = target.cluster
    state = clusters.status_cluster(target, objects, labels=labels_of(request.tree, name))
    outcome = _difference(request, state.diff)
    if not state.diff.compared:
        return outcome
    remarks = [f"{name}: {key} {why}" for key, why in state.ailing]
    if state.writer:
        remarks.append(f"{name}: {state.writer} is writing")
    if state.tree != "applied":
        remarks.append(f"{name}: the tree is {'not applied yet' if state.tree == 'never applied' else 'another one'}")
    data = {"clusters": {name: {**outcome.data["clusters"][name], "remarks": remarks}}}
    code = outcome.code or (2 if remarks else 0)
    cases = (*outcome.cases, *(Case(name, "state", remark) for remark in remarks))
    return Outcome((*remarks, *outcome.lines), outcome.problems, code, data, cases=cases)


def _difference(request: Request, found: clusters.ClusterDiff) -> Outcome:
    """What differs, field by field, and the exit code that says so."""
    name, lines = found.cluster, []
    for step in found.steps:
        lines.append(_sentence(name, step))
        lines += [f"    {field.path}: {field.old or 'nothing'} -> {field.new or 'nothing'}" for field in step.fields]
    total = f"{name}: {len(found.steps)} objects differ, {found.unchanged} as rendered"
    if not found.compared:
        total = f"{name}: not compared"
    code = 1 if found.problems else 2 if found.steps or found.withheld else 0
    plan = Plan(tree_digest(request.tree), clusters={name: found.fingerprint}) if not found.problems else None
    data = _data(name, found.steps, found.withheld, found.unchanged)
    cases = _cases(name, found.steps, found.withheld, total)
    return Outcome((*lines, *_waiting(name, found.withheld), total), found.problems, code, data, plan, cases)


def _data(name: str, steps: Iterable[Step], withheld: Iterable[Step], unchanged: int) -> dict[str, Any]:
    """The same for programs."""

    def told(step: Step) -> dict[str, Any]:
        return {**asdict(step), "needs": sorted(step.needs)}

    found = {"steps": [*map(told, steps)], "withheld": [*map(told, withheld)], "unchanged": unchanged}
    return {"clusters": {name: found}}


def _cases(name: str, steps: Iterable[Step], withheld: Iterable[Step], total: str) -> tuple[Case, ...]:
    done = [Case(name, str(step.key), step.verb) for step in steps]
    return (*done, *(Case(name, str(step.key), "waits for --confirm") for step in withheld), Case(name, "all", total))


def _waiting(cluster: str, withheld: tuple[Step, ...]) -> list[str]:
    return [f"{_sentence(cluster, s)} waits for --confirm {' --confirm '.join(sorted(s.needs))}" for s in withheld]


def _sentence(cluster: str, step: Step) -> str:
    return f"{cluster}: {step.verb} {step.key}"
