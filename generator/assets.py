"""The table of machines that stands beside a spec: serial numbers, MAC addresses, states; as spreadsheets export it.

Accepted are UTF-8 with or without a byte-order mark, UTF-16 with one, and GBK; commas, semicolons or tabs; English or
Chinese headings. Columns that we do not know are left alone.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
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
    "node": ("node", "name", "host", "hostname", "节点", "节点名称", "主机名", "主机名称"),
    "pool": ("pool", "资源池"),
    "serial": ("serial", "serial-number", "sn", "序列号", "设备序列号"),
    "mac": ("mac", "mac-address", "mac地址"),
    "bmc-mac": ("bmc-mac", "带外mac", "带外mac地址", "bmcmac地址", "bmc地址"),
    "state": ("state", "status", "状态", "机器状态", "设备状态"),
}  # fmt: skip
"""Headings that we know; letters may be large, signs of full width, words apart or joined by any dash."""
MOST_ROWS, MOST_BYTES, MOST_FINDINGS = 200_000, 16 * 1024 * 1024, 100
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_SERIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,63}")
_ROUNDED = re.compile(r"[0-9][.,]?[0-9]*E\+[0-9]+")
"""What a spreadsheet makes of a long number: the last digits are lost."""


_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How the files of spreadsheets begin, new ones and old ones."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One machine as the table says it; one that stands in no rack names its pool instead of a node."""

    node: str
    pool: str
    serial: str
    mac: str
    bmc_mac: str
    state: str
    position: Position


@dataclass(frozen=True, slots=True)
class Table:
    """What was read: machines, findings at their lines, and the lines to show beside them."""

    assets: tuple[Asset, ...]
    problems: tuple[Problem, ...]
    lines: list[str]


def read(raw: bytes, name: str) -> Table:
    """The machines of a table; every finding stands at its line."""
    if raw.startswith(_WORKBOOKS):
        message = f'"{name}" is a workbook; export it as CSV'
        return Table((), (Problem("asset.table", message, position=Position(name, 1, 1)),), [])
    try:
        text = _decoded(raw)
    except UnicodeDecodeError:
        message = f'"{name}" is neither UTF-8 nor GBK text'
        problem = Problem("asset.table", message, hint="save it as UTF-8", position=Position(name, 1, 1))
        return Table((), (problem,), [])
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    reader = _Reader(name, text)
    return Table(tuple(reader.read()), tuple(reader.problems), reader.lines)


