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
_SCRAPED = "monitor nodes read the metrics there"


@dataclass(frozen=True, slots=True)
class ExceptionLine:
    """One right beyond Pod Security "restricted", and why it is there."""

    namespace: str
    daemon: str
    right: str
    reason: str


def exceptions(ours: Iterable[Offer], namespace: str) -> Iterator[ExceptionLine]:
    """Every right of every program, in the order of the objects."""
    for offer in ours:
        for kind, program, _ in offer.programs():
            for right, reason in _rights(offer, kind, program):
                yield ExceptionLine(namespace, f"{offer.vendor.name}-{kind}", right, reason)


def _rights(offer: Offer, kind: str, program: NodeProgram) -> Iterator[tuple[str, str]]:
    for need, reason in program.needs.items():
        yield _WORDS[need], reason
    for capability, reason in program.capabilities.items():
        yield f"keeps the capability {capability}", reason
    if program.selinux:
        yield f"has the SELinux type {program.selinux}", "SELinux lets this type at devices"
    for path in program.paths:
        yield f"{'writes to' if path.writes else 'reads'} {path.path}", path.why
    if kind == "exporter" and offer.port:
        yield f"listens on port {offer.port} of the node", _SCRAPED
