"""Priorities of the system and of the site's own programs, which would end the pods of everybody else."""

from __future__ import annotations

from generator.model import Center
from generator.outputs.policies import POD, WORK, Policy


def policy(center: Center, cluster: str) -> Policy:
    says = "has(variables.pod.priorityClassName)"
    plain = f"!{says} || !variables.pod.priorityClassName.startsWith('system-')"
    # The default class of a cluster is written into every pod, whoever makes it.
    is_default = "has(params.globalDefault) && params.globalDefault"
    another = f"!{says} || variables.pod.priorityClassName != params.metadata.name"
    return Policy(
        WORK,
        (
            (plain, "tenants do not use system priority classes"),
            (
                f"{another} || params.value <= 0 || ({is_default})",
                "tenants do not use priority classes above those of everybody",
            ),
        ),
        {"pod": POD},
        compares_with=("scheduling.k8s.io/v1", "PriorityClass"),
    )
