"""Any text is a quantity or a refusal with an example; its magnitude is what exact arithmetic gives.

Whatever the program reads, editors accept as well.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from fractions import Fraction

from pydantic import TypeAdapter

from generator import quantity
from generator.quantity import Quantity, RackFeed
from tests.campaign import fuzzing
from tests.campaign.base import Outcome

RUNS = 400_000
SUBJECT = ("generator/quantity.py", "tests/campaign/kinds/fuzz_quantity.py")
KINDS = [
    kind for kind in vars(quantity).values()
    if isinstance(kind, type) and issubclass(kind, Quantity) and kind is not Quantity
]  # fmt: skip
PATTERNS = {kind: TypeAdapter(kind).json_schema()["pattern"] for kind in KINDS}
SEEDS = [*(kind.example.encode() for kind in KINDS), b"-0.5 MW", b"123456789012345.123456789 kW", b"32 A 230 V"]
WORDS = [
    *(f" {unit}".encode() for kind in KINDS for unit in kind.units),
    *(b"0", b"9", b"-", b".", b" ", b"+", b"e3", b"\n", b"\t", b"\xc2\xa0"),
    *(b"x ", b" A ", b" V", b" 3-phase", b"x", b"A ", b"V"),
    *("４".encode(), "−".encode(), "µ".encode(), "℃".encode(), b"K"),
]


def units() -> list[str]:
    return fuzzing.units()


def prove(unit: str, *, brief: bool = False) -> Outcome:
    return fuzzing.prove("fuzz_quantity", unit, brief)


def summary(counts: Counter[str]) -> list[str]:
    return fuzzing.summary(counts)


def check(raw: bytes) -> None:
    text = raw.decode("utf-8", "replace")
    for kind in KINDS:
        try:
            found = kind.parse(text)
        except ValueError as refused:
            assert str(refused).startswith("needs a") and kind.example in str(refused) and len(str(refused)) < 250
        else:
            assert re.search(PATTERNS[kind], text)
            assert math.isclose(found.magnitude, _exact(kind, text), rel_tol=1e-9, abs_tol=1e-12)
            assert str(found) == found.show() == text


def _exact(kind: type[Quantity], text: str) -> float:
    """Read in another way: from the end, and without rounding."""
    if kind is RackFeed:
        factor, _, rest = text.rpartition("x")
        amperes, volts = rest.removesuffix(" 3-phase").removesuffix("V").split("A")
        return int(factor or 1) * int(amperes) * int(volts) * (3**0.5 if "3-phase" in text else 1)
    unit = max((unit for unit in kind.units if text.endswith(unit)), key=len)
    return float(Fraction(text.removesuffix(unit).removesuffix(" ")) * Fraction(kind.units[unit]))
