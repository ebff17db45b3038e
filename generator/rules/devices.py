"""Cooling devices as monitoring meets them: whether they can be read, and how their logins travel."""

from __future__ import annotations

from collections.abc import Iterator

from generator.model import Center
from generator.rules import Finding, rule


@rule("cooling.credentials")
def the_exporter_can_read_its_logins(center: Center) -> Iterator[Finding]:
    """The exporter runs unattended: it reads a login from its environment or from a file, never from a vault."""
    for device in center.devices():
        if device.credentials and device.device.protocol == "modbus-tcp":
            message = f'device "{device.name}" speaks Modbus, which has no login'
            yield Finding((*device.path, "credentials"), message, "remove it")
            continue
        kind, _, rest = (device.credentials or "env:X").partition(":")
        if kind not in ("env", "file") or (kind == "file" and not rest.startswith("/")):
            message = f'the exporter cannot read "{device.credentials}", the login of device "{device.name}"'
            yield Finding((*device.path, "credentials"), message, 'use "env:NAME" or "file:/absolute/path"')


@rule("cooling.unread-device")
def devices_of_racks_can_be_read(center: Center) -> Iterator[Finding]:
    """A rack's own device is read where the spec says that it answers; half of that is a device that nobody watches."""
    for hall_name, hall in center.spec.halls.items():
        for name, kind in hall.rack_kinds.items():
            said = {"device": kind.device, "at": kind.at, "loop": kind.loop}
            missing = [key for key, value in said.items() if value is None]
            if missing and (kind.device or kind.at or kind.credentials):
                message = f'racks of kind "{name}" have a device to read, but the kind does not say "{missing[0]}"'
                yield Finding(("halls", hall_name, "rack-kinds", name), message)


@rule("cooling.plain-login")
def logins_travel_encrypted(center: Center) -> Iterator[Finding]:
    """Port 80 means HTTP without TLS, where everybody on the facility network could read the login."""
    for device in center.devices():
        if device.credentials and device.device.protocol == "redfish" and device.port == 80:
            message = f'the login of device "{device.name}" would travel in clear text to port 80'
            yield Finding((*device.path, "at"), message, "use the device's TLS port, such as 443")
