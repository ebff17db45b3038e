"""File systems: somebody serves them, whoever mounts them reaches and understands them, and what is on them fits."""

from __future__ import annotations

from collections.abc import Iterator

from generator.model import Center
from generator.nodes import Pool
from generator.problems import Path
from generator.rules import Finding, rule
from generator.spec.storage import FileSystem

_MOUNTING = ("worker", "login")
_WITH_KEYS = ("cephfs", "beegfs")
_CALL_BACK = ("lustre", "beegfs", "gpfs")


def _path(name: str) -> Path:
    return ("storage", name)


def _mounting(center: Center, words: FileSystem) -> list[Pool]:
    """The pools that mount a file system: workers and login nodes of its clusters."""
    return [
        pool
        for pool in center.pools.values()
        if pool.role in _MOUNTING and center.counts[pool.name] and set(pool.clusters) & set(words.clusters)
    ]


@rule("storage.servers")
def file_systems_have_one_kind_of_server(center: Center) -> Iterator[Finding]:
    """Either machines outside the centre serve a file system or a pool does: a mount has one source."""
    for name, words in center.spec.storage.items():
        if bool(words.servers) == bool(words.pool):
            what = "both servers and a pool" if words.pool else "neither servers nor a pool"
            yield Finding(_path(name), f'file system "{name}" names {what}', "name one of them")


@rule("storage.role")
def storage_is_on_storage_nodes(center: Center) -> Iterator[Finding]:
    """A worker belongs to the job that runs on it; a job that fills its memory must not stop everybody's files."""
    for name, words in center.spec.storage.items():
        pool = center.pools.get(words.pool or "")
        if pool and pool.role != "storage":
            message = f'file system "{name}" is served by pool "{pool.name}", whose role is {pool.role}'
            yield Finding((*_path(name), "pool"), message, 'give the pool "role: storage"')


@rule("storage.unreachable")
def mounting_nodes_reach_the_servers(center: Center) -> Iterator[Finding]:
    """Servers on a fabric are seen by nodes on it; any other node would hang at its first access."""
    for name, words in center.spec.storage.items():
        if words.fabric is None:
            continue
        serving = center.pools.get(words.pool or "")
        for pool in [*([serving] if serving else []), *_mounting(center, words)]:
            if words.fabric not in dict(pool.ports):
                does = "serves" if pool is serving else "mounts"
                message = f'pool "{pool.name}" {does} file system "{name}" but is not on its fabric "{words.fabric}"'
                yield Finding((*_path(name), "fabric"), message, _connect(center, pool, words.fabric))


def _connect(center: Center, pool: Pool, fabric: str) -> str:
    """How a pool gets onto a fabric: with a port on each of its rails."""
    net = center.nets.get(fabric)
    ports = f"{fabric}: {net.spec.rails if net else 1}"
    if pool.ports:
        return f'add "{ports}" to the fabrics of pool "{pool.name}"'
    return f'say "fabrics: {{{ports}}}" in pool "{pool.name}"'


@rule("storage.mount-clash")
def mounts_do_not_hide_each_other(center: Center) -> Iterator[Finding]:
    """Two file systems at one place hide each other; one inside another vanishes whenever the outer one is away."""
    told = set()
    for cluster in center.clusters:
        here = {name: words for name, words in center.spec.storage.items() if cluster in words.clusters}
        mounts = sorted((f"{words.mount}/", name) for name, words in here.items())
        outer, before = "", ""
        # In this order whatever lies inside a place follows it at once.
        for mount, name in mounts:
            if outer and mount.startswith(outer):
                if (before, name) not in told:
                    message = (
                        f'file systems "{before}" ({outer[:-1]}) and "{name}" ({mount[:-1]}) lie over each other '
                        f'in cluster "{cluster}"'
                    )
                    yield Finding((*_path(name), "mount"), message)
                told.add((before, name))
            else:
                outer, before = mount, name


