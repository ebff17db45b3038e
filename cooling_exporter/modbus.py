"""Reads a Modbus TCP device: functions 1 to 4 only, adjacent registers in one request."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from cooling_exporter.configuration import ModbusDevice
from cooling_exporter.points import ModbusPoint
from cooling_exporter.readings import Raw, ReadFailed, Sample, judge, judge_flags

MAX_REGISTERS: Final = 125
ILLEGAL_ADDRESS: Final = 2
_FORMATS: Final = {
    "uint16": ">H",
    "int16": ">h",
    "uint32": ">I",
    "int32": ">i",
    "uint64": ">Q",
    "int64": ">q",
    "float32": ">f",
    "float64": ">d",
    "flags": ">H",
}
_SMALLEST: Final = {"float32": 2.0**-126, "float64": 2.0**-1022}


@dataclass(frozen=True, slots=True)
class Block:
    """Adjacent values that one request reads. Gaps are never read: a device may refuse a whole request for one."""

    function: int
    first: int
    points: tuple[ModbusPoint, ...]

    @property
    def count(self) -> int:
        last = self.points[-1]
        return last.register_ + last.width - self.first


def plan(points: Sequence[ModbusPoint]) -> list[Block]:
    """Group points into as few requests as adjacency and the protocol's limit allow."""
    blocks = []
    in_order = sorted(points, key=lambda point: (point.function, point.register_, point.width))
    for function, group in groupby(in_order, key=lambda point: point.function):
        run: list[ModbusPoint] = []
        end = 0
        for point in group:
            after = point.register_ + point.width
            if run and (point.register_ > end or after - run[0].register_ > MAX_REGISTERS):
                blocks.append(Block(function, run[0].register_, tuple(run)))
                run = []
            run.append(point)
            end = after
        blocks.append(Block(function, run[0].register_, tuple(run)))
    return blocks


def decode(point: ModbusPoint, words: Sequence[int]) -> int | float | None:
    """Put the registers of a value together as its type and word order say; None for what no sensor sends."""
    if point.type == "bit":
        return int(words[0])
    in_order = words if point.word_order == "big" else words[::-1]
    raw = b"".join(word.to_bytes(2, "big") for word in in_order)
    value: int | float = struct.unpack(_FORMATS[point.type], raw)[0]
    # Round numbers read in the wrong word order become floats below every measurement, which a range lets pass as 0.
    return None if 0 < abs(value) < _SMALLEST.get(point.type, 0) else value


class ModbusReader:
    """Keeps one connection to the device open while it answers well."""

    def __init__(self, device: ModbusDevice, timeout: float) -> None:
        self._device = device
        self._timeout = timeout
        self._blocks = plan(device.points)
        self._client: AsyncModbusTcpClient | None = None

    async def read(self) -> list[Sample]:
        """Read all points once; ReadFailed when the device as a whole cannot be read."""
        client = await self._connected()
        samples: list[Sample] = []
        asked: list[Block] = []
        for block in self._blocks:
            words = await self._words(client, block)
            if words is None and len(block.points) > 1:
                # The device refuses a whole request for one address that it lacks: from now on, each value alone.
                alone = [Block(block.function, point.register_, (point,)) for point in block.points]
                for one in alone:
                    samples.extend(_judged(one, await self._words(client, one)))
                asked += alone
            else:
                samples.extend(_judged(block, words))
                asked.append(block)
        self._blocks = asked
        return samples

    async def drop(self) -> None:
        """Forget the connection: after garbage, nobody knows which answer belongs to which request."""
        if self._client is not None:
            self._client.close()
            self._client = None

    close = drop

    async def _connected(self) -> AsyncModbusTcpClient:
        if self._client is None:
            device = self._device
            # The bound on a whole reading lies outside; the library's own delays, retries and reconnects stay off.
            self._client = AsyncModbusTcpClient(
                device.address, port=device.port, timeout=self._timeout, retries=0, reconnect_delay=0
            )
            if not await self._client.connect():
                raise ReadFailed("connection", f"{device.address} port {device.port} does not accept a connection")
        return self._client

    async def _words(self, client: AsyncModbusTcpClient, block: Block) -> Sequence[int] | None:
        """The words of a block, or None when the device says that it has no such address."""
        ask = {
            1: client.read_coils,
            2: client.read_discrete_inputs,
            3: client.read_holding_registers,
            4: client.read_input_registers,
        }[block.function]
        try:
            answer = await ask(block.first, count=block.count, device_id=self._device.unit)
        except (ModbusException, OSError) as error:
            raise ReadFailed("protocol", str(error)) from error
        if answer.function_code == block.function | 0x80:
            if answer.exception_code == ILLEGAL_ADDRESS:
                return None
            raise ReadFailed("protocol", f"exception {answer.exception_code} for register {block.first}")
        words: Sequence[int] = answer.bits[: block.count] if block.function <= 2 else answer.registers
        if answer.function_code != block.function or len(words) != block.count:
            raise ReadFailed("protocol", f"an answer that does not fit the request for register {block.first}")
        return words


def _judged(block: Block, words: Sequence[int] | None) -> Iterator[Sample]:
    for point in block.points:
        start = point.register_ - block.first
        raw: Raw = None if words is None else decode(point, words[start : start + point.width])
        if point.type == "flags":
            yield from judge_flags(point, None if raw is None else int(raw))
        else:
            yield judge(point, raw)
