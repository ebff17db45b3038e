"""Text that came from outside, made safe to print."""

from __future__ import annotations


def visible(value: object, limit: int = 300) -> str:
    """Text that is safe to print: one line, at most `limit` characters, control characters escaped."""
    text = str(value)
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
