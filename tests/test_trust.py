"""Host keys: certificates of an authority, keys recorded at first contact, and what is never recorded by itself."""

from __future__ import annotations

import base64
import os
import pty
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from generator import known_hosts
from generator.apply.hosts.trust import read_certificate
from generator.known_hosts import HostKey
from tests.field import LIVING, NODES, Field, booted, findings, make_centre
from tests.lessons import ROOT
from tests.obstacles import give_way_to
from tests.reports import JUNIT, NODES_JSON
from tests.rig.base import obstacle
from tests.rig.hosts import make_ssh_key

HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"
NEW = "is new: its key is not recorded yet"
CHANGED = "has CHANGED its host key: somebody may stand between, or it was made anew"


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    give_way_to(obstacle())
    with booted(tmp_path_factory.mktemp("field")) as field:
        yield field


@pytest.fixture
def field(hosts: Field) -> Field:
    make_centre(hosts)
    return hosts


@pytest.fixture
def first(field: Field) -> Field:
    """The centre without an authority, before anybody has contacted a node."""
    field.edit('{authority: "path:ssh_ca.pub"}', '{known-hosts: "path:known_hosts"}')
    return field


def told(field: Field, *words: str, exits: int, severity: str = "error") -> dict[tuple[str, str, str], dict[str, str]]:
    answer = field.asks("trust", *words, exits=exits)
    NODES_JSON.validate(answer)
    return findings(answer, severity)


def public(field: Field, host: str) -> str:
    kind, text, *_ = field.hosts.run(host, ["cat", f"{HOST_KEY}.pub"]).split()
    return f"{kind} {text}"


def fingerprint(field: Field, host: str) -> str:
    return field.hosts.run(host, ["ssh-keygen", "-l", "-f", f"{HOST_KEY}.pub"]).split()[1]


class Rekeyed:
    """A host with another key, and another certificate or none, until the end of the block."""

    def __init__(self, field: Field, host: str, folder: Path) -> None:
        self.field, self.host, self.key = field, host, make_ssh_key(folder / "key")

    def signed(self, authority: Path, *words: str) -> Rekeyed:
        sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "x", *words, f"{self.key}.pub"]
        subprocess.run(sign, check=True, capture_output=True)
        return self

    def __enter__(self) -> None:
        self.field.hosts.run(self.host, ["cp", "-a", "/etc/ssh", "/run/ssh-before"])
        for end in ("", ".pub", "-cert.pub"):
            file = self.key.with_name(self.key.name + end)
            self.field.write(self.host, HOST_KEY + end, file.read_text() if file.exists() else "")
        self.restart()

    def restart(self) -> None:
        """A daemon that starts often is held back by systemd unless it is told that this is meant."""
        self.field.hosts.run(self.host, ["systemctl", "reset-failed", "ssh"])
        self.field.hosts.run(self.host, ["systemctl", "restart", "ssh"])

    def __exit__(self, *_: object) -> None:
        self.field.hosts.run(self.host, ["sh", "-c", "cp -a /run/ssh-before/. /etc/ssh; rm -r /run/ssh-before"])
        self.restart()


# An authority


@pytest.mark.hosts
def test_nodes_that_the_authority_vouches_for_are_fine_and_a_dead_one_is_not(field: Field) -> None:
    notes = told(field, *LIVING, exits=0, severity="note")
    told_of = "is vouched for by the authority, without an end"
    assert notes == {
        ("control", "trust", told_of): {"control-a01-1": ""},
        ("train", "trust", told_of): {"train-a01-1": "", "train-a01-2": ""},
    }
    dead = told(field, exits=1)
    assert dead == {("train", "reachable", "did not answer"): {"train-a01-3": "10.16.0.68, port 22"}}
    JUNIT.validate(field.run("trust", "--format", "junit", exits=1).stdout)


@pytest.mark.hosts
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-h", "-n", "train-a01-2", "-V", "-1d:+90d"), "has a certificate for another name"),
        (("-h", "-n", "train-a01-1", "-V", "20200101:20200201"), "has a certificate that ended on 2020-02-01"),
        (("-n", "train-a01-1", "-V", "-1d:+90d"), "has a certificate that is not for hosts"),
        (("-h", "-V", "-1d:+90d"), "has a certificate for another name"),
    ],
)
def test_a_certificate_for_another_name_or_time_is_none(
    field: Field, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    with Rekeyed(field, "train-a01-1", tmp_path).signed(field.authority, *words):
        found = told(field, "--limit", "train-a01-1", exits=1)
    assert [message for _, _, message in found] == [message]


@pytest.mark.hosts
def test_a_certificate_that_ends_soon_is_a_warning_with_its_day(field: Field, tmp_path: Path) -> None:
    ends = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 5 * 86400))
    words = ("-h", "-n", "x,train-a01-1", "-V", f"-1d:{ends.replace('-', '')}")
    with Rekeyed(field, "train-a01-1", tmp_path).signed(field.authority, *words):
        found = told(field, "--limit", "train-a01-1", exits=0, severity="warning")
    assert [message for _, _, message in found] == [f"is vouched for by the authority until {ends}"]


