"""What programs of the centre may do that no tenant's pod may, each with its reason; the page that a reviewer reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from generator.catalog.vendor_cluster import NodeProgram, Privilege
from generator.devices import Offer

_WORDS: dict[Privilege, str] = {
    "root": "runs as root",
    "privileged": "is privileged",
    "host-network": "uses the network of the node",
    "host-pid": "sees all processes of the node",
    "host-ipc": "shares the memory of programs of the node",
}
_RUNTIME = "it sees accelerators through this runtime alone, which hands out whatever a variable of the program names"
_SELINUX = "SELinux lets this type at devices"


@dataclass(frozen=True, slots=True)
class ExceptionLine:
    """One right beyond Pod Security "restricted", and why it is there."""

    namespace: str
    daemon: str
    right: str
    reason: str


@dataclass(frozen=True, slots=True)
class ProgramLine:
    """One program that runs by our hand: which image, and on the nodes of which pools."""

    daemon: str
    image: str
    pools: tuple[str, ...]


def programs(ours: Iterable[Offer]) -> Iterator[ProgramLine]:
    for offer in ours:
        for kind, _, image in offer.programs():
            yield ProgramLine(f"{offer.vendor.name}-{kind}", image, tuple(pool.name for pool in offer.pools))


def exceptions(ours: Iterable[Offer], namespace: str, readers: str) -> Iterator[ExceptionLine]:
    """Every right of every program, in the order of the objects; `readers` is the network that may read metrics."""
    for offer in ours:
        for kind, program, _ in offer.programs():
            for right, reason in _rights(offer, kind, program, readers):
                yield ExceptionLine(namespace, f"{offer.vendor.name}-{kind}", right, reason)


def _rights(offer: Offer, kind: str, program: NodeProgram, readers: str) -> Iterator[tuple[str, str]]:
    if program.runtime and offer.runtime:
        yield f"runs in the runtime {offer.runtime}", _RUNTIME
    for need, reason in program.needs.items():
        yield _WORDS[need], reason
    for capability, reason in program.capabilities.items():
        yield f"keeps the capability {capability}", reason
    if program.selinux:
        yield f"has the SELinux type {program.selinux}", _SELINUX
    for path in program.paths:
        yield f"{'writes to' if path.writes else 'reads'} {path.path}", path.why
    if kind == "exporter" and offer.port:
        yield f"listens on port {offer.port} of the node", _scraped(program, readers)


def _scraped(program: NodeProgram, readers: str) -> str:
    """Who else reads what monitor nodes read."""
    if "host-network" in program.needs:
        return "monitor nodes read the metrics there; network policies do not hold on the network of the node"
    return f"monitor nodes read the metrics there, and whatever else has an address of {readers} may"
