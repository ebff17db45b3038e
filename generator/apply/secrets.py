"""Secrets by reference: found at the last moment, only where the operator allows it, once in a run, never shown.

What is found is wrapped at once, so that no message, no log and no traceback can repeat it.
"""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
import os
import re
import secrets
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import yaml

from generator import resources
from generator.apply.operator import Operator
from generator.problems import Problem, Refused
from generator.text import visible

MOST_BYTES = 64 * 1024
VAULT_BYTES = 2**20
SECONDS = 60
_REFERENCE = re.compile(
    r"(?P<env>env):(?P<variable>[A-Z_][A-Z0-9_]*)"
    r"|(?P<file>file):(?P<path>[A-Za-z0-9_./-]+)"
    r"|(?P<vault>vault):(?P<vault_name>[A-Za-z0-9_./-]+)#(?P<vault_key>[A-Za-z0-9_.-]+)"
    r"|(?P<store>store):(?P<store_name>[a-z0-9-]+)#(?P<store_key>[A-Za-z0-9_.][A-Za-z0-9_.-]*)"
)
# What a program that prints a vault's password may need; nothing that was set for Ansible, and no secret.
_PASSED_ON = (
    "PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "SSH_AUTH_SOCK",
    "GNUPGHOME", "GPG_TTY", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS",
)  # fmt: skip


class Secret:
    """A value that only `reveal` shows."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __repr__(self) -> str:
        return "<secret>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret stays in memory")

    @property
    def line(self) -> Secret:
        """The same without the newline that editors leave at the end of text; what is no text stays as it is."""
        try:
            self._value.decode("utf-8")
        except UnicodeDecodeError:
            return self
        return Secret(self._value.removesuffix(b"\n").removesuffix(b"\r"))


class Secrets:
    """The secrets of one run."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self._known: dict[str, Secret | Problem] = {}
        self._vaults: dict[str, Secret | Problem] = {}
        self._turn = threading.Lock()

    def resolve(self, reference: str, use: str) -> Secret:
        """The value behind a reference; Refused, without it, when it is not allowed for this use or not to be had."""
        if not _REFERENCE.fullmatch(reference) or ".." in reference.partition(":")[2].split("/"):
            # It is not repeated: it may be the secret itself.
            message = "a file asks for a secret by something that is no reference"
            raise Refused([Problem("hosts.secret-reference", message)])
        if not self._operator.allows(reference, use):
            message = f'the secret "{reference}" is not allowed for "{visible(use, 60)}"'
            line = f'- {{reference: "{reference}", use: [{visible(use, 60)}]}}'
            raise Refused([Problem("hosts.secret-not-allowed", message, hint=self._add("secrets.allow", line))])
        with self._turn:
            if reference not in self._known:
                self._known[reference] = self._found(reference)
            found = self._known[reference]
        if isinstance(found, Problem):
            raise Refused([found])
        return found

    def check(self, wanted: Iterable[tuple[str, str]]) -> None:
        """Have all of these (reference, use) at hand; Refused with a finding for each that cannot be had."""
        problems: dict[Problem, None] = {}
        for reference, use in wanted:
            try:
                self.resolve(reference, use)
            except Refused as refused:
                problems |= dict.fromkeys(refused.problems)
        if problems:
            raise Refused(problems)

    def shown(self, value: Secret) -> str:
        """What may be shown of a secret: equal for equal values, and to be guessed by nobody without the key."""
        return f"hmac:{hmac.new(self._key().reveal(), value.reveal(), hashlib.sha256).hexdigest()[:12]}"

    def without(self, text: str) -> str:
        """Text of others, such as a reason for a failure, without the secrets that this run knows."""
        for found in [*self._known.values()]:
            lines = found.reveal().decode("utf-8", "replace").splitlines() if isinstance(found, Secret) else []
            for line in lines:
                if len(line.strip()) >= 4:
                    text = text.replace(line.strip(), "(secret)")
        return text

    def _found(self, reference: str) -> Secret | Problem:
        match = _REFERENCE.fullmatch(reference)
        assert match
        if match["env"]:
            found = self._from_environment(match["variable"])
        elif match["file"]:
            found = self._from_file(match["path"])
        elif match["vault"]:
            found = self._from_vault(match["vault_name"], match["vault_key"])
        else:
            found = self._from_store(match["store_name"], match["store_key"])
        if isinstance(found, Problem):
            return Problem(found.rule, f'the secret "{reference}" {found.message}', hint=found.hint)
        if not 0 < len(found) <= MOST_BYTES:
            fault = f"is larger than {MOST_BYTES // 1024} KiB" if len(found) else "is empty"
            return Problem("hosts.secret-unreadable", f'the secret "{reference}" {fault}')
        return found

    def _from_environment(self, name: str) -> Secret | Problem:
        if name not in os.environ:
            return _missing(f"is not there: no variable {name} is set", f"export {name}=...")
        return Secret(os.environb[name.encode()])

    def _from_file(self, path: str) -> Secret | Problem:
        place = self._operator.file.absolute().parent / path
        found = _content(place, MOST_BYTES, private=True)
        return found.line if isinstance(found, Secret) else found

    def _from_vault(self, name: str, key: str) -> Secret | Problem:
        if name not in self._vaults:
            self._vaults[name] = self._open_vault(name)
        text = self._vaults[name]
        return _entry(text, key) if isinstance(text, Secret) else text

    def _open_vault(self, name: str) -> Secret | Problem:
        """The text of a vault, read by Ansible in a process of its own."""
        vault = self._operator.vaults.get(name)
        if vault is None:
            line = f'"{name}": {{file: PATH, password-file: PATH}}'
            return _missing(f'is in a vault "{name}" that is not known here', self._add("secrets.vaults", line))
        for place, private in ((vault.file, False), (vault.password_file, True)):
            found = _content(place, VAULT_BYTES, private)
            if isinstance(found, Problem):
                return found
            if place == vault.file and not found.reveal().startswith(b"$ANSIBLE_VAULT;"):
                hint = f'ansible-vault encrypt "{vault.file}"'
                return _unreadable(f'is in "{vault.file}", which is not encrypted', hint)
        if importlib.util.find_spec("ansible") is None:
            return _unreadable("needs Ansible, which is not installed", 'pip install "center-generator[apply]"')
        command = [sys.executable, "-m", "ansible", "vault", "view"]
        command += ["--vault-password-file", str(vault.password_file), str(vault.file)]
        with tempfile.TemporaryDirectory(prefix="center-vault-") as home:
            environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | {
                "LC_ALL": "C.UTF-8",
                "ANSIBLE_CONFIG": str(resources.folder("playbooks") / "ansible.cfg"),
                "ANSIBLE_HOME": home,
            }
            status, text = _said(command, VAULT_BYTES, environment)
        if status != 0:
            message = f'is in "{vault.file}", which "{vault.password_file}" does not open (status {status})'
            return _unreadable(message, f'try it: ansible-vault view "{vault.file}"')
        if len(text) > VAULT_BYTES:
            return _unreadable(f"is in a vault of more than {VAULT_BYTES // 1024} KiB")
        return text

    def _from_store(self, name: str, key: str) -> Secret | Problem:
        command = self._operator.stores.get(name)
        if command is None:
            line = f"{name}: {{command: [PROGRAM, ARGUMENT]}}"
            return _missing(f'is in a store "{name}" that is not known here', self._add("secrets.stores", line))
        words = [word.replace("{key}", key) for word in command]
        words += [] if any("{key}" in word for word in command) else [key]
        status, value = _said(words, MOST_BYTES, None)
        if status != 0:
            why = f"ended with status {status}" if status is not None else f"gave no answer within {SECONDS} s"
            return _unreadable(f'cannot be had: the command of store "{name}" {why}', f"try it: {' '.join(words)}")
        return value.line

    def _key(self) -> Secret:
        """The operator's key, made on first use."""
        file = self._operator.key_file
        try:
            if not file.exists():
                file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with tempfile.NamedTemporaryFile(dir=file.parent) as fresh:
                    fresh.write(secrets.token_hex(32).encode())
                    fresh.flush()
                    with suppress(FileExistsError):  # another run was faster: its key counts
                        os.link(fresh.name, file)
        except OSError as error:
            raise Refused([Problem("operator.key", f'"{file}" cannot be made: {error.strerror}')]) from None
        found = _content(file, MOST_BYTES, private=True)
        if isinstance(found, Problem):
            raise Refused([Problem("operator.key", f"the operator's key {found.message}", hint=found.hint)])
        return found

    def _add(self, where: str, line: str) -> str:
        return f"if it shall be, add to {where} in {self._operator.file}: {line}"


