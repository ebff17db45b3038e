"""A working copy of a sample centre, and the real `center` command that acts on it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rig.network import Network

SAMPLES = Path(__file__).parents[2] / "inventories"
COMMAND = Path(sys.executable).with_name("center")
SECONDS = 300
# What the caller's own tools are told has no business in a rehearsal.
PASSED_ON = ("PATH", "HOME", "LANG")


# What the operator's machine has: his own file, and the secret that hosts of a Slurm cluster share.
OPERATOR = 'secrets: {allow: [{reference: "file:munge.key", use: [slurm-munge]}]}\nhosts: {watch-seconds: 3}\n'
MUNGE_KEY = "a key that only this rehearsal knows, and that no host may show\n"


class Unexpected(AssertionError):
    """Something did not come out as it must; the message says what, and where to look."""


def expect(condition: object, message: str) -> None:
    """Unexpected with the message unless the condition holds."""
    if not condition:
        raise Unexpected(message)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a run of `center` printed: results, and remarks for people on the other stream."""

    code: int
    output: str
    remarks: str

    @property
    def lines(self) -> list[str]:
        return [line for line in self.output.splitlines() if line]


class Centre:
    """The copy and the log of all commands lie in `folder`."""

    def __init__(self, folder: Path, sample: str = "duo") -> None:
        self.folder = folder / sample
        self.log = folder / "center.log"
        self.tree = self.folder / "generated"
        self._temporary = folder / "t"
        self._temporary.mkdir()
        self._operator = folder / "operator"
        self._operator.mkdir(mode=0o700)
        self._keep("operator.yaml", OPERATOR)
        self._keep("munge.key", MUNGE_KEY)
        shutil.copytree(SAMPLES / sample, self.folder, ignore=shutil.ignore_patterns("generated"))

    @property
    def spec(self) -> Path:
        return self.folder / "center.yaml"

    def edit(self, pattern: str, replacement: str) -> None:
        """Change exactly one place of center.yaml, as an editor would."""
        text, count = re.subn(pattern, replacement, self.spec.read_text("utf-8"), flags=re.MULTILINE)
        expect(count == 1, f"{self.spec}: {pattern!r} stands there {count} times, not once")
        self.spec.write_text(text, "utf-8")

    def run(self, verb: str, *words: str | Path, exits: int = 0, within: Network | None = None) -> Answer:
        """Run a verb of the command as an operator would, if need be within a network of test hosts.

        Unexpected unless it exits with this code.
        """
        # What is unlocked stands before the centre, which may be left out.
        ahead = 1 if verb == "unlock" else 0
        command = [str(COMMAND), verb, *map(str, words[:ahead]), str(self.folder), *map(str, words[ahead:])]
        done = subprocess.run(
            within.command(command) if within else command,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False,
            env={name: os.environ[name] for name in PASSED_ON if name in os.environ} | self._own(),
        )  # fmt: skip
        with self.log.open("a") as log:
            log.write(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}exit code {done.returncode}\n\n")
        if done.returncode != exits:
            said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-30:])
            raise Unexpected(f"center {verb} ended with {done.returncode}, not {exits}; see {self.log}\n{said}")
        return Answer(done.returncode, done.stdout, done.stderr)

    def _own(self) -> dict[str, str]:
        return {"TMPDIR": str(self._temporary), "CENTER_OPERATOR": str(self._operator / "operator.yaml")}

    def _keep(self, name: str, content: str) -> None:
        """A file of the operator that nobody else can read."""
        (self._operator / name).write_text(content)
        (self._operator / name).chmod(0o600)

    def read(self, path: str) -> Any:
        """A JSON file of the rendered tree."""
        return json.loads((self.tree / path).read_text("utf-8"))

    def leftovers(self) -> list[str]:
        """What runs of the command left in the folder for temporary files."""
        return sorted(path.name for path in self._temporary.iterdir())
