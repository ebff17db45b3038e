"""Bindings that let strangers in: everybody who can log in, or programs of other namespaces."""

from __future__ import annotations

from generator.model import Center
from generator.outputs.policies import IS_TRUSTED, Policy, rule


def policy(center: Center, cluster: str) -> Policy:
    person = "!s.name.startsWith('system:')"
    program = "s.kind == 'ServiceAccount' ? (has(s.namespace) && s.namespace == request.namespace)"
    holds = f"!has(object.subjects) || object.subjects.all(s, {program} : {person}) || variables.trusted"
    message = "bindings of tenants name people, groups of people, and service accounts of the same namespace"
    rules = (rule("rbac.authorization.k8s.io", "rolebindings"),)
    return Policy(rules, ((holds, message),), {"trusted": IS_TRUSTED})
