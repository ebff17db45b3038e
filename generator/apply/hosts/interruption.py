"""A run that is asked to end ends what it has started and gives its lock back; one that is killed takes Ansible along.

Ansible's workers are in sessions of their own. So Ansible itself is asked to end, since only it knows them, and asked
by the kernel as well when this process dies: nothing may go on changing hosts that nobody watches any more.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

# Ctrl-C, a service manager, and the end of the terminal.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# How long whatever is asked to end may take to put things in order; until then nobody who asks again is heard.
GRACE_SECONDS = 15.0
# Started in Ansible's place, it becomes Ansible. The 1 is PR_SET_PDEATHSIG, which lasts across that.
_LAUNCH = """
import ctypes, os, signal, sys
pid_file, parent, *command = sys.argv[1:]
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, int(signal.SIGTERM), 0, 0, 0)
if os.getppid() != int(parent):
    sys.exit(1)
with open(pid_file, "w") as file:
    file.write(str(os.getpid()))
os.execv(command[0], command)
"""


class Interruption:
    """Whether somebody wants the run to end; asked again and again by what runs Ansible."""

    def __init__(self, pid_file: Path) -> None:
        """`pid_file` is where Ansible's process says who it is."""
        self.noted = 0
        self._pid_file = pid_file
        self._since: float | None = None

    def launching(self, command: Sequence[str]) -> list[str]:
        """The command that runs `command` as a process that can be asked to end, and that ends with this one."""
        return [sys.executable, "-I", "-c", _LAUNCH, str(self._pid_file), str(os.getpid()), *command]

    def insists(self) -> bool:
        """Ask Ansible to end, if somebody wants that; whether it has been asked for too long."""
        if not self.noted:
            return False
        if self._since is None:
            self._since = time.monotonic()
            with suppress(OSError, ValueError):
                os.kill(int(self._pid_file.read_text()), signal.SIGTERM)
        return time.monotonic() - self._since > GRACE_SECONDS

    def note(self, number: int, frame: FrameType | None) -> None:
        self.noted = number

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Signals that end a run are only noted within the block; the last of them comes after it."""
        with _handling(self.note):
            yield
        if self.noted:
            signal.raise_signal(self.noted)


@contextmanager
def interruptible() -> Iterator[None]:
    """Within the block, whatever asks the run to end does so as Ctrl-C does: everything is put in order first.

    Whoever asks again at once does not break into that.
    """
    with _handling(_interrupt):
        yield


def _interrupt(number: int, frame: FrameType | None) -> None:
    if time.monotonic() - _Heard.at > GRACE_SECONDS:
        _Heard.at = time.monotonic()
        raise KeyboardInterrupt


class _Heard:
    """When somebody was heard last, by this process as a whole: blocks lie within each other."""

    at = -GRACE_SECONDS


@contextmanager
def _handling(handler: signal._HANDLER) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # to which alone signals come
        yield
        return
    # What is ignored stays so: nohup means it.
    heard = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in heard}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
