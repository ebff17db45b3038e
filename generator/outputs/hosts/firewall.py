"""The firewall of a host: a table of our own, beside those of container networks and never in place of them."""

from __future__ import annotations

from collections.abc import Iterable

from generator.artifact import TextTemplate
from generator.catalog.models import OperatingSystem
from generator.model import Center
from generator.outputs.groups import HostFile
from generator.outputs.hosts import NOTHING, Part, unit_file

UNIT = "center-firewall.service"
FOLDER = "/etc/center/firewall.d"
_CAUSES = ("access.from", "network.plans.nodes")


def part(center: Center, system: OperatingSystem) -> Part:
    operators = center.spec.access.from_
    if not operators:
        return NOTHING
    context = {"operators": operators, "nodes": center.spec.network.plans.nodes, "folder": FOLDER}
    table = TextTemplate("hosts/firewall.nft", context, "nft")
    service = unit_file(UNIT, "firewall.service", {"nft": system.paths["firewall"]}, _CAUSES)
    return Part(
        files=(HostFile("/etc/center/firewall.nft", table, (UNIT,), mode="0600", because=_CAUSES), service),
        packages=tuple(system.packages["firewall"]),
        units=(UNIT,),
        directories=({"path": FOLDER, "mode": "0755", "owner": "root", "group": "root"},),
    )


def admitted(center: Center, name: str, networks: Iterable[str], because: tuple[str, ...]) -> Part:
    """Networks that the members of one more group let in; each adds its own, so groups need not know each other."""
    networks = list(networks)
    if not center.spec.access.from_ or not networks:
        return NOTHING
    body = TextTemplate("hosts/firewall-part.nft", {"networks": networks}, "nft")
    file = HostFile(f"{FOLDER}/{name}.nft", body, (UNIT,), mode="0600", because=("access.from", *because))
    return Part(files=(file,))
