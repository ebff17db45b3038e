"""Host keys of nodes: which authority vouches for them, or which of them have been recorded at first contact.

Nothing is believed because a host says so: a certificate counts when the centre's authority has signed it for the name
of the node, and a key counts when a person has seen its fingerprint before. A key that has changed is never recorded
unless the node is named.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from generator import known_hosts
from generator.apply.hosts.findings import Remark, Report, Severity
from generator.known_hosts import HostKey
from generator.problems import Problem, Refused
from generator.text import visible

SCAN = ("ssh-keyscan", "-T", "5", "-t", "ed25519,ecdsa,rsa")
BATCH, CREW = 64, 16
SOON_DAYS = 30
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Target:
    """A node, its pool, and where it answers."""

    name: str
    pool: str
    address: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """What an authority says of a host key, in the time of the whole world."""

    kind: str
    signer: str
    names: tuple[str, ...]
    begins: datetime | None
    until: datetime | None


@dataclass(frozen=True)
class Known:
    """What the centre knows hosts by: the fingerprints of its authorities, recorded keys, or both."""

    authorities: frozenset[str] = frozenset()
    keys: Mapping[str, Sequence[HostKey]] = field(default_factory=dict)
    records: bool = False
    """Whether keys are recorded at all."""


@dataclass
class Outcome:
    """What was found, and the keys that could be recorded: of new nodes, and of nodes that have changed theirs."""

    report: Report
    new: list[HostKey] = field(default_factory=list)
    changed: list[HostKey] = field(default_factory=list)


def look(
    targets: Sequence[Target],
    known: Known,
    progress: Callable[[str], None] = lambda message: None,
    now: Callable[[], float] = time.time,
) -> Outcome:
    """Contact every node and judge the keys and certificates that it offers; records nothing."""
    pools: dict[str, list[str]] = {}
    for target in targets:
        pools.setdefault(target.pool, []).append(target.name)
    outcome = Outcome(Report("trust", pools))
    progress(f"asking {len(targets)} nodes for their host keys")
    plain = scan(targets)
    signed = certificates_of([target for target in targets if target.name in plain]) if known.authorities else {}
    for target in targets:
        offered, certificates = plain.get(target.name, ()), signed.get(target.name, ())
        outcome.report.remarks[target.name] = _judge(target, offered, certificates, known, now(), outcome)
    return outcome


def _judge(
    target: Target,
    offered: Sequence[HostKey],
    certificates: Sequence[HostKey],
    known: Known,
    now: float,
    outcome: Outcome,
) -> list[Remark]:
    if not offered:
        return [Remark("reachable", "error", "did not answer", f"{target.address}, port 22")]
    vouched = [_vouching(target.name, certificate, known.authorities, now) for certificate in certificates]
    good = [remark for remark in vouched if remark.severity != "error"]
    if good:
        return good[:1]
    recorded = known.keys.get(target.name, ())
    if not known.records:
        return vouched[:1] or [Remark("trust", "error", "offers a key that the authority did not sign", seen(offered))]
    if not recorded:
        outcome.new += offered
        return [Remark("trust", "error", "is new: its key is not recorded yet", seen(offered))]
    if any(key in recorded for key in offered) and not _contradicts(offered, recorded):
        return [Remark("trust", "note", "shows the key that is recorded")]
    outcome.changed += offered
    told = f"{seen(offered)}; recorded is {', '.join(fingerprint(key) for key in recorded)}"
    return [Remark("trust", "error", "has CHANGED its host key: somebody may stand between, or it was made anew", told)]


def _contradicts(offered: Sequence[HostKey], recorded: Sequence[HostKey]) -> bool:
    """Whether a kind of key is recorded of which another key is offered."""
    kinds = {key.kind: key for key in recorded}
    return any(key.kind in kinds and kinds[key.kind] != key for key in offered)


def _vouching(name: str, offered: HostKey, authorities: frozenset[str], now: float) -> Remark:
    certificate = read_certificate(offered)
    if certificate is None:
        return Remark("trust", "error", "offers a certificate that cannot be read or was forged")
    if certificate.signer not in authorities:
        return Remark("trust", "error", "has a certificate of another authority", visible(certificate.signer))
    if certificate.kind != "host":
        return Remark("trust", "error", "has a certificate that is not for hosts")
    if name not in certificate.names:
        names = ", ".join(certificate.names) or "no name at all"
        return Remark("trust", "error", "has a certificate for another name", visible(names))
    if certificate.begins and certificate.begins.timestamp() > now:
        return Remark("trust", "error", f"has a certificate that begins only on {certificate.begins:%Y-%m-%d}")
    if certificate.until is None:
        return Remark("trust", "note", "is vouched for by the authority, without an end")
    left = certificate.until.timestamp() - now
    if left <= 0:
        return Remark("trust", "error", f"has a certificate that ended on {certificate.until:%Y-%m-%d}")
    severity: Severity = "warning" if left < SOON_DAYS * 86400 else "note"
    return Remark("trust", severity, f"is vouched for by the authority until {certificate.until:%Y-%m-%d}")


# Recording


def recordable(outcome: Outcome, replaced: frozenset[str], new: bool) -> list[HostKey]:
    """The keys that may be recorded: of nodes that were named, and with `new` of all that have none yet."""
    named = [key for key in (*outcome.new, *outcome.changed) if key.name in replaced]
    return named + [key for key in outcome.new if new and key.name not in replaced]


def take_in(outcome: Outcome, keys: Iterable[HostKey]) -> None:
    """What was an open question about a node has been answered by recording its key."""
    for name in {key.name for key in keys}:
        outcome.report.remarks[name] = [Remark("trust", "note", "its key is recorded now")]


def record(file: Path, nodes: Iterable[str], keys: Iterable[HostKey], replaced: frozenset[str]) -> None:
    """Add the best key of each node to the file, which is replaced as a whole; Refused when that cannot be done."""
    try:
        if file.is_symlink() or (file.exists() and not file.is_file()):
            raise _unwritable(file, "it is not a plain file")
        before = file.read_text("ascii") if file.exists() else ""
        text = known_hosts.with_keys(before, nodes, known_hosts.best(keys), replaced)
        mode = file.stat().st_mode & 0o777 if file.exists() else 0o644
        with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=f".{file.name}.", delete=False) as new:
            try:
                new.write(text)
                new.flush()
                os.fsync(new.fileno())
                Path(new.name).chmod(mode)
                Path(new.name).replace(file)
            except BaseException:
                Path(new.name).unlink(missing_ok=True)
                raise
    except (OSError, UnicodeDecodeError) as error:
        raise _unwritable(file, str(getattr(error, "strerror", None) or error)) from None


def _unwritable(file: Path, why: str) -> Refused:
    return Refused([Problem("trust.unwritable", f'host keys cannot be recorded in "{file}": {why}')])


# What the tools of OpenSSH say


def scan(targets: Sequence[Target]) -> dict[str, tuple[HostKey, ...]]:
    """The host keys that nodes offer; who does not answer is left out."""
    batches = [targets[start : start + BATCH] for start in range(0, len(targets), BATCH)]
    found: dict[str, tuple[HostKey, ...]] = {}
    with ThreadPoolExecutor(CREW) as crew:
        for part in crew.map(_scan, batches):
            found |= part
    return found


def _scan(targets: Sequence[Target]) -> dict[str, tuple[HostKey, ...]]:
    names = {target.address: target.name for target in targets}
    offered: dict[str, tuple[HostKey, ...]] = {}
    for line in _said([*SCAN, "-f", "-"], "".join(f"{address}\n" for address in names)).splitlines():
        address, _, rest = line.partition(" ")
        if address in names:
            with suppress(ValueError):
                key = known_hosts.parse(f"{names[address]} {rest}")
                offered[key.name] = (*offered.get(key.name, ()), key)
    return offered


def certificates_of(targets: Sequence[Target]) -> dict[str, tuple[HostKey, ...]]:
    """The certificates of their host keys that nodes offer; asked one by one, because the tool does not say whose."""
    with ThreadPoolExecutor(CREW) as crew:
        return dict(zip((target.name for target in targets), crew.map(_certificates, targets), strict=True))


def _certificates(target: Target) -> tuple[HostKey, ...]:
    words = [line.split(" ") for line in _said([*SCAN, "-c", target.address], "").splitlines()]
    return tuple(HostKey(target.name, kind, text) for kind, text, *_ in (w for w in words if len(w) > 1))


def fingerprint(key: HostKey) -> str:
    """The fingerprint of a key as ssh shows it."""
    return fingerprint_of(f"{key.kind} {key.text}")


def fingerprint_of(public: str) -> str:
    """SHA256:..., of the first key of a text; empty when it is none."""
    found = re.search(r"SHA256:[A-Za-z0-9+/]+", _said(["ssh-keygen", "-l", "-E", "sha256", "-f", "-"], f"{public}\n"))
    return found[0] if found else ""


def seen(keys: Iterable[HostKey]) -> str:
    """The fingerprint of the key that would be recorded."""
    return ", ".join(f"{key.kind} {fingerprint(key)}" for key in known_hosts.best(keys))


def read_certificate(offered: HostKey) -> Certificate | None:
    """What a certificate says; None when its signature is not that of the signer it names, or it is none."""
    said = _said(["ssh-keygen", "-L", "-f", "-"], f"{offered.kind} {offered.text}\n")
    signer = re.search(r"Signing CA: \S+ (SHA256:\S+)", said)
    valid = re.search(r"^\s*Valid: (.*)$", said, re.M)
    names = re.search(r"^\s*Principals:(.*?)^\s*Critical Options:", said, re.M | re.S)
    kind = re.search(r"^\s*Type: \S+ (host|user) certificate", said, re.M)
    if not (signer and valid and names and kind):
        return None
    begins, until = (_moment(valid[1], word) for word in ("from|after", "to|before"))
    principals = [line.strip() for line in names[1].splitlines()]
    kept = tuple(name for name in principals if name and name != "(none)")
    return Certificate(kind[1], signer[1], kept, begins, until)


def _moment(valid: str, words: str) -> datetime | None:
    found = re.search(rf"\b(?:{words}) (\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d)", valid)
    return datetime.fromisoformat(found[1]).replace(tzinfo=UTC) if found else None


def _said(words: Sequence[str], given: str) -> str:
    """What a tool prints; what it complains about is for people who run it themselves."""
    environment = {**os.environ, **ENVIRONMENT}
    try:
        done = subprocess.run(words, input=given, capture_output=True, text=True, errors="replace", env=environment)
    except FileNotFoundError:
        message = f"there is no {words[0]} on this machine"
        raise Refused([Problem("trust.no-tool", message, hint="install the OpenSSH client")]) from None
    return done.stdout
