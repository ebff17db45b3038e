"""Hosts and clusters together: one request, one outcome; each part reports for itself and stops nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import reduce
from operator import or_
from typing import Any

from generator.apply import junit, plan
from generator.apply.clusters.kubeconfig import Access, accesses, check_known
from generator.apply.clusters.manifests import clusters_of
from generator.apply.clusters.requests import chosen, one_cluster
from generator.apply.hosts import runs as hosts
from generator.apply.hosts.asked import Ask, access_of
from generator.apply.hosts.blocks import UnknownName, operations
from generator.apply.hosts.lock import LockHeld, unlock
from generator.apply.plan import Plan
from generator.apply.report import INTERRUPTED, HostsReport
from generator.apply.request import Outcome, Progress, Request
from generator.problems import Problem, Refused


def deliver(verb: str, request: Request, progress: Progress) -> Outcome:
    """Diff, apply or show the status of everything that was asked for."""
    reviewed = plan.load(request.plan) if request.plan else request.seen
    with_hosts, clusters = _scope(verb, request, reviewed)
    # Who takes a lock of hosts away asks no cluster.
    reached = accesses(request.kubeconfigs, clusters_of(request.tree)) if clusters or verb != "unlock" else {}
    outcomes = [_hosts(verb, request, reached, reviewed, progress)] if with_hosts else []
    if not any(outcome.code == INTERRUPTED for outcome in outcomes):
        outcomes += [one_cluster(verb, request, name, reached.get(name), reviewed, progress) for name in clusters]
    code = _worst({outcome.code for outcome in outcomes})
    problems = tuple(problem for outcome in outcomes for problem in outcome.problems)
    plans = [outcome.plan for outcome in outcomes if outcome.plan]
    found = reduce(or_, plans) if plans else None
    if request.save and found:
        plan.save(request.save, found)
    return Outcome(tuple(_shown(verb, request.form, code, outcomes)), problems, code, plan=found)


def _worst(codes: set[int]) -> int:
    return next((code for code in (INTERRUPTED, 1) if code in codes), max(codes, default=0))


def _scope(verb: str, request: Request, reviewed: Plan | None) -> tuple[bool, list[str]]:
    """Whether hosts are meant, and which clusters.

    Naming a cluster means that cluster and no host; naming hosts, a shard or --hosts means no cluster; a plan alone
    means what it was made of.
    """
    if request.limit or request.only_hosts or request.shard != (1, 1):
        return True, []
    clusters = chosen(request.tree, request.clusters)
    if request.clusters:
        return False, clusters
    if verb == "unlock":  # a lock is one of hosts, unless a cluster is named
        return True, []
    if request.plan and reviewed:
        return bool(reviewed.hosts), [name for name in clusters if name in reviewed.clusters]
    return True, clusters


def _hosts(
    verb: str, request: Request, reached: Mapping[str, Access], reviewed: Plan | None, progress: Progress
) -> Outcome:
    """Hosts; status is a look that says what it means."""
    ssh = access_of(request.user, request.key)
    if verb == "unlock":
        node = unlock(request.tree, ssh, request.lock)
        return Outcome((f"{node.name}: the lock {request.lock} is gone",), (), 0)
    check_known(sorted(request.without), operations(request.tree).get("clusters", {}))
    ask = Ask(
        request.tree, ssh, request.limit or None, request.shard, request.up_to, request.wait, request.end_jobs,
        accesses=reached, centre=request.centre, without=request.without, plan=reviewed, leaving=request.leaving,
    )  # fmt: skip
    try:
        report = _report(verb, ask, progress)
    except UnknownName as unknown:
        raise Refused([_usage(problem) for problem in unknown.problems]) from None
    except LockHeld as held:
        return Outcome((), tuple(held.problems), 1)
    found = plan.plan_of(request.tree, report) if report.check else None
    lines = tuple(report.lines(short=verb == "status"))
    return Outcome(lines, (), report.exit_code, {"hosts": report.to_dict()}, found, tuple(junit.of_hosts(report)))


def _report(verb: str, ask: Ask, progress: Progress) -> HostsReport:
    if verb == "apply":
        return hosts.apply_hosts(ask, progress)
    return hosts.look(ask, progress, records=verb == "status")


def _shown(verb: str, form: str, code: int, outcomes: Iterable[Outcome]) -> Iterable[str]:
    """What goes to the standard output, whoever reads it."""
    match form:
        case "json":
            data: dict[str, Any] = {"exit_code": code}
            for outcome in outcomes:
                for part, known in outcome.data.items():
                    data[part] = data.get(part, {}) | known
            return [json.dumps(data)]
        case "junit":
            cases = [(*o.cases, *map(junit.of_problem, o.problems)) for o in outcomes]
            return [junit.suite(verb, (case for each in cases for case in each))]
    return (line for outcome in outcomes for line in outcome.lines)


def _usage(problem: Problem) -> Problem:
    return replace(problem, rule=f"usage.{problem.rule}")
