"""The operator's own file: what it may say, and whom it must belong to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from generator.apply.operator import Vault, operator
from generator.problems import Refused

WHOLE = """\
secrets:
  allow:
  - {reference: "vault:hpc#munge", use: [slurm-munge]}
  - {reference: "env:CENTER_*", use: [bmc-login, cdu-login]}
  vaults:
    hpc: {file: hpc.yml, password-file: ~/.hpc}
  stores:
    pass: {command: [pass, show, "center/{key}"]}
key-file: keys/mine
ssh: {key: /keys/ssh, forks: 40}
kubernetes: {allow-commands: [~/.kube/cloud]}
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CENTER_OPERATOR", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", "/home/me")
    (tmp_path / "center").mkdir(mode=0o700)
    return tmp_path / "center/operator.yaml"


def say(file: Path, content: str) -> None:
    file.write_text(content)
    file.chmod(0o600)


def test_the_operator_says_what_he_allows(own: Path) -> None:
    say(own, WHOLE)
    found = operator()
    assert found.vaults == {"hpc": Vault(own.parent / "hpc.yml", Path("/home/me/.hpc"))}
    assert found.stores == {"pass": ("pass", "show", "center/{key}")}
    assert found.commanding == {Path("/home/me/.kube/cloud")}
    assert (found.key_file, found.ssh_key, found.forks) == (own.parent / "keys/mine", Path("/keys/ssh"), 40)
    asked = [
        ("vault:hpc#munge", "slurm-munge", True),
        ("vault:hpc#munge", "bmc-login", False),
        ("vault:hpc#munge2", "slurm-munge", False),
        ("env:CENTER_BMC", "cdu-login", True),
        ("env:CENTRE_BMC", "cdu-login", False),
    ]
    assert [found.allows(reference, use) for reference, use, _ in asked] == [allowed for *_, allowed in asked]


def test_without_a_file_nothing_is_allowed(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = operator()
    assert (found.file, found.allow, found.key_file) == (own, (), own.parent / "operator.key")
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert operator().file == Path("/home/me/.config/center/operator.yaml")
    monkeypatch.setenv("CENTER_OPERATOR", str(own))
    with pytest.raises(Refused, match=r"CENTER_OPERATOR names .* which is not there"):
        operator()


@pytest.mark.parametrize(
    ("content", "rule", "line", "message"),
    [
        ("secrets:\n  allowed: []\n", "operator.unknown-key", 2, 'the key "allowed" is not known here'),
        ("secrets:\n  allow:\n  - {reference: hunter2, use: [a]}\n", "operator.value", 3, "needs a reference such as"),
        ("secrets:\n  allow:\n  - {reference: '*', use: [a]}\n", "operator.value", 3, "needs a reference such as"),
        ("secrets:\n  allow:\n  - {reference: 'file:/a/../*', use: [a]}\n", "operator.value", 3, "needs a reference"),
        ("secrets:\n  allow:\n  - {reference: 'vault:hpc', use: [a]}\n", "operator.value", 3, "is no whole reference"),
        ("secrets:\n  allow:\n  - {reference: 'env:A', use: []}\n", "operator.value", 3, "needs at least 1 of them"),
        ("secrets:\n  vaults:\n    hpc: {file: a}\n", "operator.missing-key", 3, 'the key "password-file" is missing'),
        ("ssh: {forks: 0}\n", "operator.value", 1, "must be at least 1"),
        ("key-file: a\nkey-file: b\n", "source.duplicate", 2, "is said twice"),
        ("include: [a]\n", "operator.unknown-key", 1, 'the key "include" is not known here'),
        ("key-file: &a b\n", "source.alias", 1, "anchors are not read"),
        ("", "source.empty", 1, "says nothing"),
    ],
)
def test_a_slip_in_it_is_shown_at_its_place(own: Path, content: str, rule: str, line: int, message: str) -> None:
    say(own, content)
    with pytest.raises(Refused) as refused:
        operator()
    [problem] = refused.value.problems
    assert problem.rule == rule and message in problem.message
    assert problem.position and (problem.position.file, problem.position.line) == (str(own), line)


@pytest.mark.parametrize("bits", [0o620, 0o602, 0o666])
def test_a_file_that_others_can_change_is_refused(own: Path, bits: int) -> None:
    say(own, WHOLE)
    own.chmod(bits)
    with pytest.raises(Refused, match="can be changed by others") as refused:
        operator()
    assert (refused.value.problems[0].rule, refused.value.problems[0].hint) == (
        "operator.unsafe",
        f'chmod go-w "{own}"',
    )
    own.chmod(0o644)
    own.parent.chmod(0o777)
    with pytest.raises(Refused, match="can be changed by others"):
        operator()
    own.parent.chmod(0o1777)
    assert operator().forks == 40


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_file_of_somebody_else_is_refused(own: Path) -> None:
    say(own, WHOLE)
    os.chown(own, 12345, 12345)
    with pytest.raises(Refused, match="belongs to somebody else"):
        operator()


def test_what_is_no_file_is_refused(own: Path) -> None:
    own.mkdir()
    with pytest.raises(Refused, match=r"is no file|cannot be read"):
        operator()
    own.rmdir()
    os.mkfifo(own)
    with pytest.raises(Refused, match="is no file"):
        operator()
