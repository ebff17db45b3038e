"""Who offers accelerators to pods: somebody for each vendor, by programs that the catalogue can run."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from generator.devices import Offer, host_exporter, metrics_port, offers
from generator.model import Center
from generator.rules import Finding, rule

FIRST_TO_COUNT_CLAIMS = 18
"""Minor version of Kueue that counts claims of pods without a switch of its own."""


def _offers(center: Center) -> Iterator[Offer]:
    return (offer for cluster in center.clusters for offer in offers(center, cluster))


def _pairs(center: Center) -> Iterator[tuple[Offer, Offer]]:
    """Two vendors in one cluster that the spec says how to offer."""
    for cluster in center.clusters:
        yield from combinations([offer for offer in offers(center, cluster) if offer.words], 2)


@rule("accelerator.not-offered", severity="warning")
def somebody_offers_accelerators(center: Center) -> Iterator[Finding]:
    """The scheduler knows of accelerators only what a device plugin or a driver says; without one every job waits."""
    for offer in _offers(center):
        if offer.words is None:
            message = (
                f'nobody offers the accelerators of vendor "{offer.vendor.name}" to pods of cluster "{offer.cluster}"'
            )
            said = f"clusters.{offer.cluster}.devices.{offer.vendor.name}"
            known = offer.known_plugin
            hint = (
                f'say "{said}.plugin", your copy of {known.image} with its digest, or accept it with who does'
                if known
                else f'say "{said}.part", the manifests of its maker as a part, or accept it with who does'
            )
            yield Finding(("clusters", offer.cluster), message, hint)


@rule("accelerator.not-runnable")
def the_catalogue_runs_what_is_named(center: Center) -> Iterator[Finding]:
    """An image alone does not say what its program may see of the node; guessing would give it everything."""
    for offer in _offers(center):
        words = offer.words
        for kind, known, image in (
            ("plugin", offer.known_plugin, words and words.plugin),
            ("exporter", offer.known_exporter, words and words.exporter),
        ):
            if not image:
                continue
            what = f'the {"device plugin" if kind == "plugin" else "exporter"} of vendor "{offer.vendor.name}"'
            hint = f"name its manifests as a part, or describe it in catalog/vendors/{offer.vendor.name}.yaml"
            if known is None:
                message = f"the catalogue does not know how {what} runs in a container"
                yield Finding((*offer.path, kind), message, hint)
            elif known.runtime and offer.runtime is None:
                message = f"{what} runs in a container runtime of its own, and nobody has published what that is called"
                yield Finding((*offer.path, kind), message, hint)


@rule("accelerator.not-claimable")
def what_pods_claim_is_counted(center: Center) -> Iterator[Finding]:
    """Claims need queues that count them and a class that somebody has published; each release in use serves them."""
    for offer in _offers(center):
        cluster = center.clusters[offer.cluster]
        if cluster.kind != "kubernetes" or not (offer.words and offer.words.claims):
            continue
        why = None
        if offer.known_claims is None:
            why = "nobody has published the class of its devices"
        elif int(cluster.queues.partition(".")[2]) < FIRST_TO_COUNT_CLAIMS:
            why = f"queues of Kueue {cluster.queues} do not count claims, those of 0.{FIRST_TO_COUNT_CLAIMS} do"
        elif any(resource != resource.lower() for resource in offer.resources):
            why = f'queues count claims under names in lower case only, not as "{offer.resources[0]}"'
        if why:
            message = (
                f'pods of cluster "{offer.cluster}" cannot claim accelerators of vendor "{offer.vendor.name}": {why}'
            )
            yield Finding((*offer.path, "claims"), message)


@rule("accelerator.offered-alone", severity="warning")
def what_is_offered_is_there(center: Center) -> Iterator[Finding]:
    """Programs for the accelerators of a vendor that no worker has would stand on no node."""
    for name, cluster in center.clusters.items():
        there = {offer.vendor.name for offer in offers(center, name)}
        for vendor in cluster.devices if cluster.kind == "kubernetes" else ():
            if vendor not in there:
                message = f'no worker of cluster "{name}" has accelerators of vendor "{vendor}"'
                yield Finding(("clusters", name, "devices", vendor), message, "remove it")


@rule("accelerator.no-metrics", severity="warning")
def somebody_tells_how_accelerators_are(center: Center) -> Iterator[Finding]:
    """Without an exporter nobody sees that an accelerator is hot, slow or has errors, though somebody has made one."""
    for offer in _offers(center):
        known = offer.known_exporter
        silent = [pool.name for pool in offer.pools if metrics_port(center, pool) is None]
        if offer.words and known and silent:
            message = (
                f'no exporter tells how the accelerators of pool "{silent[0]}" are: neither its hosts nor cluster '
                f'"{offer.cluster}" have one of vendor "{offer.vendor.name}"'
            )
            said = f"clusters.{offer.cluster}.devices.{offer.vendor.name}.exporter"
            hint = f'say "{said}", your copy of {known.image} with its digest, or accept it with who watches them'
            yield Finding(offer.path, message, hint)


@rule("accelerator.exporter-twice")
def one_exporter_runs_on_a_node(center: Center) -> Iterator[Finding]:
    """An exporter that hosts get as a package has the port already; one in a container beside it never starts."""
    for offer in _offers(center):
        for pool in offer.pools:
            if offer.words and offer.words.exporter and host_exporter(center, pool):
                message = (
                    f'hosts of pool "{pool.name}" run the exporter of vendor "{offer.vendor.name}" from its package, '
                    "and a container would be the second on its port"
                )
                yield Finding((*offer.path, "exporter"), message, "leave out one of them")


@rule("cluster.feature-clash")
def cards_are_told_apart(center: Center) -> Iterator[Finding]:
    """Feature rules of two vendors that mean the same card, or give the same label, mark nodes as what they are not."""
    for first, second in _pairs(center):
        one, other = first.feature, second.feature
        if one and other and (one.label == other.label or one.meets(other)):
            alike = f'the label "{one.label}"' if one.label == other.label else f'PCI devices of "{one.vendor}"'
            message = (
                f'feature rules of vendors "{first.vendor.name}" and "{second.vendor.name}" share {alike} in cluster '
                f'"{first.cluster}"'
            )
            yield Finding(second.path, message, "say the device numbers of both in catalog/ or divide the cluster")


@rule("cluster.runtime-clash")
def runtimes_have_names_of_their_own(center: Center) -> Iterator[Finding]:
    """Two runtimes of one name in a cluster: a pod would start in the wrong one, without its devices or its sandbox."""
    for cluster in center.clusters:
        sandbox = center.sandboxes.get(cluster)
        # A pod says the name of a sandbox, and its node knows the handler behind that; of a vendor both are one word.
        owners = {"runc": "containerd"}
        if sandbox:
            owners |= dict.fromkeys((sandbox.name, sandbox.handled_by), f'sandbox "{sandbox.name}"')
        for offer in offers(center, cluster):
            # Without words its class is somebody else's, while its nodes know the handler all the same.
            if offer.runtime is None or (offer.words is None and offer.runtime not in owners):
                continue
            mine = f'vendor "{offer.vendor.name}"'
            owner = owners.setdefault(offer.runtime, mine)
            if owner != mine:
                message = f'{owner} and {mine} both have a runtime "{offer.runtime}" in cluster "{cluster}"'
                yield Finding(offer.path, message, "give one of them another name, in the catalogue and on its hosts")
