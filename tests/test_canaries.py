"""A secret reaches the one file that is to have it and nothing else: while it travels, after it, and after a failure.

Each kind of reference is a value of its own. While a run goes on, every process of this machine is looked at (those of
the hosts are among them), and all files that the run makes on the controller; afterwards all that the hosts keep.
"""

from __future__ import annotations

import base64
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from control_plane.processes import wait_until
from tests.obstacles import give_way_to
from tests.quad import HEAD, ROOT, Quad, booted, worker
from tests.rig.base import obstacle

WORKER = worker(1)
KEY = "/etc/munge/munge.key"
REFERENCES = {
    "env": "env:CANARY_KEY",
    "file": "file:canary",
    "vault": "vault:hpc#canary",
    "store": "store:safe#canary",
}
LIMITS = ("--limit", HEAD, "--limit", WORKER)
LOOKS_SECONDS = 0.02
# Where programs keep what is gone with the next boot; the rest of a host is a folder of this machine.
GONE_WITH_THE_BOOT = ("/run", "/dev/shm", "/tmp")
HANG = """
mkdir -p /etc/systemd/system/munge.service.d
cat >/etc/systemd/system/munge.service.d/zz-hang.conf <<EOF
[Service]
ExecStartPre=+/bin/sh -c "touch /run/reached; exec sleep 600"
TimeoutStartSec=700
EOF
systemctl daemon-reload
"""
CEASE = """
rm -f /run/reached /etc/systemd/system/munge.service.d/zz-hang.conf
systemctl daemon-reload
systemctl kill --signal=KILL munge
"""


def canary(kind: str) -> str:
    return f"canary-{kind}-{secrets.token_hex(32)}"


def spellings(value: str) -> list[bytes]:
    """The value, and what of it stands in any text in base64 that has it, wherever it begins there."""
    raw = value.encode()
    found = [raw]
    for shift in range(3):
        coded = base64.b64encode(b"x" * shift + raw)
        found.append(coded[4 if shift else 0 : -4])
    return found


@pytest.fixture(scope="module")
def quad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quad]:
    give_way_to(obstacle())
    with booted(tmp_path_factory.mktemp("canaries"), workers=1) as made:
        assert made.render().returncode == 0
        assert made.center("apply", "--hosts").returncode == 0
        yield made


def prepare(quad: Quad, kind: str) -> str:
    """The centre says that its key is behind a reference of this kind, and the operator keeps a new value there."""
    value = canary(kind)
    if kind == "env":
        quad.environment["CANARY_KEY"] = value
    elif kind == "file":
        quad.gives("canary", value + "\n")
    elif kind == "store":
        quad.gives("value", value + "\n")
        quad.gives("safe", f"#!/bin/sh\nexec cat {quad.desk}/value\n")
        (quad.desk / "safe").chmod(0o700)
        operator = (quad.desk / "operator.yaml").read_text().replace("[./safe]", f"[{quad.desk}/safe]")
        quad.gives("operator.yaml", operator)
    else:
        quad.gives("password", "correct horse\n")
        quad.gives("hpc.yml", f"canary: {value}\n")
        words = ["vault", "encrypt", "--vault-password-file", "password", "hpc.yml"]
        subprocess.run([sys.executable, "-m", "ansible", *words], cwd=quad.desk, check=True, capture_output=True)
    quad.spec["clusters"]["hpc"]["munge"] = REFERENCES[kind]
    assert quad.render().returncode == 0
    return value


# Where it must not be


class Watch:
    """Looks at all processes of this machine, and at the run's own files, again and again until the block ends."""

    def __init__(self, quad: Quad, value: str) -> None:
        self.quad, self.values = quad, spellings(value)
        self.seen: set[str] = set()
        self.looks = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *rest: object) -> None:
        self._over.set()
        self._thread.join()

    def _look_on(self) -> None:
        while not self._over.wait(LOOKS_SECONDS):
            self.looks += 1
            self.seen |= set(in_processes(self.values, self.quad)) | set(in_files(self.values, self.quad.temporary))


def in_processes(values: list[bytes], quad: Quad) -> Iterator[str]:
    for process in Path("/proc").glob("[0-9]*"):
        for file in ("cmdline", "environ"):
            try:
                content = (process / file).read_bytes()
                if any(value in content for value in values):
                    words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                    # Whoever set a variable has it, and so has the program that it was set for.
                    if file == "cmdline" or "-m generator" not in words:
                        yield f"{file} of {words[:200]}"
            except (OSError, ValueError):
                continue


def in_files(values: list[bytes], folder: Path) -> Iterator[str]:
    # A walk that goes on when what it looks at vanishes, as the files of a run do.
    for file in (Path(place, name) for place, _, names in os.walk(folder) for name in names):
        with suppress(OSError):
            if file.is_file() and not file.is_symlink():
                content = file.read_bytes()
                if any(value in content for value in values):
                    yield str(file)


