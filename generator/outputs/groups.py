"""Groups of hosts, and what the members of one get; a vendor or an operating system is a group, never a condition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from generator.artifact import Artifact, Body, Json
from generator.model import Center
from generator.nodes import Pool


def group(kind: str, name: str) -> str:
    """A group's name as Ansible wants it: ``pool_train_h``."""
    return f"{kind}_{name}".replace("-", "_")


def groups_of(pool: Pool) -> list[str]:
    """The groups that the nodes of a pool are in, besides those of their pool and racks."""
    names = [group("role", pool.role), system_group(pool)]
    names += [group("cluster", cluster) for cluster in pool.clusters]
    names += [member_group(cluster, pool) for cluster in pool.clusters]
    if pool.vendor:
        names.append(group("vendor", pool.vendor.name))
    return names


def system_group(pool: Pool) -> str:
    return group("system", pool.system.name)


def member_group(cluster: str, pool: Pool) -> str:
    """Nodes with the same task in the same cluster and the same operating system get the same files."""
    return group("member", f"{cluster}-{pool.role}-{pool.system.name}")


UnitClass = Literal["live", "restart", "drain", "reboot"]


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of systemd that runs on the members of a group, and what a change of its files asks of the node.

    `live`: nothing, the program reads them again by itself. `restart`: the unit starts again at once. `drain`: it
    starts again once the node is empty. `reboot`: it runs at boot only. `packages` are those whose new versions wait
    for the same moment as the unit. A unit with `gate` waits for what the gate names: "accepted" is a node whose
    acceptance checks have passed.
    """

    name: str
    kind: UnitClass = "restart"
    gate: str = ""
    packages: tuple[str, ...] = ()

    def entry(self) -> dict[str, Any]:
        gate = {"gate": self.gate} if self.gate else {}
        packages = {"packages": sorted(self.packages)} if self.packages else {}
        return {"name": self.name, "class": self.kind, **gate, **packages}


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that a file has a hole for: where the operator keeps it, and what it is used for."""

    reference: str
    use: str

    def entry(self) -> dict[str, str]:
        return {"reference": self.reference, "use": self.use}


NO_SECRETS: Mapping[str, Secret] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class HostFile:
    """A file that the members of a group get; `holes` name what of a node, or which secret, is filled in at last."""

    path: str
    body: Body
    units: tuple[str, ...] = ()
    mode: str = "0644"
    owner: str = "root"
    group: str = ""
    holes: tuple[str, ...] = ()
    before_packages: bool = False
    because: tuple[str, ...] = ()

    def entry(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "mode": self.mode,
            "owner": self.owner,
            "group": self.group or self.owner,
            "units": list(self.units),
            "holes": list(self.holes),
            "before_packages": self.before_packages,
        }


def group_files(
    name: str,
    files: Iterable[HostFile],
    because: tuple[str, ...],
    packages: Iterable[str] = (),
    units: Iterable[str | Unit] = (),
    directories: Iterable[dict[str, Any]] = (),
    links: Mapping[str, str] = MappingProxyType({}),
    secrets: Mapping[str, Secret] = NO_SECRETS,
) -> Iterator[Artifact]:
    """The manifest of a group and each of its files."""
    files = sorted(files, key=lambda file: file.path)
    run = {unit if isinstance(unit, Unit) else Unit(unit) for unit in units}
    manifest = {
        "packages": sorted(set(packages)),
        "files": [file.entry() for file in files],
        "units": [unit.entry() for unit in sorted(run, key=lambda unit: unit.name)],
        "links": [{"path": path, "target": target} for path, target in sorted(links.items())],
        "directories": sorted(directories, key=lambda directory: str(directory["path"])),
        "secrets": {key: secret.entry() for key, secret in sorted(secrets.items())},
    }
    causes = tuple(dict.fromkeys([*because, *(cause for file in files for cause in file.because)]))
    yield Artifact(f"hosts/groups/{name}/manifest.json", Json(manifest, expand=2), causes)
    for file in files:
        yield Artifact(f"hosts/groups/{name}/files{file.path}", file.body, file.because or because)


def pools_by_group(center: Center, name: Callable[[Center, Pool], str | None]) -> dict[str, list[Pool]]:
    """Pools that have nodes, by the group that a function says, in order of name; None is no group."""
    found: dict[str, list[Pool]] = {}
    for pool in sorted(center.pools.values(), key=lambda pool: pool.name):
        if center.counts[pool.name] and (group := name(center, pool)):
            found.setdefault(group, []).append(pool)
    return dict(sorted(found.items()))


def pools_by_system(center: Center, pools: Iterable[Pool]) -> dict[str, list[Pool]]:
    """Pools grouped by operating system, in order of name."""
    found: dict[str, list[Pool]] = {}
    for pool in sorted(pools, key=lambda pool: pool.name):
        if center.counts[pool.name]:
            found.setdefault(pool.system.name, []).append(pool)
    return dict(sorted(found.items()))
