"""Containers that ask for nothing: a queue counts what is asked for, so they would pass it for nothing."""

from __future__ import annotations

from generator.model import Center
from generator.outputs.policies import CONTAINERS, POD, WORK, Policy


def _asks(part: str) -> str:
    return f"quantity(string(c.resources.{part}[r])).isGreaterThan(quantity('0'))"


def policy(center: Center, cluster: str) -> Policy:
    each = (
        "variables.containers.all(c, ['cpu', 'memory'].all(r, has(c.resources) && ("
        f"has(c.resources.requests) && r in c.resources.requests ? {_asks('requests')} "
        f": has(c.resources.limits) && r in c.resources.limits && {_asks('limits')})))"
    )
    message = "every container of a tenant requests cpu and memory"
    return Policy(WORK, ((each, message),), {"pod": POD, "containers": CONTAINERS})
