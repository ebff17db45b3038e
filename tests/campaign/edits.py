"""Random edits, seeded: of the spec, of what the operator keeps, and what somebody does by hand on a host.

An edit changes a centre and says what it did; whether it changes a host, and how, is for others to find out.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

from tests.quad import CONTROLLER, HEAD, OTHER_USER, Quad, worker
from tests.rig.hosts import LOGIN_USER

Edit = Callable[[Quad, Random], str]
NEARBY = [CONTROLLER, "10.16.255.253", "10.16.255.252"]
ZONES = ["Etc/UTC", "Asia/Shanghai", "Europe/Zurich", "America/New_York"]
DOMAINS = ["quad.example", "four.example", "a.b.quad.example"]


def one_of(chance: Random, now: Any, choices: list[Any]) -> Any:
    return chance.choice([choice for choice in choices if choice != now])


def put(quad: Quad, dotted: str, value: Any) -> str:
    *parents, last = dotted.split(".")
    place: Any = quad.spec
    for part in parents:
        place = place.setdefault(part, {})
    if value is None:
        place.pop(last, None)
    else:
        place[last] = value
    return f"{dotted} = {json.dumps(value)}"


def get(quad: Quad, dotted: str) -> Any:
    place: Any = quad.spec
    for part in dotted.split("."):
        place = place.get(part) if isinstance(place, dict) else None
    return place


def field(dotted: str, *choices: Any) -> Edit:
    """Another value of a field; None takes it out."""

    def edit(quad: Quad, chance: Random) -> str:
        return put(quad, dotted, one_of(chance, get(quad, dotted), list(choices)))

    return edit


# Of the spec, which reach hosts


def time_servers(quad: Quad, chance: Random) -> str:
    known = [*NEARBY, "time.quad.example", "2001:db8::123"]
    return put(quad, "network.ntp", chance.sample(known, chance.randint(1, 4)))


def name_servers(quad: Quad, chance: Random) -> str:
    return put(quad, "network.dns", chance.sample(NEARBY, chance.randint(0, 3)))


def operator_keys(quad: Quad, chance: Random) -> str:
    """Keys of operators, among them the one that the test logs in with."""
    if get(quad, "access.ssh.keys") and chance.random() < 0.4:
        return put(quad, "access.ssh.keys", None)
    own = quad.key.with_name(f"{quad.key.name}.pub").read_text()
    others = "".join(f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{chance.randbytes(32).hex()[:43]} p{n}\n" for n in range(2))
    (quad.folder / "keys.pub").write_text(own + (others if chance.random() < 0.7 else ""))
    return put(quad, "access.ssh.keys", "path:keys.pub") + " with other keys"


def trusted_roots(quad: Quad, chance: Random) -> str:
    if get(quad, "network.trust") and chance.random() < 0.4:
        return put(quad, "network.trust", None)
    (quad.folder / "roots.pem").write_text("".join(chance.sample(roots(), chance.randint(1, 2))))
    return put(quad, "network.trust", "path:roots.pem") + " with other roots"


@cache
def roots() -> list[str]:
    make = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", "/dev/null", "-days", "30"]
    subjects = [f"/CN=root {number}" for number in range(3)]
    return [subprocess.run([*make, "-subj", s], capture_output=True, text=True, check=True).stdout for s in subjects]


def directory(quad: Quad, chance: Random) -> str:
    if get(quad, "access.identity.ldap") and chance.random() < 0.3:
        return put(quad, "access.identity", None)
    ldap = {"uri": f"ldaps://{chance.choice(['id', 'ldap'])}.quad.example", "base": "dc=quad,dc=example"}
    if chance.random() < 0.5:
        ldap |= {"reader": "cn=hosts,dc=quad,dc=example", "bind": "file:bind"}
        quad.gives("bind", chance.randbytes(12).hex())
    return put(quad, "access.identity", {"ldap": ldap})


def leave_or_come_back(quad: Quad, chance: Random) -> str:
    gone = get(quad, "pools.science.absent")
    return put(quad, "pools.science.absent", None if gone else [worker(2)])


def key_of_the_cluster(quad: Quad, chance: Random) -> str:
    quad.gives("munge-2", chance.randbytes(48).hex())
    return put(
        quad, "clusters.hpc.munge", one_of(chance, get(quad, "clusters.hpc.munge"), ["file:munge", "file:munge-2"])
    )


def value_of_a_secret(quad: Quad, chance: Random) -> str:
    """No word of the spec changes."""
    name = get(quad, "clusters.hpc.munge").removeprefix("file:")
    quad.gives(name, chance.randbytes(48).hex())
    return f"another value of the secret {name}"


def several(quad: Quad, chance: Random) -> str:
    return "; ".join(edit(quad, chance) for edit in chance.sample(SPEC, 3))


SPEC: list[Edit] = [
    time_servers,
    name_servers,
    operator_keys,
    trusted_roots,
    directory,
    leave_or_come_back,
    key_of_the_cluster,
    value_of_a_secret,
    field("site.timezone", *ZONES),
    field("network.domain", *DOMAINS),
    field("network.mirror.components", ["main"], ["main", "extra"]),
    field("access.from", None, ["10.16.0.0/16"], ["10.16.255.0/24", "10.8.0.0/24"]),
    field("access.ssh.user", LOGIN_USER, OTHER_USER),
    field("pools.science.server", "generic-1u", "generic-2u-cpu-air"),
    field("metadata.name", "quad", "tetra"),
]
# What is about no host at all, or about how a run goes.
QUIET: list[Edit] = [
    field("metadata.title", None, "四 <b>{{ quad }}</b>", "$(id) `id` %h"),
    field("site.region", None, "here", "there"),
    field("pools.science.rollout", None, {"batch": "50 %"}, {"batch": "100 %", "unreachable": "50 %"}),
    field("power.feeds.west.capacity", "60 kW", "70 kW"),
]

# By hand, on a host


def managed(quad: Quad, chance: Random) -> tuple[str, str]:
    """A host, and a path there that center has placed."""
    name = chance.choice(present(quad))
    record = json.loads(quad.hosts.run(name, ["cat", "/var/lib/center/placed.json"]))
    paths = [path for path in sorted(record["files"]) if not path.startswith("/etc/ssh/center/")]
    files = [path for path in paths if not path.endswith("50-center.conf")]
    return name, chance.choice(files)


def present(quad: Quad) -> list[str]:
    gone = get(quad, "pools.science.absent") or []
    return [name for name in quad.hosts.addresses if name not in gone]


def by_hand(script: str, what: str) -> Edit:
    def edit(quad: Quad, chance: Random) -> str:
        name, path = managed(quad, chance)
        # Through a link one would edit what it points to, a file of the system itself.
        quad.hosts.run(name, ["sh", "-c", f'[ ! -L "$1" ] || set -- /etc/hosts; {script}', "sh", path])
        return f"{name}: {what} {path}"

    return edit


def to_a_unit(command: str) -> Edit:
    def edit(quad: Quad, chance: Random) -> str:
        name = chance.choice(present(quad))
        units = ["chrony.service", "prometheus-node-exporter.service"]
        units += ["munge.service"] if name.startswith(("head", "science")) else ["prometheus.service"]
        unit = chance.choice([*units, "slurmctld.service"] if name == HEAD else units)
        quad.hosts.run(name, ["systemctl", *command.split(), unit])
        return f"{name}: {command} {unit}"

    return edit


DRIFT: list[Edit] = [
    by_hand('echo "# by hand" >>"$1"', "a line added to"),
    by_hand('truncate -s 0 "$1"', "emptied"),
    by_hand('rm "$1"', "removed"),
    by_hand('chmod 0640 "$1"', "mode of"),
    by_hand('chmod 0666 "$1"', "open mode of"),
    by_hand('chown nobody "$1"', "owner of"),
    by_hand('chgrp nogroup "$1"', "group of"),
    by_hand('touch "$1"', "only the time of"),
    by_hand('cp -p "$1" "$1.mine" && mv "$1.mine" "$1"', "a copy in the place of"),
    by_hand('ln -sf /etc/hostname "$1"', "a link in the place of"),
    by_hand("echo mine >/etc/center-stranger.conf", "a file of somebody else, not"),
    by_hand("ln -sfn /usr/share/zoneinfo/Asia/Tokyo /etc/localtime", "another time zone, not"),
    by_hand("rm /etc/systemd/system/chrony.service.d/50-center.conf", "the note of chrony, not"),
    to_a_unit("stop"),
    to_a_unit("disable"),
    to_a_unit("disable --now"),
    to_a_unit("restart"),
]


def edit(quad: Quad, chance: Random) -> str:
    """One edit."""
    kinds: list[list[Edit]] = [SPEC, QUIET, DRIFT, [several]]
    [kind] = chance.choices(kinds, [50, 8, 34, 8])
    return chance.choice(kind)(quad, chance)
