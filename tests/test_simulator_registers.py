"""Registers of the simulated devices, against plain packing of bytes."""

from __future__ import annotations

import struct

import pytest

from simulator.encode import registers

POWER = "cooling_power_watts"


@pytest.mark.parametrize(
    ("kind", "layout", "value"), [("int64", ">q", -5), ("uint64", ">Q", 2**40), ("float64", ">d", 46.71)]
)
@pytest.mark.parametrize("order", ["big", "little"])
def test_values_of_64_bits_take_four_registers(kind: str, layout: str, value: float, order: str) -> None:
    point = {"metric": POWER, "register": 30, "function": 4, "type": kind, "word-order": order, "unit": "W"}
    words = registers((point,), {(POWER, "", ""): float(value)})[4]
    wanted = list(struct.unpack(">4H", struct.pack(layout, value)))
    assert [words[30 + at] for at in range(4)] == (wanted if order == "big" else wanted[::-1])
