"""Secrets by reference: where they may come from, and that they are nowhere else while they are used."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import pickle
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from generator.apply.hosts import secret_server
from generator.apply.hosts.secret_server import serving
from generator.apply.operator import Operator, Vault
from generator.apply.secrets import MOST_BYTES, Secret, Secrets
from generator.problems import Problem, Refused

ROOT = Path(__file__).parents[1]
CANARY = "canary-{}-5f0e1d"
KINDS = ("env", "file", "vault", "store")
REFERENCES = {"env": "env:CANARY_ENV", "file": "file:canary", "vault": "vault:hpc#canary", "store": "store:safe#canary"}
VALUES = {kind: CANARY.format(kind) for kind in KINDS}
USE = "slurm-munge"


class Desk:
    """An operator's machine: a secret of each kind, and the configuration that allows them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.allow = [(reference, USE) for reference in REFERENCES.values()]
        self.gives("canary", VALUES["file"] + "\n")
        self.gives("password", "correct horse\n")
        self.gives("safe", f'#!/bin/sh\necho "$@" >>"{folder}/asked"\ncat "{folder}/value"\n', 0o700)
        self.gives("value", VALUES["store"] + "\n")

    def gives(self, name: str, content: str | bytes, mode: int = 0o600) -> Path:
        file = self.folder / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        file.chmod(mode)
        return file

    def seal(self, content: str) -> None:
        """Encrypt a vault, as an operator would."""
        self.gives("vault.yml", content)
        command = [
            sys.executable,
            "-m",
            "ansible",
            "vault",
            "encrypt",
            "--vault-password-file",
            "password",
            "vault.yml",
        ]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)

    @property
    def operator(self) -> Operator:
        return Operator(
            file=self.folder / "operator.yaml",
            key_file=self.folder / "operator.key",
            allow=tuple((reference, frozenset([use])) for reference, use in self.allow),
            vaults={"hpc": Vault(self.folder / "vault.yml", self.folder / "password")},
            stores={"safe": (str(self.folder / "safe"), "get", "{key}", "--quiet")},
        )

    def secrets(self) -> Secrets:
        return Secrets(self.operator)

    def asked(self) -> list[str]:
        file = self.folder / "asked"
        return file.read_text().splitlines() if file.exists() else []

    def refused(self, reference: str, use: str = USE) -> Problem:
        with pytest.raises(Refused) as refused:
            self.secrets().resolve(reference, use)
        [problem] = refused.value.problems
        assert_silent("".join(traceback.format_exception(refused.value)), repr(refused.value), repr(problem))
        assert_silent(*traceback.TracebackException.from_exception(refused.value, capture_locals=True).format())
        return problem


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> str:
    desk = Desk(tmp_path_factory.mktemp("seal"))
    desk.seal(f"canary: {VALUES['vault']}\nnumber: 0123\nlist: [a]\nempty: ''\nyes: no\n")
    return (desk.folder / "vault.yml").read_text()


