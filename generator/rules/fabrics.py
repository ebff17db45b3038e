"""Fabrics: ports and uplinks, leaf by leaf: what is missing on the day of the wiring was missing on paper."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from generator.model import Center
from generator.nodes import NodeRange, Pool, Racks
from generator.plant import Net
from generator.rules import Finding, rule

Place = tuple[str, ...]


def place_of(net: Net, racks: Racks) -> Place:
    """What the leaves in these racks serve: the racks themselves (each alone), their row, their hall, everything."""
    return {
        "rack": (racks.hall, racks.row, str(racks.first)),
        "row": (racks.hall, racks.row),
        "hall": (racks.hall,),
        "center": (),
    }[net.spec.serves]


def _title(net: Net, racks: Racks) -> str:
    """How a finding speaks of the place."""
    titles = {"rack": racks.title, "row": f'row "{racks.row}"', "hall": f'hall "{racks.hall}"', "center": "the centre"}
    return titles[net.spec.serves]


def _leaves(center: Center, net: Net) -> dict[Place, int]:
    """Leaves that reach each place; of a rack, those that stand in it."""
    found: dict[Place, int] = defaultdict(int)
    for racks in center.racks:
        times = 1 if net.spec.serves == "rack" else racks.count
        found[place_of(net, racks)] += sum(count * times for leaf, count in racks.leaves if leaf is net)
    return found


def members(center: Center, net: Net) -> Iterator[tuple[NodeRange, int]]:
    """Ranges of nodes that are on a fabric, with the ports of each node."""
    for nodes in center.ranges():
        ports = dict(nodes.pool.ports).get(net.name)
        if ports and nodes.count:
            yield nodes, ports


def _pools(center: Center, net: Net) -> Iterator[tuple[Pool, int]]:
    for pool in center.pools.values():
        ports = dict(pool.ports).get(net.name)
        if ports:
            yield pool, ports


@rule("fabric.no-leaf")
def nodes_reach_a_leaf(center: Center) -> Iterator[Finding]:
    """A node that is on a fabric needs a leaf of it as near as the fabric says that leaves serve."""
    for net in center.nets.values():
        leaves, told = _leaves(center, net), set()
        for nodes, _ in members(center, net):
            if not leaves[place_of(net, nodes.racks)] and nodes.pool not in told:
                told.add(nodes.pool)
                place = _title(net, nodes.racks)
                has = "have" if place.startswith("racks ") else "has"
                message = f'pool "{nodes.pool.name}" is on fabric "{net.name}", and {place} {has} no leaf of it'
                hint = f'say "leaves: {{{net.name}: 1}}" in a rack kind, or let its leaves serve more'
                yield Finding((*nodes.pool.path, "fabrics", net.name), message, hint)


@rule("fabric.ports")
def leaves_have_enough_ports(center: Center) -> Iterator[Finding]:
    """The ports of all nodes that leaves serve fit into the ports that these leaves keep for nodes, rail by rail."""
    for net in center.nets.values():
        leaves, needed, where = _leaves(center, net), defaultdict[Place, int](int), dict[Place, Racks]()
        for nodes, ports in members(center, net):
            place = place_of(net, nodes.racks)
            if net.spec.serves == "rack":
                needed[place] = _wanted(nodes.racks, net)
            else:
                needed[place] += ports * nodes.count
            where.setdefault(place, nodes.racks)
        rails = net.spec.rails
        for place, racks in where.items():
            on_each, given = -(-needed[place] // rails), leaves[place] // rails * net.down
            if leaves[place] and on_each > given:
                several = net.spec.serves == "rack" and racks.count > 1
                needs, gets = ("need", "get") if several else ("needs", "gets")
                message = (
                    f'{_title(net, racks)} {needs} {_ports(net, on_each)} of fabric "{net.name}" '
                    f"and {gets} {_ports(net, given)} from {counted(leaves[place], 'leaf', 'leaves')}"
                )
                more = -(-on_each // max(1, net.down)) * rails - leaves[place]
                hint = f"{counted(more, 'leaf', 'leaves')} more, or a higher oversubscription"
                yield Finding(net.path, message, hint)


def _wanted(racks: Racks, net: Net) -> int:
    """Ports of a fabric that the nodes in the fullest of these racks have."""
    return max(sum(dict(pool.ports).get(net.name, 0) * count for pool, count in nodes) for nodes in racks.fillings)


def _ports(net: Net, count: int) -> str:
    ports = counted(count, "port", "ports")
    return ports if net.spec.rails == 1 else f"{ports} on each of {net.spec.rails} rails"


def counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


@rule("fabric.rails")
def rails_are_even(center: Center) -> Iterator[Finding]:
    """Rails are alike: leaves of a place and ports of a node divide evenly among them, or one rail is slower."""
    for net in center.nets.values():
        rails, told = net.spec.rails, set[Place]()
        for pool, ports in _pools(center, net):
            if ports % rails:
                what = f'{counted(ports, "port", "ports")} of a node of pool "{pool.name}"'
                message = f"{what} cannot be spread evenly over {rails} rails"
                yield Finding((*pool.path, "fabrics", net.name), message)
        leaves = _leaves(center, net)
        for nodes, _ in members(center, net):
            place = place_of(net, nodes.racks)
            if leaves[place] % rails and place not in told:
                told.add(place)
                what = counted(leaves[place], "leaf", "leaves")
                where = f'fabric "{net.name}" in {_title(net, nodes.racks)}'
                message = f"{what} of {where} cannot be spread evenly over {rails} rails"
                yield Finding((*net.path, "rails"), message)


@rule("fabric.spine")
def spines_take_every_uplink(center: Center) -> Iterator[Finding]:
    """The uplinks of all leaves fit into the ports of the spines; what does not fit is bandwidth that was promised."""
    for net in center.nets.values():
        if net.spine is None or net.spec.spine is None:
            continue
        leaves = sum(count * racks.count for racks in center.racks for leaf, count in racks.leaves if leaf is net)
        given = net.spec.spine.count * net.spine.ports
        if leaves * net.up > given:
            message = (
                f'{counted(leaves, "leaf", "leaves")} of fabric "{net.name}" have {leaves * net.up} uplinks, '
                f"and {counted(net.spec.spine.count, 'spine has', 'spines have')} {given} ports"
            )
            hint = f"{-(-leaves * net.up // net.spine.ports)} spines take them"
            yield Finding((*net.path, "spine", "count"), message, hint)


@rule("fabric.no-port", severity="warning")
def workers_are_on_a_fabric(center: Center) -> Iterator[Finding]:
    """Where a centre says its fabrics, a worker without a port on any of them has no way to its data."""
    for pool in center.pools.values() if center.nets else ():
        if pool.role == "worker" and not pool.ports:
            first = next(iter(center.nets))
            message = f'pool "{pool.name}" has no port on any fabric'
            yield Finding(pool.path, message, f'for example "fabrics: {{{first}: 1}}"', at_key=True)


@rule("fabric.unused", severity="warning")
def fabrics_have_nodes(center: Center) -> Iterator[Finding]:
    """Switches that serve nobody are bought, powered and cooled for nothing; usually a pool forgot to say its ports."""
    for net in center.nets.values():
        if not any(center.counts[pool.name] for pool, _ in _pools(center, net)):
            message = f'no pool has a port on fabric "{net.name}"'
            yield Finding(net.path, message, f'say "fabrics: {{{net.name}: 1}}" in a pool, or remove the fabric')
