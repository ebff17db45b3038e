"""SSH to nodes, with the rendered host keys or authority and nothing of the caller's own SSH configuration."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Self, TypeVar

from generator.apply.hosts.blocks import Node
from generator.problems import Problem, Refused
from generator.text import visible

Item = TypeVar("Item")
Result = TypeVar("Result")

# All that SSH and Ansible see of the caller's environment: neither his settings for them, nor a secret in a variable.
PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK", "TMPDIR")
WORKERS = 32
SECONDS = 60
ANSWER_BYTES = 64 * 2**10
# The kernel ends a socket's path at 108 bytes; ssh adds a name of 40 characters and a suffix of its own.
CONTROL_PATH_BYTES = 45
NOT_CONNECTED = 255
KEY = "key"
BEGIN = "center-begin"
_PLAIN_PATH = re.compile(r"[A-Za-z0-9._/+-]+")
_WHO = re.compile(r" host [0-9a-f.:]+(?= port)|\b[\w.-]+@[0-9a-f.:]+: ")


@dataclass(frozen=True, slots=True)
class SshAccess:
    """Who logs in to the nodes, and with which key; without a key, those of the SSH agent."""

    user: str = "root"
    key: Path | None = None
    connect_seconds: int = 10


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command on a node came to; `status` is 255 when there was no connection."""

    status: int
    output: str
    complaint: str


