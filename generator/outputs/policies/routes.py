"""Routes that take the host name of somebody else, or join a gateway that is not the centre's."""

from __future__ import annotations

from generator.model import Center
from generator.outputs.policies import IS_TRUSTED, Policy, rule

_KINDS = "httproutes grpcroutes tlsroutes"


def policy(center: Center, cluster: str) -> Policy:
    domain = center.spec.network.domain
    own = f"object.spec.hostnames.all(h, h.endsWith('.' + request.namespace + '.{domain}'))"
    names = f"(has(object.spec.hostnames) && object.spec.hostnames.size() > 0 && {own}) || variables.trusted"
    parents = (
        "!has(object.spec.parentRefs) || object.spec.parentRefs.all(p, has(p.namespace) "
        "&& p.namespace == 'center-system') || variables.trusted"
    )
    return Policy(
        (rule("gateway.networking.k8s.io", _KINDS),),
        (
            (names, f"routes of tenants say host names that end with .NAMESPACE.{domain}"),
            (parents, "routes of tenants join gateways of namespace center-system"),
        ),
        {"trusted": IS_TRUSTED},
    )
