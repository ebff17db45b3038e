"""Objects that the centre has made, and labels by which it knows whose an object is."""

from __future__ import annotations

from generator.model import Center
from generator.outputs.policies import IS_TRUSTED, Policy, rule

_RESERVED = "k.startsWith('center.internal/') || (k == 'app.kubernetes.io/managed-by' && l[k] == 'center')"


def _marked(place: str) -> str:
    found = f"has({place}.metadata) && has({place}.metadata.labels)"
    return f"({found} && {place}.metadata.labels.exists(k, {_RESERVED.replace('l[k]', f'{place}.metadata.labels[k]')}))"


def policy(center: Center, cluster: str) -> Policy:
    old, new = "dyn(oldObject)", "dyn(object)"
    template = f"has({new}.spec) && has({new}.spec.template) && {_marked(f'{new}.spec.template')}"
    return Policy(
        (rule("*", "*", "CREATE UPDATE DELETE"),),
        (
            (
                f"oldObject == null || !{_marked(old)} || variables.trusted",
                "what the centre has made is changed in its spec only",
            ),
            (
                f"object == null || !({_marked(new)} || ({template})) || variables.trusted",
                "labels center.internal/... and app.kubernetes.io/managed-by: center are set by the centre only",
            ),
        ),
        {"trusted": IS_TRUSTED},
    )
