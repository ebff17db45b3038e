"""Releases: how long the makers of a program repair the version that a cluster runs."""

from __future__ import annotations

from collections.abc import Iterator

from generator.model import Center
from generator.rules import Finding, rule

_HINT = "use a version of the catalogue, or describe this one in catalog/releases/ beside the spec"


@rule("cluster.release-ended", severity="warning")
def releases_are_still_repaired(center: Center) -> Iterator[Finding]:
    """After its last day nobody repairs a version, also not when a hole in it becomes known."""
    for name, release in center.releases.items():
        if center.is_past(release.ends.value):
            message = f'cluster "{name}" runs {release.title}, which its makers repaired until {release.ends.value}'
            yield Finding(("clusters", name, "version"), message, "plan the next version")


@rule("cluster.release-unknown", severity="warning")
def releases_are_known(center: Center) -> Iterator[Finding]:
    """What this product renders for a version that it does not know has never been tried on that version."""
    for name, cluster in center.clusters.items():
        if cluster.kind == "kubernetes" and name not in center.releases:
            message = f'cluster "{name}" runs Kubernetes {cluster.version}, which the catalogue does not know'
            yield Finding(("clusters", name, "version"), message, _HINT)


@rule("cluster.queues-unknown", severity="warning")
def queues_are_known(center: Center) -> Iterator[Finding]:
    """The same holds for the queues: what is rendered for an unknown version of them has never run on it."""
    for name, cluster in center.clusters.items():
        if cluster.kind == "kubernetes" and name not in center.queue_releases:
            message = f'cluster "{name}" has queues of Kueue {cluster.queues}, which the catalogue does not know'
            yield Finding(("clusters", name, "queues"), message, _HINT)