@pytest.fixture
def desk(tmp_path: Path, sealed: str, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("CANARY_ENV", VALUES["env"])
    (tmp_path / "desk").mkdir()
    made = Desk(tmp_path / "desk")
    made.gives("vault.yml", sealed)
    return made


def assert_silent(*texts: str) -> None:
    for text in texts:
        for value in VALUES.values():
            assert value not in text
            assert base64.b64encode(value.encode()).decode().rstrip("=")[:-1] not in text


# Where a secret may come from


@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_of_each_kind_is_found(desk: Desk, kind: str) -> None:
    found = desk.secrets().resolve(REFERENCES[kind], USE)
    assert found.reveal().decode() == VALUES[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_operator_does_not_allow_is_not_even_looked_for(desk: Desk, kind: str) -> None:
    problem = desk.refused(REFERENCES[kind], "another-use")
    assert problem.rule == "hosts.secret-not-allowed"
    assert problem.message == f'the secret "{REFERENCES[kind]}" is not allowed for "another-use"'
    line = f'- {{reference: "{REFERENCES[kind]}", use: [another-use]}}'
    assert problem.hint == f"if it shall be, add to secrets.allow in {desk.folder}/operator.yaml: {line}"
    assert desk.asked() == []


def test_each_is_asked_for_once_in_a_run_and_failures_too(desk: Desk) -> None:
    secrets = desk.secrets()
    threads = [threading.Thread(target=secrets.resolve, args=(REFERENCES["store"], USE)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert desk.asked() == ["get canary --quiet"]
    desk.gives("safe", f'#!/bin/sh\necho "$@" >>"{desk.folder}/asked"\nexit 3\n', 0o700)
    secrets = desk.secrets()
    for _ in range(3):
        with pytest.raises(Refused, match='the command of store "safe" ended with status 3'):
            secrets.resolve(REFERENCES["store"], USE)
    assert len(desk.asked()) == 2


def test_values_of_a_vault_are_the_text_that_is_written_there(desk: Desk) -> None:
    desk.allow = [("vault:hpc#*", USE)]
    secrets = desk.secrets()
    assert secrets.resolve("vault:hpc#number", USE).reveal() == b"0123"
    assert secrets.resolve("vault:hpc#yes", USE).reveal() == b"no"


def test_bytes_that_are_no_text_keep_their_last_newline(desk: Desk) -> None:
    desk.gives("canary", b"\xff\x00\n")
    assert desk.secrets().resolve("file:canary", USE).reveal() == b"\xff\x00\n"
    desk.gives("canary", b"text\r\n")
    assert desk.secrets().resolve("file:canary", USE).reveal() == b"text"
    desk.gives("canary", b"two\n\n")
    assert desk.secrets().resolve("file:canary", USE).reveal() == b"two\n"


def spoil_nothing(desk: Desk) -> None:
    pass


def too_large(name: str) -> Callable[[Desk], None]:
    return lambda desk: void(desk.gives(name, VALUES["file"] * (MOST_BYTES // 10)))


def mode(name: str, bits: int) -> Callable[[Desk], None]:
    return lambda desk: (desk.folder / name).chmod(bits)


def text(name: str, content: str, bits: int = 0o600) -> Callable[[Desk], None]:
    return lambda desk: void(desk.gives(name, content, bits))


def gone(name: str) -> Callable[[Desk], None]:
    return lambda desk: (desk.folder / name).unlink()


def void(_: object) -> None:
    pass


@pytest.mark.parametrize(
    ("reference", "spoil", "rule", "message"),
    [
        ("env:NOT_THERE", spoil_nothing, "missing", "is not there: no variable NOT_THERE is set"),
        ("file:canary", gone("canary"), "missing", 'canary", which is not there'),
        ("file:canary", text("canary", "\n"), "unreadable", "is empty"),
        ("file:canary", mode("canary", 0o644), "unreadable", "which others could have read or changed"),
        ("file:canary", mode("canary", 0o620), "unreadable", "which others could have read or changed"),
        ("file:canary", too_large("canary"), "unreadable", "is larger than 64 KiB"),
        ("file:/dev/zero", spoil_nothing, "unreadable", '"/dev/zero", which is no plain file'),
        ("vault:hpc#other", spoil_nothing, "missing", 'the vault has no key "other"'),
        ("vault:hpc#list", spoil_nothing, "unreadable", "is no text in its vault"),
        ("vault:hpc#empty", spoil_nothing, "unreadable", "is empty"),
        ("vault:lab#canary", spoil_nothing, "missing", 'is in a vault "lab" that is not known here'),
        ("vault:hpc#canary", gone("vault.yml"), "missing", 'vault.yml", which is not there'),
        ("vault:hpc#canary", gone("password"), "missing", 'password", which is not there'),
        ("vault:hpc#canary", mode("password", 0o644), "unreadable", 'password", which others could have read'),
        ("vault:hpc#canary", text("password", "wrong\n"), "unreadable", "does not open (status"),
        ("vault:hpc#canary", text("vault.yml", f"canary: {VALUES['vault']}"), "unreadable", "which is not encrypted"),
        ("store:lab#canary", spoil_nothing, "missing", 'is in a store "lab" that is not known here'),
        ("store:safe#canary", gone("safe"), "unreadable", "ended with status 127"),
        ("store:safe#canary", too_large("value"), "unreadable", "is larger than 64 KiB"),
        ("store:safe#canary", text("safe", "#!/bin/sh\nexec cat /dev/zero\n", 0o700), "unreadable", "is larger than"),
    ],
)
def test_why_a_secret_cannot_be_had_is_said_without_it(
    desk: Desk, reference: str, spoil: Callable[[Desk], None], rule: str, message: str
) -> None:
    desk.allow = [(f"{kind}:*", USE) for kind in KINDS]
    spoil(desk)
    problem = desk.refused(reference)
    assert problem.rule == f"hosts.secret-{rule}"
    assert problem.message.startswith(f'the secret "{reference}" ') and message in problem.message
    if "not known here" in message:
        assert problem.hint and f"in {desk.folder}/operator.yaml" in problem.hint


@pytest.mark.parametrize("content", ["[a, b]", "just text", "a: [", "\tx: y", "? [a]\n: b", "[" * 3000])
def test_a_vault_that_is_no_mapping_is_said_so_without_its_text(desk: Desk, content: str) -> None:
    desk.seal(content + "\n# " + VALUES["vault"])
    desk.allow = [("vault:hpc#*", USE)]
    assert "holds no mapping of names to texts" in desk.refused("vault:hpc#canary").message


def test_a_store_that_never_answers_is_given_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generator.apply.secrets.SECONDS", 0.2)
    desk.gives("safe", "#!/bin/sh\nsleep 600 & sleep 600\n", 0o700)
    assert "gave no answer within" in desk.refused("store:safe#canary").message


@pytest.mark.parametrize(
    "reference",
    [
        "hunter2",
        "file:a/../../shadow",
        "file:..",
        "store:safe#--help",
        "env:A B",
        "vault:hpc",
        "vault:hpc#a\n",
        "path:x",
        "",
    ],
)
def test_what_is_no_reference_is_refused_and_not_repeated(desk: Desk, reference: str) -> None:
    desk.allow = [(f"{kind}:*", USE) for kind in KINDS]
    problem = desk.refused(reference)
    assert (problem.rule, problem.message) == (
        "hosts.secret-reference",
        "a file asks for a secret by something that is no reference",
    )


def test_all_that_is_missing_is_said_at_once(desk: Desk) -> None:
    desk.secrets().check((reference, USE) for reference in REFERENCES.values())
    (desk.folder / "canary").unlink()
    with pytest.raises(Refused) as refused:
        desk.secrets().check(
            [("file:canary", USE), ("file:canary", USE), ("env:CANARY_ENV", "x"), ("store:safe#canary", USE)]
        )
    assert [problem.rule for problem in refused.value.problems] == ["hosts.secret-missing", "hosts.secret-not-allowed"]


# How a secret may be shown


def test_a_secret_shows_itself_to_nobody(desk: Desk) -> None:
    secrets = desk.secrets()
    found = [secrets.resolve(reference, USE) for reference in REFERENCES.values()]
    assert_silent(repr(found), f"{found[0]}", str(found[1]), f"{found[2]!r:>40}", repr(secrets), repr(vars(secrets)))
    with pytest.raises(TypeError) as error:
        pickle.dumps(found[0])
    assert_silent(*traceback.format_exception(error.value))


def test_a_digest_with_the_operators_key_is_shown(desk: Desk) -> None:
    one = desk.secrets().shown(Secret(b"value"))
    assert one.startswith("hmac:") and len(one) == 17
    assert desk.secrets().shown(Secret(b"value")) == one != desk.secrets().shown(Secret(b"other"))
    key = desk.folder / "operator.key"
    assert (key.stat().st_mode & 0o777, len(key.read_text())) == (0o600, 64)
    key.unlink()
    assert desk.secrets().shown(Secret(b"value")) != one
    key.chmod(0o644)
    with pytest.raises(Refused, match=r"the operator's key needs .* which others could have read"):
        desk.secrets().shown(Secret(b"value"))


def test_the_words_of_others_are_rid_of_secrets(desk: Desk) -> None:
    secrets = desk.secrets()
    secrets.check((reference, USE) for reference in REFERENCES.values())
    said = secrets.without(" ".join(["failed:", *VALUES.values(), "end"]))
    assert said == "failed: (secret) (secret) (secret) (secret) end"


# Nowhere else


class Watch:
    """Reads the arguments of every process, and the environment of Ansible's, as fast as it can."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.ansible = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *rest: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    shown = (process / "cmdline").read_bytes()
                    if b"ansible\0vault" in shown:
                        self.ansible += 1
                        shown += (process / "environ").read_bytes()
                except OSError:
                    continue
                self.found += [value for value in VALUES.values() if value.encode() in shown]


def test_no_process_and_no_file_shows_a_secret(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TMPDIR", "HOME"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("ANSIBLE_LOG_PATH", str(tmp_path / "HOME/log"))
    secrets = desk.secrets()
    pairs = [(reference, USE) for reference in REFERENCES.values()]
    with Watch() as watch, serving(secrets, pairs, tmp_path / "TMPDIR") as place:
        monkeypatch.setenv("CENTER_SECRETS", str(place))
        assert [client().ask(*pair).decode() for pair in pairs] == list(VALUES.values())
        left = [file for file in (tmp_path / "TMPDIR").rglob("*") if file.is_file()]
    assert watch.ansible and watch.found == []
    assert left == [] and list((tmp_path / "TMPDIR").iterdir()) == []
    for file in (tmp_path / "HOME").rglob("*"):
        assert_silent(file.read_text("utf-8", "replace") if file.is_file() else "")


# The socket


def client() -> Any:
    """The other end, as Ansible would load it."""
    spec = importlib.util.spec_from_file_location("center_secrets", ROOT / "playbooks/plugin_utils/center_secrets.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def served(desk: Desk, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with serving(desk.secrets(), [("file:canary", USE), ("env:NOT_THERE", USE)], folder) as place:
        monkeypatch.setenv("CENTER_SECRETS", str(place))
        yield place


def test_only_what_this_run_needs_is_told(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.allow += [("env:NOT_THERE", USE)]
    with served(desk, tmp_path, monkeypatch) as place:
        assert (place.stat().st_mode & 0o777, place.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        assert client().ask("file:canary", USE).decode() == VALUES["file"]
        for reference, use in [("env:CANARY_ENV", USE), ("file:canary", "other"), ("file:/etc/shadow", USE)]:
            with pytest.raises(ValueError, match="this run does not need such a secret"):
                client().ask(reference, use)
        with pytest.raises(ValueError, match=r"cannot be had: .* no variable NOT_THERE is set"):
            client().ask("env:NOT_THERE", USE)
    assert not place.parent.exists()
    with pytest.raises(ValueError, match="cannot be had: "):
        client().ask("file:canary", USE)
    monkeypatch.delenv("CENTER_SECRETS")
    with pytest.raises(ValueError, match="nobody serves secrets to this run"):
        client().ask("file:canary", USE)


def test_nonsense_is_refused_and_does_no_harm(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    questions = [
        b"\n",
        b"7\n",
        b"\xff\n",
        b"[" * 4000 + b"\n",
        b'{"reference": ["file:canary"], "use": "slurm-munge"}\n',
    ]
    with served(desk, tmp_path, monkeypatch) as place:
        for question in questions:
            assert set(json.loads(talk(place, question))) == {"refused"}
        assert talk(place, b"x" * 10_000 + b"\n") in (b"", b"reset")
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(str(place))
            both = json.dumps({"reference": "file:canary", "use": USE}).encode() + b"\n"
            answers = talk(place, both * 2).splitlines()
        assert [base64.b64decode(json.loads(line)["value"]).decode() for line in answers] == [VALUES["file"]] * 2


def talk(place: Path, question: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(place))
        try:
            connection.sendall(question)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))
        except (ConnectionResetError, BrokenPipeError):
            return b"reset"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_somebody_else_is_not_answered(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(desk, tmp_path, monkeypatch) as place:
        place.chmod(0o777)
        monkeypatch.setattr("os.geteuid", lambda: 12345)
        with pytest.raises(ValueError, match="cannot be had"):
            client().ask("file:canary", USE)


def test_many_ask_at_once(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[bytes] = []
    with served(desk, tmp_path, monkeypatch):
        crew = [threading.Thread(target=lambda: answers.append(client().ask("file:canary", USE))) for _ in range(64)]
        for thread in crew:
            thread.start()
        for thread in crew:
            thread.join()
    assert answers == [VALUES["file"].encode()] * 64


def test_a_long_folder_is_no_obstacle(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    with served(desk, deep, monkeypatch) as place:
        assert client().ask("file:canary", USE).decode() == VALUES["file"]
        assert place.parent.stat().st_mode & 0o777 == 0o700
    assert not place.parent.exists()


def test_both_ends_name_the_same_variable() -> None:
    assert client().VARIABLE == secret_server.VARIABLE == "CENTER_SECRETS"
