"""An Open Rack V3 reservoir and pumping unit behind a Modbus TCP gateway, with a physics model inside.

    python -m tests.rig.devices.modbus_rpu --listen 127.0.0.1:1502 --control /run/rpu.sock

Inputs of the control socket: heat (kW), flow_target (L/min), cold (°C of the air), pumps {"1": false}, leaks
{"internal": true}, overrides {"36865": 32767} (a raw register), mode: normal, silent, garbage, half or strange.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from pathlib import Path
from typing import Any

from pymodbus.pdu import ModbusPDU
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from tests.rig.devices import control
from tests.rig.devices.physics import Json, PumpedLoop

LEAK_BITS = {
    "internal": 4,
    "external": 5,
    "optional-external-1": 6,
    "optional-external-2": 7,
    "heat-exchanger-pan": 8,
    "heat-exchanger-floor": 9,
    "heat-exchanger-pan-error": 12,
    "heat-exchanger-floor-error": 13,
}
STOP_BIT = 0
PUMP_ABNORMAL = 1 << 6
LOOP_BLOCKED = 1 << 7


def registers(readings: Json, inputs: Json) -> dict[int, int]:
    """The words of the map, from what the sensors show."""
    tenths = {
        36864: "flow",
        36865: "supply",
        36866: "return",
        36867: "supply_pressure",
        36868: "return_pressure",
        36869: "power",
        36872: "cold_supply",
        37888: "flow_target",
        37889: "supply_target",
    }
    words = {register: round(readings[name] * 10) for register, name in tenths.items()}
    words |= {36870: readings["assembly_power"], 36873: readings["duty"]}
    words |= {36873 + int(pump): speed for pump, speed in readings["speeds"].items()}
    lost = not all(inputs["pumps"].values())
    words[37377] = (PUMP_ABNORMAL if lost else 0) | (LOOP_BLOCKED if readings["flow"] == 0 else 0)
    leaking = [name for name, leaks in inputs["leaks"].items() if leaks]
    words[37378] = sum(1 << LEAK_BITS[name] for name in leaking) | (1 << STOP_BIT if "internal" in leaking else 0)
    words |= {41003: 60 if "internal" in leaking else 172, 41004: 60 if "external" in leaking else 172}
    words |= {int(register): word for register, word in inputs["overrides"].items()}
    return {register: word & 0xFFFF for register, word in words.items()}


class Unit:
    """Puts the physics behind a pymodbus server, and trouble on its line."""

    def __init__(self, plant: PumpedLoop, unit: int) -> None:
        self._plant = plant
        known = registers(plant.readings(), plant.state()["inputs"])
        data = [SimData(register, values=0, datatype=DataType.REGISTERS) for register in sorted(known)]
        self.device = SimDevice(unit, simdata=data, action=self._refresh)

    async def _refresh(
        self, function: int, start: int, address: int, count: int, words: list[int], values: Any
    ) -> None:
        state = self._plant.state()
        for register, word in registers(state["readings"], state["inputs"]).items():
            words[register - start] = word

    def hear(self, sending: bool, pdu: ModbusPDU) -> ModbusPDU:
        """Record the function code of every request, also of one that will be refused."""
        if not sending:
            self._plant.record(f"function {pdu.function_code}")
        return pdu

    def spoil(self, sending: bool, frame: bytes) -> bytes:
        """Let the answer through, or do to it what the mode says."""
        if not sending:
            return frame
        match self._plant.input("mode"):
            case "silent":
                return b""
            case "garbage":
                return bytes(range(256)) * 4
            case "half":
                return frame[: len(frame) // 2]
            case "strange":
                # A well-formed answer to another function than the one that was asked.
                return frame[:7] + bytes([frame[7] ^ 0x07]) + frame[8:]
            case _:
                return frame


async def run(address: str, port: int, path: Path, unit: int, inertia: float) -> None:
    """Serve until ended."""
    plant = PumpedLoop(4, list(LEAK_BITS), good="", inertia=inertia)
    part = Unit(plant, unit)
    server = ModbusTcpServer(part.device, address=(address, port), trace_pdu=part.hear, trace_packet=part.spoil)
    await server.serve_forever(background=True)
    control.serve(plant, path)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", required=True, metavar="ADDRESS:PORT")
    parser.add_argument("--control", required=True, type=Path, metavar="SOCKET")
    parser.add_argument("--unit", type=int, default=12)
    parser.add_argument("--inertia", type=float, default=0.0, help="time constant of temperatures, seconds")
    options = parser.parse_args()
    logging.basicConfig()
    address, _, port = options.listen.rpartition(":")
    asyncio.run(run(address, int(port), options.control, options.unit, options.inertia))


if __name__ == "__main__":
    main()
