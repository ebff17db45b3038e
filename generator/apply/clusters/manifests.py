"""The objects of a cluster, read back from the rendered tree."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import yaml

from generator.apply.clusters.comparison import Manifest
from generator.apply.clusters.nodes import Labels

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def clusters_of(tree: Path) -> list[str]:
    """Names of the clusters that the tree has manifests for."""
    return sorted(folder.parent.name for folder in tree.glob("clusters/*/kustomization.yaml"))


def manifests_of(tree: Path, cluster: str) -> list[Manifest]:
    """Every object of a cluster with the file that it stands in."""
    return list(_read(tree, tree / "clusters" / cluster))


def labels_of(tree: Path, cluster: str) -> Labels:
    """The labels that each node of a cluster shall have."""
    labels: dict[str, dict[str, str]] = json.loads((tree / "clusters" / cluster / "nodes.json").read_text("utf-8"))
    return labels


def _read(tree: Path, folder: Path) -> Iterator[Manifest]:
    for file in sorted(folder.rglob("*.yaml")):
        if file.name == "kustomization.yaml":
            continue
        for body in yaml.load_all(file.read_text("utf-8"), Loader=_Loader):
            yield Manifest(file.relative_to(tree).as_posix(), body)
