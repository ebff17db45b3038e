"""The software of accelerators: who installs it, and from where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from generator.catalog.vendor_model import HostPackages, Vendor
from generator.model import Center
from generator.nodes import Pool
from generator.problems import did_you_mean
from generator.rules import Finding, rule


def _named(vendor: Vendor, manager: Literal["apt", "dnf"]) -> HostPackages:
    """What a package manager calls the software of a vendor, as far as the catalogue knows."""
    return vendor.host.packages.get(manager, HostPackages()) if vendor.host else HostPackages()


@rule("accelerator.not-installed", severity="warning")
def somebody_installs_drivers(center: Center) -> Iterator[Finding]:
    """Without driver and toolkit the accelerators of a node are dead weight; somebody has to bring them."""
    told = set()
    for pool in center.pools.values():
        vendor = pool.vendor
        if vendor is None or (vendor.name, pool.system.name, pool.containers) in told:
            continue
        told.add((vendor.name, pool.system.name, pool.containers))
        named = vendor.name in center.spec.network.repositories
        missing = list(_missing(vendor, pool, named))
        if missing:
            does, them = ("is", "it") if len(missing) == 1 else ("are", "them")
            what = f'{" and ".join(missing)} of vendor "{vendor.name}" {does} not installed on pool "{pool.name}"'
            why = f"nobody has published what {pool.system.package_manager} calls {them}"
            hint = f'copy the file of "{vendor.name}" into catalog/vendors beside the spec and name its packages'
            if not named:
                why = "no repository is named for this vendor"
                hint = f"say where it comes from, network.repositories.{vendor.name}, or accept it with who brings it"
            yield Finding((*pool.path, "accelerator"), f"{what}: {why}", hint)


def _missing(vendor: Vendor, pool: Pool, named: bool) -> Iterator[str]:
    """What the nodes of a pool need and do not get; an empty list of packages means that nothing is needed."""
    packages = _named(vendor, pool.system.package_manager)
    needed = {"driver": packages.driver, "toolkit": packages.toolkit if pool.containers else None}
    for purpose, fact in needed.items():
        known = fact.value if fact else None
        if (purpose == "driver" or pool.containers) and (known is None or (known and not named)):
            yield purpose


@rule("network.repository-unused", "warning")
def repositories_have_takers(center: Center) -> Iterator[Finding]:
    """A repository is named for a vendor; one that no pool has is a slip, and its packages reach nobody."""
    used = {pool.vendor.name for pool in center.pools.values() if pool.vendor}
    for name in center.spec.network.repositories:
        if name not in used:
            hint = did_you_mean(name, used) or f"vendors of this centre: {', '.join(sorted(used)) or 'none'}"
            message = f'a repository is named for vendor "{name}", whose accelerators no pool has'
            yield Finding(("network", "repositories", name), message, hint, at_key=True)


@rule("network.repository-version")
def versions_are_of_packages(center: Center) -> Iterator[Finding]:
    """A version holds a package where it is; one of a package that nobody installs holds nothing."""
    for name, repository in center.spec.network.repositories.items():
        pools = [pool for pool in center.pools.values() if pool.vendor and pool.vendor.name == name]
        known = {package for pool in pools for package in _packages(pool)}
        for package in repository.versions if pools else ():
            if package not in known:
                hint = did_you_mean(package, known) or f"packages of it: {', '.join(sorted(known)) or 'none is known'}"
                message = f'no pool gets the package "{package}" of vendor "{name}"'
                yield Finding(("network", "repositories", name, "versions", package), message, hint, at_key=True)


def _packages(pool: Pool) -> Iterator[str]:
    """Every package that nodes of a pool get of their vendor."""
    if pool.vendor:
        named = _named(pool.vendor, pool.system.package_manager)
        for fact in (named.driver, named.toolkit, named.exporter, named.tools):
            yield from (fact.value or []) if fact else []
