"""Network policies that open what is closed: they only ever add, so one that allows everything undoes all others."""

from __future__ import annotations

from generator.model import Center
from generator.outputs.policies import IS_TRUSTED, NAMESPACE_LABELS, TENANT, Policy, rule

_SELECTED = "p.namespaceSelector.matchLabels"
_OWN_PEER = f"""\
!has(p.ipBlock) && (!has(p.namespaceSelector) || (has({_SELECTED}) && '{TENANT}' in {_SELECTED}
  && {_SELECTED}['{TENANT}'] == {NAMESPACE_LABELS}['{TENANT}']))"""


def _within(part: str, side: str) -> str:
    peers = f"has(r.{side}) && r.{side}.size() > 0 && r.{side}.all(p, {_OWN_PEER})"
    return f"(!has(object.spec.{part}) || object.spec.{part}.all(r, {peers}))"


def policy(center: Center, cluster: str) -> Policy:
    holds = f"({_within('ingress', 'from')} && {_within('egress', 'to')}) || variables.trusted"
    message = f"network policies of tenants name own pods, or namespaces by {TENANT} with the own tenant"
    return Policy((rule("networking.k8s.io", "networkpolicies"),), ((holds, message),), {"trusted": IS_TRUSTED})
