"""Devices that speak SNMP: an agent of pysnmp that answers GET of version 2c with the objects of a profile."""

from __future__ import annotations

from typing import Any

from pysnmp.carrier.asyncio.dgram import udp
from pysnmp.entity import config, engine
from pysnmp.entity.rfc3413 import cmdrsp, context
from pysnmp.proto.rfc1902 import Integer32, OctetString
from pysnmp.proto.rfc1905 import noSuchObject
from pysnmp.smi.instrum import AbstractMibInstrumController

from simulator.encode import raw
from simulator.live import Live
from simulator.physics import Device
from simulator.readings import parts

COMMUNITY = "public"


class _Objects(AbstractMibInstrumController):  # type: ignore[misc]
    """The objects of one device, as its readings are when somebody asks."""

    def __init__(self, live: Live, device: Device) -> None:
        self._live, self._device = live, device

    def read_variables(self, *asked: Any, **_: Any) -> list[tuple[Any, Any]]:
        known = self._known()
        return [(oid, known.get(str(oid), noSuchObject)) for oid, _value in asked]

    def _known(self) -> dict[str, Any]:
        shown = self._live.shown(self._device)
        found: dict[str, Any] = {}
        for point in self._device.plan.points:
            for part in parts(point, self._device):
                oid = point["oid"].replace("*", part) if point["oid"].endswith("*") else point["oid"]
                value = raw(point, shown[point["metric"], point.get("circuit", ""), part])
                found[oid] = OctetString(value) if isinstance(value, str) else Integer32(round(value or 0))
        return found


class Agent:
    """One device with an SNMP engine of its own."""

    def __init__(self, live: Live, device: Device) -> None:
        self._objects = _Objects(live, device)

    def start(self, address: str, port: int) -> Agent:
        self._engine = engine.SnmpEngine()
        config.add_transport(self._engine, udp.DOMAIN_NAME, udp.UdpAsyncioTransport().open_server_mode((address, port)))
        config.add_v1_system(self._engine, "everybody", COMMUNITY)
        config.add_vacm_user(self._engine, 2, "everybody", "noAuthNoPriv", (1, 3, 6))
        objects = context.SnmpContext(self._engine)
        objects.unregister_context_name(b"")
        objects.register_context_name(b"", self._objects)
        self._responder = cmdrsp.GetCommandResponder(self._engine, objects)
        return self
