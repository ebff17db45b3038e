"""Services that reach past the cluster: ports of nodes, addresses and names of others."""

from __future__ import annotations

from generator.model import Center
from generator.outputs.policies import Policy, rule


def policy(center: Center, cluster: str) -> Policy:
    inside = "!has(object.spec.type) || object.spec.type == 'ClusterIP'"
    addresses = "!has(object.spec.externalIPs) || object.spec.externalIPs.size() == 0"
    return Policy(
        (rule("", "services"),),
        (
            (inside, "services of tenants are of type ClusterIP: no NodePort, no LoadBalancer, no ExternalName"),
            (addresses, "services of tenants have no external addresses"),
        ),
    )
