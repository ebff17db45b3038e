"""A small centre of booted hosts, the trees that are applied to it, and what the hosts themselves say became of them.

The program under test is a process of its own, which stands in the hosts' network, may be killed, and has a private
home and a private folder for what it leaves. It finds a wrapper of `ssh` before the real one, which counts.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from control_plane.processes import wait_until
from tests.rig.hosts import LOGIN_USER, CommandFailed, TestHosts, make_ssh_key
from tests.rig.network import Network
from tests.trees import HostTree

REPOSITORY = Path(__file__).parents[1]
CONTROLLER = "10.16.255.254"
CONTROL = "control-1"
WATCH_SECONDS = 2  # what is started here fails at once or not at all
WAIT = "while [ ! -e /run/go ]; do sleep 0.1; done"
# The verbs of `center` without its spec: what they are asked, what they answer, and their exit code.
DRIVER = """
import json, sys
from pathlib import Path
from generator.apply.request import Request
from generator.apply.world import deliver
from generator.problems import Refused

tree, user, key, verb, *names = sys.argv[1:]
lock = names.pop() if verb == "unlock" else ""
request = Request(Path(tree), "centre", user, frozenset(names), only_hosts=True, key=Path(key), lock=lock, form="json")
try:
    outcome = deliver(verb, request, lambda text: print(text, file=sys.stderr))
    code, problems, data = outcome.code, outcome.problems, json.loads(outcome.lines[0]).get("hosts", {})
except Refused as refused:
    code, problems, data = 1, refused.problems, {}
except KeyboardInterrupt:
    code, problems, data = 130, (), {}