@pytest.mark.hosts
def test_a_key_that_the_authority_did_not_sign_is_shown(field: Field, tmp_path: Path) -> None:
    rekeyed = Rekeyed(field, "train-a01-1", tmp_path)
    with rekeyed:
        shown = fingerprint(field, "train-a01-1")
        found = told(field, "--limit", "train-a01-1", exits=1)
    message = "offers a key that the authority did not sign"
    assert found == {("train", "trust", message): {"train-a01-1": f"ssh-ed25519 {shown}"}}
    other = make_ssh_key(tmp_path / "other")
    with rekeyed.signed(other, "-h", "-n", "train-a01-1"):
        found = told(field, "--limit", "train-a01-1", exits=1)
    assert [message for _, _, message in found] == ["has a certificate of another authority"]


@pytest.mark.hosts
def test_where_there_is_no_file_nothing_can_be_recorded(field: Field) -> None:
    done = field.run("trust", "--record", exits=64)
    assert 'say "known-hosts" in access.ssh' in done.stderr


# First contact


@pytest.mark.hosts
def test_first_contact_shows_records_and_makes_nodes_reachable(first: Field) -> None:
    file = first.folder / "known_hosts"
    judged = first.run("validate", exits=0)
    assert "warning[access.unknown-hosts]" in judged.stdout and 'hint: run "center trust"' in judged.stdout

    shown = told(first, *LIVING, exits=1)
    assert shown[("control", "trust", NEW)] == {"control-a01-1": f"ssh-ed25519 {fingerprint(first, 'control-a01-1')}"}
    assert not file.exists(), "nobody has said yes"

    told(first, "--record", *LIVING, exits=0)
    assert file.read_text() == "".join(f"{host} {public(first, host)}\n" for host in NODES)
    assert first.run("trust", *LIVING, exits=0).stdout.count("shows the key that is recorded") == 2

    first.run("render", exits=0)
    assert (first.folder / "generated/hosts/hall-1/known_hosts").read_text() == file.read_text()
    first.run("accept", "--revoke", *LIVING, exits=0)
    assert not (first.folder / "generated/hosts/groups/system_debian_12/files/etc/ssh/ssh_known_hosts").exists()


@pytest.mark.hosts
def test_a_changed_key_is_recorded_only_for_a_node_that_is_named(first: Field, tmp_path: Path) -> None:
    file, host = first.folder / "known_hosts", "train-a01-1"
    switch = make_ssh_key(tmp_path / "switch").with_name("switch.pub").read_text().rsplit(" ", 1)[0]
    first.run("trust", "--record", *LIVING, exits=0)
    file.write_text(f"# by hand\nleaf-1 {switch} at the console\n\n{file.read_text()}")
    before = file.read_text()
    with Rekeyed(first, host, tmp_path):
        first.run("render", exits=0)
        assert "center trust" in first.run("preflight", "--limit", host, exits=1).stdout
        found = told(first, "--record", *LIVING, exits=1)
        assert list(found) == [("train", "trust", CHANGED)] and list(found[("train", "trust", CHANGED)]) == [host]
        assert fingerprint(first, host) in found[("train", "trust", CHANGED)][host]
        assert file.read_text() == before
        other = told(first, "--record", "--replace", "train-a01-2", "--limit", host, exits=1)
        assert list(other) == [("train", "trust", CHANGED)] and file.read_text() == before

        told(first, "--replace", host, exits=0)
        lines = before.splitlines()
        [index] = [number for number, line in enumerate(lines) if line.startswith(f"{host} ")]
        lines[index] = f"{host} {public(first, host)}"
        assert file.read_text().splitlines() == lines
        told(first, *LIVING, exits=0)


@pytest.mark.hosts
@pytest.mark.parametrize(("answer", "recorded"), [("n\n", False), ("y\n", True)])
def test_at_a_terminal_a_person_says_yes(first: Field, answer: str, recorded: bool) -> None:
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        first.command("trust", str(first.folder), "--limit", "control-a01-1"),
        cwd=ROOT, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    os.write(ours, answer.encode())
    output, _ = running.communicate(timeout=120)
    os.close(theirs)
    os.close(ours)
    assert fingerprint(first, "control-a01-1") in output and "Record the keys of 1 new node?" in output
    assert ((first.folder / "known_hosts").exists(), running.returncode) == (recorded, 0 if recorded else 1)


