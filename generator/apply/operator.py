"""The operator's own configuration: what a reviewed spec may ask of his machine, and where his things are.

A spec only names secrets; this file, which no spec can change, says which of them it gets and for what. So it must be
its owner's alone.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic.functional_validators import BeforeValidator

from generator.problems import Position, Problem, Refused
from generator.source import Source, loads
from generator.spec import read_as
from generator.spec.common import Name, Strict, refuse

VARIABLE = "CENTER_OPERATOR"
MAX_BYTES = 256 * 1024
_PATTERN = re.compile(r"(?:env|file|vault|store):[A-Za-z0-9_./#-]*\*?")
_REFERENCE = re.compile(
    r"env:[A-Z_][A-Z0-9_]*|file:[A-Za-z0-9_./-]+|(?:vault:[A-Za-z0-9_./-]+|store:[a-z0-9-]+)#[A-Za-z0-9_.-]+"
)


def _check_pattern(pattern: object) -> object:
    # Neither a prefix with ".." in it nor one that ".." leads out of would mean what it seems to mean.
    if not isinstance(pattern, str) or not _PATTERN.fullmatch(pattern) or ".." in pattern.split(":")[1].split("/"):
        raise refuse('needs a reference such as "vault:hpc#munge", or the beginning of one and a star: "vault:hpc#*"')
    if not pattern.endswith("*") and not _REFERENCE.fullmatch(pattern):
        raise refuse(f'"{pattern[:60]}" is no whole reference; end it with a star to allow what begins so')
    return pattern


class _Allow(Strict):
    reference: Annotated[str, BeforeValidator(_check_pattern)]
    use: list[Name] = Field(min_length=1, max_length=100)


class _Vault(Strict):
    file: str = Field(min_length=1, max_length=1000)
    password_file: str = Field(min_length=1, max_length=1000)


class _Store(Strict):
    command: list[str] = Field(min_length=1, max_length=100)


class _Secrets(Strict):
    allow: list[_Allow] = Field(default=[], max_length=1000)
    vaults: dict[str, _Vault] = {}
    stores: dict[str, _Store] = {}


class _Ssh(Strict):
    key: str | None = None
    forks: int | None = Field(default=None, ge=1, le=500)


class _Hosts(Strict):
    watch_seconds: int | None = Field(default=None, ge=1, le=600)


class _Kubernetes(Strict):
    allow_commands: list[str] = Field(default=[], max_length=100)


class _Words(Strict):
    secrets: _Secrets = _Secrets.model_construct()
    key_file: str | None = None
    ssh: _Ssh = _Ssh.model_construct()
    hosts: _Hosts = _Hosts.model_construct()
    kubernetes: _Kubernetes = _Kubernetes.model_construct()


@dataclass(frozen=True, slots=True)
class Vault:
    """A file encrypted by Ansible Vault and the file that holds, or prints, its password."""

    file: Path
    password_file: Path


@dataclass(frozen=True, slots=True)
class Operator:
    """What an operator allows and prefers; `file` is where he says so, or where he would."""

    file: Path
    key_file: Path
    allow: tuple[tuple[str, frozenset[str]], ...] = ()
    vaults: Mapping[str, Vault] = field(default_factory=dict)
    stores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ssh_key: Path | None = None
    forks: int | None = None
    watch_seconds: int | None = None
    """How long a daemon has to run before its start counts."""
    commanding: frozenset[Path] = frozenset()
    """Kubeconfigs whose commands may be run to get credentials."""

    def allows(self, reference: str, use: str) -> bool:
        """Whether a secret may be used so; a star at the end of an allowed reference stands for any rest."""
        return any(use in uses and _covers(pattern, reference) for pattern, uses in self.allow)


def operator() -> Operator:
    """The configuration of whoever runs this; without a file nothing is allowed. Refused when it cannot be trusted."""
    named = os.environ.get(VARIABLE)
    base = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    folder = base if base.is_absolute() else _home() / ".config"
    file = Path(named) if named else folder / "center" / "operator.yaml"
    try:
        content = _own(file)
    except FileNotFoundError:
        if named:
            message = f'{VARIABLE} names "{file}", which is not there'
            raise Refused([Problem("operator.unreadable", message)]) from None
        return Operator(file, file.parent / "operator.key")
    return _read(file, loads(content, str(file)))


def _read(file: Path, read: Source) -> Operator:
    words = read_as(_Words, read, "operator")
    secrets = words.secrets
    return Operator(
        file=file,
        key_file=_path(file, words.key_file or "operator.key"),
        allow=tuple((allow.reference, frozenset(allow.use)) for allow in secrets.allow),
        vaults={
            name: Vault(_path(file, vault.file), _path(file, vault.password_file))
            for name, vault in secrets.vaults.items()
        },
        stores={name: tuple(store.command) for name, store in secrets.stores.items()},
        ssh_key=_path(file, words.ssh.key) if words.ssh.key else None,
        forks=words.ssh.forks,
        watch_seconds=words.hosts.watch_seconds,
        commanding=frozenset(_path(file, said).resolve() for said in words.kubernetes.allow_commands),
    )


def _covers(pattern: str, reference: str) -> bool:
    return reference.startswith(pattern[:-1]) if pattern.endswith("*") else reference == pattern


def _path(file: Path, said: str) -> Path:
    """A path as its writer means it: from his home with "~", else from the folder of the file."""
    return _home() / said[2:] if said.startswith("~/") else file.absolute().parent / said


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # a user that the machine does not know
        return Path("/")


def _own(file: Path) -> bytes:
    """The bytes of a file that nobody else can change, through neither the file nor its folder."""
    try:
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            _check_owner(file, os.fstat(stream.fileno()), file)
            _check_owner(file, file.resolve().parent.stat(), file.resolve().parent)
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _refused(file, "unreadable", f'"{file}" cannot be read: {error.strerror}') from None
    if len(content) > MAX_BYTES:
        raise _refused(file, "unreadable", f'"{file}" is larger than {MAX_BYTES // 1024} KiB')
    return content


def _check_owner(file: Path, state: os.stat_result, place: Path) -> None:
    if place == file and not stat.S_ISREG(state.st_mode):
        raise _refused(file, "unreadable", f'"{file}" is no file')
    if state.st_uid not in (os.geteuid(), 0):
        raise _refused(
            file, "unsafe", f'"{place}" belongs to somebody else, who could change it', "make one of your own"
        )
    shared_safely = stat.S_ISDIR(state.st_mode) and state.st_mode & stat.S_ISVTX
    if state.st_mode & 0o022 and not shared_safely:
        raise _refused(file, "unsafe", f'"{place}" can be changed by others', f'chmod go-w "{place}"')


def _refused(file: Path, rule: str, message: str, hint: str | None = None) -> Refused:
    return Refused([Problem(f"operator.{rule}", message, hint=hint, position=Position(str(file), 1, 1))])