def _decoded(raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("gb18030")  # contains GBK and GB 2312


def _plain(heading: str) -> str:
    """A heading without what people write differently: full width, case, spaces and dashes."""
    return re.sub(r"[\s_-]+", "", unicodedata.normalize("NFKC", heading)).lower()


def _headings() -> str:
    """The first heading of each column, and the first Chinese one."""
    chinese = (next((alias for alias in aliases if not alias.isascii()), "") for aliases in COLUMNS.values())
    return f'"{", ".join(COLUMNS)}" or "{", ".join(chinese)}"'


class _Reader:
    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text
        self.lines = text.split("\n")
        self.problems: list[Problem] = []
        self.begun = 1  # the line in which the row that is being read begins

    def read(self) -> list[Asset]:
        heading = self.lines[0]
        if "\0" in self.text:
            self._report("asset.table", "contains a NUL, so it is no text", 1, hint="save it as UTF-8")
            return []
        delimiter = max(",;\t", key=heading.count)
        rows = csv.reader(io.StringIO(self.text), delimiter=delimiter, strict=True)
        try:
            columns = self._columns(next(rows, []))
            return [] if self.problems else list(self._assets(rows, columns))
        except csv.Error as error:
            hint = "a quote that opens a cell must close it" if "end of data" in str(error) else None
            self._report("asset.table", f"cannot be read from this line on: {error}", self.begun, hint=hint)
            return []

    def _columns(self, heading: list[str]) -> dict[str, int]:
        """Which column says what; serial is needed, and node or pool."""
        names = {_plain(alias): column for column, aliases in COLUMNS.items() for alias in aliases}
        columns: dict[str, int] = {}
        for index, cell in enumerate(heading):
            column = names.get(_plain(cell))
            if column and column in columns:
                self._report("asset.table", f'has two columns that say "{column}"', 1)
            elif column:
                columns[column] = index
        for needed in ("node", "serial"):
            if needed not in columns:
                hint = did_you_mean(needed, heading) or f"headings are {_headings()}"
                self._report("asset.table", f'has no column "{needed}"', 1, hint=hint)
        return columns

    def _assets(self, rows: Any, columns: dict[str, int]) -> Iterator[Asset]:
        seen: dict[tuple[str, str], int] = {}
        self.begun = rows.line_num + 1
        for row in rows:
            line, self.begun = self.begun, rows.line_num + 1
            if len(self.problems) >= MOST_FINDINGS:
                return
            if not any(cell.strip() for cell in row):
                continue
            if line > MOST_ROWS:
                self._report("asset.table", f"has more than {MOST_ROWS:,} lines", line)
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
        self._check_serial(cells["serial"], line)
        node, pool = cells["node"], cells.get("pool", "")
        if not node and state == "in-service":
            self._report("asset.value", "has a machine in service that names no node", line)
        elif not node and not pool:
            self._report("asset.value", "has a machine that names neither node nor pool", line)
        macs = {column: self._mac(cells.get(column, ""), line) for column in ("mac", "bmc-mac")}
        if macs["mac"] and macs["mac"] == macs["bmc-mac"]:
            what = f'gives the MAC address "{macs["mac"]}" to a host and to its management controller'
            self._report("asset.value", what, line, cells["bmc-mac"])
        if len(self.problems) > before or state is None:
            return None
        position = self._position(line, node or pool)
        return Asset(node, pool, cells["serial"], macs["mac"], macs["bmc-mac"], state, position)

    def _check_serial(self, serial: str, line: int) -> None:
        if _ROUNDED.fullmatch(serial):
            hint = "format the column as text before the numbers are typed or pasted"
            what = f'has the serial number "{serial}", of which a spreadsheet has cut off digits'
            self._report("asset.value", what, line, serial, hint)
        elif not _SERIAL.fullmatch(serial):
            what = f'needs a serial number, got "{serial[:40]}"' if serial else "has no serial number"
            self._report("asset.value", what, line, serial)

    def _mac(self, text: str, line: int) -> str:
        """A MAC address in the usual form; spreadsheets and switches write others."""
        digits = re.sub("[.:-]", "", text).lower()
        mac = ":".join(digits[index : index + 2] for index in range(0, len(digits), 2))
        # An odd first byte is an address of a group; zeros are what somebody types who does not know it.
        if text and not (_MAC.fullmatch(mac) and mac.strip("0:")):
            what = f'needs a MAC address such as "0c:42:a1:00:00:01", got "{text[:40]}"'
            self._report("asset.value", what, line, text)
        elif text and int(mac[:2], 16) % 2:
            what = f'needs the MAC address of one machine, "{text}" is a group address'
            self._report("asset.value", what, line, text)
        return mac

    def _is_new(self, asset: Asset, seen: dict[tuple[str, str], int]) -> bool:
        new = True
        told = {"node": asset.node, "serial number": asset.serial}
        addresses = [("MAC address", mac) for mac in (asset.mac, asset.bmc_mac)]
        for what, value in [*told.items(), *addresses]:
            line = asset.position.line
            first = seen.setdefault((what, value), line) if value else line
            if first != line:
                self._report("asset.twice", f'has the {what} "{value}" twice, first in line {first}', line, value)
                new = False
        return new

    def _report(self, rule: str, message: str, line: int, cell: str = "", hint: str | None = None) -> None:
        problem = Problem(rule, f"the table of machines {message}", hint=hint, position=self._position(line, cell))
        self.problems.append(problem)

    def _position(self, line: int, cell: str = "") -> Position:
        """Where a cell stands, or its whole line."""
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        found = text.find(cell) if cell else -1
        column, length = (found + 1, len(cell)) if found >= 0 else (1, max(1, len(text)))
        return Position(self.name, line, column, length)
