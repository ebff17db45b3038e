"""A small centre and its booted hosts: a Slurm head, workers and a monitor node, for proofs of what apply really does.

The spec is a mapping, so that a proof can change any field of it; it is written as JSON, which is YAML as well.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.rig.hosts import LOGIN_USER, TestHosts, make_ssh_key
from tests.rig.network import Network
from tests.rig.packages import PACKAGES, PackageRepository

ROOT = Path(__file__).parents[1]
CONTROLLER = "10.16.255.254"
HEAD, WATCH = "head-a01-1", "watch-a01-1"
OTHER_USER = "ops"
DIRECTORY_PACKAGES = ("libnss-sss", "libpam-sss", "sssd-ldap")
SECONDS = 600
# What the caller's own tools are told has no business here.
PASSED_ON = ("PATH", "HOME", "LANG")
Done = subprocess.CompletedProcess[str]


def worker(number: int) -> str:
    return f"science-a01-{number}"


def addresses(workers: int) -> dict[str, str]:
    """By hand: the first rack of the first row begins at 64 of the plan, plus the slot of each pool."""
    science = {worker(number): f"10.16.0.{65 + number}" for number in range(1, workers + 1)}
    return {HEAD: "10.16.0.65", **science, WATCH: "10.16.0.84"}


def spec(workers: int) -> dict[str, Any]:
    """The smallest centre with everything that hosts get without a vendor."""
    return {
        "apiVersion": "center/v1",
        "kind": "Center",
        "metadata": {"name": "quad"},
        "site": {"timezone": "Etc/UTC"},
        "network": {
            "domain": "quad.example",
            "plans": {"nodes": "10.16.0.0/16"},
            "dns": [CONTROLLER],
            "ntp": [CONTROLLER],
            "mirror": {"url": f"http://{CONTROLLER}", "key": "path:mirror.asc"},
        },
        "power": {"feeds": {"west": {"capacity": "60 kW", "rack": "3x 32 A 400 V 3-phase", "derating": "80 %"}}},
        "halls": {
            "hall-1": {
                "feeds": ["west"],
                "air": {"supply": "24 °C", "humidity": "45 %", "capacity": "40 kW"},
                "rack-kinds": {"mixed": {"type": "rack-48u", "holds": {"head": 1, "science": workers, "watch": 1}}},
                "rows": {"a": {"racks": {"a01": "mixed"}}},
            }
        },
        "pools": {
            "head": {"server": "generic-1u", "role": "control", "cluster": "hpc"},
            "science": {"server": "generic-1u", "cluster": "hpc", "slot": 2},
            "watch": {"server": "generic-1u", "role": "monitor", "slot": 20},
        },
        "clusters": {"hpc": {"kind": "slurm", "version": "22.05", "munge": "file:munge"}},
        "access": {"ssh": {"authority": "path:ssh_ca.pub"}},
    }


@dataclass
class Quad:
    """The centre on disk, its hosts, and whoever runs `center` for them."""

    network: Network
    hosts: TestHosts
    folder: Path
    key: Path
    spec: dict[str, Any]
    workers: int = 2
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def tree(self) -> Path:
        return self.folder / "generated"

    @property
    def desk(self) -> Path:
        """The folder of the operator's own configuration and secrets."""
        return self.folder.parent / "desk"

    @property
    def temporary(self) -> Path:
        return self.folder.parent / "t"

    def write(self) -> None:
        (self.folder / "center.yaml").write_text(json.dumps(self.spec, ensure_ascii=False, indent=1), "utf-8")

    def gives(self, name: str, content: str | bytes) -> None:
        """A file of the operator, such as a secret."""
        file = self.desk / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        file.chmod(0o600)

    def command(self, verb: str, *words: str, flags: Sequence[str] = (), program: str = "") -> list[str]:
        """The command line of a verb; `program` is Python in the place of the program itself."""
        key = ["--ssh-key", str(self.key)] if verb not in ("render", "validate", "trust") else []
        python = [sys.executable, *(["-c", program] if program else ["-m", "generator"])]
        own = [verb, *words, str(self.folder)] if verb == "unlock" else [verb, str(self.folder), *words]
        return self.network.command([*python, *flags, *own, *key])

    def surroundings(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        own = {"CENTER_OPERATOR": str(self.desk / "operator.yaml"), "TMPDIR": str(self.temporary)}
        return {**passed, "PYTHONPATH": str(ROOT), **own, **self.environment, **(extra or {})}

    def center(
        self,
        verb: str,
        *words: str,
        flags: Sequence[str] = (),
        extra: Mapping[str, str] | None = None,
        program: str = "",
    ) -> Done:
        """Run a verb as an operator would in a script."""
        return subprocess.run(
            self.command(verb, *words, flags=flags, program=program), cwd=ROOT, env=self.surroundings(extra),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip

    def asks(self, verb: str, *words: str) -> tuple[int, dict[str, Any]]:
        """Exit code and what was found on hosts, as a program reads it."""
        done = self.center(verb, "--hosts", "--format", "json", *words)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)["hosts"]

    def render(self) -> Done:
        self.write()
        return self.center("render")

    def everywhere(self, work: Any) -> dict[str, Any]:
        """Do something with every host at once."""
        names = list(self.hosts.addresses)
        with ThreadPoolExecutor(8) as crew:
            return dict(zip(names, crew.map(work, names), strict=True))


OPERATOR = """
hosts: {watch-seconds: 3}
secrets:
  allow:
  - {reference: "file:*", use: [slurm-munge, ldap-bind]}
  - {reference: "env:*", use: [slurm-munge, ldap-bind]}
  - {reference: "vault:hpc#*", use: [slurm-munge, ldap-bind]}
  - {reference: "store:safe#*", use: [slurm-munge, ldap-bind]}
  vaults:
    hpc: {file: hpc.yml, password-file: password}
  stores:
    safe: {command: [./safe]}
"""


@contextmanager
def booted(folder: Path, workers: int = 2) -> Iterator[Quad]:
    """The centre and its hosts as an installer leaves them; nothing is applied yet."""
    authority, key = make_ssh_key(folder / "authority"), make_ssh_key(folder / "login")
    places = {name: f"{address}/16" for name, address in addresses(workers).items()}
    for name in ("quad", "desk", "t"):
        (folder / name).mkdir()
    with (
        Network(f"{CONTROLLER}/16") as network,
        PackageRepository(network, sorted({*PACKAGES, *DIRECTORY_PACKAGES})) as mirror,
        TestHosts(network, places, ssh_authority=authority, login_key=key) as hosts,
    ):
        made = Quad(network, hosts, folder / "quad", key, spec(workers), workers)
        shutil.copyfile(authority.with_name("authority.pub"), made.folder / "ssh_ca.pub")
        shutil.copyfile(mirror.signing_key, made.folder / "mirror.asc")
        made.gives("operator.yaml", OPERATOR)
        made.gives("munge", secrets.token_hex(48))
        made.everywhere(lambda name: second_user(made, name))
        yield made


def second_user(quad: Quad, name: str) -> None:
    """Another account that an operator may log in with, for specs that say so; the keys are in the homes of both."""
    script = f"""set -e
useradd --create-home --shell /bin/bash {OTHER_USER}
cp /etc/ssh/authorized_keys/{LOGIN_USER} /etc/ssh/authorized_keys/{OTHER_USER}
for one in {LOGIN_USER} {OTHER_USER}; do
  install -d -o "$one" -g "$one" -m 0700 "/home/$one/.ssh"
  install -o "$one" -g "$one" -m 0600 /etc/ssh/authorized_keys/{LOGIN_USER} "/home/$one/.ssh/authorized_keys"
done
echo '{OTHER_USER} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/{OTHER_USER}
"""
    quad.hosts.run(name, ["sh", "-c", script])
