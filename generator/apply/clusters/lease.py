"""One writer per cluster: a Lease that names its holder, is renewed while he works, and runs out when he dies.

Ages are counted on the API server's clock. The holder stops writing long before his lease runs out: half of it is kept
for a write that is still on its way, so two holders never write at the same time.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from generator.apply.clusters.kube import ApiError, Json, Kube, Resource
from generator.apply.clusters.membership import BOOKKEEPER, NAME, NAMESPACE, NAMESPACES
from generator.problems import Problem, Refused
from generator.text import visible

SECONDS = 60
_LEASES = Resource("coordination.k8s.io", "v1", "Lease", "leases", namespaced=True)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True, slots=True)
class Lease:
    """The lock as it was read: `version` is empty if it does not exist, `holder` if nobody holds it."""

    version: str = ""
    holder: str = ""
    since: datetime = _EPOCH
    until: datetime = _EPOCH
    transitions: int = 0

    def writer(self, now: datetime) -> str:
        """Who holds the lock; empty if nobody does or if it has run out."""
        return self.holder if now < self.until else ""


def new_holder() -> str:
    """An id for one run: who, where, which process, and a part that no other run has."""
    return f"{getpass.getuser()}@{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"


def read_lease(kube: Kube) -> Lease:
    """Read the lock; Refused if somebody wrote something there that is no lock of ours."""
    found = kube.get(_LEASES.item(NAMESPACE, NAME))
    return _parsed(found) if found else Lease()


def refuse_if_held(kube: Kube, lease: Lease) -> None:
    """Refused, with holder and age, if a run holds the lock and has not let it run out."""
    now = kube.now()
    if lease.writer(now):
        age = max(0, round((now - lease.since).total_seconds()))
        left = round((lease.until - now).total_seconds())
        message = f'another run writes to the cluster: "{visible(lease.holder)}", for {age} s'
        unlock = f'center unlock "{lease.holder}" --cluster NAME'
        hint = f"wait; if that run is dead, its lock runs out within {left} s, or: {unlock}"
        raise Refused([Problem("cluster.locked", message, hint=visible(hint))])


@contextlib.contextmanager
def hold_lease(kube: Kube, seen: Lease, holder: str, seconds: float = SECONDS) -> Iterator[None]:
    """Hold the lock within the block; Refused if anybody held it since it was `seen`."""
    keeper = _Keeper(kube, seen, holder, seconds)
    keeper.acquire()
    kube.fence = keeper.check
    try:
        yield
    finally:
        kube.fence = None
        keeper.release()


def break_lease(kube: Kube, holder: str) -> None:
    """Take the lock from the run with this id; Refused if it is not the holder."""
    lease = read_lease(kube)
    if lease.holder != holder:
        said = f'"{visible(lease.holder)}"' if lease.holder else "nobody"
        raise Refused([Problem("cluster.locked", f'the lock is held by {said}, not by "{visible(holder)}"')])
    kube.replace(_LEASES, _body(kube, lease, "", SECONDS, lease.transitions))


class _Keeper:
    """Holds the lock for one run, with a thread that renews it."""

    def __init__(self, kube: Kube, seen: Lease, holder: str, seconds: float) -> None:
        self._kube = kube
        self._lease = seen
        self._holder = holder
        self._seconds = seconds
        self._renewed = 0.0
        self._lost = False
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def acquire(self) -> None:
        refuse_if_held(self._kube, self._lease)
        if not self._lease.version:
            namespace: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
            self._kube.apply(NAMESPACES, namespace, manager=BOOKKEEPER)
        started = time.monotonic()
        body = _body(self._kube, self._lease, self._holder, self._seconds, self._lease.transitions + 1)
        try:
            answer = (self._kube.replace if self._lease.version else self._kube.create)(_LEASES, body)
        except ApiError as error:
            if error.status != 409:
                raise
            refuse_if_held(self._kube, read_lease(self._kube))
            message = "another run wrote to the cluster while this one compared"
            raise Refused([Problem("cluster.locked", message, hint="run again")]) from error
        self._lease, self._renewed = _parsed(answer), started
        self._thread.start()

    def check(self) -> None:
        """Refused once the lock might pass to somebody else before a write that starts now is over."""
        if self._lost or time.monotonic() - self._renewed > self._seconds / 2:
            message = f"the lock was lost (it could not be renewed for {self._seconds / 2:g} s)"
            raise Refused([Problem("cluster.lock-lost", message, hint="nothing is lost; run again")])

    def release(self) -> None:
        self._done.set()
        self._thread.join()
        with contextlib.suppress(ApiError):  # it runs out by itself
            if not self._lost:
                self._write("")

    def _keep(self) -> None:
        while not self._done.wait(self._seconds / 6):
            started = time.monotonic()
            try:
                self._write(self._holder)
            except Refused:  # by check(): too late, the lock may be about to run out
                self._lost = True
            except ApiError as error:
                self._lost = self._lost or error.status in (404, 409)
            else:
                self._renewed = started

    def _write(self, holder: str) -> None:
        body = _body(self._kube, self._lease, holder, self._seconds, self._lease.transitions)
        self._lease = _parsed(self._kube.replace(_LEASES, body))


def _body(kube: Kube, lease: Lease, holder: str, seconds: float, transitions: int) -> Json:
    """The Lease as the holder writes it now; nobody's if `holder` is empty."""
    now = kube.now()
    since = lease.since if holder == lease.holder else now
    spec = {
        "holderIdentity": holder,
        "leaseDurationSeconds": max(1, round(seconds)),
        "acquireTime": since.strftime(_TIME),
        "renewTime": now.strftime(_TIME),
        "leaseTransitions": transitions,
    }
    if not holder:
        spec = {"leaseTransitions": transitions}
    version = {"resourceVersion": lease.version} if lease.version else {}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"namespace": NAMESPACE, "name": NAME, **version},
        "spec": spec,
    }


def _parsed(found: Json) -> Lease:
    try:
        spec = found.get("spec") or {}
        version = found["metadata"]["resourceVersion"]
        transitions = int(spec.get("leaseTransitions", 0))
        if not (holder := spec.get("holderIdentity")):
            return Lease(version, transitions=transitions)
        since, renewed = (
            datetime.strptime(spec[name], _TIME).replace(tzinfo=UTC) for name in ("acquireTime", "renewTime")
        )
        until = renewed + timedelta(seconds=int(spec["leaseDurationSeconds"]))
        return Lease(version, str(holder), since, until, transitions)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"the lock (Lease {NAMESPACE}/{NAME}) is damaged: {visible(error)}"
        raise Refused([Problem("cluster.locked", message)]) from error
