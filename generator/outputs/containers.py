"""What runs containers: containerd with the runtime of the pool's vendor, the sandbox and the mirrors of registries.

The kubelet and what joins a node to its cluster come with the cluster; this is the ground that they stand on.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from generator.artifact import Artifact, TextTemplate
from generator.catalog.models import Sandbox
from generator.model import Center
from generator.nodes import Pool
from generator.outputs.groups import HostFile, Unit, group, group_files, pools_by_group

# What decides which nodes are in a group of these, and therefore which files there are.
_DECIDES = ("pools", "clusters", "fabrics")


def groups(center: Center, pool: Pool) -> Iterator[str]:
    """Nodes that run containers on the same operating system, with the same vendor's runtime, sandbox and kind of
    network."""
    if name := _group(center, pool):
        yield name


def artifacts(center: Center) -> Iterator[Artifact]:
    for name, pools in pools_by_group(center, _group).items():
        system = pools[0].system
        # A restart asks nothing of the node: containers belong to their shims and go on while containerd starts again.
        unit = Unit(system.units["containers"], "restart")
        files = [*_files(center, pools[0], unit.name), *_mirrors(center)]
        yield from group_files(name, files, _DECIDES, system.packages["containers"], [unit])


def _group(center: Center, pool: Pool) -> str | None:
    if not pool.containers:
        return None
    vendor = f"-{pool.vendor.name}" if pool.vendor else ""
    sandbox = _sandbox(center, pool)
    inside = f"-sandbox-{sandbox.name}" if sandbox else ""
    return group("containers_rdma" if pool.rdma else "containers", pool.system.name + vendor + inside)


def _sandbox(center: Center, pool: Pool) -> Sandbox | None:
    """The sandbox that containerd can start there: that of its cluster, for workers have one."""
    found = (center.sandboxes.get(cluster) for cluster in pool.clusters)
    return next((sandbox for sandbox in found if sandbox and sandbox.runtime_type.value), None)


def _files(center: Center, pool: Pool, unit: str) -> Iterator[HostFile]:
    handler, binary = _runtime(center, pool)
    context = {"handler": handler, "binary": binary, "sandbox": _sandbox(center, pool)}
    config = TextTemplate("hosts/containers/config.toml", context, "toml")
    yield HostFile(pool.system.paths["containers"], config, (unit,), because=(*_DECIDES, "network.repositories"))
    yield HostFile("/etc/crictl.yaml", TextTemplate("hosts/containers/crictl.yaml", {}, "plain"))
    if pool.rdma:
        memory = TextTemplate("hosts/containers/memory.conf", {}, "systemd")
        yield HostFile(f"/etc/systemd/system/{unit}.d/60-center.conf", memory, (unit,))


def _runtime(center: Center, pool: Pool) -> tuple[str | None, str | None]:
    """Handler and program of the vendor, where both are known and the vendor's software is ours to place."""
    vendor = pool.vendor
    runtime = vendor.host.runtime if vendor and vendor.host else None
    if vendor is None or runtime is None or vendor.name not in center.spec.network.repositories:
        return None, None
    handler, binary = runtime.handler.value, runtime.binary.value
    return (handler, binary) if handler and binary else (None, None)


def _mirrors(center: Center) -> Iterator[HostFile]:
    """One file a registry, which containerd reads at every pull: no unit has to start again."""
    for registry, mirror in center.spec.network.registries.items():
        # A mirror below a path is meant as it is written, without the /v2 that containerd would add.
        context = {"registry": registry, "mirror": mirror, "is_whole": urlsplit(mirror).path not in ("", "/")}
        hosts = TextTemplate("hosts/containers/hosts.toml", context, "toml")
        path = f"/etc/containerd/certs.d/{registry}/hosts.toml"
        yield HostFile(path, hosts, because=(*_DECIDES, "network.registries"))
