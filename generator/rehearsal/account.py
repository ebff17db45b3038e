"""A rehearsal told to people as a table, and to programs as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from generator.rehearsal.asks import Kind, resource_of
from generator.rehearsal.stage import Result
from generator.rehearsal.witness import Seen
from generator.text import counted

_HEADS = ("tenant", "environment", "pool", "job", "asked", "outcome", "reason")
_JOBS: dict[Kind, str] = {
    "service": "service {}",
    "within": "within quota",
    "beyond": "beyond quota",
    "unqueued": "without a queue",
}


def lines(result: Result) -> Iterator[str]:
    """What ran, what waited, and why; what the spec does not promise is marked."""
    known = result.versions
    yield (
        f'cluster "{result.cluster}" of {result.centre}: Kubernetes {known["kubernetes"]}, Kueue {known["kueue"]} with '
        f"its own webhooks, nodes by KWOK {known['kwok']}"
    )
    for stand in result.stands:
        scale = "" if len(stand.nodes) == stand.real else f" for its {stand.real}"
        has = ", ".join(f"{name} {amount}" for name, amount in stand.announced().items() if name != "pods")
        yield f"pool {stand.pool.name}: {counted(len(stand.nodes), 'node')}{scale}, each with {has}"
    for line in result.left_out:
        yield f"left out: {line}"
    yield f"applied: {result.applied} objects and nodes, nothing left for a second apply"
    yield ""
    yield from _table([_HEADS, *map(_row, result.seen)])
    yield ""
    kept = sum(each.kept for each in result.seen)
    yield f"{kept} of {len(result.seen)} did what the spec promises"


def as_json(result: Result, code: int) -> str:
    """The same for programs."""
    return json.dumps(
        {
            "exit_code": code,
            "centre": result.centre,
            "cluster": result.cluster,
            "versions": result.versions,
            "server": result.server,
            "kubeconfig": str(result.kubeconfig),
            "applied": result.applied,
            "left_out": list(result.left_out),
            "pools": [
                {
                    "pool": stand.pool.name,
                    "nodes": len(stand.nodes),
                    "of": stand.real,
                    "each": stand.announced(),
                }
                for stand in result.stands
            ],
            "jobs": [_entry(each) for each in result.seen],
        },
        ensure_ascii=False,
    )


def _entry(seen: Seen) -> dict[str, Any]:
    ask = seen.ask
    return {
        "tenant": ask.tenant,
        "environment": ask.environment,
        "namespace": ask.namespace,
        "pool": ask.pool,
        "queue": ask.queue,
        "kind": ask.kind,
        "name": ask.name,
        "pods": ask.pods,
        "each": dict(ask.each),
        "promised": ask.promised,
        "outcome": seen.outcome,
        "as_promised": seen.kept,
        "reason": seen.reason,
        "nodes": list(seen.nodes),
        "pools": list(seen.pools),
    }


def _row(seen: Seen) -> tuple[str, ...]:
    ask = seen.ask
    job = _JOBS[ask.kind].format(ask.name)
    return ask.tenant, ask.environment, ask.pool, job, ask.asked(), _outcome(seen), _brief(seen)


def _brief(seen: Seen) -> str:
    """The part of a reason that is about what was asked for: Kueue names every resource, policies their own names."""
    resource = re.escape(resource_of(seen.ask.each))
    about = re.search(rf"insufficient (?:unused )?quota for {resource} in flavor [^,]+, [^,]+", seen.reason)
    return about[0] if about else seen.reason.rpartition(" denied request: ")[2]


def _outcome(seen: Seen) -> str:
    said = str(seen.outcome or "undecided")
    if seen.nodes:
        said = f"{said} on {counted(len(seen.nodes), 'node')} of {', '.join(seen.pools)}"
    return said if seen.kept else f"{said}, NOT {seen.ask.promised}"


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