print(json.dumps({**data, "code": code, "problems": [[p.rule, p.message, p.hint] for p in problems]}))
"""
# Counts the calls of ssh; at one of them, before or after it, it says so and waits for its end.
COUNTING = """#!/bin/sh
here=${0%/*}
exec 9<>"$here/guard"
flock 9
read -r number <"$here/count"
number=$((number + 1))
echo "$number" >"$here/count"
exec 9<&-
read -r when point <"$here/point"
if [ "$when $point" = "before $number" ]; then : >"$here/reached"; exec sleep 600; fi
/usr/bin/ssh "$@"
status=$?
if [ "$when $point" = "after $number" ]; then : >"$here/reached"; exec sleep 600; fi
exit "$status"
"""
# What a host looks like. The texts that must not be found come as input, since a command line could be found itself.
ORACLE = r"""
import hashlib, json, os, re, stat, subprocess, sys
given = json.load(sys.stdin)
needles = re.compile(b"|".join(re.escape(text.encode()) for text in given["secrets"])) if given["secrets"] else None

def said(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout

def content_of(path):
    try:
        with open(path, "rb") as file:
            return file.read(64 * 2**20)
    except OSError:
        return b""

def walk(top):
    for folder, folders, names in os.walk(top):
        yield from (os.path.join(folder, name) for name in folders + names)

files, found, new = {}, [], []
for top in ("/etc", "/root", "/home", "/opt", "/srv", "/usr/local", "/tmp", "/var", "/run", "/dev/shm"):
    for path in walk(top):
        try:
            state = os.lstat(path)
        except OSError:
            continue
        content = None
        if stat.S_ISREG(state.st_mode):
            content = content_of(path)
            if needles and needles.search(content):
                found.append([path, oct(state.st_mode & 0o7777)])
        elif stat.S_ISLNK(state.st_mode):
            content = os.fsencode(os.readlink(path))
        if path.endswith(".center-new"):
            new.append(path)
        if top == "/etc":
            digest = hashlib.sha256(content).hexdigest() if content is not None else ""
            files[path] = [stat.S_IFMT(state.st_mode), digest, state.st_mode & 0o7777, state.st_uid, state.st_gid]
if needles:
    for process in filter(str.isdigit, os.listdir("/proc")):
        if needles.search(content_of(f"/proc/{process}/cmdline") + content_of(f"/proc/{process}/environ")):
            found.append([f"/proc/{process}", ""])
    for line in said("journalctl", "--quiet", "--output=cat", "--cursor-file=/run/oracle-cursor").splitlines():
        if needles.search(line):
            found.append(["the journal", line[:200].decode("utf-8", "replace")])

units = {}
for name in given["units"]:
    words = "LoadState,ActiveState,SubState,UnitFileState,InvocationID,NeedDaemonReload"
    lines = said("systemctl", "show", "--property=" + words, name).decode().splitlines()
    units[name] = dict(line.split("=", 1) for line in lines)

def summary(paths):
    return "".join(f"{hashlib.sha256(content_of(path)).hexdigest()}  {path}\n" for path in paths)

daemons = {note: [content_of(note).decode(), summary(paths)] for note, paths in given["daemons"].items()}
try:
    placed = sorted(json.loads(content_of("/var/lib/center/placed.json"))["files"])
except (ValueError, KeyError):
    placed = []
print(json.dumps(dict(files=files, found=found, new=new, units=units, daemons=daemons, placed=placed)))
"""


@dataclass(frozen=True)
class State:
    """A host as it was when it was looked at; `found` are places with a secret, with their modes."""

    files: dict[str, list[Any]]
    found: list[list[str]]
    new: list[str]
    units: dict[str, dict[str, str]]
    daemons: dict[str, list[str]]
    placed: list[str]

    @property
    def lasting(self) -> dict[str, Any]:
        """What must be the same after any way to the same tree."""
        units = {
            name: {key: value for key, value in unit.items() if key != "InvocationID"}
            for name, unit in self.units.items()
        }
        return {"files": self.files, "units": units, "placed": self.placed}

    def idle_daemons(self) -> list[str]:
        """Daemons that run with something else than what is on the disk."""
        return [note for note, (said, there) in self.daemons.items() if said != there]


@dataclass
class Done:
    """What a run came to."""

    code: int
    answer: dict[str, Any]
    told: str

    @property
    def states(self) -> dict[str, str]:
        return {name: host["state"] for name, host in self.answer.get("hosts", {}).items()}

    def reason(self, host: str) -> str:
        return str(self.answer["hosts"][host]["reason"])

    @property
    def words(self) -> str:
        """All that it says of problems, faults and notes."""
        return json.dumps([self.answer.get(key) for key in ("problems", "faults", "notes", "records")])

    @property
    def lock(self) -> str:
        """The id in the hint of a run that was refused because of a lock, or empty."""
        for rule, _, hint in self.answer.get("problems", []):
            if rule == "hosts.locked" and hint and "center unlock " in hint:
                return str(hint.split()[-1])
        return ""


@dataclass
class Site:
    """Booted hosts in a network, with the controller's things; use it as a context."""

    nodes: Mapping[str, str]
    groups: Mapping[str, list[str]]
    secrets: dict[str, str] = field(default_factory=dict)
    """Variables that runs are given, and that no file but the wanted one may ever hold."""
    units: Sequence[str] = ()
    daemons: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Where daemons note what they were started with, and the files that they read then."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="center-site-")))
            for name in ("tmp", "home", "bin", "trees"):
                (self.folder / name).mkdir()
            self.operator = self.folder / "operator.yaml"
            allow = [{"reference": f"env:{name}", "use": ["demo"]} for name in self.secrets]
            own = {"secrets": {"allow": allow}, "hosts": {"watch-seconds": WATCH_SECONDS}}
            self.operator.write_text(json.dumps(own))
            for name, text in (("ssh", COUNTING), ("guard", ""), ("count", "0\n"), ("point", "never 0\n")):
                (self.folder / "bin" / name).write_text(text)
            (self.folder / "bin/ssh").chmod(0o755)
            authority, self.key = make_ssh_key(self.folder / "authority"), make_ssh_key(self.folder / "login")
            self.authority = authority.with_name("authority.pub").read_text()
            self.network = stack.enter_context(Network(f"{CONTROLLER}/16"))
            addresses = {name: f"{address}/16" for name, address in self.nodes.items()}
            self.hosts = stack.enter_context(
                TestHosts(self.network, addresses, ssh_authority=authority, login_key=self.key)
            )
            stack.callback(self.sweep)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"

    def tree(self, name: str, pools: Mapping[str, tuple[float, float]] | None = None) -> HostTree:
        """An empty tree of all nodes; `pools` have a share of a batch, and one that may not answer."""
        tree = HostTree(self.folder / "trees" / name, dict(self.nodes), dict(self.groups))
        described = {
            pool: {"role": "compute", "clusters": [], "batch": batch, "unreachable": unreachable, "nodes": 0}
            for pool, (batch, unreachable) in (pools or {}).items()
        }
        (tree.folder / "hosts/operations.json").write_text(json.dumps({"pools": described, "clusters": {}}))
        tree.trusts(self.authority)
        return tree

    def start(
        self, tree: HostTree, verb: str, *names: str, point: str = "never 0", **variables: str
    ) -> subprocess.Popen[str]:
        """Begin a run; `point` is where the wrapper of ssh stops it, such as "after 7"."""
        (self.folder / "bin/reached").unlink(missing_ok=True)
        (self.folder / "bin/count").write_text("0\n")
        (self.folder / "bin/point").write_text(f"{point}\n")
        words = [sys.executable, "-c", DRIVER, str(tree.folder), LOGIN_USER, str(self.key), verb, *names]
        environment = {
            **os.environ,
            **self.secrets,
            "PYTHONPATH": str(REPOSITORY),
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "TMPDIR": str(self.temporary),
            "HOME": str(self.folder / "home"),
            "CENTER_OPERATOR": str(self.operator),
            **variables,
        }
        return subprocess.Popen(
            self.network.command(words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=self.folder, env=environment, start_new_session=True,
        )  # fmt: skip

    def wait(self, process: subprocess.Popen[str], seconds: float = 300) -> Done:
        output, told = process.communicate(timeout=seconds)
        answer: dict[str, Any] = json.loads(output) if output.strip() else {}
        return Done(int(answer["code"] if answer else process.returncode), answer, told)

    def run(self, tree: HostTree, verb: str, *names: str, **variables: str) -> Done:
        return self.wait(self.start(tree, verb, *names, **variables))

    @property
    def calls(self) -> int:
        """How often the last run has called ssh."""
        return int((self.folder / "bin/count").read_text())

    def reached(self) -> bool:
        return (self.folder / "bin/reached").exists()

    def look(self, *names: str) -> dict[str, State]:
        """What hosts, or all of them, look like now."""
        given = json.dumps(
            {
                "secrets": [form for secret in self.secrets.values() for form in forms(secret)],
                "units": list(self.units),
                "daemons": {note: list(paths) for note, paths in self.daemons.items()},
            }
        )
        chosen = names or tuple(self.nodes)
        with ThreadPoolExecutor(len(chosen)) as crew:
            answers = crew.map(lambda name: self.hosts.run(name, ["python3", "-c", ORACLE], given), chosen)
            return {name: State(**json.loads(answer)) for name, answer in zip(chosen, answers, strict=True)}

    def sh(self, host: str, script: str) -> str:
        return self.hosts.run(host, ["sh", "-c", script])

    def read(self, host: str, path: str) -> str:
        """The content of a file there; empty without one."""
        return self.sh(host, f"cat {path} 2>/dev/null || :")

    def journal(self) -> list[dict[str, Any]]:
        """The lines of the centre's own record."""
        return [json.loads(line) for line in self.read(CONTROL, "/var/lib/center/journal.jsonl").splitlines()]

    def locks(self) -> list[str]:
        return self.sh(CONTROL, "ls /var/lib/center/locks 2>/dev/null || :").split()

    def secret_places(self) -> list[str]:
        """Files of the controller with a secret in them."""
        needles = [form.encode() for secret in self.secrets.values() for form in forms(secret)]
        found = []
        for folder in (self.temporary, self.folder / "home"):
            for file in folder.rglob("*"):
                with suppress(OSError):
                    if file.is_file() and any(needle in file.read_bytes() for needle in needles):
                        found.append(str(file))
        return found

    def alive(self) -> list[int]:
        """Processes of runs, but for the connections that SSH keeps open for a minute."""
        mark = f"TMPDIR={self.temporary}\0".encode()
        return [pid for pid in processes() if mark in read_proc(pid, "environ") and not is_master(pid)]

    def sweep(self) -> None:
        """End what runs have left, the connections that SSH keeps open included."""
        mark = f"{self.temporary}".encode()
        for pid in processes():
            if mark in read_proc(pid, "environ") + read_proc(pid, "cmdline"):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    @contextmanager
    def gate(self, host: str, condition: str, instead: str = WAIT) -> Iterator[Callable[[], None]]:
        """While a condition of the shell holds, the host's Python waits for the end of the block, or does otherwise.

        Gives what waits until the first of them is there.
        """
        gated = f"if {condition}; then : >/run/reached; {instead}; fi"
        script = f'#!/bin/sh\n{gated}\nexec /usr/bin/python3.11 "$@"\n'
        place = "rm -f /run/go /run/reached; cat >/tmp/gate; chmod 755 /tmp/gate; mv /tmp/gate /usr/bin/python3"
        self.hosts.run(host, ["sh", "-c", place], script)
        try:
            yield lambda: self.await_gate(host)
        finally:
            with suppress(CommandFailed, ProcessLookupError):  # it may be down
                self.open_gate(host)

    def open_gate(self, host: str) -> None:
        self.sh(host, "ln -sf python3.11 /usr/bin/python3; : >/run/go")

    def await_gate(self, host: str) -> None:
        wait_until(lambda: self.sh(host, "ls /run/reached 2>/dev/null || :"), 120, f"the gate on {host}")


def forms(secret: str) -> list[str]:
    """How a text may be written: as it is, and the middle of it in base64, wherever in a text it stands."""
    coded = [base64.b64encode(b" " * shift + secret.encode()).decode() for shift in range(3)]
    return [secret, *(text[4:-4].rstrip("=") for text in coded)]


def processes() -> list[int]:
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]


def read_proc(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except (OSError, ProcessLookupError):
        return b""


def is_master(pid: int) -> bool:
    return read_proc(pid, "cmdline").startswith(b"ssh: ")


def children(pid: int) -> list[int]:
    """Processes that any thread of a process has started."""
    threads = [folder.name for folder in Path(f"/proc/{pid}/task").glob("*")]
    return [int(child) for thread in threads for child in read_proc(pid, f"task/{thread}/children").split()]


def end_tree(pid: int) -> None:
    """SIGKILL for a process and all that it started, at once: none of them sees another one die."""
    stopped: set[int] = set()
    ahead = [pid]
    while ahead:
        one = ahead.pop()
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGSTOP)
            stopped.add(one)
        ahead += [child for known in [*stopped] for child in children(known) if child not in stopped]
    for one in stopped:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
