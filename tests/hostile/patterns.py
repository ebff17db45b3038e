"""Every pattern of the language and every check of a value against texts that make careless patterns slow.

A pattern is given runs of 20,000 characters, the longest scalar there is, of all pieces that names are made of, in
between and before what makes it fail at the end. Prints how many texts were matched.
"""

from __future__ import annotations

import itertools
import re
import typing
from collections.abc import Callable, Iterator
from contextlib import suppress

from pydantic import TypeAdapter, ValidationError

from generator import quantity
from generator.quantity import Quantity
from generator.source import MAX_SCALAR
from generator.spec import common
from generator.spec.common import NameRange

RUNS = ["a", "0", "-", ".", "/", ":", "_", " ", "A", "é", "a-", "a.", "0.", "a0", "-a", "a/", "..", "9 ", "x A ", "1x "]
BEFORE = ["", "a", "1", "-", "path:", "env:A", "file:", "vault:a#", "store:", "1x ", "a01..", "modbus://"]
BEHIND = ["", "!", "\n", "0", " kW"]


def texts() -> Iterator[str]:
    for before, run, behind in itertools.product(BEFORE, RUNS, BEHIND):
        count = (MAX_SCALAR - len(before) - len(behind)) // len(run)
        yield before + run * count + behind


def checks() -> Iterator[Callable[[str], object]]:
    for module in (common, quantity):
        for value in vars(module).values():
            if isinstance(value, re.Pattern):
                yield value.fullmatch
            elif typing.get_origin(value) is typing.Annotated:
                yield TypeAdapter(value).validate_python
            elif isinstance(value, type) and issubclass(value, Quantity):
                yield value.parse
                yield from (pattern.fullmatch for pattern in vars(value).values() if isinstance(pattern, re.Pattern))
    yield NameRange.parse


def main() -> None:
    count = 0
    for check, text in itertools.product(checks(), texts()):
        with suppress(ValueError, ValidationError):
            check(text)
        count += 1
    print(count)


if __name__ == "__main__":
    main()
