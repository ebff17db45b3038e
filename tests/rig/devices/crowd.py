"""Many small devices in one process: Modbus servers that say what they are told or break the rules, and static Redfish.

    python -m tests.rig.devices.crowd --modbus 250 --redfish 250

prints the ports as one line of JSON and serves until it is ended. Frames are put together by hand here, so that what a
client reads is judged by nothing that it uses itself.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import threading
from collections.abc import Callable
from typing import Any, Self

HOLD_SECONDS = 3600.0
Image = dict[int, int]
# What a device does to a good frame, with a source of chance; None: it says nothing.
_CODES = (1, 3, 4, 6, 11, 99)
FAULTS: dict[str, Callable[[bytes, random.Random], bytes | None]] = {
    "silent": lambda frame, chance: None,
    "random": lambda frame, chance: chance.randbytes(chance.randint(1, 400)),
    "half": lambda frame, chance: frame[: chance.randrange(1, len(frame))],
    "function": lambda frame, chance: frame[:7] + bytes([frame[7] ^ chance.randint(1, 0x7F)]) + frame[8:],
    "exception": lambda frame, chance: _framed(frame[:4], frame[6], bytes([frame[7] | 0x80, chance.choice(_CODES)])),
    "transaction": lambda frame, chance: bytes([frame[0] ^ 0xFF, frame[1] ^ chance.randint(1, 255)]) + frame[2:],
    "protocol": lambda frame, chance: frame[:2] + chance.randint(1, 65535).to_bytes(2, "big") + frame[4:],
    "long": lambda frame, chance: frame[:4] + b"\xff\xff" + frame[6:] + chance.randbytes(300),
    "short-count": lambda frame, chance: _framed(frame[:4], frame[6], frame[7:8] + bytes([2]) + frame[9:11]),
    "more": lambda frame, chance: _framed(frame[:4], frame[6], bytes([3, frame[8] + 2]) + frame[9:] + bytes(2)),
}  # fmt: skip


def _framed(head: bytes, unit: int, body: bytes) -> bytes:
    return head + (len(body) + 1).to_bytes(2, "big") + bytes([unit]) + body


class Device:
    """A Modbus device: its registers, and the fault that it has just now ("" for none, "close" hangs up)."""

    def __init__(self, image: Image, seed: object = 0) -> None:
        self.image = image
        self.fault = ""
        self.asked = 0
        self.port = 0
        self._chance = random.Random(str(seed))

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            while True:
                head = await reader.readexactly(7)
                request = await reader.readexactly(int.from_bytes(head[4:6], "big") - 1)
                self.asked += 1
                answer = self._answer(head, request)
                fault = self.fault
                if fault == "close":
                    return
                spoilt = FAULTS[fault](answer, self._chance) if fault else answer
                if spoilt is None:
                    await asyncio.sleep(HOLD_SECONDS)
                writer.write(spoilt or b"")
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            writer.close()

    def _answer(self, head: bytes, request: bytes) -> bytes:
        function, first = request[0], int.from_bytes(request[1:3], "big")
        wanted = range(first, first + int.from_bytes(request[3:5], "big"))
        image = self.image
        if function != 3 or any(register not in image for register in wanted):
            return _framed(head[:4], head[6], bytes([function | 0x80, 2]))
        words = b"".join(image[register].to_bytes(2, "big") for register in wanted)
        return _framed(head[:4], head[6], bytes([function, len(words)]) + words)


class Crowd:
    """Runs devices in a thread of this process; as a context manager they end with the block."""

    def __init__(self, devices: list[Device]) -> None:
        self._devices = devices
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    async def _open(self) -> None:
        for device in self._devices:
            server = await asyncio.start_server(device.meet, "127.0.0.1", 0)
            device.port = server.sockets[0].getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(30)
        return self

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def __exit__(self, *trouble: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class Static:
    """A Redfish unit that never changes: each document is written once."""

    def __init__(self, documents: dict[str, Any]) -> None:
        self._bodies = {path: json.dumps(document).encode() for path, document in documents.items()}

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, kept alive."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = self._bodies.get(head.split(b" ", 2)[1].decode())
                status = b"200 OK" if body else b"404 Not Found"
                body = body or b"{}"
                writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


async def _serve(modbus: int, redfish: int, expand: bool) -> None:
    from tests.rig.devices.modbus_rpu import LEAK_BITS, registers
    from tests.rig.devices.physics import PumpedLoop
    from tests.rig.devices.redfish_unit import DETECTORS, expanding, tree

    loop = PumpedLoop(4, list(LEAK_BITS), good="", inertia=0)
    image = registers(loop.readings(), loop.state()["inputs"])
    documents = tree("cdu", PumpedLoop(2, DETECTORS, good="OK", inertia=0))
    documents = expanding(documents) if expand else documents
    meetings = [Device(image).meet for _ in range(modbus)] + [Static(documents).meet for _ in range(redfish)]
    servers = [await asyncio.start_server(meet, "127.0.0.1", 0) for meet in meetings]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    print(json.dumps({"modbus": ports[:modbus], "redfish": ports[modbus:]}), flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--modbus", type=int, default=0)
    parser.add_argument("--redfish", type=int, default=0)
    parser.add_argument("--expand", action="store_true", help="members of Redfish come with their collection")
    options = parser.parse_args()
    asyncio.run(_serve(options.modbus, options.redfish, options.expand))


if __name__ == "__main__":
    main()
