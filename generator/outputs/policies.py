"""What the API server refuses in every tenant namespace: work that no queue counts, and system priority."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from generator.model import Center
from generator.outputs.objects import metadata

_QUEUED = "has(object.metadata.labels) && 'kueue.x-k8s.io/queue-name' in object.metadata.labels"
# Pods of a queued job carry no queue of their own; the controller that makes them is the only one who may say so.
_OF_A_JOB = "request.userInfo.username == 'system:serviceaccount:kube-system:job-controller'"
# Kueue lets a pod of an admitted job pass, so nobody but a controller may say whose a pod is.
_BY_A_CONTROLLER = "request.userInfo.username.startsWith('system:serviceaccount:kube-system:')"
_PLAIN_PRIORITY = "!has(object.spec.priorityClassName) || !object.spec.priorityClassName.startsWith('system-')"


def policies(center: Center) -> Iterator[dict[str, Any]]:
    """A ValidatingAdmissionPolicy and its binding for each of them."""
    pods = _rule("", ["pods"], "CREATE")
    work = [
        _rule("batch", ["jobs"], "CREATE", "UPDATE"),
        _rule("apps", ["deployments", "statefulsets"], "CREATE", "UPDATE"),
    ]
    queued = f"({_QUEUED}) || (request.resource.resource == 'pods' && {_OF_A_JOB})"
    message = "work of a tenant needs the label kueue.x-k8s.io/queue-name with the name of a pool"
    yield from _policy(center, "center-tenant-queue", [pods, *work], queued, message)
    message = "only a controller makes a pod that belongs to something else"
    orphan = f"!has(object.metadata.ownerReferences) || {_BY_A_CONTROLLER}"
    yield from _policy(center, "center-tenant-owner", [pods], orphan, message)
    message = "tenants do not use system priority classes"
    yield from _policy(center, "center-tenant-priority", [pods], _PLAIN_PRIORITY, message)


def _rule(group: str, kinds: list[str], *operations: str) -> dict[str, Any]:
    return {"apiGroups": [group], "apiVersions": ["*"], "operations": list(operations), "resources": kinds}


def _policy(
    center: Center, name: str, rules: list[dict[str, Any]], expression: str, message: str
) -> Iterator[dict[str, Any]]:
    api = "admissionregistration.k8s.io/v1"
    tenants = {"matchExpressions": [{"key": "center.internal/tenant", "operator": "Exists"}]}
    yield {
        "apiVersion": api,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": metadata(center, name),
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"namespaceSelector": tenants, "resourceRules": rules},
            "validations": [{"expression": expression, "message": message}],
        },
    }
    yield {
        "apiVersion": api,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": metadata(center, name),
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
