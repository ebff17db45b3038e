"""What verbs have in common when they talk to people: colours, progress, findings, and how a verb ends."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from generator import report
from generator.problems import Problem
from generator.source import Source
from generator.text import counted
from generator.validate import Validation

FINE, FAILED, DIFFERENT, USAGE, DEFECT = 0, 1, 2, 64, 70
_COLOURS = {"error": "red", "warning": "yellow", "position": "bright_black", "hint": "cyan"}


class Done(Exception):
    """Ends a verb with an exit code."""

    def __init__(self, code: int) -> None:
        self.code = code


def say(text: str) -> None:
    """For people beside a result, so never on the stream that programs read."""
    if not settings().get("quiet"):
        click.echo(text, err=True, color=_wants_colours(sys.stderr))


def progress(text: str) -> None:
    if sys.stderr.isatty() or settings().get("verbose"):
        say(click.style(text, fg="bright_black"))


def settings() -> dict[str, Any]:
    context = click.get_current_context(silent=True)
    return context.find_root().params if context else {}


def show(problems: list[Problem], source: Source, err: bool = False) -> None:
    stream = sys.stderr if err else sys.stdout
    if problems:
        click.echo(report.as_text(problems, source, _coloured if _wants_colours(stream) else report.plain), err=err)
    errors = sum(problem.is_error for problem in problems)
    if not err or errors:
        say(f"{counted(errors, 'error')}, {counted(len(problems) - errors, 'warning')}")


def show_found(found: Validation, err: bool = False) -> None:
    show(found.problems, found.source, err)
    if found.waiting:
        say(f"{found.waiting} checks wait until these are fixed")


def _coloured(kind: str, text: str) -> str:
    return click.style(text, fg=_COLOURS.get(kind), bold=kind == "error")


def _wants_colours(stream: Any) -> bool:
    """Whether a person with a terminal that can, and who has not said no, will read this stream."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
