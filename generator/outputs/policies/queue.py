"""Work that no queue counts, or that another class's priority would bring forward."""

from __future__ import annotations

from generator.model import Center
from generator.outputs.policies import CLASS, NAMESPACE_LABELS, PRIORITY, QUEUE, WORK, Policy

_LABELS = "has(object.metadata.labels) ? object.metadata.labels : {}"
# Pods of a queued job carry no queue of their own; the controller that makes them is the only one who may say so.
_OF_A_JOB = "request.userInfo.username == 'system:serviceaccount:kube-system:job-controller'"
_HELD = (
    "has(object.spec.schedulingGates) && object.spec.schedulingGates.exists(g, g.name == 'kueue.x-k8s.io/admission')"
)


def policy(center: Center, cluster: str) -> Policy:
    is_pod = "request.resource.resource == 'pods'"
    return Policy(
        WORK,
        (
            (
                f"'{QUEUE}' in variables.labels || ({is_pod} && {_OF_A_JOB})",
                f"work of a tenant needs the label {QUEUE} with the name of a pool",
            ),
            # Without the webhooks of the queues nothing would hold it.
            (
                f"!({is_pod}) || {_OF_A_JOB} || ({_HELD.replace('object', 'dyn(object)')})",
                "no queue holds this pod: the queues do not look after pods in this cluster",
            ),
            (
                f"!('{PRIORITY}' in variables.labels) || "
                f"variables.labels['{PRIORITY}'] == {NAMESPACE_LABELS}['{CLASS}']",
                f"the label {PRIORITY} is the class of the tenant or not there",
            ),
        ),
        {"labels": _LABELS},
    )
