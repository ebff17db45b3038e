"""File systems that workers and login nodes mount: a unit of systemd each, whatever serves them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from generator.artifact import Artifact, TextTemplate
from generator.model import Center
from generator.nodes import Pool
from generator.outputs.groups import HostFile, Secret, Unit, group, pools_by_system
from generator.outputs.hosts import UNITS, Part, firewall, together
from generator.spec.storage import FileSystem

_SERVERS_CALL_BACK = ("lustre", "beegfs", "gpfs")
# Where the key of a file system lies on the nodes, for the kinds that have one.
_SECRETS = {"cephfs": "/etc/ceph/center.{}.secret", "beegfs": "/etc/beegfs/center.{}.secret"}


def groups(center: Center, pool: Pool) -> Iterator[str]:
    for name, words in center.spec.storage.items():
        if mounts(pool, words):
            yield group("storage", name)
            yield group("client", f"{words.kind}-{pool.system.name}")


def mounts(pool: Pool, words: FileSystem) -> bool:
    return pool.role in ("worker", "login") and bool(set(pool.clusters) & set(words.clusters))


def artifacts(center: Center) -> Iterator[Artifact]:
    yield from _clients(center)
    for name, words in center.spec.storage.items():
        if any(mounts(pool, words) and center.counts[pool.name] for pool in center.pools.values()):
            causes = (f"storage.{name}", "pools", "halls", "network.plans.nodes", "fabrics")
            servers = _servers(center, words)
            admitted = []
            if words.kind in _SERVERS_CALL_BACK:
                admitted = [server for server in servers if server.replace(".", "").isdigit()]
            net = center.nets.get(words.fabric or "")
            rdma = net is not None and net.spec.kind == "infiniband"
            parts = [_mount(name, words, servers, rdma, causes)]
            parts.append(firewall.admitted(center, f"storage-{name}", admitted, causes))
            yield from together(group("storage", name), parts, causes)


def _clients(center: Center) -> Iterator[Artifact]:
    """What each kind of file system needs on each operating system."""
    for kind in sorted({words.kind for words in center.spec.storage.values()}):
        mounting = [
            pool
            for pool in center.pools.values()
            if any(words.kind == kind and mounts(pool, words) for words in center.spec.storage.values())
        ]
        for pools in pools_by_system(center, mounting).values():
            system = pools[0].system
            part = Part(packages=tuple(system.packages[f"{kind}-client"]))
            yield from together(group("client", f"{kind}-{system.name}"), [part], ("storage", "pools"))


def _servers(center: Center, words: FileSystem) -> list[str]:
    """Whom a mount asks: the servers that the spec names, or the first nodes of the pool that serves it."""
    pool = center.pools.get(words.pool or "")
    return list(words.servers) or [node.address for node in center.nodes_of([pool] if pool else [])][:5]


def _mount(name: str, words: FileSystem, servers: list[str], rdma: bool, causes: tuple[str, ...]) -> Part:
    mount = unit_name(words.mount)
    export = words.export.strip("/")
    context: dict[str, Any] = {
        "name": name, "fs": words, "servers": servers,
        "export": f"/{export}", "device": export, "network": "o2ib" if rdma else "tcp", "secret": "",
    }  # fmt: skip
    secrets, files = {}, []
    if words.secret and words.kind in _SECRETS:
        context["secret"] = _SECRETS[words.kind].format(name)
        hole = f"storage-{name}"
        body = TextTemplate("hosts/storage/secret", {"name": name}, "plain")
        file = HostFile(context["secret"], body, (mount,), mode="0600", holes=(f"secret.{hole}",), because=causes)
        files.append(file)
        secrets[hole] = Secret(words.secret, "storage-key")
    unit = TextTemplate(f"hosts/storage/{words.kind}.mount", context, "systemd")
    path, links = f"{UNITS}/{mount}", {}
    if "\\" in mount:  # no name that a file of a tree can have everywhere, so it is that of a link
        path = f"/etc/center/mounts/{name}.mount"
        links[f"{UNITS}/{mount}"] = path
        # systemd takes such a link for an alias that needs no enabling, so what starts it at boot is said here.
        links[f"{UNITS}/remote-fs.target.wants/{mount}"] = f"../{mount}"
    files.append(HostFile(path, unit, (mount,), because=causes))
    if words.kind == "beegfs":
        client = TextTemplate("hosts/storage/beegfs.conf", context, "ini")
        files.append(HostFile(f"/etc/beegfs/center-{name}.conf", client, (mount,), because=causes))
    return Part(tuple(files), (), (Unit(mount, "drain"),), links=links, secrets=secrets)


def unit_name(path: str) -> str:
    """The name that systemd gives the mount unit of a path (systemd.unit(5), "string escaping")."""
    parts = [part for part in path.split("/") if part]
    escaped = "-".join("".join(map(_escaped, part)) for part in parts)
    return f"{escaped}.mount"


def _escaped(character: str) -> str:
    """Letters, digits, `:`, `_` and `.` stand for themselves."""
    if character.isascii() and (character.isalnum() or character in ":_."):
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode())
