"""`center rehearse` as a user runs it: in a process and surroundings of its own, whose remains can be looked for."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from control_plane.tools import cache_folder

ROOT = Path(__file__).parents[1]
SECONDS = 400.0


@dataclass(frozen=True)
class Surroundings:
    """A folder for temporary files, a home, and nothing of the caller's own."""

    folder: Path

    @property
    def temporary(self) -> Path:
        path = self.folder / "t"
        path.mkdir(exist_ok=True)
        return path

    def environment(self, **more: str) -> dict[str, str]:
        cache = str(cache_folder().parent)
        own = {
            "HOME": str(self.folder),
            "TMPDIR": str(self.temporary),
            "XDG_CACHE_HOME": cache,
            "PYTHONPATH": str(ROOT),
        }
        return {"PATH": os.environ["PATH"], **own, **more}

    def processes(self) -> dict[int, str]:
        """Living processes that were started for a run here: they name its folder."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                command = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if str(self.temporary) in command:
                    found[int(entry.parent.name)] = command
        return found

    def remains(self) -> list[str]:
        """What a run has left: processes, and files other than the locks that every run needs."""
        files = [path for path in self.temporary.rglob("*") if path.is_file() and path.name != "lock"]
        folders = list(self.temporary.rglob("run-*"))
        return [*self.processes().values(), *map(str, (*files, *folders))]


class Rehearsal:
    """One run; `lines` come from its standard error as they are written."""

    def __init__(
        self,
        place: Surroundings,
        *words: str | Path,
        within: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.place = place
        command = [*within, sys.executable, "-m", "generator", "rehearse", *map(str, words)]
        self.process = subprocess.Popen(
            command, cwd=place.folder, env=place.environment(**(environment or {})), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        self.said: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self._lines.put(line)
        self._lines.put(None)

    def until(self, words: str) -> None:
        """Wait until it says this."""
        while (line := self._lines.get(timeout=SECONDS)) is not None:
            self.said.append(line)
            if words in line:
                return
        raise AssertionError(f"it ended without saying {words!r}: {''.join(self.said)}")

    def result(self) -> Any:
        """The report in JSON, which is one line."""
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> tuple[int, str, str]:
        """Wait for the end: exit code, output, and all that was said beside it."""
        assert self.process.stdout
        output = self.process.stdout.read()
        code = self.process.wait(SECONDS)
        while (line := self._lines.get(timeout=SECONDS)) is not None:
            self.said.append(line)
        return code, output, "".join(self.said)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """A failed test leaves nothing either."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)
        for pid in self.place.processes() if kind else ():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