@pytest.mark.hosts
def test_a_file_that_cannot_be_written_is_a_finding(first: Field, tmp_path: Path) -> None:
    first.edit('"path:known_hosts"', '"path:keys/known_hosts"')
    done = first.run("trust", "--record", "--limit", "control-a01-1", exits=1)
    assert "trust.unwritable" in done.stderr and "Traceback" not in done.stderr
    (first.folder / "keys").symlink_to(tmp_path)
    done = first.run("trust", "--record", "--limit", "control-a01-1", exits=1)
    assert "reference.file" in done.stderr and not list(tmp_path.glob("known_hosts"))


# The file


def key(folder: Path, name: str, kind: str = "ed25519") -> HostKey:
    file = folder / f"{name}-{kind}"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", file], check=True, capture_output=True)
    written, text, *_ = file.with_name(f"{file.name}.pub").read_text().split()
    return HostKey(name, written, text)


def test_lines_of_others_stay_as_they_are(tmp_path: Path) -> None:
    one, two, three = (key(tmp_path, name) for name in ("b", "a", "c"))
    before = f"# mine\n{three.line}\nleaf-9 whatever it is\n"
    text = known_hosts.with_keys(before, ["a", "b", "c"], [one, two], frozenset())
    assert text == f"# mine\nleaf-9 whatever it is\n{two.line}\n{one.line}\n{three.line}\n"
    assert known_hosts.with_keys(text, ["a", "b", "c"], [], frozenset()) == text
    new = key(tmp_path, "a", "rsa")
    replaced = known_hosts.with_keys(text, ["a", "b", "c"], [new], frozenset({"a"}))
    assert replaced == text.replace(two.line, new.line)


def test_of_several_keys_the_best_kind_is_kept(tmp_path: Path) -> None:
    keys = [key(tmp_path, "a", kind) for kind in ("rsa", "ed25519", "ecdsa")]
    assert [found.kind for found in known_hosts.best(keys)] == ["ssh-ed25519"]


def test_ssh_reads_what_we_keep(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(known_hosts.with_keys("", ["a", "b"], [key(tmp_path, "a"), key(tmp_path, "b")], frozenset()))
    found = subprocess.run(["ssh-keygen", "-F", "b", "-f", file], capture_output=True, text=True)
    assert found.returncode == 0 and re.search(r"^b ssh-ed25519 ", found.stdout, re.M)


@pytest.mark.parametrize(
    "line",
    [
        "|1|aGVsbG8=|d29ybGQ= ssh-ed25519 AAAA", "@revoked a ssh-ed25519 AAAA", "a,b ssh-ed25519 AAAA", "a", "a  b",
        "* ssh-ed25519 AAAA", "a ssh-ed25519 ????", "a ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAA", "a ssh-dss AAAA", "-a x y",
    ],
)  # fmt: skip
def test_what_is_no_plain_name_with_a_key_is_a_finding_at_its_line(line: str, tmp_path: Path) -> None:
    keys, problems = known_hosts.read(f"# fine\n\n{key(tmp_path, 'z').line} with a word\n{line}\n", "known_hosts")
    assert len(keys) == 1
    assert [(problem.rule, problem.position and problem.position.line) for problem in problems] == [
        ("access.known-hosts", 4)
    ]


def shown_by_ssh(key: Path) -> str:
    return subprocess.run(["ssh-keygen", "-l", "-f", key], capture_output=True, text=True, check=True).stdout.split()[1]


def test_a_certificate_that_was_changed_after_it_was_signed_is_none(tmp_path: Path) -> None:
    authority, host = make_ssh_key(tmp_path / "ca"), make_ssh_key(tmp_path / "host")
    sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "x", "-h", "-n", "train-a01-1", f"{host}.pub"]
    subprocess.run(sign, check=True, capture_output=True)
    kind, text, *_ = host.with_name("host-cert.pub").read_text().split()
    found = read_certificate(HostKey("a", kind, text))
    assert found and found.names == ("train-a01-1",) and found.signer == shown_by_ssh(authority)
    forged = base64.b64encode(base64.b64decode(text).replace(b"train-a01-1", b"train-a01-2")).decode()
    assert read_certificate(HostKey("a", kind, forged)) is None
    assert read_certificate(HostKey("a", kind, "????")) is None


def center(folder: Path, ssh: str) -> Any:
    shutil.copytree(ROOT / "inventories/starter", folder, ignore=shutil.ignore_patterns("generated"))
    spec = folder / "center.yaml"
    spec.write_text(spec.read_text().replace('ssh: {authority: "path:ssh_ca.pub"}', f"ssh: {ssh}"))
    command = [sys.executable, "-m", "generator", "validate", str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_a_centre_knows_its_hosts_by_something(tmp_path: Path) -> None:
    done = center(tmp_path / "none", "{user: center}")
    assert done.returncode == 1 and 'needs "authority", the key that signs host keys, or "known-hosts"' in done.stdout
    both = center(tmp_path / "both", '{authority: "path:ssh_ca.pub", known-hosts: "path:known_hosts"}')
    assert both.returncode == 0 and "unknown-hosts" not in both.stdout
