"""What each pool's nodes have to be: the hardware that `preflight` expects and the checks that `accept` makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from generator.artifact import Artifact, Json
from generator.catalog.check import LISTS, Check, Reading, bound, fill, holes
from generator.model import Center
from generator.nodes import Pool
from generator.outputs.groups import group

# What decides which nodes there are, what is in them, and what they are for.
_CAUSES = ("pools", "halls", "clusters", "fabrics", "storage")
_RDMA = ("infiniband", "roce")


def artifacts(center: Center) -> Iterator[Artifact]:
    for pool in center.pools.values():
        if center.counts[pool.name]:
            folder, expected = f"hosts/groups/{group('pool', pool.name)}", _expected(center, pool)
            mirror = ("network.mirror",) if expected["mirror"] else ()
            yield Artifact(f"{folder}/expected.json", Json(expected), (*_CAUSES, *mirror))
            checks = {"pool": pool.name, "checks": list(_checks(center, pool, expected))}
            yield Artifact(f"{folder}/checks.json", Json(checks, expand=2), _CAUSES)


def _expected(center: Center, pool: Pool) -> dict[str, Any]:
    ports = {kind: _ports(center, pool, kind) for kind in ("ethernet", *_RDMA)}
    return {
        "pool": pool.name,
        "system": (pool.system.release or pool.system.name.replace("-", " ", 1).replace("-", ".")).lower(),
        "server": pool.server.name,
        "cores": pool.server.cores,
        "memory": int(pool.server.memory.magnitude * 1e9),
        "accelerators": _accelerators(pool),
        "ports": sum(ports.values()),
        "rdma-ports": sum(ports[kind] for kind in _RDMA),
        "mirror": _release_file(center, pool),
        "mounts": sorted(system.mount for system in center.spec.storage.values() if _mounts(pool, system.clusters)),
    }


def _accelerators(pool: Pool) -> dict[str, Any] | None:
    """How the accelerators show themselves; None where there are none, or none that a bus has."""
    model, vendor = pool.accelerator, pool.vendor
    if model is None or vendor is None or not pool.accelerators_per_node or not vendor.pci_vendor.value:
        return None
    each = (model.pci_functions.value if model.pci_functions else None) or 1
    return {
        "model": model.name,
        "count": pool.accelerators_per_node * each,
        "vendor": vendor.pci_vendor.value,
        "devices": (model.pci_devices.value if model.pci_devices else None) or [],
        "files": vendor.slurm.file or "",
    }


def _ports(center: Center, pool: Pool, kind: str) -> int:
    return sum(count for name, count in pool.ports if name in center.nets and center.nets[name].spec.kind == kind)


def _mounts(pool: Pool, clusters: list[str]) -> bool:
    return pool.role in ("worker", "login") and not set(clusters).isdisjoint(pool.clusters)


def _release_file(center: Center, pool: Pool) -> str | None:
    """A small file that every mirror of packages has."""
    mirror = center.spec.network.mirror
    if mirror is None:
        return None
    place = f"dists/{mirror.suite}/Release" if pool.system.package_manager == "apt" else "repodata/repomd.xml"
    return f"{mirror.url.rstrip('/')}/{place}"


def _checks(center: Center, pool: Pool, expected: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The checks that are for a pool, with every place filled in: what a reviewer reads is what is run."""
    controllers = [node.name for node in center.nodes_of([p for p in center.pools.values() if p.role == "control"])]
    lists = {"controllers": controllers, "mounts": expected["mounts"]}
    assert lists.keys() == LISTS.keys()
    numbers = {
        "accelerators": pool.accelerators_per_node,
        "cores": pool.server.cores,
        "memory-gib": int(expected["memory"] >> 30),
        "rdma-ports": expected["rdma-ports"],
    }
    values = {name: number for name, number in numbers.items() if number}
    for check in center.checks:
        told = {"name": check.name, "title": check.title, "why": check.why}
        if not _is_for(center, pool, check):
            continue
        if check.fact:
            if _expects(check.fact, expected):
                yield {**told, "fact": check.fact}
        else:
            try:
                yield {**told, **_command(check, values, lists)}
            except KeyError:
                continue  # it has a place for what this pool does not have


def _is_for(center: Center, pool: Pool, check: Check) -> bool:
    when = check.when
    kinds = {center.clusters[name].kind for name in pool.clusters}
    fabrics = {center.nets[name].spec.kind for name, _ in pool.ports if name in center.nets}
    return (
        (not when.roles or pool.role in when.roles)
        and (not when.clusters or not kinds.isdisjoint(when.clusters))
        and (not when.fabrics or not fabrics.isdisjoint(when.fabrics))
        and (not when.vendors or (pool.vendor is not None and pool.vendor.name in when.vendors))
        and (when.accelerators is None or when.accelerators == bool(pool.accelerators_per_node))
    )


def _expects(fact: str, expected: Mapping[str, Any]) -> bool:
    """Whether there is anything to compare with."""
    needs = {
        "accelerators": expected["accelerators"],
        "device-files": (expected["accelerators"] or {}).get("files"),
        "network": expected["ports"],
        "rdma-ports": expected["rdma-ports"],
        "mounts": expected["mounts"],
    }
    return bool(needs.get(fact, True))


def _command(check: Check, values: dict[str, int], lists: Mapping[str, list[str]]) -> dict[str, Any]:
    """KeyError for a place that nothing fills."""
    words: list[str] = []
    for word in check.argv or ():
        [name, *_] = [*holes(word), ""]
        if name in lists:
            if not lists[name]:
                raise KeyError(name)
            words += lists[name]
        else:
            words.append(fill(word, values))
    number = {"number": _number(check.number, values)} if check.number else {}
    return {"argv": words, "exit": check.exit, "seconds": check.seconds, **number}


def _number(reading: Reading, values: dict[str, int]) -> dict[str, Any]:
    limits = {"least": reading.least, "most": reading.most}
    numbers = {name: bound(limit, values) for name, limit in limits.items() if limit is not None}
    return {"pattern": reading.pattern, "unit": reading.unit or "", **numbers}