def on_host(quad: Quad, name: str, values: list[bytes]) -> set[str]:
    """Everything on a host that has the value: what it ever wrote, what is gone with the boot, its journal."""
    upper = quad.network.folder / "hosts" / name / "upper"
    found = {f"/{Path(path).relative_to(upper)}" for path in in_files(values, upper)}
    patterns = "\n".join(value.decode() for value in values)
    search = ["sh", "-c", 'grep -rlaFf - "$@" 2>/dev/null; true', "sh", *GONE_WITH_THE_BOOT]
    found |= set(quad.hosts.run(name, search, given=patterns).splitlines())
    journal = "exec 3<&0; journalctl --quiet --output=export --all </dev/null | grep -caFf /dev/fd/3 || true"
    if quad.hosts.run(name, ["sh", "-c", journal], given=patterns).strip() != "0":
        found.add("the journal")
    return found


def nowhere_else(quad: Quad, value: str, said: str) -> None:
    """Not in what was printed, in the tree, in the spec, in a plan, in temporary files; on hosts in one file alone."""
    values = spellings(value)
    assert not any(one.decode() in said for one in values)
    assert list(in_files(values, quad.folder)) == []
    assert list(in_files(values, quad.temporary)) == []
    assert list(in_files(values, Path("/dev/shm"))) == []
    plan = quad.folder.parent / "plan"
    assert not plan.exists() or not any(one in plan.read_bytes() for one in values)


@contextmanager
def read_only(quad: Quad, name: str) -> Iterator[None]:
    quad.hosts.run(name, ["mount", "--bind", "/etc/munge", "/etc/munge"])
    quad.hosts.run(name, ["mount", "-o", "remount,bind,ro", "/etc/munge"])
    try:
        yield
    finally:
        quad.hosts.run(name, ["umount", "/etc/munge"])


@pytest.mark.hosts
@pytest.mark.parametrize("kind", REFERENCES)
def test_a_secret_is_in_its_file_and_nowhere_else(kind: str, quad: Quad) -> None:
    value = prepare(quad, kind)
    plan = str(quad.folder.parent / "plan")
    said = ""
    with Watch(quad, value) as watch:
        for verb, *words in (
            ("diff", *LIMITS, "--save", plan),
            ("diff", *LIMITS, "--format", "json"),
            ("apply", *LIMITS, "--plan", plan, "--format", "json"),
            ("apply", *LIMITS),
            ("status", *LIMITS, "--format", "junit"),
        ):
            done = quad.center(verb, "--hosts", *words, flags=["-v"])
            assert done.returncode in (0, 2), done.stdout + done.stderr
            said += done.stdout + done.stderr
    assert watch.looks > 3
    assert watch.seen == set()
    nowhere_else(quad, value, said)
    for name in (HEAD, WORKER):
        assert on_host(quad, name, spellings(value)) == {KEY}
        assert quad.hosts.run(name, ["cat", KEY]) == f"{value}\n"
        state = quad.hosts.files(name, [KEY])[KEY]
        assert (state.mode, state.owner, state.group) == ("0400", "munge", "munge")


@pytest.mark.hosts
def test_after_a_failure_it_is_nowhere(quad: Quad) -> None:
    """The file of the secret cannot be written: the module itself fails, with the secret in its hands."""
    value = prepare(quad, "vault")
    with read_only(quad, WORKER), Watch(quad, value) as watch:
        done = quad.center("apply", "--hosts", "--limit", WORKER, flags=["-v"])
    assert done.returncode == 1
    assert "Read-only file system" in done.stdout
    assert watch.seen == set()
    nowhere_else(quad, value, done.stdout + done.stderr)
    assert on_host(quad, WORKER, spellings(value)) == set()
    assert on_host(quad, HEAD, spellings(value)) == set(), "the journal of runs is there"
    assert quad.center("apply", "--hosts", *LIMITS).returncode == 0


@pytest.mark.hosts
def test_after_a_kill_it_is_in_its_file_at_most(quad: Quad) -> None:
    value = prepare(quad, "file")
    quad.hosts.run(WORKER, ["sh", "-c", HANG])
    process = subprocess.Popen(
        quad.command("apply", "--hosts", "--limit", WORKER, flags=["-v"]), cwd=ROOT, env=quad.surroundings(),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    with Watch(quad, value) as watch:
        wait_until(lambda: "reached" in quad.hosts.run(WORKER, ["ls", "/run"]), 120, "the start of munge")
        os.killpg(process.pid, signal.SIGKILL)
        said, _ = process.communicate(timeout=60)
    quad.hosts.run(WORKER, ["sh", "-c", CEASE])
    assert watch.seen == set()
    nowhere_else(quad, value, said)
    assert on_host(quad, WORKER, spellings(value)) == {KEY}
    assert on_host(quad, HEAD, spellings(value)) == set()


def test_the_watch_sees_what_there_is(tmp_path: Path) -> None:
    """A watch that sees nothing would be no proof."""
    value = canary("watch")
    (tmp_path / "note").write_bytes(b"xx" + base64.b64encode(b"y" + value.encode()))
    assert len(list(in_files(spellings(value), tmp_path))) == 1
    with subprocess.Popen(["sleep", "60"], env={"X": value}) as sleeping:
        made = Quad(None, None, tmp_path / "x/quad", tmp_path, {})  # type: ignore[arg-type]
        # The kernel lays out the variables of a program a moment after its start is reported.
        found = wait_until(lambda: list(in_processes(spellings(value), made)), 30, "the variable of a process")
        sleeping.kill()
    assert [line.partition(" of ")[0] for line in found] == ["environ"]
