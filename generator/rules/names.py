"""Names: unique, and short enough for every place that uses them."""

from __future__ import annotations

from collections.abc import Iterator

from generator.model import Center
from generator.rules import Finding, rule


@rule("name.tenant-twice")
def tenant_names_are_unique(center: Center) -> Iterator[Finding]:
    """Namespaces are named by tenant alone, so two organizations cannot use the same name."""
    seen: dict[str, str] = {}
    for organization, words in center.spec.organizations.items():
        for tenant in words.tenants:
            if tenant in seen:
                message = f'tenant "{tenant}" exists in "{seen[tenant]}" too'
                yield Finding(("organizations", organization, "tenants", tenant), message, "choose another name")
            seen.setdefault(tenant, organization)


@rule("name.namespace-long")
def namespace_names_fit(center: Center) -> Iterator[Finding]:
    """A namespace is a DNS label: ``<tenant>--<environment>`` has at most 63 characters."""
    for tenant in center.tenants.values():
        for namespace in tenant.namespaces():
            if len(namespace) > 63:
                message = f'namespace "{namespace}" has {len(namespace)} characters; 63 are allowed'
                yield Finding(tenant.path, message, "shorten the tenant or its environment")


@rule("name.host-long")
def host_names_fit(center: Center) -> Iterator[Finding]:
    """The full name of a host, node and domain, has at most 253 characters (RFC 1035, without the last dot)."""
    domain = center.spec.network.domain
    names = (f"{n.pool.name}-{n.racks.name(n.racks.last)}-{n.per_rack}.{domain}" for n in center.ranges())
    longest = max(names, key=len, default="")
    if len(longest) > 253:
        message = f"the longest name of a host has {len(longest)} characters with its domain; 253 are allowed"
        yield Finding(("network", "domain"), message, "shorten the domain")


@rule("name.group-clash")
def groups_have_one_meaning(center: Center) -> Iterator[Finding]:
    """Nodes of one task in one cluster with one system form a group; two groups of one name would mix their files."""
    seen: dict[str, tuple[str, str, str]] = {}
    for pool in center.pools.values():
        for cluster in pool.clusters:
            parts = (cluster, pool.role, pool.system.name)
            other = seen.setdefault("-".join(parts), parts)
            if other != parts:
                one, two = (
                    f'{role}s with system "{system}" in cluster "{name}"' for name, role, system in (other, parts)
                )
                yield Finding(pool.path, f"{one} and {two} would be one group of hosts", "rename the cluster")


@rule("name.device-twice")
def device_names_are_unique(center: Center) -> Iterator[Finding]:
    """Metrics and alarms name devices; two of one name could not be told apart at night."""
    seen: dict[str, str] = {}
    for device in center.devices():
        if device.name in seen:
            loops = f'loops "{seen[device.name]}" and "{device.loop}" both have a device'
            message = f'{loops if seen[device.name] and device.loop else "two devices are called"} "{device.name}"'
            yield Finding(device.path, message, "choose another name")
        seen.setdefault(device.name, device.loop)


@rule("name.block-reserved")
def blocks_leave_the_groups_alone(center: Center) -> Iterator[Finding]:
    """In the tree the folders of blocks stand beside the folder of groups."""
    if "groups" in center.blocks:
        yield Finding(center.blocks["groups"].path, 'a block cannot be called "groups"', "choose another name")
