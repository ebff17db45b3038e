"""Text for people: what came from outside is made safe to print, numbers get their words."""

from __future__ import annotations


def counted(number: int, word: str) -> str:
    """A number of things: "1 node", "3 nodes"."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def visible(value: object, limit: int | None = 300) -> str:
    """Text that cannot move a terminal's cursor: one line, at most `limit` characters, control characters escaped."""
    text = str(value) if limit is None else str(value)[: limit + 1]
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return shown if limit is None or len(shown) <= limit else shown[: limit - 1] + "…"
