"""A cluster with a pool of every vendor of the catalogue, each offered as far as somebody has published how.

What nobody has published of PyTorch, this site says in copies of the vendors' files, as a real one would have to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from tests.queue_site import Site, Spec, centre, tenant
from tests.vendors import Vendor, free_ports, vendors

VENDORS = vendors(runnable=True)
NODES = dict.fromkeys(VENDORS, 2)
NAMESPACE = "center-devices"
MEMBERS = "oidc:people"
# Stands for the manifests that a vendor publishes.
PART = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: plugin-of-others, namespace: default}
"""
DIGEST = hashlib.sha256(PART.encode()).hexdigest()


def image(what: str) -> str:
    return f"registry.site.example/{what}@sha256:{hashlib.sha256(what.encode()).hexdigest()}"


def complete(vendor: Vendor) -> Mapping[str, Any]:
    """What a PyTorch program must know of a vendor, the site's own words where the catalogue has none."""
    own: dict[str, Any] = {
        "device": "own",
        "modules": [],
        "collectives": "own",
        "image": f"own.example/{vendor.name}:1",
    }
    told = {key: fact["value"] for key, fact in vendor.facts["torch"].items()}
    return {key: own[key] if value is None else value for key, value in told.items()}


def offers() -> Spec:
    """What the spec says of each vendor in the cluster."""
    found: Spec = {}
    for name, vendor in VENDORS.items():
        found[name] = {"plugin": image(f"{name}-plugin")} if vendor.program else {"part": "others"}
        if vendor.exporter:
            found[name]["exporter"] = image(f"{name}-exporter")
    return found


def spec() -> Spec:
    """One tenant with two accelerators of each vendor, and one service that differs in nothing but its pool."""
    models = {name: vendor.model for name, vendor in VENDORS.items()}
    people = {"east": {"tenants": {"guest": tenant(dict.fromkeys(VENDORS, 2))}}}
    made = centre(models, NODES, people, ports=free_ports(VENDORS))
    for name, vendor in VENDORS.items():
        made["pools"][name]["plugin"] = vendor.plugin
    source = "https://parts.site.example/others.yaml"
    made["clusters"]["cloud"] |= {
        "devices": offers(),
        "parts": {"others": {"version": "1", "source": source, "digest": f"sha256:{DIGEST}"}},
    }
    made["services"] = {
        f"hello-{name}": {"kind": "training-example", "tenant": "guest", "pool": name} for name in VENDORS
    }
    return made


def site_in(folder: Path, made: Spec) -> Site:
    """The site of this spec, rendered, with the vendors' files and the part that it needs."""
    write_catalog(folder / "site/catalog/vendors")
    carry_part(folder / "cache")
    resources = {name: vendor.resource for name, vendor in VENDORS.items()}
    return Site(folder / "site", made, resources, NODES, folder / "cache")


def write_catalog(folder: Path) -> None:
    """The site's copies of the vendors' files, with what it says itself."""
    folder.mkdir(parents=True)
    for name, vendor in VENDORS.items():
        facts = deepcopy(vendor.facts)
        for key, fact in facts["torch"].items():
            if fact["value"] is None:
                facts["torch"][key] = {"value": complete(vendor)[key], "status": "X", "sources": ["own"]}
        facts["sources"]["own"] = {"grade": "own", "locator": "this site"}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(facts, sort_keys=False, allow_unicode=True), "utf-8")


def carry_part(cache: Path) -> None:
    """Put the part into a cache of parts, as somebody who has no network does."""
    folder = cache / "center/parts"
    folder.mkdir(parents=True)
    (folder / DIGEST).write_text(PART, "utf-8")
