"""Hosts and clusters together: one request, one outcome; each part reports for itself and stops nobody else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from generator.apply import clusters, hosts, plan
from generator.apply.asked import Ask, access_of
from generator.apply.blocks import UnknownName, operations
from generator.apply.comparison import Step
from generator.apply.junit import as_junit
from generator.apply.kubeconfig import accesses, unknown_cluster
from generator.apply.lock import LockHeld, unlock
from generator.apply.manifests import clusters_of, labels_of, manifests_of
from generator.apply.plan import Plan
from generator.apply.report import HostsReport
from generator.problems import Problem, Refused, did_you_mean

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What an operator asks for: which tree, where it shall go, and how far it may go there."""

    tree: Path
    centre: str
    user: str
    limit: frozenset[str] = frozenset()
    clusters: tuple[str, ...] = ()
    only_hosts: bool = False
    kubeconfigs: tuple[str, ...] = ()
    without: frozenset[str] = frozenset()
    key: Path | None = None
    confirm: frozenset[str] = frozenset()
    lock: str = ""
    shard: tuple[int, int] = (1, 1)
    up_to: str = "restart"
    wait: float = 0.0
    end_jobs: int = 0
    leaving: int = 0
    plan: Path | None = None
    seen: Plan | None = None
    save: Path | None = None
    form: str = "text"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to print, what went wrong, the exit code, and the same for programs."""

    lines: tuple[str, ...]
    problems: tuple[Problem, ...]
    code: int
    data: dict[str, Any] = field(default_factory=dict)
    plan: Plan | None = None


def deliver(verb: str, request: Request, progress: Progress) -> Outcome:
    """Diff, apply or show the status of everything that was asked for."""
    outcomes = []
    # Naming a cluster means that cluster and no host; naming hosts, --hosts or a plan means no cluster.
    only_hosts = bool(request.limit or request.only_hosts or request.plan or request.save or request.shard != (1, 1))
    # A lock is one of hosts, or of the cluster that is named.
    only_hosts |= verb == "unlock" and not request.clusters
    if not request.clusters or only_hosts:
        outcomes.append(_hosts(verb, request, progress))
    if request.clusters or not only_hosts:
        outcomes += [_cluster(verb, request, name, progress) for name in _chosen(request)]
    codes = {outcome.code for outcome in outcomes}
    code = 1 if 1 in codes else max(codes, default=0)
    lines = tuple(line for outcome in outcomes for line in outcome.lines)
    problems = tuple(problem for outcome in outcomes for problem in outcome.problems)
    if request.form == "json":
        lines = (json.dumps({"exit_code": code, **{key: value for o in outcomes for key, value in o.data.items()}}),)
    return Outcome(lines, problems, code, plan=next((outcome.plan for outcome in outcomes if outcome.plan), None))


def _hosts(verb: str, request: Request, progress: Progress) -> Outcome:
    """Hosts; status is a look that says what it means."""
    ssh = access_of(request.user, request.key)
    if verb == "unlock":
        node = unlock(request.tree, ssh, request.lock)
        return Outcome((f"{node.name}: the lock {request.lock} is gone",), (), 0)
    described = operations(request.tree).get("clusters", {})
    for name in sorted(request.without - set(described)):
        raise Refused([unknown_cluster(name, did_you_mean(name, described) or f"clusters: {', '.join(described)}")])
    ask = Ask(
        request.tree, ssh, request.limit or None, request.shard, request.up_to, request.wait, request.end_jobs,
        accesses=accesses(request.kubeconfigs, clusters_of(request.tree)), without=request.without,
        plan=plan.load(request.plan) if request.plan else request.seen, leaving=request.leaving,
    )  # fmt: skip
    try:
        report = _report(verb, ask, progress)
    except UnknownName as unknown:
        raise Refused([_usage(problem) for problem in unknown.problems]) from None
    except LockHeld as held:
        return Outcome((), tuple(held.problems), 1)
    found = plan.plan_of(request.tree, report) if report.check else None
    if request.save and found:
        plan.save(request.save, found)
    return Outcome(_shown(verb, request.form, report), (), report.exit_code, {"hosts": report.to_dict()}, found)


def _report(verb: str, ask: Ask, progress: Progress) -> HostsReport:
    if verb == "apply":
        return hosts.apply_hosts(ask, progress)
    return hosts.look(ask, progress, records=verb == "status")


def _shown(verb: str, form: str, report: HostsReport) -> tuple[str, ...]:
    if form == "junit":
        return (as_junit(report, verb),)
    return tuple(report.lines(short=verb == "status"))


def _chosen(request: Request) -> list[str]:
    known = clusters_of(request.tree)
    for name in request.clusters:
        if name not in known:
            hint = did_you_mean(name, known) or f"clusters: {', '.join(known)}"
            raise Refused([unknown_cluster(name, hint)])
    return list(request.clusters) or known


def _cluster(verb: str, request: Request, name: str, progress: Progress) -> Outcome:
    access = accesses(request.kubeconfigs, clusters_of(request.tree)).get(name)
    if access is None:
        message = f'nothing says how to reach cluster "{name}"'
        hint = f"give --kubeconfig {name}=FILE or a file with a context {name}; or --hosts for the hosts alone"
        return Outcome((), (Problem("cluster.kubeconfig", message, hint=hint),), 1)
    target = clusters.Target(request.centre, name, access)
    manifests, labels = manifests_of(request.tree, name), labels_of(request.tree, name)
    progress(f"cluster {name}: {len(manifests)} objects")
    if verb == "unlock":
        problems = clusters.unlock_cluster(target, request.lock)
        return Outcome((), problems, 1 if problems else 0)
    if verb == "apply":
        done = clusters.apply_cluster(
            target,
            manifests,
            labels=labels,
            confirm=request.confirm,
            progress=lambda step: progress(_sentence(name, step)),
        )
        lines = [_sentence(name, step) for step in done.done]
        waiting = _waiting(name, done.withheld)
        total = f"{name}: {len(done.done)} objects changed, {done.unchanged} unchanged"
        return Outcome((*lines, *waiting, total), done.problems, 1 if done.problems else 0)
    if verb == "diff":
        found = clusters.diff_cluster(target, manifests, labels=labels, confirm=request.confirm)
        return _difference(name, found)
    state = clusters.status_cluster(target, manifests, labels=labels)
    if not state.diff.compared:
        return _difference(name, state.diff)
    remarks = [f"{name}: {key} {why}" for key, why in state.ailing]
    if state.writer:
        remarks.append(f"{name}: {state.writer} is writing")
    if state.tree != "applied":
        remarks.append(f"{name}: the tree is {'not applied yet' if state.tree == 'never applied' else 'another one'}")
    outcome = _difference(name, state.diff)
    return Outcome((*remarks, *outcome.lines), outcome.problems, outcome.code or (2 if remarks else 0))


def _difference(cluster: str, found: clusters.ClusterDiff) -> Outcome:
    """What differs, field by field, and the exit code that says so."""
    lines = []
    for step in found.steps:
        lines.append(_sentence(cluster, step))
        lines += [f"    {field.path}: {field.old or 'nothing'} -> {field.new or 'nothing'}" for field in step.fields]
    total = f"{cluster}: {len(found.steps)} objects differ, {found.unchanged} as rendered"
    if not found.compared:
        total = f"{cluster}: not compared"
    code = 1 if found.problems else 2 if found.steps or found.withheld else 0
    return Outcome((*lines, *_waiting(cluster, found.withheld), total), found.problems, code)


def _waiting(cluster: str, withheld: tuple[Step, ...]) -> list[str]:
    return [f"{_sentence(cluster, s)} waits for --confirm {' --confirm '.join(sorted(s.needs))}" for s in withheld]


def _sentence(cluster: str, step: Step) -> str:
    return f"{cluster}: {step.verb} {step.key}"


def _usage(problem: Problem) -> Problem:
    return replace(problem, rule=f"usage.{problem.rule}")
