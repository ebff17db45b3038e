"""Expected against actual: what a machine says of itself, compared with what its pool is made of.

Facts come from machines that nobody has looked at yet: whatever they say is only data, also when it is nonsense.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from generator.apply.hosts.findings import Remark, Severity
from generator.text import visible

GIB = 2**30
MEMORY_LEAST, MEMORY_MOST = 0.92, 1.15
"""Firmware and kernel keep some; a server that is sold with 2 TB has 2 TiB, which is a tenth more."""
FREE_GIB = {"/": (4, 20), "/var": (8, 40)}
"""Free space that a node must have and should have before anything is installed."""
CLOCK_WARNS, CLOCK_FAILS = 1.0, 60.0
"""Seconds: what time service corrects by itself; what breaks certificates, logins and package lists."""
DISPLAY, ACCELERATOR, NETWORK = "03", ("0b40", "12"), "02"


@dataclass(frozen=True, slots=True)
class Machine:
    """What one node says, what its pool is made of, and what the controller knows beside that."""

    node: str
    facts: Mapping[str, Any]
    expected: Mapping[str, Any]
    place: Mapping[str, str] = field(default_factory=dict)
    asked: tuple[float, float] = (0.0, 0.0)
    """When the question left and when the answer was there, by the controller's clock."""

    def number(self, *path: str) -> int:
        value = self._at(path)
        return int(value) if _is_count(value) else 0

    def words(self, *path: str) -> str:
        value = self._at(path)
        return visible(value, 200) if isinstance(value, str) else ""

    def table(self, *path: str) -> dict[str, Any]:
        value = self._at(path)
        return value if isinstance(value, dict) else {}

    def rows(self, *path: str) -> list[Any]:
        value = self._at(path)
        return value if isinstance(value, list) else []

    def _at(self, path: tuple[str, ...]) -> Any:
        value: Any = self.facts
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return value


Said = Iterator[tuple[Severity, str, str]]
"""Severity, message, and the detail that is this node's alone."""


def system(machine: Machine) -> Said:
    wanted, name = machine.expected["system"], machine.words("system", "name")
    if name != wanted and not name.startswith(f"{wanted}."):
        yield "error", f"runs {name or 'an unknown system'}, not {wanted}", machine.words("system", "title")


def name(machine: Machine) -> Said:
    found = machine.words("name")
    if found.partition(".")[0] != machine.node:
        yield "warning", "calls itself something else", f'"{found}"'


def memory(machine: Machine) -> Said:
    wanted, found = machine.expected["memory"], machine.number("memory")
    told = f"the {wanted / GIB:.0f} GiB of memory of a {machine.expected['server']}"
    if found < MEMORY_LEAST * wanted:
        yield "error", f"has less than {told}", f"{found / GIB:.1f} GiB"
    elif found > MEMORY_MOST * wanted:
        yield "warning", f"has more than {told}", f"{found / GIB:.1f} GiB"


def cores(machine: Machine) -> Said:
    """A virtual machine may call its threads cores."""
    wanted = machine.expected["cores"]
    found, threads = machine.number("cores", "cores"), machine.number("cores", "threads")
    if wanted not in (found, threads):
        yield (
            "error" if found < wanted else "warning",
            f"has {found} cores, a {machine.expected['server']} {wanted}",
            "",
        )


def disk(machine: Machine) -> Said:
    for path, (least, good) in FREE_GIB.items():
        free = machine.number("disks", path, "free") / GIB
        if free < good:
            severity: Severity = "error" if free < least else "warning"
            yield severity, f"has less than {least if free < least else good} GiB free on {path}", f"{free:.1f} GiB"


def clock(machine: Machine) -> Said:
    """The question and its answer took time: only what lies outside of that counts."""
    (began, ended), said = machine.asked, machine.facts.get("time")
    if not isinstance(said, float) or not math.isfinite(said):
        yield "error", "does not tell the time", ""
        return
    for offset, way in ((said - ended, "ahead"), (began - said, "behind")):
        if offset > CLOCK_WARNS:
            failing = offset > CLOCK_FAILS
            limit = CLOCK_FAILS if failing else CLOCK_WARNS
            message = f"has a clock that is more than {limit:.0f} s {way}"
            yield "error" if failing else "warning", message, f"{offset:.0f} s"


def mirror(machine: Machine) -> Said:
    wanted, why = machine.expected["mirror"], machine.words("mirror")
    if wanted and why:
        yield "error", f"cannot get {wanted} ({why})", ""