@rule("storage.client")
def systems_can_mount(center: Center) -> Iterator[Finding]:
    """A node mounts with the client of its operating system; some have none, and others take it from a vendor."""
    for name, words in center.spec.storage.items():
        purpose = f"{words.kind}-client"
        for pool in _mounting(center, words):
            if purpose not in pool.system.packages:
                message = (
                    f'system "{pool.system.name}" of pool "{pool.name}" does not say how it does {purpose}, '
                    f'which file system "{name}" needs'
                )
                hint = "copy the system's file into catalog/ beside the spec and complete it, or use another kind"
                yield Finding((*_path(name), "kind"), message, hint)


@rule("storage.secret")
def mounts_have_the_key_of_their_kind(center: Center) -> Iterator[Finding]:
    """Ceph lets nobody mount without a key; NFS and Lustre have none, so one that is named would be used nowhere."""
    for name, words in center.spec.storage.items():
        if words.kind == "cephfs" and words.secret is None:
            message, hint = (
                f'file system "{name}" is cephfs, and no key for it is named',
                'say "secret: vault:FILE#KEY"',
            )
            yield Finding(_path(name), message, hint)
        if words.kind not in _WITH_KEYS and words.secret:
            message = f'file system "{name}" names a key, and mounts of kind {words.kind} have none'
            yield Finding((*_path(name), "secret"), message, "remove it")


@rule("storage.served", severity="warning")
def pools_are_set_up_to_serve(center: Center) -> Iterator[Finding]:
    """This program sets up NFS on one node of a pool; whatever is more than that somebody else brings and runs."""
    for name, words in center.spec.storage.items():
        pool = center.pools.get(words.pool or "")
        if pool is None:
            continue
        count = center.counts[pool.name]
        if words.kind != "nfs":
            message = f'nobody here sets up the {words.kind} servers of file system "{name}" on pool "{pool.name}"'
            yield Finding((*_path(name), "kind"), message, "accept it with the name of who does")
        elif count > 1:
            message = f'file system "{name}" would be served by the first of the {count} nodes of pool "{pool.name}"'
            yield Finding((*_path(name), "pool"), message, "give it a pool of one node, or name its servers")


@rule("storage.firewall")
def firewalls_know_the_servers(center: Center) -> Iterator[Finding]:
    """Servers of these kinds call their clients back; a firewall admits addresses, and is there before any name."""
    for name, words in center.spec.storage.items():
        if words.kind not in _CALL_BACK or not center.spec.access.from_:
            continue
        for index, server in enumerate(words.servers):
            if not server.replace(".", "").isdigit():
                message = f'{words.kind} server "{server}" calls hosts back, and their firewall cannot admit a name'
                yield Finding((*_path(name), "servers", index), message, "say its IPv4 address")


@rule("storage.capacity")
def data_fits_onto_its_storage(center: Center) -> Iterator[Finding]:
    """The data sets that a file system is promised to keep fit onto it together."""
    for name, words in center.spec.storage.items():
        sizes = [data.size.magnitude for data in center.spec.data.values() if data.storage == name]
        if words.capacity and sum(sizes) > words.capacity.magnitude * (1 + 1e-9):
            held = type(words.capacity)(sum(sizes))
            message = (
                f'file system "{name}" must hold {held.show("TB")} of data sets, '
                f"its capacity is {words.capacity.show('TB')}"
            )
            yield Finding((*_path(name), "capacity"), message)


@rule("storage.quota")
def quotas_fit_onto_their_storage(center: Center) -> Iterator[Finding]:
    """A limit above the size of the whole never limits: the first who writes without end stops everybody."""
    for name, words in center.spec.storage.items():
        if words.quota and words.capacity and words.quota.magnitude > words.capacity.magnitude * (1 + 1e-9):
            each, whole = words.quota.show("TB"), words.capacity.show("TB")
            message = f'file system "{name}" allows {each} each, its capacity is {whole}'
            yield Finding((*_path(name), "quota"), message)
