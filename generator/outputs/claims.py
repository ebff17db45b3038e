"""Claims of devices, where a driver offers accelerators: the template of what a pod claims, and how the pod says so."""

from __future__ import annotations

from typing import Any

_NAME = "accelerators"

CLAIMED: dict[str, Any] = {"claims": [{"name": _NAME}]}
"""What a container says that uses what its pod claims."""


def claims_by(template: str) -> list[dict[str, str]]:
    """What a pod says that claims devices by a template of its namespace."""
    return [{"name": _NAME, "resourceClaimTemplateName": template}]


def claim_template(metadata: dict[str, Any], device_class: str, count: int) -> dict[str, Any]:
    """What each pod claims that names this template."""
    exactly = {"deviceClassName": device_class, "allocationMode": "ExactCount", "count": count}
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaimTemplate",
        "metadata": metadata,
        "spec": {"spec": {"devices": {"requests": [{"name": _NAME, "exactly": exactly}]}}},
    }


def unclaimed(resources: dict[str, str], device_class: str | None) -> dict[str, str]:
    """What a container still asks for; accelerators that are claimed are not asked for as well."""
    return {name: amount for name, amount in resources.items() if not (device_class and "/" in name)}
