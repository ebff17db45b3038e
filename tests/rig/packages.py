"""A signed Debian package repository inside the rig's network: the only one that the hosts can reach."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from control_plane.processes import Process
from control_plane.tools import cache_folder
from tests.rig.base import SUITE, base_key, base_root, cached, debian_sources, key_of, report
from tests.rig.network import Network

# What the product installs on hosts.
PACKAGES = (
    "chrony", "libnss-sss", "libpam-sss", "munge", "prometheus", "prometheus-alertmanager", "prometheus-node-exporter",
    "slurm-client", "slurmctld", "slurmd", "sssd-ldap",
)  # fmt: skip
COMPONENT = "main"
PORT = 80


class PackageRepository:
    """Serves the packages, and what they depend on beyond the base root, over HTTP while the block runs."""

    suite = SUITE
    component = COMPONENT

    def __init__(self, network: Network, packages: Sequence[str] = PACKAGES, own: Sequence[Path] = ()) -> None:
        """Take the packages to offer; they are downloaded once and cached. `own` are files of the site's own."""
        self._network = network
        self._packages = tuple(sorted(packages))
        self._own = tuple(own)
        self.url = f"http://{network.address}"

    @property
    def signing_key(self) -> Path:
        """The armoured public key that signs the repository."""
        return self.root / "signing-key.asc"

    def __enter__(self) -> Self:
        layout = Path(__file__).read_text()
        self.root = cached("packages", key_of(base_key(), *self._packages, layout), self._build)
        if self._own:
            self.root = _with(self._own, self.root, self._network.folder / "packages")
        serve = [sys.executable, "-m", "http.server", "--bind", self._network.address]
        self._server = Process(
            [*serve, "--directory", self.root, str(PORT)],
            log=self._network.folder / "packages.log", netns=self._network.name,
        )  # fmt: skip
        self._server.wait_ready(self._answers)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.end()

    def _answers(self) -> bool:
        probe = ["curl", "--silent", "--fail", "--output", "/dev/null", f"{self.url}/signing-key.asc"]
        return subprocess.run(self._network.command(probe)).returncode == 0

    def _build(self, root: Path) -> None:
        report(f"downloading {len(self._packages)} packages with their dependencies")
        _download(self._packages, root / "pool")
        _index(root)
        _sign(root)


def _download(packages: Sequence[str], pool: Path) -> None:
    (pool / "partial").mkdir(parents=True)
    lists = cache_folder() / "lists"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", suffix=".list") as sources:
        sources.write(debian_sources())
        sources.flush()
        # This machine's apt, but the base root's installed packages: what it would fetch there is what is missing.
        settings = {
            "Dir::State::status": base_root() / "var/lib/dpkg/status",
            "Dir::State::lists": lists,
            "Dir::Cache::archives": pool,
            "Dir::Etc::SourceList": sources.name,
            "Dir::Etc::SourceParts": "/dev/null",
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "root",
        }
        apt = ["apt-get", "--quiet=2", *(f"-o{name}={value}" for name, value in settings.items())]
        subprocess.run([*apt, "update"], check=True)
        subprocess.run([*apt, "install", "--download-only", "--yes", *packages], check=True)
    shutil.rmtree(pool / "partial")
    (pool / "lock").unlink()


def _with(own: Sequence[Path], debian: Path, root: Path) -> Path:
    """A repository of what Debian has and what the site has itself; the packages of Debian stay where they are."""
    (root / "own").mkdir(parents=True)
    (root / "pool").symlink_to(debian / "pool")
    for package in own:
        shutil.copyfile(package, root / "own" / package.name)
    _index(root, _list(debian).read_text())
    _sign(root)
    return root


def _list(root: Path) -> Path:
    """Where the list of packages of a repository is."""
    architecture = _output(["dpkg", "--print-architecture"]).strip()
    return root / "dists" / SUITE / COMPONENT / f"binary-{architecture}" / "Packages"


def _index(root: Path, known: str = "") -> None:
    """Write the list of packages, those of `known` and what lies there, and the Release file that vouches for it."""
    index = _list(root)
    index.parent.mkdir(parents=True)
    index.write_text(known + _output(["apt-ftparchive", "packages", "own" if known else "pool"], root))
    suite, architecture = root / "dists" / SUITE, index.parent.name.removeprefix("binary-")
    fields = {"Suite": SUITE, "Codename": SUITE, "Components": COMPONENT, "Architectures": architecture}
    options = [f"-oAPT::FTPArchive::Release::{name}={value}" for name, value in fields.items()]
    (suite / "Release").write_text(_output(["apt-ftparchive", *options, "release", "."], suite))


def _sign(root: Path) -> None:
    """Sign the Release file with a key that nobody can use again."""
    release = root / "dists" / SUITE / "Release"
    # Short, because the agent's socket lies in it.
    with tempfile.TemporaryDirectory() as home:
        gpg = ["gpg", "--homedir", home, "--batch", "--quiet", "--passphrase", ""]
        _output([*gpg, "--quick-generate-key", "test packages", "ed25519", "sign", "never"])
        _output([*gpg, "--output", release.with_name("InRelease"), "--clearsign", release])
        (root / "signing-key.asc").write_text(_output([*gpg, "--armor", "--export"]))
        _output(["gpgconf", "--homedir", home, "--kill", "all"])


def _output(argv: Sequence[str | Path], folder: Path | None = None) -> str:
    return subprocess.run(argv, cwd=folder, stdout=subprocess.PIPE, text=True, check=True).stdout
