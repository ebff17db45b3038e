"""Pods that choose a node past the scheduler, or put up with nodes that are kept free."""

from __future__ import annotations

from generator.model import Center
from generator.outputs.policies import POD, WORK, Policy

# What the API server itself adds to every pod.
_COMMON = ", ".join(f"'node.kubernetes.io/{what}'" for what in ("not-ready", "unreachable", "memory-pressure"))


def policy(center: Center, cluster: str) -> Policy:
    tolerates = f"variables.pod.tolerations.all(t, has(t.key) && t.key in [{_COMMON}])"
    return Policy(
        WORK,
        (
            (
                "!has(variables.pod.nodeName) || variables.pod.nodeName == ''",
                "the scheduler chooses the node of a pod",
            ),
            (f"!has(variables.pod.tolerations) || {tolerates}", "tenants tolerate no taints of nodes"),
        ),
        {"pod": POD},
    )