def _content(place: Path, most: int, private: bool) -> Secret | Problem:
    """The bytes of a plain file, one more than `most` at most; `private`: of one that others cannot read."""
    try:
        with os.fdopen(os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            state = os.fstat(stream.fileno())
            if not stat.S_ISREG(state.st_mode):
                return _unreadable(f'needs "{place}", which is no plain file')
            if state.st_mode & (0o026 if private else 0o022):
                reads = "read or changed" if private else "changed"
                return _unreadable(f'needs "{place}", which others could have {reads}', f'chmod go-rwx "{place}"')
            return Secret(stream.read(most + 1))
    except FileNotFoundError:
        return _missing(f'needs "{place}", which is not there')
    except OSError as error:
        return _unreadable(f'needs "{place}", which cannot be read: {error.strerror}')


def _entry(text: Secret, key: str) -> Secret | Problem:
    """One value of a vault's mapping, as it is written there: a password 0123 is no number."""
    fault = "is in a vault that holds no mapping of names to texts"
    try:
        data = yaml.load(text.reveal(), Loader=yaml.BaseLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return _unreadable(fault)
    if not isinstance(data, dict):
        return _unreadable(fault)
    if key not in data:
        return _missing(f'is not there: the vault has no key "{key}"')
    return Secret(data[key].encode()) if isinstance(data[key], str) else _unreadable("is no text in its vault")


def _said(command: Sequence[str], most: int, environment: Mapping[str, str] | None) -> tuple[int | None, Secret]:
    """Exit status and output of a program, at most one byte more than `most`; None when it took too long."""
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=environment, start_new_session=True,
        )  # fmt: skip
    except OSError:
        return 127, Secret(b"")
    late = threading.Event()

    def end() -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def give_up() -> None:
        late.set()
        end()

    timer = threading.Timer(SECONDS, give_up)
    timer.start()
    try:
        assert process.stdout
        with process.stdout as output:
            value = Secret(output.read(most + 1))
        if len(value) > most:
            end()
            process.wait()
            return 0, value  # its length says what is wrong with it
        return (process.wait() if not late.is_set() else None), value
    finally:
        timer.cancel()
        end()
        process.wait()


def _missing(message: str, hint: str | None = None) -> Problem:
    return Problem("hosts.secret-missing", message, hint=hint)


def _unreadable(message: str, hint: str | None = None) -> Problem:
    return Problem("hosts.secret-unreadable", message, hint=hint)
