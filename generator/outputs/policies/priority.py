"""Priorities of the system, which would end the pods of everybody else."""

from __future__ import annotations

from generator.model import Center
from generator.outputs.policies import POD, WORK, Policy


def policy(center: Center, cluster: str) -> Policy:
    plain = "!has(variables.pod.priorityClassName) || !variables.pod.priorityClassName.startsWith('system-')"
    return Policy(WORK, ((plain, "tenants do not use system priority classes"),), {"pod": POD})