class Connections:
    """Connections to nodes, shared between all that is done to them; closed at the end of the block."""

    def __init__(self, access: SshAccess) -> None:
        self.access = access
        self._strangers: dict[Path, dict[str, str]] = {}

    def __enter__(self) -> Self:
        if shutil.which("ssh") is None:
            raise Refused(
                [Problem("hosts.no-ssh", "there is no ssh on this machine", hint="install the OpenSSH client")]
            )
        place = tempfile.gettempdir()
        fits = len(place) + len("/center-12345678") <= CONTROL_PATH_BYTES and _PLAIN_PATH.fullmatch(place)
        try:
            self._folder = tempfile.TemporaryDirectory(prefix="center-", dir=place if fits else "/tmp")
            self._link_key()
        except OSError as error:
            raise Refused([disk_problem(error)]) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.for_each(self._close, [path for path in self.folder.iterdir() if path.is_socket()])
        self._folder.cleanup()

    @property
    def folder(self) -> Path:
        """A private folder that goes with the connections."""
        return Path(self._folder.name)

    def arguments(self, block: Path) -> list[str]:
        """Options of ssh for the nodes of a block; given first, so that no configuration file weakens them."""
        access = self.access
        options = [
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            f"UserKnownHostsFile={self._known_hosts(block)}",
            "GlobalKnownHostsFile=/dev/null",
            "UpdateHostKeys=no",
            "ForwardAgent=no",
            "ClearAllForwardings=yes",
            f"User={access.user}",
            f"ConnectTimeout={access.connect_seconds}",
            "ServerAliveInterval=15",
            "ServerAliveCountMax=4",
            "ControlMaster=auto",
            "ControlPersist=60",
            f"ControlPath={self._folder.name}/%C",
        ]
        if access.key is not None:
            options += [f"IdentityFile={self.folder / KEY}", "IdentitiesOnly=yes"]
        return ["-F", str(self._places(block)), *(word for option in options for word in ("-o", option))]

    def _link_key(self) -> None:
        """The key under a plain name; ssh would take a blank or a percent sign in its path for something else."""
        for ending in ("", ".pub", "-cert.pub"):
            if self.access.key is not None and Path(f"{self.access.key}{ending}").exists():
                (self.folder / f"{KEY}{ending}").symlink_to(f"{self.access.key.resolve()}{ending}")

    def _known_hosts(self, block: Path) -> Path:
        """The rendered host keys of a block under a plain name."""
        link = self.folder / f"{block.name}.known_hosts"
        with suppress(FileExistsError):
            link.symlink_to(block.resolve() / "known_hosts")
        return link

    def place(self, node: Node, address: str) -> None:
        """Say where a node is that its block does not have (any more); it proves its name as all others do."""
        self._strangers.setdefault(node.folder, {})[node.name] = address
        self._write_places(node.folder)

    def _places(self, block: Path) -> Path:
        """A configuration file that says where the nodes of a block are, and that each proves its own name."""
        file = Path(self._folder.name) / f"{block.name}.conf"
        return file if file.exists() else self._write_places(block)

    def _write_places(self, block: Path) -> Path:
        places = json.loads((block / "nodes.json").read_text("utf-8"))
        addresses = {name: place["address"] for name, place in places.items()} | self._strangers.get(block, {})
        stanzas = [f"Host {name}\n  HostName {address}\n  HostKeyAlias {name}\n" for name, address in addresses.items()]
        # Threads may come here together: each writes a file of its own and the last rename wins.
        file = Path(self._folder.name) / f"{block.name}.conf"
        fresh = file.with_name(f"{block.name}.{threading.get_ident()}.conf")
        fresh.write_text("".join(stanzas), "utf-8")
        fresh.rename(file)
        return file

    def run(
        self, node: Node, command: Sequence[str], given: str = "", seconds: float = SECONDS, limit: int = ANSWER_BYTES
    ) -> Answer:
        """Run a command on a node as root, with `given` as its input; bounded in time and in what is kept."""
        sudo = [] if self.access.user == "root" else ["sudo", "-n"]
        remote = shlex.join([*sudo, "sh", "-c", 'echo "$0"; exec "$@"', BEGIN, *command])
        ssh = ["ssh", *self.arguments(node.folder), node.name, remote]
        answer = bounded(ssh, given.encode(), seconds, limit)
        # What a login shell says before our command is none of its words.
        _, begun, output = answer.output.partition(f"{BEGIN}\n")
        answer = replace(answer, output=output) if begun else answer
        if answer.status != NOT_CONNECTED:
            return answer
        # The same trouble of many hosts reads the same, so that it is told once.
        return replace(answer, complaint=_WHO.sub("", answer.complaint))

    def anew(self, nodes: Sequence[Node]) -> None:
        """Forget the open connections to nodes: whether they still let us in shows only when we knock again."""
        self.for_each(self._hang_up, nodes)

    def probe(self, nodes: Iterable[Node]) -> dict[Node, str | None]:
        """For each node None when it answers, or why it does not."""
        wanted = list(nodes)
        return dict(zip(wanted, self.for_each(self._reason, wanted), strict=True))

    def for_each(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Side by side, in the order of the items. Whoever interrupts that does not wait for hosts."""
        begun = _Begun()

        def by_one_of_us(item: Item) -> Result:
            _HERE.begun = begun
            return work(item)

        try:
            with ThreadPoolExecutor(WORKERS) as crew:
                try:
                    return list(crew.map(by_one_of_us, items))
                except KeyboardInterrupt:
                    begun.end()
                    crew.shutdown(wait=False, cancel_futures=True)
                    raise
        except KeyboardInterrupt:  # also while another failure waits for the rest
            begun.end()
            raise

    def _reason(self, node: Node) -> str | None:
        answer = self.run(node, ["true"])
        lines = answer.complaint.strip().splitlines() or ["no answer"]
        return None if answer.status == 0 else visible(lines[-1])

    def _hang_up(self, node: Node) -> None:
        hang_up = ["ssh", *self.arguments(node.folder), "-O", "exit", node.name]
        _quietly(hang_up)

    def _close(self, socket: Path) -> None:
        # The name of the host is not used when a socket is named, but ssh asks for one.
        close = ["ssh", "-F", "none", "-o", f"ControlPath={socket}", "-O", "exit", "any"]
        _quietly(close)


class _Begun:
    """What the threads of one piece of work have started and wait for."""

    def __init__(self) -> None:
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._over = False

    @contextmanager
    def waits_for(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        with self._lock:
            self._processes.add(process)
            if self._over:
                process.kill()
        try:
            yield
        finally:
            with self._lock:
                self._processes.discard(process)

    def end(self) -> None:
        """Now, and whatever these threads start from now on."""
        with self._lock:
            self._over = True
            for process in self._processes:
                process.kill()


class _Here(threading.local):
    """Of whose work this thread does a part."""

    begun = _Begun()


_HERE = _Here()


def _quietly(command: Sequence[str]) -> None:
    subprocess.run(command, capture_output=True, timeout=SECONDS, check=False, env=surroundings(), process_group=0)


def disk_problem(error: OSError) -> Problem:
    """A finding about this machine, not about a host: which file is the trouble, and why."""
    what = f'"{error.filename}"' if error.filename else "a file of this run"
    hint = f"this machine needs room in {tempfile.gettempdir()}, or another folder in TMPDIR"
    return Problem("hosts.disk", f"{what} cannot be used: {error.strerror or error}", hint=hint)


def surroundings() -> dict[str, str]:
    """The environment of what we run for a host."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ}


def bounded(command: Sequence[str], given: bytes, seconds: float, limit: int) -> Answer:
    """Run a command that is ended when it takes too long or says more than `limit`: the rest is not even kept.

    Ctrl-C does not reach it, since what puts things in order runs commands as well.
    """
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=surroundings(), process_group=0)
    assert process.stdin and process.stdout and process.stderr
    said: list[bytes] = [b"", b""]

    def give(stream: IO[bytes]) -> None:
        with suppress(BrokenPipeError), stream:
            stream.write(given)

    def hear(number: int, stream: IO[bytes]) -> None:
        with stream:
            said[number] = stream.read(limit + 1)
            if len(said[number]) > limit:
                process.kill()

    threads = [
        threading.Thread(target=give, args=(process.stdin,), daemon=True),
        threading.Thread(target=hear, args=(0, process.stdout), daemon=True),
        threading.Thread(target=hear, args=(1, process.stderr), daemon=True),
    ]
    try:
        for thread in threads:
            thread.start()
        with _HERE.begun.waits_for(process):
            status = process.wait(seconds)
        # A connection that is shared keeps what it said open until the host is done, which nobody waits for any more.
        for thread in threads if status >= 0 else ():
            thread.join()
    except subprocess.TimeoutExpired:
        return Answer(NOT_CONNECTED, "", f"no answer within {seconds:g} s")
    finally:
        process.kill()
        process.wait()
    output, complaint = (text[:limit].decode("utf-8", "replace") for text in said)
    if max(map(len, said)) > limit:
        return Answer(status or 1, output, f"it said more than {limit} bytes")
    return Answer(status, output, complaint)
