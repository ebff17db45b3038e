"""Where the facts of a file come from: each source that one cites is listed, and what counts as read has a source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from generator.catalog.models import STATUSES, Entry, Fact
from generator.problems import Path, Problem, did_you_mean
from generator.source import Source
from generator.spec.common import Strict

_READ = ("V", "I", "S")
"""Somebody has read it; the other letters stand for sums, hopes and nothing."""
_HOPED = ("U", "N")
"""Nobody answers for it: what is said so is no value."""
_ABOUT = {"status", "sources", "note", "candidate"}


def findings(entry: Entry, source: Source) -> Iterator[Problem]:
    """A finding for each cited source that the file does not list, read value without one, and hope."""
    for claim, path in _claims(entry, ()):
        yield from _unlisted(claim, path, entry, source)
        place = (*path, "status")
        if claim.status in _HOPED and _says_something(claim):
            message = f'has the status "{claim.status}", {STATUSES[claim.status]}, and gives a value all the same'
            hint = "say who vouches for it, or X of what is derived or assumed; a hope is a candidate and no value"
            yield Problem("catalog.status", message, place, hint, position=source.locate(place))
        says_something = not isinstance(claim, Fact) or claim.value is not None
        if says_something and claim.status in _READ and not claim.sources:
            message = f'has the status "{claim.status}", {STATUSES[claim.status]}, and names no source'
            yield Problem("catalog.source", message, place, _citing(entry), position=source.locate(place))


def _says_something(claim: Strict) -> bool:
    """Whether a part of a file gives anything but how sure it is."""
    return any(getattr(claim, name) is not None for name in claim.model_fields_set - _ABOUT)


def _unlisted(claim: Any, path: Path, entry: Entry, source: Source) -> Iterator[Problem]:
    for index, name in enumerate(claim.sources):
        if name not in entry.sources:
            hint = (
                did_you_mean(name, entry.sources) or f"list it: {{{name[:40]}: {{grade: A, locator: WHERE IT STANDS}}}}"
            )
            message, place = f'the sources of this file do not list "{name[:60]}"', (*path, "sources", index)
            yield Problem("catalog.source", message, place, hint, position=source.locate(place))


def _citing(entry: Entry) -> str:
    if not entry.sources:
        return 'list where it was read under "sources" of the file, and name it: sources: [NAME]'
    return f"sources of this file: {', '.join(list(entry.sources)[:8])}"


def _claims(value: Any, path: Path) -> Iterator[tuple[Any, Path]]:
    """Every part that says how sure it is, with its place in the file."""
    if isinstance(value, Strict):
        fields = type(value).model_fields
        if "status" in fields and "sources" in fields:
            yield value, path
        for name, field in fields.items():
            yield from _claims(getattr(value, name), (*path, field.alias or name))
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _claims(part, (*path, name))
