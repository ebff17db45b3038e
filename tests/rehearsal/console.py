"""What the person who waits sees: numbered steps with their seconds, what was found, and a table at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

GREEN, RED, DIM, PLAIN = "\033[32m", "\033[31m", "\033[2m", "\033[0m"


@dataclass
class Step:
    """One step while it runs: it may say lines, and sums up in a few words what it found."""

    title: str
    console: Console
    found: str = ""
    passed: bool = False
    seconds: float = 0.0

    def say(self, *lines: str) -> None:
        """Show lines below the title."""
        for line in lines:
            self.console.write(f"      {line}".rstrip())


@dataclass
class Console:
    """Shows steps as they go; colours only on a terminal."""

    stream: TextIO = field(default_factory=lambda: sys.stdout)
    steps: list[Step] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def write(self, line: str = "") -> None:
        print(line, file=self.stream, flush=True)

    def coloured(self, text: str, colour: str) -> str:
        return f"{colour}{text}{PLAIN}" if self.stream.isatty() else text

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Time a step; one that raises has failed, and so has the rehearsal."""
        step = Step(title, self)
        self.steps.append(step)
        self.write(f"\n{len(self.steps):>3}. {title}")
        start = time.monotonic()
        try:
            yield step
            step.passed = True
        except BaseException as error:
            step.found = f"failed: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
            raise
        finally:
            step.seconds = time.monotonic() - start
            self.write(f"    {self._mark(step)} {step.seconds:.1f} s  {step.found}".rstrip())

    def table(self) -> None:
        """Sum up: each step with its result and what was found."""
        width = max((len(step.title) for step in self.steps), default=0)
        self.write()
        for number, step in enumerate(self.steps, 1):
            timed = f"{step.title:<{width}} {step.seconds:>6.1f} s"
            self.write(f"{number:>3}. {self._mark(step)} {timed}  {step.found}".rstrip())
        passed = sum(step.passed for step in self.steps)
        seconds = time.monotonic() - self.began
        self.write(f"\n{passed} of {len(self.steps)} steps passed in {seconds:.0f} s")

    def _mark(self, step: Step) -> str:
        return self.coloured("✓", GREEN) if step.passed else self.coloured("✗", RED)