def accelerators(machine: Machine) -> Said:
    """By device numbers where they are known; else by vendor and class, which does not tell one model from another."""
    wanted = machine.expected["accelerators"]
    if not wanted:
        return
    count, model = wanted["count"], wanted["model"]
    ours = [(words, number) for words, number in _devices(machine) if words[0] == wanted["vendor"]]
    made_for_it = [(w, n) for w, n in ours if w[2].startswith((DISPLAY, *ACCELERATOR))]
    if not wanted["devices"]:
        found, others = sum(number for _, number in made_for_it), 0
        yield "note", f"the model {model} is not proven: its PCI device numbers are not known", ""
    else:
        found = sum(number for words, number in ours if words[1] in wanted["devices"])
        strange = [(words, number) for words, number in made_for_it if words[1] not in wanted["devices"]]
        others = sum(number for _, number in strange)
        told = ", ".join(sorted({f"{words[0]}:{words[1]}" for words, _ in strange}))
    if found != count:
        also = f", and {others} of another model of its vendor ({visible(told, 60)})" if others else ""
        yield "error" if found < count else "warning", f"{found} of {count} accelerators {model}{also}", ""


def device_files(machine: Machine) -> Said:
    wanted = machine.expected["accelerators"]
    if wanted and wanted["files"]:
        found = machine.number("devices", wanted["files"])
        if found < wanted["count"]:
            yield "error", f"{found} of {wanted['count']} device files {wanted['files']}*", ""


def network(machine: Machine) -> Said:
    wanted = machine.expected["ports"]
    found = sum(number for words, number in _devices(machine) if words[2].startswith(NETWORK))
    if found < wanted:
        yield "error", f"{found} of {wanted} network ports", ""


def rdma_ports(machine: Machine) -> Said:
    wanted = machine.expected["rdma-ports"]
    ports = [row for row in machine.rows("rdma") if isinstance(row, dict)]
    active = [row for row in ports if row.get("state") == "ACTIVE"]
    if len(active) < wanted:
        down = ", ".join(f"{row.get('port')} {row.get('state')}" for row in ports if row not in active)
        yield "error", f"{len(active)} of {wanted} RDMA ports are active", visible(down, 200)


def serial(machine: Machine) -> Said:
    wanted, found = machine.place.get("serial"), machine.words("machine", "serial")
    if wanted and not found:
        yield "warning", "says no serial number to compare with the table of machines", f"{wanted} expected"
    elif wanted and found != wanted:
        yield "error", "is another machine than the table of machines says", f"{found}, not {wanted}"


def board(machine: Machine) -> Said:
    maker, model, firmware = (machine.words("machine", word) for word in ("maker", "model", "firmware"))
    told = " ".join(filter(None, (maker, model, f"with firmware {firmware}" if firmware else "")))
    if machine.words("machine", "virtual"):
        yield "note", f"is a virtual machine{f' ({told})' if told else ''}", ""
    elif told:
        yield "note", f"is a {told}", ""


def mounts(machine: Machine) -> Said:
    mounted = {row for row in machine.rows("mounts") if isinstance(row, str)}
    for path in machine.expected["mounts"]:
        if path not in mounted:
            yield "error", f"{path} is not mounted", ""


def units(machine: Machine) -> Said:
    for unit, state in sorted(machine.table("units").items()):
        if state not in ("active", "reloading"):
            yield "error", f"{visible(unit, 80)} is {visible(state, 40) or 'not known'}", ""


def failed_units(machine: Machine) -> Said:
    for unit in machine.rows("failed-units"):
        yield "error", f"{visible(unit, 80)} has failed", ""


def _is_count(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 2**63


def _devices(machine: Machine) -> list[tuple[list[str], int]]:
    """Vendor, device and class of PCI devices, and how many there are of each."""
    table = machine.table("pci").items()
    return [(words, count) for key, count in table if _is_count(count) and len(words := key.split(":")) == 3]


COMPARISONS: dict[str, Callable[[Machine], Said]] = {
    compare.__name__.replace("_", "-"): compare
    for compare in (
        system, name, memory, cores, disk, clock, mirror, accelerators, device_files, network, rdma_ports, serial,
        board, mounts, units, failed_units,
    )
}  # fmt: skip


def compare(check: str, fact: str, machine: Machine) -> list[Remark]:
    """What one comparison finds, under the name of the check that wants it."""
    return [Remark(check, severity, message, detail) for severity, message, detail in COMPARISONS[fact](machine)]
