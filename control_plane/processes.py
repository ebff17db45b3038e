"""Start programs, wait until they answer, and end them by process id, also those of a run that was killed."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.05
LOG_LINES_SHOWN = 30
# Below the kernel's range for outgoing connections, so that none of those takes a port once it is chosen.
PORTS = range(20_000, 30_000)


class ProcessError(RuntimeError):
    """A program ended before it was ready, or never became ready; the message carries the end of its log."""


def wait_until(
    condition: Callable[[], T],
    deadline: float,
    what: str,
    *,
    ignoring: tuple[type[Exception], ...] = (OSError,),
) -> T:
    """Poll until the condition is true and return its value; TimeoutError after `deadline` seconds.

    An exception in `ignoring` (a refused connection, say) counts as "not yet", chained to the TimeoutError.
    """
    end = time.monotonic() + deadline
    while True:
        trouble: Exception | None = None
        try:
            if value := condition():
                return value
        except ignoring as error:
            trouble = error
        if time.monotonic() >= end:
            raise TimeoutError(f"{what}: not within {deadline:g} s") from trouble
        time.sleep(POLL_SECONDS)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Whatever asks this process to end waits until the block is over, so that what is put in order stays so."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@functools.cache
def _ports_given() -> set[int]:
    return set()


def free_port(address: str = "127.0.0.1") -> int:
    """Choose a TCP port that is free on the address and was not chosen before in this run."""
    for port in random.sample(PORTS, len(PORTS)):
        if port in _ports_given():
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((address, port))
            _ports_given().add(port)
            return port
    raise OSError(f"no free port on {address}")


def answers(port: int, address: str = "127.0.0.1") -> bool:
    """Say whether something accepts TCP connections there."""
    with socket.create_connection((address, port), timeout=1):
        return True


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that cannot be confused with a later one of the same id: its start time belongs to it."""

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Self:
        """Identify a living process; ProcessLookupError if there is none."""
        return cls(pid, _stat(pid).started, _boot())

    def alive(self) -> bool:
        """Say whether this very process still runs; one that merely waits to be reaped does not."""
        if self.boot != _boot():
            return False
        with contextlib.suppress(ProcessLookupError):
            stat = _stat(self.pid)
            return stat.started == self.started and stat.state != "Z"
        return False


@dataclass(frozen=True, slots=True)
class _Stat:
    state: str
    session: int
    started: int
    resident: int


def _stat(pid: int) -> _Stat:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        raise ProcessLookupError(pid) from None
    # The command name in parentheses may hold blanks and parentheses; the fields after it may not.
    fields = text[text.rindex(")") + 2 :].split()
    return _Stat(fields[0], int(fields[3]), int(fields[19]), int(fields[21]) * os.sysconf("SC_PAGE_SIZE"))


@functools.cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def state_folder() -> Path:
    """Return this user's folder for what a later run must know of a killed one."""
    folder = Path(tempfile.gettempdir()) / f"center-rig-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else")
    return folder


def _records() -> Path:
    folder = state_folder() / "processes"
    folder.mkdir(exist_ok=True)
    return folder


def sweep(patience: float = 5.0) -> list[str]:
    """End what killed runs left behind and return the commands; what living runs started is kept."""
    swept = []
    for path in _records().glob("*.json"):
        # A run that ends meanwhile removes its own records.
        with contextlib.suppress(FileNotFoundError):
            record = json.loads(path.read_text())
            if Identity(**record["owner"]).alive():
                continue
            process = Identity(**record["process"])
            if process.alive():
                _end_group(process.pid, process.alive, patience)
                swept.append(" ".join(record["argv"]))
            path.unlink()
    return swept


@functools.cache
def _sweep_once() -> None:
    sweep()


def _end_group(leader: int, alive: Callable[[], bool], patience: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: not alive(), patience, "end")
        os.killpg(leader, signal.SIGKILL)


class Process:
    """A running program in a session of its own; as a context manager it ends with the block."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        log: Path,
        name: str = "",
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        netns: str | None = None,
    ) -> None:
        """Start the program with its output appended to `log`, in network namespace `netns` if one is named.

        `env` is added to the environment of this process.
        """
        _sweep_once()
        words = [str(word) for word in argv]
        self.name = name or Path(words[0]).name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{netns}", "--", *words] if netns else words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                start_new_session=True,
            )
        self.pid = self._popen.pid
        self._record = _records() / f"{self.pid}.json"
        self._write_record(words)

    def _write_record(self, argv: list[str]) -> None:
        owner, process = asdict(Identity.of(os.getpid())), asdict(Identity.of(self.pid))
        temporary = self._record.with_suffix(".new")
        temporary.write_text(json.dumps({"owner": owner, "process": process, "argv": argv}))
        temporary.replace(self._record)

    def running(self) -> bool:
        """Say whether the program still runs."""
        # Reaped in end() only: until then no other process can get this id, so the group can be signalled.
        waiting = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return self._popen.returncode is None and os.waitid(os.P_PID, self.pid, waiting) is None

    def wait(self) -> int:
        """Wait until the program ends by itself; return its status."""
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        return self.end()

    def wait_ready(self, condition: Callable[[], T], deadline: float = 60.0, what: str = "ready") -> T:
        """Wait until the condition is true; ProcessError with the end of the log if it ends or is late."""

        def ready_or_ended() -> tuple[T] | bool:
            if not self.running():
                return True
            value = condition()
            return (value,) if value else False

        try:
            outcome = wait_until(ready_or_ended, deadline, f"{self.name}: {what}")
        except TimeoutError as late:
            raise ProcessError(f"{late}\n{self.tail()}") from late.__cause__
        if not isinstance(outcome, tuple):
            raise ProcessError(f"{self.name} ended before it was {what}\n{self.tail()}")
        return outcome[0]

    def tail(self, lines: int = LOG_LINES_SHOWN) -> str:
        """Return the last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def resident_bytes(self) -> int:
        """Return the resident memory of the program and of the children in its session."""
        return sum(stat.resident for stat in _session(self.pid))

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program alone."""
        if self.running():
            os.kill(self.pid, number)

    def end(self, patience: float = 10.0) -> int:
        """Ask the program and its children to end, insist after `patience` seconds; return its status."""
        if self._popen.returncode is None:
            _end_group(self.pid, self.running, patience)
            self._popen.wait()
            self._record.unlink(missing_ok=True)
        return int(self._popen.returncode)

    def kill(self) -> int:
        """End the program and its children at once, as a crash would; return the exit status."""
        if self.running():
            os.killpg(self.pid, signal.SIGKILL)
        return self.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


def _session(leader: int) -> Iterator[_Stat]:
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(ProcessLookupError):
            stat = _stat(int(folder.name))
            if stat.session == leader:
                yield stat
