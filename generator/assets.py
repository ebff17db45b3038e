"""The table of machines that stands beside a spec: serial numbers, MAC addresses, states; as spreadsheets export it.

Accepted are UTF-8 with or without a byte-order mark, UTF-16 with one, and GBK; commas, semicolons or tabs; English or
Chinese headings. Columns that we do not know are left alone.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from generator.problems import Position, Problem, did_you_mean

STATES = {
    "in-service": "in-service", "在用": "in-service",
    "spare": "spare", "备用": "spare", "备件": "spare",
    "repair": "repair", "维修": "repair",
}  # fmt: skip
"""What a state may be called; an empty cell means in-service."""
COLUMNS = {
    "node": ("node", "name", "host", "hostname", "节点", "主机名"),
    "pool": ("pool", "资源池"),
    "serial": ("serial", "serial-number", "sn", "序列号"),
    "mac": ("mac", "mac-address", "mac地址"),
    "bmc-mac": ("bmc-mac", "bmc mac", "bmcmac", "带外mac", "带外mac地址"),
    "state": ("state", "status", "状态"),
}  # fmt: skip
MOST_ROWS, MOST_BYTES = 200_000, 16 * 1024 * 1024
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_SERIAL = re.compile(r"[A-Za-z0-9._/+-]{1,64}")


@dataclass(frozen=True, slots=True)
class Asset:
    """One machine as the table says it; a spare stands nowhere and therefore names its pool instead of a node."""

    node: str
    pool: str
    serial: str
    mac: str
    bmc_mac: str
    state: str
    line: int


@dataclass(frozen=True, slots=True)
class Table:
    """What was read: machines, findings at their lines, and the lines to show beside them."""

    assets: tuple[Asset, ...]
    problems: tuple[Problem, ...]
    lines: list[str]


def read(raw: bytes, name: str) -> Table:
    """The machines of a table; every finding stands at its line."""
    try:
        text = _decoded(raw)
    except UnicodeDecodeError:
        message = f'"{name}" is neither UTF-8 nor GBK text'
        problem = Problem("asset.table", message, hint="save it as UTF-8", position=Position(name, 1, 1))
        return Table((), (problem,), [])
    reader = _Reader(name, text)
    return Table(tuple(reader.read()), tuple(reader.problems), reader.lines)


def _decoded(raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("gb18030")  # contains GBK and GB 2312


class _Reader:
    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text
        self.lines = text.splitlines()
        self.problems: list[Problem] = []

    def read(self) -> list[Asset]:
        heading = self.lines[0] if self.lines else ""
        delimiter = max(",;\t", key=heading.count)
        rows = csv.reader(io.StringIO(self.text), delimiter=delimiter, strict=True)
        try:
            columns = self._columns(next(rows, []))
            return [] if self.problems else list(self._assets(rows, columns))
        except csv.Error as error:
            self._report("asset.table", f"cannot be read: {error}", rows.line_num)
            return []

    def _columns(self, heading: list[str]) -> dict[str, int]:
        """Which column says what; serial is needed, and node or pool."""
        names = {alias: column for column, aliases in COLUMNS.items() for alias in aliases}
        columns: dict[str, int] = {}
        for index, cell in enumerate(heading):
            column = names.get(cell.strip().lower().replace("_", "-"))
            if column and column in columns:
                self._report("asset.table", f'has two columns that say "{column}"', 1)
            elif column:
                columns[column] = index
        for needed in ("node", "serial"):
            if needed not in columns:
                hint = did_you_mean(needed, heading) or f'headings are for example "{", ".join(COLUMNS)}"'
                self._report("asset.table", f'has no column "{needed}"', 1, hint=hint)
        return columns

    def _assets(self, rows: Any, columns: dict[str, int]) -> Iterator[Asset]:
        seen: dict[tuple[str, str], int] = {}
        for row in rows:
            line = rows.line_num
            if not any(cell.strip() for cell in row):
                continue
            if line > MOST_ROWS:
                self._report("asset.table", f"has more than {MOST_ROWS} lines", line)
                return
            cells = {column: row[index].strip() if index < len(row) else "" for column, index in columns.items()}
            asset = self._asset(cells, line)
            if asset and self._is_new(asset, seen):
                yield asset

    def _asset(self, cells: dict[str, str], line: int) -> Asset | None:
        state = STATES.get(cells.get("state", "").lower() or "in-service")
        before = len(self.problems)
        if state is None:
            hint = f"known states: {', '.join(sorted(set(STATES.values())))}"
            self._report("asset.value", f'knows no state "{cells["state"]}"', line, cells["state"], hint)
        if not _SERIAL.fullmatch(cells["serial"]):
            what = f'needs a serial number, got "{cells["serial"][:40]}"' if cells["serial"] else "has no serial number"
            self._report("asset.value", what, line, cells["serial"])
        macs = {column: self._mac(cells.get(column, ""), line) for column in ("mac", "bmc-mac")}
        if len(self.problems) > before or state is None:
            return None
        return Asset(
            cells["node"], cells.get("pool", ""), cells["serial"], macs["mac"], macs["bmc-mac"], state, line,
        )  # fmt: skip

    def _mac(self, text: str, line: int) -> str:
        """A MAC address in the usual form; spreadsheets and switches write others."""
        digits = re.sub("[.:-]", "", text).lower()
        mac = ":".join(digits[index : index + 2] for index in range(0, len(digits), 2))
        if text and not _MAC.fullmatch(mac):
            self._report(
                "asset.value", f'needs a MAC address such as "0c:42:a1:00:00:01", got "{text[:40]}"', line, text
            )
        return mac

    def _is_new(self, asset: Asset, seen: dict[tuple[str, str], int]) -> bool:
        new = True
        told = {"node": asset.node, "serial number": asset.serial}
        addresses = [("MAC address", mac) for mac in (asset.mac, asset.bmc_mac)]
        for what, value in [*told.items(), *addresses]:
            first = seen.setdefault((what, value), asset.line) if value else asset.line
            if first != asset.line:
                self._report("asset.twice", f'has the {what} "{value}" twice, first in line {first}', asset.line, value)
                new = False
        return new

    def _report(self, rule: str, message: str, line: int, cell: str = "", hint: str | None = None) -> None:
        text = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        found = text.find(cell) if cell else -1
        column, length = (found + 1, len(cell)) if found >= 0 else (1, max(1, len(text)))
        position = Position(self.name, max(1, line), column, length)
        self.problems.append(Problem(rule, f"the table of machines {message}", hint=hint, position=position))
