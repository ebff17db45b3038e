"""What the API server refuses in every tenant namespace: one file a policy, found by scanning this folder.

Controllers act for tenants: a pod that a tenant may not make is refused whoever makes it. Only what nobody but
controllers and operators may touch asks who comes. What is there already is another matter: a stricter rule must not
keep controllers from stopping, finishing and removing work that began before it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from generator.model import Center
from generator.outputs.objects import metadata

TENANT = "center.internal/tenant"
CLASS = "center.internal/class"
SANDBOX = "center.internal/sandbox"
QUEUE = "kueue.x-k8s.io/queue-name"
PRIORITY = "kueue.x-k8s.io/priority-class"

IS_TRUSTED = """\
request.userInfo.groups.exists(g, g in
  ['system:serviceaccounts:kube-system', 'system:serviceaccounts:kueue-system', 'system:nodes'])
|| request.userInfo.username in ['system:kube-scheduler', 'system:kube-controller-manager']
|| authorizer.group('').resource('namespaces').check('update').allowed()"""
"""Whether a request comes from the cluster itself, or from somebody who may change namespaces: an operator."""

# A template of pods has kinds around it, and the checks of types know only one kind: dyn() lets them pass.
POD = "has(dyn(object).spec.template) ? dyn(object).spec.template.spec : dyn(object).spec"
CONTAINERS = """\
variables.pod.containers + (has(variables.pod.initContainers) ? variables.pod.initContainers : [])"""
NAMESPACE_LABELS = "namespaceObject.metadata.labels"


@dataclass(frozen=True, slots=True)
class Policy:
    """What is refused in which requests, and the sentences with which it is."""

    rules: tuple[dict[str, Any], ...]
    validations: tuple[tuple[str, str], ...]
    """What must hold, in CEL, and what is said when it does not."""
    variables: Mapping[str, str] = field(default_factory=dict)
    compares_with: tuple[str, str] | None = None
    """Version and kind of objects of the cluster, which CEL calls params: what must hold must hold beside each."""


def rule(group: str, resources: str, operations: str = "CREATE UPDATE") -> dict[str, Any]:
    """Requests for these kinds of a group, in namespaces: a selector of those would match whatever is in none."""
    return {
        "apiGroups": [group],
        "apiVersions": ["*"],
        "operations": operations.split(),
        "resources": resources.split(),
        "scope": "Namespaced",
    }


PODS = rule("", "pods", "CREATE")
WORK = (PODS, rule("batch", "jobs"), rule("apps", "deployments statefulsets"))
"""Everything in which a tenant can say what its pods are."""
_KINDS_OF_WORK = frozenset({"pods", "jobs", "deployments", "statefulsets"})


def policies(center: Center, cluster: str) -> Iterator[dict[str, Any]]:
    """A ValidatingAdmissionPolicy and its binding for each file here."""
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        found = importlib.import_module(f"{__name__}.{module.name}").policy(center, cluster)
        if found is not None:
            yield from _objects(center, f"center-tenant-{module.name}", found)


def _objects(center: Center, name: str, policy: Policy) -> Iterator[dict[str, Any]]:
    api = "admissionregistration.k8s.io/v1"
    tenants = {"matchExpressions": [{"key": TENANT, "operator": "Exists"}]}
    spec: dict[str, Any] = {
        "failurePolicy": "Fail",
        "matchConstraints": {"namespaceSelector": tenants, "resourceRules": list(policy.rules)},
        "validations": [{"expression": holds, "message": message} for holds, message in policy.validations],
    }
    if all(_KINDS_OF_WORK.issuperset(each["resources"]) for each in policy.rules):
        # Whatever they change, the pods that come of it are judged when they are made.
        newcomers = f"request.operation != 'UPDATE' || !({IS_TRUSTED})"
        spec["matchConditions"] = [{"name": "no-change-by-controllers-or-operators", "expression": newcomers}]
    if policy.variables:
        spec["variables"] = [{"name": key, "expression": value} for key, value in policy.variables.items()]
    binding: dict[str, Any] = {"policyName": name, "validationActions": ["Deny"]}
    if policy.compares_with:
        spec["paramKind"] = dict(zip(("apiVersion", "kind"), policy.compares_with, strict=True))
        binding["paramRef"] = {"selector": {}, "parameterNotFoundAction": "Allow"}
    kind = "ValidatingAdmissionPolicy"
    yield {"apiVersion": api, "kind": kind, "metadata": metadata(center, name), "spec": spec}
    yield {"apiVersion": api, "kind": f"{kind}Binding", "metadata": metadata(center, name), "spec": binding}
