"""Address plans: of networks that exist, large enough for what they hold and for what is still to come."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from generator.model import Center
from generator.nodes import number_of
from generator.problems import Path
from generator.rules import Finding, rule
from generator.spec.pools import Kubernetes

PODS_OF_A_NODE = 256
"""Addresses of pods for each node: Kubernetes cuts a /24 for it unless told otherwise (node-cidr-mask-size)."""
OWN_SERVICES = 2
"""Services that every cluster has: its API and its names."""
_NEVER = {
    "0.0.0.0/8": "means this host",
    "127.0.0.0/8": "is the loopback of every host",
    "169.254.0.0/16": "is link-local, which no router forwards",
    "224.0.0.0/4": "is multicast",
    "240.0.0.0/4": "is reserved",
}
_PRIVATE = ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")
_ELSEWHERE = {
    "172.17.0.0/16": "Docker's own bridge, which hides it on every host that runs Docker",
    "192.0.2.0/24": "kept for documentation (RFC 5737)",
    "198.18.0.0/15": "kept for benchmarks of routers (RFC 2544)",
    "198.51.100.0/24": "kept for documentation (RFC 5737)",
    "203.0.113.0/24": "kept for documentation (RFC 5737)",
}


def networks(center: Center) -> Iterator[tuple[str, Path, ipaddress.IPv4Network]]:
    """Every network of the centre: the plans, and those of each Kubernetes cluster."""
    plans = center.spec.network.plans
    yield "plan nodes", ("network", "plans", "nodes"), ipaddress.IPv4Network(plans.nodes)
    if plans.bmc:
        yield "plan bmc", ("network", "plans", "bmc"), ipaddress.IPv4Network(plans.bmc)
    if plans.facility:
        yield "plan facility", ("network", "plans", "facility"), ipaddress.IPv4Network(plans.facility)
    for name, cluster in _kubernetes(center):
        path: Path = ("clusters", name)
        yield f'pods of cluster "{name}"', (*path, "pods"), ipaddress.IPv4Network(cluster.pods)
        yield f'services of cluster "{name}"', (*path, "services"), ipaddress.IPv4Network(cluster.services)


def _kubernetes(center: Center) -> Iterator[tuple[str, Kubernetes]]:
    for name, cluster in center.clusters.items():
        if cluster.kind == "kubernetes":
            yield name, cluster


def usable(plan: ipaddress.IPv4Network) -> tuple[int, int]:
    """The first and the last address that something can have: a network's own and its broadcast are none."""
    return int(plan.network_address) + 1, int(plan.broadcast_address) - 1


@rule("address.plans-overlap")
def networks_do_not_overlap(center: Center) -> Iterator[Finding]:
    """Plans and cluster networks are routed in one centre; an address belongs to one of them."""
    found = list(networks(center))
    for index, (what, path, network) in enumerate(found):
        for other, _, before in found[:index]:
            if network.overlaps(before):
                yield Finding(path, f"{what} ({network}) overlaps {other} ({before})")


@rule("address.reserved")
def networks_can_be_routed(center: Center) -> Iterator[Finding]:
    """Some networks mean something else to every host, and nothing in them could be reached (RFC 6890)."""
    for what, path, network in networks(center):
        for reserved, why in _NEVER.items():
            if network.overlaps(ipaddress.IPv4Network(reserved)):
                yield Finding(path, f"{what} ({network}) reaches into {reserved}, which {why}")


@rule("address.elsewhere", severity="warning")
def networks_are_not_used_elsewhere(center: Center) -> Iterator[Finding]:
    """Some networks have a customary use; whoever meets them in a log or on a host takes them for that."""
    for what, path, network in networks(center):
        for taken, why in _ELSEWHERE.items():
            if network.overlaps(ipaddress.IPv4Network(taken)):
                yield Finding(path, f"{what} ({network}) reaches into {taken}: {why}")
        if path[0] == "clusters" and _is_public(network):
            message = f"{what} ({network}) are addresses of the internet, whose owners no pod can reach any more"
            yield Finding(path, message, "take them from 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")


