"""Whether an object that a cluster holds does its work, by its own status."""

from __future__ import annotations

from generator.apply.clusters.kube import Json
from generator.text import visible

# Conditions that say "this object works" when they are true, whatever its kind.
_GOOD_CONDITIONS = frozenset({"Active", "Available", "Established", "Ready"})
_LOST_PHASES = frozenset({"Lost", "Failed", "Terminating"})


def ailment(body: Json) -> str | None:
    """Why the object does not do its work, in one line that is safe to print; None if it does."""
    spec, status = (part if isinstance(part, dict) else {} for part in (body.get("spec"), body.get("status")))
    if body["metadata"].get("deletionTimestamp"):
        return "is being deleted"
    if (phase := status.get("phase")) in _LOST_PHASES:
        return f"is {phase}"
    if short := _missing_replicas(body.get("kind"), spec, status):
        return short
    for condition in status.get("conditions") or []:
        kind, state = condition.get("type"), condition.get("status")
        if (kind in _GOOD_CONDITIONS and state == "False") or (kind == "Failed" and state == "True"):
            return visible(f"{kind} is {state}: {condition.get('message') or condition.get('reason') or ''}")
    return None


def _missing_replicas(kind: object, spec: Json, status: Json) -> str | None:
    match kind:
        case "Deployment":
            wanted, ready = spec.get("replicas", 1), status.get("availableReplicas", 0)
        case "StatefulSet":
            wanted, ready = spec.get("replicas", 1), status.get("readyReplicas", 0)
        case "DaemonSet":
            wanted, ready = status.get("desiredNumberScheduled", 0), status.get("numberAvailable", 0)
        case _:
            return None
    return f"{ready} of {wanted} replicas available" if ready < wanted else None
