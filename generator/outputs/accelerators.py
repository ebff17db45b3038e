"""The software of accelerators on hosts: where packages come from, what the kernel gets, who says that they answer.

A vendor's software is ours to place where the spec says which repository it comes from; elsewhere the site brings it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import PurePosixPath

from generator.artifact import Artifact, Raw, TextTemplate
from generator.catalog.entries import Fact
from generator.catalog.models import OperatingSystem
from generator.catalog.vendor_model import HostPackages, Vendor, VendorHost
from generator.devices import exporter_port, host_exporter, stack_of
from generator.model import Center
from generator.nodes import Pool
from generator.outputs.groups import HostFile, Unit, group, group_files, pools_by_group
from generator.spec.site import Repository

UNITS = "/etc/systemd/system"
PROGRAM = "/usr/local/lib/center/accelerators"
SECONDS = 60
"""How long drivers may take to make their device files."""
GRUB, BOOT = "center-grub.service", "center-boot.service"


def groups(center: Center, pool: Pool) -> Iterator[str]:
    """Nodes with accelerators of one vendor and the same operating system get the same software of that vendor."""
    if name := _group(center, pool):
        yield name


def artifacts(center: Center) -> Iterator[Artifact]:
    for name, pools in pools_by_group(center, _group).items():
        vendor, host = pools[0].vendor, stack_of(center, pools[0])
        if vendor and host:
            yield from _stack(center, name, pools[0], vendor, host)


def _group(center: Center, pool: Pool) -> str | None:
    if pool.vendor is None or stack_of(center, pool) is None:
        return None
    return group("stack", f"{pool.vendor.name}-{pool.system.name}")


def _stack(center: Center, name: str, pool: Pool, vendor: Vendor, host: VendorHost) -> Iterator[Artifact]:
    system = pool.system
    repository = center.spec.network.repositories[vendor.name]
    named = host.packages.get(system.package_manager, HostPackages())
    driver = _packages(named.driver, repository)
    others = [_packages(fact, repository) for fact in (named.toolkit, named.exporter, named.tools)]
    stack = f"center-stack-{vendor.name}.service"
    # Another driver waits for the moment at which its modules may be exchanged.
    units = [Unit(stack, host.driver_change, packages=tuple(driver))]
    files = [*_sources(center, vendor, system, repository), *_kernel(vendor, host, stack)]
    if host.kernel_options and host.kernel_options.value:
        files += _boot(host.kernel_options.value, system)
        units += [Unit(GRUB), Unit(BOOT, "reboot")]
    if exporter := host_exporter(center, pool):
        files.append(_exporter(center, vendor, host, stack, exporter))
        units.append(Unit(exporter))
    causes = ("pools", f"network.repositories.{vendor.name}", "network.ports")
    yield from group_files(name, files, causes, chain(driver, *others), units)


def _packages(fact: Fact[list[str]] | None, repository: Repository) -> list[str]:
    """Packages as a manifest names them: with the version that they are to stay at, if one is said."""
    names = fact.value or [] if fact else []
    versions = repository.versions
    return [f"{name}={versions[name]}" if name in versions else name for name in names]


def _sources(center: Center, vendor: Vendor, system: OperatingSystem, repository: Repository) -> Iterator[HostFile]:
    """The repository and its key, beside those of the system."""
    key = _beside(system.paths["package-key"], vendor) if repository.key else None
    context = {"vendor": vendor.name, "repository": repository, "key": key}
    source = TextTemplate(f"hosts/repository.{system.package_manager}", context, "hosts")
    yield HostFile(_beside(system.paths["package-sources"], vendor), source, before_packages=True)
    if key and repository.key:
        yield HostFile(key, Raw(center.public_files[repository.key].encode()), before_packages=True)


def _beside(path: str, vendor: Vendor) -> str:
    place = PurePosixPath(path)
    return str(place.with_stem(f"{place.stem}-{vendor.name}"))


def _kernel(vendor: Vendor, host: VendorHost, stack: str) -> Iterator[HostFile]:
    """Modules, what they are loaded with, and the unit that loads them and waits for device files."""
    modules = host.modules.value or [] if host.modules else []
    options = host.module_options.value if host.module_options else None
    context = {
        "vendor": vendor.name,
        "change": host.driver_change,
        "seconds": SECONDS,
        "tool": (host.tool.value if host.tool else None) or "-",
        "modules": modules,
        "devices": host.devices.value or [] if host.devices else [],
    }
    if modules:
        load = TextTemplate("hosts/stack/modules-load", {"modules": modules}, "words")
        yield HostFile(f"/etc/modules-load.d/center-{vendor.name}.conf", load, (stack,))
    if options:
        modprobe = TextTemplate("hosts/stack/modprobe", {"options": options}, "words")
        yield HostFile(f"/etc/modprobe.d/center-{vendor.name}.conf", modprobe, (stack,))
    yield HostFile(f"{UNITS}/{stack}", TextTemplate("hosts/stack/stack.service", context, "systemd"), (stack,))
    # What it does, the unit's own lines say; a better one is no reason to wait for an empty node.
    yield HostFile(PROGRAM, TextTemplate("hosts/stack/accelerators", {}, "plain"), mode="0755")


def _boot(options: list[str], system: OperatingSystem) -> Iterator[HostFile]:
    """Boot parameters: the boot loader learns them at once, the kernel when the node boots."""
    path = system.paths["boot-parameters"]
    context = {"file": path, "command": system.commands["boot"]}
    yield HostFile(path, TextTemplate("hosts/stack/boot-parameters", {"options": options}, "shell"), (GRUB, BOOT))
    yield HostFile(f"{UNITS}/{GRUB}", TextTemplate("hosts/stack/grub.service", context, "systemd"), (GRUB,))
    # Not among the files of the unit itself: another way to note a boot is no reason to boot.
    yield HostFile(f"{UNITS}/{BOOT}", TextTemplate("hosts/stack/boot.service", {}, "systemd"))


def _exporter(center: Center, vendor: Vendor, host: VendorHost, stack: str, unit: str) -> HostFile:
    """How the exporter of the vendor's package learns its port."""
    said = host.exporter.environment.value or {} if host.exporter else {}
    port = str(exporter_port(center, vendor))
    environment = {name: value.replace("{port}", port) for name, value in said.items()}
    context = {"stack": stack, "change": host.driver_change, "environment": environment}
    drop_in = TextTemplate("hosts/stack/exporter.conf", context, "systemd")
    return HostFile(f"{UNITS}/{unit}.d/60-center.conf", drop_in, (unit,))