def _is_public(network: ipaddress.IPv4Network) -> bool:
    """Whether none of the networks for private use, with a use of their own or of no use has anything to do with it."""
    return not any(network.overlaps(ipaddress.IPv4Network(known)) for known in (*_PRIVATE, *_NEVER, *_ELSEWHERE))


@rule("address.pods")
def pods_have_addresses(center: Center) -> Iterator[Finding]:
    """Each node of a Kubernetes cluster takes a /24 of the pod network; the first node beyond it gets no pods."""
    for name, cluster in _kubernetes(center):
        network, nodes = ipaddress.IPv4Network(cluster.pods), _members(center, name)
        if nodes > network.num_addresses // PODS_OF_A_NODE:
            message = (
                f'cluster "{name}" has {nodes} nodes with 256 pod addresses each, '
                f"{network} has room for {network.num_addresses // PODS_OF_A_NODE}"
            )
            yield Finding(("clusters", name, "pods"), message, f"a /{24 - (nodes - 1).bit_length()} is large enough")


@rule("address.services")
def services_have_addresses(center: Center) -> Iterator[Finding]:
    """Every service takes an address; what the classes of tenants allow them to create must have one."""
    for name, cluster in _kubernetes(center):
        network, tenants = ipaddress.IPv4Network(cluster.services), center.tenants_of(name)
        allowed = sum(tenant.class_.counts.services * len(tenant.environments) for tenant in tenants)
        given = max(0, network.num_addresses - 2)
        if allowed + OWN_SERVICES > given:
            message = (
                f'tenants of cluster "{name}" may create {allowed} services, it has {OWN_SERVICES} of its own, '
                f"and {network} has {given} addresses"
            )
            yield Finding(("clusters", name, "services"), message)


@rule("address.bmc")
def management_controllers_are_inside_their_plan(center: Center) -> Iterator[Finding]:
    """A management controller lies as far into its plan as its node into the plan of nodes, so both grow alike."""
    offset, plan = center.bmc_offset, center.spec.network.plans.bmc
    if offset is None or plan is None:
        return
    _, high = usable(ipaddress.IPv4Network(plan))
    _, end = usable(ipaddress.IPv4Network(center.spec.network.plans.nodes))
    for nodes in center.ranges():
        racks = nodes.racks
        node = racks.base + racks.last * racks.stride + nodes.pool.slot + nodes.per_rack - 1
        last = node + offset
        # A node outside its own plan is a finding of its own.
        if last > high and node <= end:
            wrong = ipaddress.IPv4Address(min(last, 2**32 - 1))
            message = (
                f'management controllers of pool "{nodes.pool.name}" in {racks.title} reach {wrong}, '
                f"outside plan bmc ({plan})"
            )
            yield Finding(("network", "plans", "bmc"), message, "make the plan as large as that of the nodes")


@rule("address.growth")
def plans_leave_room(center: Center) -> Iterator[Finding]:
    """Addresses never change, so room for the next racks is left on the first day or bought with a renumbering."""
    # What does not fit at all is found by the rules for each kind of address.
    growth = center.spec.network.growth.magnitude
    used = _used(center)
    for what, path, network in networks(center):
        taken, size = used.get(path), network.num_addresses
        if taken is not None and 0 <= size - taken < growth * size * (1 - 1e-9):
            message = (
                f"{what} ({network}) uses {taken} of {size} addresses, which leaves {(1 - taken / size) * 100:.1f} %; "
                f"{growth * 100:.1f} % must stay free"
            )
            yield Finding(path, message, "widen it, or promise less growth")


def _used(center: Center) -> dict[Path, int]:
    """Addresses that are taken in each network: by racks with nodes, by devices, by the pods of nodes."""
    racks = {(racks.row, racks.first): racks.count * racks.stride for racks in center.racks if racks.contents}
    used: dict[Path, int] = {("network", "plans", plan): sum(racks.values()) for plan in ("nodes", "bmc")}
    used["network", "plans", "facility"] = len({number_of(device.host) for device in center.devices()})
    for name, _ in _kubernetes(center):
        used["clusters", name, "pods"] = _members(center, name) * PODS_OF_A_NODE
    return used


def _members(center: Center, cluster: str) -> int:
    return sum(center.counts[pool.name] for pool in center.pools_of(cluster))
