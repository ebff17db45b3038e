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


def measured(value: float | None, unit: str, decimals: int = 1) -> str:
    """A number with its unit: "132.0 kW"; "unknown" where nobody knows it."""
    # Adding zero makes -0.0 a plain zero.
    return "unknown" if value is None else f"{round(value, decimals) + 0.0:.{decimals}f} {unit}"


def table(rows: list[list[str]]) -> str:
    """Columns side by side, as wide as they need to be."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
