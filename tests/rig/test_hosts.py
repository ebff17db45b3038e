"""The test hosts themselves: what tests of the product rely on, and that the machine stays as it was."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from control_plane import processes
from tests.obstacles import give_way_to
from tests.rig.base import obstacle
from tests.rig.hosts import LOGIN_USER, CommandFailed, TestHosts, make_ssh_key
from tests.rig.network import Network, sweep
from tests.rig.packages import PackageRepository

pytestmark = pytest.mark.hosts

CONTROLLER = "10.16.255.254/14"
HOSTS = {"control-a01-1": "10.16.1.1/14", "train-h-a02-1": "10.16.2.1/14"}
FIRST, SECOND = HOSTS
VOLUME = "/var/lib/containerd"
CAP_SYS_TIME = 1 << 25
REFUSED_BY_CLIENT = 255


@dataclass(frozen=True)
class Rig:
    network: Network
    repository: PackageRepository
    hosts: TestHosts
    keys: Path

    def ssh(self, address: str, command: str) -> subprocess.CompletedProcess[str]:
        """Log in as Ansible would: strictly, trusting the authority alone."""
        options = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": self.keys / "known_hosts",
            "GlobalKnownHostsFile": "/dev/null",
            "IdentityFile": self.keys / "login",
            "ConnectTimeout": "5",
        }
        words = ["ssh", "-F", "none", *(f"-o{name}={value}" for name, value in options.items())]
        argv = self.network.command([*words, f"{LOGIN_USER}@{address}", command])
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)


@pytest.fixture(scope="module", autouse=True)
def _possible_here() -> None:
    give_way_to(obstacle())


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    for name in ("authority", "foreign", "login"):
        make_ssh_key(folder / name)
    authority = (folder / "authority.pub").read_text()
    (folder / "known_hosts").write_text(f"@cert-authority * {authority}")
    return folder


@pytest.fixture(scope="module")
def rig(keys: Path) -> Iterator[Rig]:
    with (
        Network(CONTROLLER) as network,
        PackageRepository(network) as repository,
        TestHosts(
            network, HOSTS, ssh_authority=keys / "authority", login_key=keys / "login", volumes=[VOLUME]
        ) as hosts,
    ):
        yield Rig(network, repository, hosts, keys)


def _address(name: str) -> str:
    return HOSTS[name].partition("/")[0]


def _boot_id(hosts: TestHosts, name: str) -> str:
    return hosts.run(name, ["cat", "/proc/sys/kernel/random/boot_id"])


@pytest.mark.parametrize("name", HOSTS)
def test_certified_host_is_trusted_and_its_user_may_become_root(rig: Rig, name: str) -> None:
    answer = rig.ssh(_address(name), "hostname; id -un; sudo -n id -un")
    assert answer.stdout.split() == [name, "center", "root"], answer.stderr


def test_host_with_foreign_key_is_refused(rig: Rig) -> None:
    rig.hosts.kill(SECOND)
    impostor = {"impostor": HOSTS[SECOND]}
    with TestHosts(rig.network, impostor, ssh_authority=rig.keys / "foreign", login_key=rig.keys / "login"):
        answer = rig.ssh(_address(SECOND), "true")
    rig.hosts.start(SECOND)
    assert answer.returncode == REFUSED_BY_CLIENT
    assert "Host key verification failed" in answer.stderr


def test_host_is_running_without_complaint(rig: Rig) -> None:
    assert rig.hosts.run(FIRST, ["systemctl", "is-system-running", "--wait"]).strip() == "running"
    assert rig.hosts.units(FIRST)["ssh.service"].active == "active"


def test_packages_come_from_the_signed_repository_alone(rig: Rig) -> None:
    keyring, sources = "/etc/apt/keyrings/center.asc", "/etc/apt/sources.list.d/center.list"
    repository = rig.repository
    line = f"deb [signed-by={keyring}] {repository.url} {repository.suite} {repository.component}\n"
    rig.hosts.run(FIRST, ["tee", sources], given=line)
    with pytest.raises(CommandFailed, match="NO_PUBKEY"):
        rig.hosts.run(FIRST, ["apt-get", "update", "--error-on=any"])
    rig.hosts.run(FIRST, ["tee", keyring], given=repository.signing_key.read_text())
    rig.hosts.run(FIRST, ["apt-get", "update", "--error-on=any"])
    rig.hosts.run(FIRST, ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes", "chrony"])
    chrony = rig.hosts.units(FIRST)["chrony.service"]
    assert (chrony.active, chrony.enabled) == ("active", "enabled")
    assert rig.hosts.run(FIRST, ["chronyc", "tracking"]).startswith("Reference ID")


def test_loss_of_power_gives_no_last_word_but_shutdown_does(rig: Rig) -> None:
    will = ["systemd-run", "--remain-after-exit", "--property=ExecStop=/bin/touch /root/last-word", "true"]
    before = _boot_id(rig.hosts, FIRST)
    rig.hosts.run(FIRST, will)
    rig.hosts.kill(FIRST)
    assert rig.ssh(_address(FIRST), "true").returncode == REFUSED_BY_CLIENT
    rig.hosts.start(FIRST)
    assert _boot_id(rig.hosts, FIRST) != before
    assert not rig.hosts.files(FIRST, ["/root/last-word"])
    rig.hosts.run(FIRST, will)
    rig.hosts.stop(FIRST)
    rig.hosts.start(FIRST)
    assert rig.hosts.files(FIRST, ["/root/last-word"])


def test_host_may_reboot(rig: Rig) -> None:
    before = _boot_id(rig.hosts, FIRST)
    rig.hosts.run(FIRST, ["systemctl", "--no-block", "reboot"])
    again = partial(_boot_id, rig.hosts, FIRST)
    processes.wait_until(lambda: again() != before, 30, "reboot", ignoring=(ProcessLookupError, CommandFailed))
    processes.wait_until(lambda: rig.ssh(_address(FIRST), "true").returncode == 0, 30, "login after a reboot")


def test_snapshot_tells_content_owner_and_time(rig: Rig) -> None:
    rig.hosts.run(SECOND, ["sh", "-c", "mkdir /srv/s; printf a > /srv/s/f; ln -s f /srv/s/l; chmod 2640 /srv/s/f"])
    rig.hosts.run(SECOND, ["sh", "-c", "chown center:4242 /srv/s/f; touch -d @1000000000 /srv/s/f"])
    states = rig.hosts.files(SECOND, ["/srv/s", "/srv/absent"])
    assert {path: state.kind for path, state in states.items()} == {
        "/srv/s": "folder", "/srv/s/f": "file", "/srv/s/l": "link",
    }  # fmt: skip
    file = states["/srv/s/f"]
    # The SHA-256 of the letter a.
    assert file.digest == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    assert (file.mode, file.owner, file.group) == ("2640", "center", "4242")
    assert file.changed_ns == 1_000_000_000 * 10**9


def test_containers_find_layers_and_control_groups(rig: Rig) -> None:
    layers = "lowerdir=/usr,upperdir=upper,workdir=work"
    script = f"cd {VOLUME}; mkdir upper work root; mount -t overlay overlay -o {layers} root; ls root; umount root"
    assert "bin" in rig.hosts.run(FIRST, ["sh", "-e", "-c", script]).split()
    rig.hosts.run(FIRST, ["sh", "-e", "-c", "mkdir /sys/fs/cgroup/pids/pod; rmdir /sys/fs/cgroup/pids/pod"])


def _writable_sysctls() -> dict[str, str]:
    """Read what a privileged process could have changed on this machine; counters can only be read."""
    values = {}
    for path in Path("/proc/sys").rglob("*"):
        if path.is_file() and path.stat().st_mode & 0o600 == 0o600 and path.name != "ns_last_pid":
            try:
                values[str(path)] = path.read_text()
            except OSError:
                # Some answer with an error while their subsystem is off.
                values[str(path)] = "unreadable"
    return values


def test_host_writes_its_own_sysctls_only(rig: Rig) -> None:
    before = _writable_sysctls()
    wanted = {
        "kernel.panic": "77",
        "vm.swappiness": "7",
        "fs.inotify.max_user_watches": "65537",
        "net.core.rmem_max": "7654321",
        "net.ipv4.ip_forward": "1",
    }
    rig.hosts.run(FIRST, ["sysctl", "--write", *(f"{name}={value}" for name, value in wanted.items())])
    assert rig.hosts.run(FIRST, ["sysctl", "--values", *wanted]).split() == list(wanted.values())
    assert rig.hosts.run(SECOND, ["sysctl", "--values", "kernel.panic"]).strip() != "77"
    after = _writable_sysctls()
    # Interfaces that somebody else makes or removes bring and take their own.
    assert {name: (before[name], after[name]) for name in before.keys() & after if before[name] != after[name]} == {}


def test_host_cannot_set_the_clock(rig: Rig) -> None:
    bounds = ["grep", "CapBnd", "/proc/self/status"]
    for answer in (rig.hosts.run(FIRST, bounds), rig.ssh(_address(FIRST), f"sudo {' '.join(bounds)}").stdout):
        capabilities = int(answer.split()[1], 16)
        assert capabilities and not capabilities & CAP_SYS_TIME


def _traces(of: str = "") -> dict[str, set[str]]:
    """List what a rig could leave behind on this machine; `of` restricts it to the traces of one rig."""
    mounts = {line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()}
    command_lines = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command_lines.add(path.read_text().replace("\0", " "))
        except (FileNotFoundError, ProcessLookupError):
            continue
    found = {
        "mounts": mounts,
        "processes": {line for line in command_lines if "center-rig" in line},
        "control groups": {str(path) for path in Path("/sys/fs/cgroup").glob("*/*center-rig*")},
        "namespaces": {str(path) for path in Path("/run/netns").glob("*")},
        "links": {path.name for path in Path("/sys/class/net").iterdir()},
        "folders": {str(path) for path in (processes.state_folder() / "rigs").iterdir()},
    }
    return {kind: {trace for trace in traces if of in trace} for kind, traces in found.items()}


def test_machine_is_left_as_it_was(keys: Path) -> None:
    with Network("10.20.0.254/24") as network:
        lone = {"lone": "10.20.0.1/24"}
        with TestHosts(network, lone, ssh_authority=keys / "authority", login_key=keys / "login"):
            during = _traces(network.name)
    assert {kind for kind, traces in during.items() if traces} >= {"processes", "control groups", "namespaces"}
    assert not any(_traces(network.name).values())


DOOMED = """
import sys, time
from pathlib import Path
from tests.rig.hosts import TestHosts
from tests.rig.network import Network
keys = Path(sys.argv[1])
with Network("10.20.0.254/24") as network:
    with TestHosts(network, {"doomed": "10.20.0.1/24"}, ssh_authority=keys / "authority", login_key=keys / "login"):
        print(network.name, flush=True)
        time.sleep(600)
"""


def test_killed_run_is_swept_by_the_next(keys: Path) -> None:
    doomed = subprocess.Popen([sys.executable, "-c", DOOMED, str(keys)], stdout=subprocess.PIPE, text=True)
    assert doomed.stdout
    name = doomed.stdout.readline().strip()
    doomed.send_signal(signal.SIGKILL)
    doomed.wait()
    assert all(_traces(name)[kind] for kind in ("processes", "control groups", "namespaces", "folders"))
    assert name in sweep()
    assert not any(_traces(name).values())
