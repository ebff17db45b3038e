"""Devices that speak Modbus TCP, behind pymodbus servers."""

from __future__ import annotations

import logging
from typing import Any

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from simulator.encode import registers
from simulator.live import Live
from simulator.physics import Device

logging.getLogger("pymodbus").setLevel(logging.CRITICAL)


class ModbusUnit:
    """One device with the registers of its profile."""

    def __init__(self, live: Live, device: Device) -> None:
        self._live, self._device = live, device
        tables = registers(device.plan.points, live.shown(device))
        blocks = tuple(_block(function, sorted(tables.get(function, {}))) for function in (1, 2, 3, 4))
        unit = device.plan.said.get("unit", 1)
        self.device = SimDevice(unit, simdata=(blocks[0], blocks[1], blocks[2], blocks[3]), action=self._refresh)

    async def start(self, address: str, port: int) -> ModbusTcpServer:
        server = ModbusTcpServer(self.device, address=(address, port), trace_packet=self._spoil)
        await server.serve_forever(background=True)
        return server

    async def _refresh(
        self, function: int, start: int, _address: int, _count: int, words: list[int], _values: Any
    ) -> None:
        swapped = self._live.mode.get(self._device.name) == "swapped"
        table = registers(self._device.plan.points, self._live.shown(self._device), swapped).get(function, {})
        for register, word in table.items():
            if 0 <= register - start < len(words):
                words[register - start] = word

    def _spoil(self, sending: bool, frame: bytes) -> bytes:
        """What the line does to an answer."""
        if not sending:
            return frame
        mode = self._live.mode.get(self._device.name, "normal")
        if not self._device.condition.answers or mode == "silent":
            return b""
        if mode == "garbage":
            return bytes(range(256)) * 4
        return frame[: len(frame) // 2] if mode == "half" else frame


def _block(function: int, addresses: list[int]) -> list[SimData]:
    kind = DataType.BITS if function in (1, 2) else DataType.REGISTERS
    empty: Any = False if function in (1, 2) else 0
    return [SimData(address, values=empty, datatype=kind) for address in addresses or [0]]
