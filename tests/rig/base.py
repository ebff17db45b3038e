"""The Debian root that all test hosts share: built once, cached, never written again."""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from control_plane.tools import cache_folder

SUITE = "bookworm"
# What an installer leaves on a machine; whatever the product is to install is absent.
PACKAGES = (
    "ca-certificates", "curl", "dbus", "iproute2", "kmod", "nftables", "openssh-server", "procps",
    "python3", "python3-apt", "sudo", "systemd", "systemd-sysv",
)  # fmt: skip
# Programs of this machine that the rig calls, and the Debian packages that bring them.
TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "apt-ftparchive": "apt-utils",
    "gpg": "gnupg",
    "curl": "curl",
    "ssh": "openssh-client",
}
CUSTOMISE = Path(__file__).parent / "host" / "customise"


def report(progress: str) -> None:
    """Tell the person who waits what is going on."""
    print(f"test hosts: {progress}", file=sys.stderr, flush=True)


def key_of(*ingredients: str) -> str:
    """Return a short name that changes with any ingredient."""
    return hashlib.sha256("\0".join(ingredients).encode()).hexdigest()[:16]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file lock; it is given up with the block or with the process."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def cached(kind: str, key: str, build: Callable[[Path], None]) -> Path:
    """Return the cached folder of this kind and key; `build` fills a new one, which appears complete or not at all."""
    folder = cache_folder() / kind
    folder.mkdir(exist_ok=True)
    wanted = folder / key
    with locked(folder / "lock"):
        for interrupted in folder.glob("new-*"):
            shutil.rmtree(interrupted)
        if not wanted.exists():
            new = Path(tempfile.mkdtemp(prefix="new-", dir=folder))
            new.chmod(0o755)
            build(new)
            new.rename(wanted)
    return wanted


def missing_packages() -> list[str]:
    """Name the Debian packages that this machine lacks for the rig."""
    return sorted({package for tool, package in TOOLS.items() if shutil.which(tool) is None})


def wrong_machine() -> str | None:
    """Say why this machine could not even be prepared for test hosts, or None if it could."""
    if os.geteuid() != 0:
        return "test hosts need root"
    if not Path("/etc/debian_version").exists():
        return "test hosts need Debian"
    return None


def obstacle() -> str | None:
    """Say why test hosts cannot boot here, or None if they can."""
    if reason := wrong_machine():
        return reason
    if missing := missing_packages():
        return f"test hosts need {', '.join(missing)}: run `python -m tests.rig.base --install`"
    return None


def install() -> None:
    """Install the Debian packages that the rig needs on this machine."""
    if missing := missing_packages():
        report(f"installing {', '.join(missing)}")
        quiet_apt = ["apt-get", "--quiet=2", "-o", "DPkg::Lock::Timeout=300"]
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run([*quiet_apt, "update"], check=True)
        subprocess.run(
            [*quiet_apt, "install", "--yes", "--no-install-recommends", *missing],
            env=environment, stdout=subprocess.DEVNULL, check=True,
        )  # fmt: skip


def debian_sources() -> str:
    """Return the sources.list lines of Debian itself out of this machine's own apt configuration."""
    form = "$(ORIGIN) $(CODENAME) deb $(REPO_URI) $(RELEASE) $(COMPONENT)"
    query = ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
    answer = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    targets = [line.split(" ", 2) for line in answer.splitlines()]
    lines = {line for origin, codename, line in targets if origin == "Debian" and codename.startswith(SUITE)}
    if not lines:
        raise RuntimeError(f"this machine's apt knows no Debian {SUITE}; run `apt-get update` on a {SUITE} machine")
    return "".join(f"{line}\n" for line in sorted(lines))


def base_key() -> str:
    """Return the key of the base root that this checkout wants."""
    return key_of(SUITE, *PACKAGES, CUSTOMISE.read_text())


def base_root() -> Path:
    """Return the base root, after building it if it is not in the cache; RuntimeError if it cannot be built."""
    if reason := obstacle():
        raise RuntimeError(reason)
    return cached("base", base_key(), _build)


def _build(root: Path) -> None:
    report("building the base root, about a minute")
    archive = cache_folder() / "debs"
    archive.mkdir(exist_ok=True)
    subprocess.run(
        [
            "mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory", "--quiet",
            "--aptopt=Apt::Install-Recommends false", "--dpkgopt=force-unsafe-io",
            # Packages that were fetched once are not fetched again when the list changes.
            "--skip=download/empty", "--skip=essential/unlink",
            '--setup-hook=mkdir -p "$1/var/cache/apt/archives"',
            f"--setup-hook=sync-in {archive} /var/cache/apt/archives/",
            f"--customize-hook=sync-out /var/cache/apt/archives {archive}",
            f'--customize-hook=sh {CUSTOMISE} "$1"',
            f"--include={','.join(PACKAGES)}", SUITE, str(root), "-",
        ],
        input=debian_sources(), text=True, check=True,
    )  # fmt: skip


def main() -> None:
    """Prepare this machine for test hosts: the programs (with --install), then the base root.

    Where there can be none it says so and changes nothing; what needs them decides what to do without.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.rig.base", description=main.__doc__)
    parser.add_argument("--install", action="store_true", help="install missing Debian packages first")
    install_first = parser.parse_args().install
    if reason := wrong_machine():
        report(f"nothing is prepared: {reason}")
        return
    if install_first:
        install()
    report(f"base root is {base_root()}")


if __name__ == "__main__":
    main()
