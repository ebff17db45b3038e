"""Cooling devices as monitoring meets them: whether they can be read, and how their logins travel."""

from __future__ import annotations

from collections.abc import Iterator

from generator.model import Center
from generator.plant import Device, as_written
from generator.problems import Path
from generator.rules import Finding, rule


def _once(center: Center) -> Iterator[Device]:
    """The first device of each range of the spec: a login that is wrong is wrong once."""
    found: dict[Path, Device] = {}
    for device in center.devices():
        found.setdefault(device.path, device)
    yield from found.values()


@rule("cooling.credentials")
def the_exporter_can_read_its_logins(center: Center) -> Iterator[Finding]:
    """The exporter runs unattended: it reads a login from its environment or from a file, never from a vault."""
    for device in _once(center):
        if device.credentials and device.device.protocol == "modbus-tcp":
            message = f'device "{device.name}" speaks Modbus, which has no login'
            yield Finding((*device.path, "credentials"), message, "remove it")
            continue
        if device.device.protocol == "snmp" and device.credentials is None:
            message = f'device "{device.name}" speaks SNMP, which asks for a community or a user'
            yield Finding((*device.path, "at"), message, 'say "credentials", such as "env:NAME"')
            continue
        kind, _, rest = (device.credentials or "env:X").partition(":")
        if kind not in ("env", "file") or (kind == "file" and not rest.startswith("/")):
            message = f'the exporter cannot read "{device.credentials}", the login of device "{device.name}"'
            yield Finding((*device.path, "credentials"), message, 'use "env:NAME" or "file:/absolute/path"')


@rule("cooling.unread-device")
def devices_can_be_read(center: Center) -> Iterator[Finding]:
    """A device is read where the spec says that it answers; half of that is a device that nobody watches."""
    silent = {unit.path for unit in center.equipment() if unit.device.protocol == "none"}
    for hall_name, hall in center.spec.halls.items():
        for name, kind in hall.rack_kinds.items():
            path: Path = ("halls", hall_name, "rack-kinds", name)
            said = {"device": kind.device, "at": kind.at or path in silent or None, "loop": kind.loop}
            missing = [key for key, value in said.items() if value is None]
            if missing and (kind.device or kind.at or kind.credentials):
                message = f'racks of kind "{name}" have a device to read, but the kind does not say "{missing[0]}"'
                yield Finding(path, message)
    for unit in as_written(unit for loop in center.loops.values() for unit in loop.units):
        if not unit.is_read and unit.device.protocol != "none":
            message = f'unit "{unit.name}" speaks {unit.device.protocol}, but the spec does not say "at"'
            yield Finding(unit.path, message)


@rule("cooling.unreadable", severity="warning")
def devices_say_what_they_measure(center: Center) -> Iterator[Finding]:
    """A unit whose register map nobody has published raises no alarm: its maker has to hand it over before it runs."""
    for unit in as_written(center.equipment()):
        if unit.device.protocol == "none":
            message = f'monitoring cannot read "{unit.name}": "{unit.device.name}" says no points'
            hint = "ask its maker for them and write a file of your own, docs/cooling-exporter.md says how"
            yield Finding((*unit.path, "device"), message, hint)


FITTING: dict[str, tuple[set[str], set[str]]] = {
    "cold-plate": ({"cdu", "rpu", "pump-skid"}, {"cdu", "rpu", "rear-door"}),
    "single-phase-immersion": ({"cdu", "pump-skid"}, {"single-phase-tank"}),
    "two-phase-immersion": ({"cdu", "pump-skid"}, {"two-phase-tank"}),
}
"""What may be a unit of a loop of each kind, and what may stand in each of its racks."""


@rule("cooling.form")
def devices_fit_their_loop(center: Center) -> Iterator[Finding]:
    """A tank for one liquid phase has no condenser, one for two has no pump: the wrong one cools nothing."""
    for loop in center.loops.values():
        units, racks = FITTING[loop.spec.kind]
        for things, forms, what in ((loop.units, units, "a unit of"), (loop.tanks, racks, "the device of a rack on")):
            for thing in as_written(things):
                if thing.device.form not in forms:
                    message = (
                        f'"{thing.device.name}" is a {thing.device.form}; {what} the {loop.spec.kind} loop '
                        f'"{loop.name}" is one of: {", ".join(sorted(forms))}'
                    )
                    yield Finding((*thing.path, "device"), message)


@rule("cooling.inputs")
def units_have_inputs_for_their_feeds(center: Center) -> Iterator[Finding]:
    """A unit with one power input is on one feed, whatever a plan draws; it stops with that."""
    for unit in as_written(unit for loop in center.loops.values() for unit in loop.units):
        inputs, feeds = unit.device.inputs, list(dict.fromkeys(unit.feeds))
        if inputs and inputs.value and len(feeds) > inputs.value:
            has = "one power input" if inputs.value == 1 else f"{inputs.value} power inputs"
            message = f'unit "{unit.name}" is on {len(feeds)} feeds, "{unit.device.name}" has {has}'
            yield Finding((*unit.path, "feeds"), message)


@rule("cooling.plain-login")
def logins_travel_encrypted(center: Center) -> Iterator[Finding]:
    """Port 80 means HTTP without TLS, where everybody on the facility network could read the login."""
    for device in _once(center):
        if device.credentials and device.device.protocol == "redfish" and device.port == 80:
            message = f'the login of device "{device.name}" would travel in clear text to port 80'
            yield Finding((*device.path, "at"), message, "use the device's TLS port, such as 443")
