"""Centres of any size, as text: what a spec of many nodes looks like."""

from __future__ import annotations

import ipaddress
import string
from pathlib import Path

ROW_RACKS, PER_RACK, BLOCK_ROWS, CLUSTER_ROWS = 63, 4, 4, 16
"""63 racks of 4 nodes make a row; 4 rows make a block of 1,008 nodes, 16 rows a cluster of 4,032."""

SSH_AUTHORITY = Path(__file__).parent.parent / "inventories/starter/ssh_ca.pub"


def center(nodes: int, tenants: int = 3) -> str:
    """A centre of about so many workers, and three control nodes for each cluster."""
    kinds, rows, pools, clusters = [], [], [], []
    first = int(ipaddress.IPv4Address("10.0.0.0"))
    left = max(1, nodes // PER_RACK)
    for index in range(-(-left // ROW_RACKS)):
        row, count, cluster = _letters(index), min(ROW_RACKS, left), index // CLUSTER_ROWS
        left -= count
        base, block = ipaddress.IPv4Address(first + index * 1024), f"hall-{index // BLOCK_ROWS}"
        rows.append(
            f"{row}: {{racks: {{{row}01..{count:02d}: gpu{cluster}}}, base: {base}, stride: 16, block: {block}}}"
        )
        if index % CLUSTER_ROWS == 0:
            kinds.append(f"gpu{cluster}: {{type: rack-48u, holds: {{train{cluster}: {PER_RACK}}}}}")
            # A /24 for each of 4,035 nodes; so many clusters need more than the private networks hold.
            pods, services = f"{20 + cluster // 16}.{cluster % 16 * 16}.0.0/12", f"60.{cluster}.0.0/16"
            clusters.append(
                f'c{cluster}: {{kind: kubernetes, version: "1.36", cni: calico, pods: {pods}, services: {services}}}'
            )
            pools.append(f"train{cluster}: {{server: simulated-host, accelerator: simulated-8, cluster: c{cluster}}}")
            place = f"racks: {row}01..03, per-rack: 1, slot: 8"
            pools.append(f"ctl{cluster}: {{server: generic-1u, role: control, cluster: c{cluster}, {place}}}")
    quota = "quota: {train0: 8 accelerators}"
    people = [f't{n}: {{class: research, admins: ["oidc:pi{n}"], {quota}}}' for n in range(tenants)]
    return _TEXT.format(
        kinds=_lines(6, kinds), rows=_lines(6, rows), pools=_lines(2, pools), clusters=_lines(2, clusters),
        people=_lines(6, people),
    )  # fmt: skip


def _lines(indent: int, lines: list[str]) -> str:
    return "\n".join(" " * indent + line for line in lines)


def _letters(number: int) -> str:
    name = string.ascii_lowercase[number % 26]
    while number >= 26:
        number = number // 26 - 1
        name = string.ascii_lowercase[number % 26] + name
    return name


_TEXT = """\
apiVersion: center/v1
kind: Center
metadata: {{name: bench}}
site: {{timezone: Europe/Zurich}}
network:
  domain: bench.example
  plans: {{nodes: 10.0.0.0/8}}
  ntp: [10.255.0.1]
power:
  feeds:
    west: {{capacity: 900 MW, rack: 9x 125 A 400 V 3-phase, derating: 80 %}}
halls:
  hall:
    feeds: [west]
    air: {{supply: 24 °C, humidity: 45 %, capacity: 200 MW}}
    rack-kinds:
{kinds}
    rows:
{rows}
pools:
{pools}
clusters:
{clusters}
access:
  ssh: {{authority: "path:ssh_ca.pub"}}
  identity: {{oidc: {{issuer: "https://id.bench.example"}}}}
organizations:
  university:
    tenants:
{people}
"""
