"""Booted Debian hosts: systemd-nspawn containers that SSH, Ansible and systemd take for machines."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from pathlib import Path
from types import TracebackType
from typing import Self

from control_plane.processes import Process, wait_until
from tests.rig import cgroups
from tests.rig.base import base_root
from tests.rig.network import BRIDGE, Network

LOGIN_USER = "center"
FILES = Path(__file__).parent / "host" / "files"
SNAPSHOT = Path(__file__).parent / "host" / "snapshot.py"
BOOT_SECONDS = 90
SHUTDOWN_SECONDS = 30
COMMAND_SECONDS = 300
ENVIRONMENT = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8")
# The mounts belong to the host's processes and vanish with the last of them, whatever ends it. nspawn wants
# /run/systemd as systemd would have left it, its control group namespace begins where it stands, and it ends with
# status 133 when the host wants to be booted again.
LAUNCH = """
set -e
reboot=133; folder=$1; lower=$2; entrances=$3; shift 3
for entrance in $entrances; do echo $$ > "$entrance"; done
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
mkdir -p /run/systemd
mount -t tmpfs tmpfs /run/systemd
status=$reboot
while [ "$status" = "$reboot" ]; do
  status=0
  systemd-nspawn --directory="$folder/root" "$@" || status=$?
done
exit "$status"
"""


class CommandFailed(RuntimeError):
    """A command on a host ended with another status than 0; the message carries what it printed."""


@dataclass(frozen=True, slots=True)
class FileState:
    """What a file is; `digest` is the SHA-256 of its content or link target, empty for anything else."""

    kind: str
    digest: str
    mode: str
    owner: str
    group: str
    changed_ns: int


@dataclass(frozen=True, slots=True)
class UnitState:
    """What systemd says of a unit; `invocation` changes whenever it is started."""

    active: str
    sub: str
    enabled: str
    invocation: str


def make_ssh_key(path: Path, comment: str = "test key") -> Path:
    """Make an SSH key pair (`path` and `path`.pub) and return the path of the private key."""
    _quiet(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path])
    return path


class TestHosts:
    """Hosts that run while the block runs; they differ in name and address only and know nothing of one another.

    Every host has the user `center` (key login, sudo without a password), an SSH host key that the authority
    vouches for under the host's name and address, and no package source.
    """

    __test__ = False  # not a test, whatever pytest makes of the name

    def __init__(
        self,
        network: Network,
        hosts: Mapping[str, str],
        *,
        ssh_authority: Path,
        login_key: Path,
        volumes: Sequence[str] = (),
        nspawn_options: Sequence[str] = (),
    ) -> None:
        """Take `{name: "address/prefix"}`, the authority's private key, and the private key that may log in.

        `volumes` are folders on file systems of their own, as container runtimes need them; `nspawn_options` are
        for what one test needs beyond a plain host, such as "--bind=/dev/kmsg".
        """
        self.addresses: dict[str, IPv4Interface | IPv6Interface] = {
            name: ip_interface(address) for name, address in hosts.items()
        }
        self._network = network
        self._authority = ssh_authority
        self._login_key = login_key
        self._volumes = tuple(volumes)
        self._options = tuple(nspawn_options)
        self._running: dict[str, Process] = {}
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        self._base = base_root()
        with ExitStack() as cleanup:
            for name in self.addresses:
                cleanup.callback(self._remove, name)
                self._install(name)
            self.start(*self.addresses)
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def start(self, *names: str) -> None:
        """Boot hosts side by side and wait until each answers over SSH."""
        for name in names:
            self._running[name] = self._launch(name)
        for name in names:
            self._running[name].wait_ready(partial(self._answers, name), BOOT_SECONDS, "reachable over SSH")

    def stop(self, *names: str) -> None:
        """Shut hosts down in an orderly way, side by side."""
        for name in names:
            self.run(name, ["systemctl", "--no-block", "poweroff"])
        for name in names:
            wait_until(partial(self._is_off, name), SHUTDOWN_SECONDS, f"shutdown of {name}")
            self._end(name)

    def kill(self, *names: str) -> None:
        """End hosts as a loss of power would: nothing on them gets a last word."""
        for name in names:
            self._end(name)

    def run(self, name: str, argv: Sequence[str], given: str = "", timeout: float = COMMAND_SECONDS) -> str:
        """Run a command on a host as root, without SSH, and return what it printed; CommandFailed if it failed.

        `given` is what the command reads from its standard input.
        """
        namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd"]
        enter = ["nsenter", "--target", str(self.init_process(name)), *namespaces, "--"]
        # Namespaces do not take away what root may do on this machine: its clock stays out of reach here as well.
        done = subprocess.run(
            ["setpriv", "--bounding-set=-sys_time", *enter, "env", "--ignore-environment", *ENVIRONMENT, *argv],
            input=given, capture_output=True, text=True, timeout=timeout,
        )  # fmt: skip
        if done.returncode != 0:
            raise CommandFailed(f"{name}: {' '.join(argv)}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def files(self, name: str, paths: Iterable[str]) -> dict[str, FileState]:
        """Describe files, and all that lies in folders, as they are on the host; what does not exist is left out."""
        answer = self.run(name, ["python3", "-c", SNAPSHOT.read_text(), *paths])
        return {path: FileState(**state) for path, state in json.loads(answer).items()}

    def units(self, name: str) -> dict[str, UnitState]:
        """Describe all services, sockets and timers that the host's systemd has loaded."""
        properties = ["Id", "ActiveState", "SubState", "UnitFileState", "InvocationID"]
        show = ["systemctl", "show", "--all", f"--property={','.join(properties)}", "*.service", "*.socket", "*.timer"]
        units = {}
        for block in self.run(name, show).strip().split("\n\n"):
            of = dict(line.split("=", 1) for line in block.splitlines())
            units[of["Id"]] = UnitState(*(of[field] for field in properties[1:]))
        return units

    def init_process(self, name: str) -> int:
        """Return the id that this machine gives to the host's first process; ProcessLookupError if it is down."""
        try:
            supervisor = _child(self._running[name].pid)
            return _child(supervisor)
        except (KeyError, IndexError, FileNotFoundError):
            raise ProcessLookupError(f"{name} is down") from None

    def log(self, name: str) -> Path:
        """Return the console log of a host."""
        return self._folder(name) / "console.log"

    def _folder(self, name: str) -> Path:
        return self._network.folder / "hosts" / name

    def _group(self, name: str) -> str:
        return f"{self._network.name}/{name}"

    def _install(self, name: str) -> None:
        """Lay out what makes this host one of its own, over the shared base root."""
        folder = self._folder(name)
        for part in ("work", "root", *(self._volume(path) for path in self._volumes)):
            (folder / part).mkdir(parents=True)
        upper = folder / "upper"
        shutil.copytree(FILES, upper, symlinks=True)
        etc = upper / "etc"
        keys = etc / "ssh" / "authorized_keys"
        keys.mkdir()
        shutil.copyfile(self._login_key.with_name(self._login_key.name + ".pub"), keys / LOGIN_USER)
        (etc / "machine-id").write_text(f"{uuid.uuid4().hex}\n")
        (etc / "hostname").write_text(f"{name}\n")
        (etc / "hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {name}\n")
        (etc / "systemd/network").mkdir()
        (etc / "systemd/network/10-host0.network").write_text(self._network_file(name))
        # A checkout's permissions are its owner's taste; those on a host are not.
        for path in upper.rglob("*"):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() else 0o644)
        self._make_host_key(name, etc / "ssh" / "ssh_host_ed25519_key")

    def _volume(self, path: str) -> str:
        return f"volumes{path}"

    def _network_file(self, name: str) -> str:
        address = self.addresses[name]
        gateway = self._network.gateway(address)
        route = f"Gateway={gateway}\n" if gateway else ""
        return f"[Match]\nName=host0\n\n[Network]\nAddress={address}\n{route}IPForward=yes\n"

    def _make_host_key(self, name: str, key: Path) -> None:
        make_ssh_key(key, name)
        principals = f"{name},{self.addresses[name].ip}"
        public = key.with_name(key.name + ".pub")
        _quiet(["ssh-keygen", "-q", "-s", self._authority, "-I", name, "-h", "-n", principals, public])

    def _launch(self, name: str) -> Process:
        folder = self._folder(name)
        entrances = " ".join(map(str, cgroups.create(self._group(name))))
        options = [
            "--quiet", "--boot", "--register=no", "--keep-unit", f"--machine={name}", f"--hostname={name}",
            f"--network-bridge={BRIDGE}", "--resolv-conf=off", "--timezone=off", "--link-journal=no",
            # Enough for container runtimes; the clock is the machine's.
            "--capability=all", "--drop-capability=CAP_SYS_TIME",
            "--system-call-filter=@keyring bpf perf_event_open",
            *(f"--bind={folder / self._volume(path)}:{path}" for path in self._volumes), *self._options,
        ]  # fmt: skip
        return Process(
            ["unshare", "--mount", "sh", "-c", LAUNCH, "sh", folder, self._base, entrances, *options],
            name=name,
            log=self.log(name),
            netns=self._network.name,
            env={"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network", "SYSTEMD_NSPAWN_USE_CGNS": "1"},
        )

    def _answers(self, name: str) -> bool:
        # Before the host has its address a connection hangs for seconds, so each try is cut short.
        greeting = f"exec 3<>/dev/tcp/{self.addresses[name].ip}/22 && read -r <&3"
        probe = ["timeout", "0.5", "bash", "-c", greeting]
        return subprocess.run(self._network.command(probe), stderr=subprocess.DEVNULL).returncode == 0

    def _is_off(self, name: str) -> bool:
        return not self._running[name].running()

    def _end(self, name: str) -> None:
        if host := self._running.pop(name, None):
            host.kill()
        cgroups.kill_members(self._group(name))
        # The next boot needs its interface's name.
        wait_until(lambda: f"vb-{name}" not in self._network.links(), 60, f"end of the link of {name}")

    def _remove(self, name: str) -> None:
        self._end(name)
        cgroups.remove(self._group(name))
        shutil.rmtree(self._folder(name))


def _child(process: int) -> int:
    return int(Path(f"/proc/{process}/task/{process}/children").read_text().split()[0])


def _quiet(argv: Sequence[str | Path]) -> None:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{argv[0]}: {done.stderr.strip()}")
