"""What pictures are made of: text that fits its room, lines, boxes and bars, colours by temperature.

Nothing is measured with a font, for every reader has another one: widths are those of a wide one. Colours grow darker
as they grow warmer, so that a print in grey tells them apart; red is kept for what validation refuses.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from generator.markup import Attribute, Element

INK, FAINT, LINE, CARD, REFUSED, SHADE = "#1c2733", "#5b6876", "#c3ccd6", "#f6f8fa", "#c81e1e", "#d9e1ea"
FILL = "#46586b"
_FAMILY = "Helvetica Neue, Helvetica, Arial, Liberation Sans, Noto Sans, Noto Sans CJK SC, DejaVu Sans, sans-serif"
_SCALE = ((0, 155, 212, 246), (20, 92, 174, 224), (30, 72, 166, 152), (40, 190, 134, 22), (50, 158, 84, 16),
          (70, 92, 40, 16))  # fmt: skip
"""Red, green and blue at temperatures in °C; straight lines between them."""
_WIDEST, _BROAD, _NORMAL, _NARROW = 1.0, 0.9, 0.6, 0.36
_BOLD = 1.08


def colour(celsius: float | None) -> str:
    """The colour of a temperature; grey where it is unknown."""
    if celsius is None:
        return "#8d99a6"
    held = min(max(celsius, _SCALE[0][0]), _SCALE[-1][0])
    above = next(index for index, point in enumerate(_SCALE) if held <= point[0])
    (cold, *low), (warm, *high) = _SCALE[max(above - 1, 0)], _SCALE[max(above, 1)]
    share = (held - cold) / (warm - cold)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(low, high, strict=True))


def width(text: str, size: float, *, bold: bool = False) -> float:
    """About how wide a text is."""
    return size * (_BOLD if bold else 1) * sum(map(_em, text))


@lru_cache(maxsize=4096)
def _em(letter: str) -> float:
    if letter in " .,:;'!|il-()":
        return _NARROW
    if letter in "mwMW%@":
        return _BROAD
    return _WIDEST if unicodedata.east_asian_width(letter) in "WF" else _NORMAL


def fitted(text: str, size: float, room: float, *, bold: bool = False) -> str:
    """The text, or as much of its beginning as has room."""
    ems = room / (size * (_BOLD if bold else 1))
    if len(text) * _WIDEST <= ems or sum(map(_em, text)) <= ems:
        return text
    ends = itertools.accumulate(map(_em, text))
    kept = sum(1 for _ in itertools.takewhile(lambda end: end + _NORMAL <= ems, ends))
    return text[:kept].rstrip() + "…"


def wrapped(text: str, size: float, room: float) -> list[str]:
    """The text in lines that have room; words break only where one alone is too wide."""
    lines = [""]
    for word in text.split():
        joined = f"{lines[-1]} {word}".strip()
        if width(joined, size) <= room:
            lines[-1] = joined
            continue
        lines.append("")
        for letter in word:
            if width(lines[-1] + letter, size) > room:
                lines.append("")
            lines[-1] += letter
    return [line for line in lines if line]


def words(
    x: float, y: float, text: str, size: float = 11, *, room: float | None = None, fill: str = INK, bold: bool = False,
    end: bool = False, middle: bool = False,
) -> Element:  # fmt: skip
    """A line of text; what is cut to its room is told whole when one points at it."""
    whole = " ".join(text.split())
    shown = whole if room is None else fitted(whole, size, room, bold=bold)
    attributes: dict[str, Attribute] = {"x": float(x), "y": float(y), "font-size": size, "fill": fill}
    if bold:
        attributes["font-weight"] = "bold"
    if end or middle:
        attributes["text-anchor"] = "end" if end else "middle"
    line = Element("text", attributes, shown)
    return line if shown == whole else Element("g", {}, (Element("title", {}, whole), line))


def box(
    x: float, y: float, wide: float, high: float, *, fill: str = CARD, stroke: str = LINE, round_: float = 4
) -> Element:
    """A card or a bar."""
    place: dict[str, Attribute] = {"x": float(x), "y": float(y), "width": float(wide), "height": high}
    corner: dict[str, Attribute] = {"rx": round_} if round_ else {}
    return Element("rect", {**place, **corner, "fill": fill, "stroke": stroke})


def line(points: Iterable[tuple[float, float]], stroke: str, wide: float = 1, *, dashed: bool = False) -> Element:
    """A line through points."""
    through = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashes: dict[str, Attribute] = {"stroke-dasharray": "6 3"} if dashed else {}
    return Element("polyline", {"points": through, "fill": "none", "stroke": stroke, "stroke-width": wide, **dashes})


def pipe(
    points: Sequence[tuple[float, float]], celsius: float | None, *, back: bool = False, ends: bool = True
) -> Iterator[Element]:
    """A pipe with an arrow where it ends; what flows back is dashed. A white edge shows which of two lies on top."""
    shade = colour(celsius)
    (x, y), (x1, y1) = points[-1], points[-2]
    along, across = (x > x1) - (x < x1), (y > y1) - (y < y1)
    reach = [*points[:-1], (x - 7 * along, y - 7 * across)] if ends else points
    yield line(reach, "#ffffff", 8)
    yield line(reach, shade, 4, dashed=back)
    if ends:
        left = (x - 9 * along - 5 * across, y - 9 * across - 5 * along)
        right = (x - 9 * along + 5 * across, y - 9 * across + 5 * along)
        tip = " ".join(f"{a:.1f},{b:.1f}" for a, b in ((x, y), left, right))
        yield Element("polygon", {"points": tip, "fill": shade})


def picture(title: str, wide: int, high: int, children: Iterable[Element]) -> Element:
    """The whole page on a light ground; it names nothing outside itself."""
    lost = Element(
        "pattern",
        {"id": "lost", "width": 6, "height": 6, "patternUnits": "userSpaceOnUse", "patternTransform": "rotate(45)"},
        (
            Element("rect", {"width": 6, "height": 6, "fill": "#ffffff"}),
            Element("rect", {"width": 2, "height": 6, "fill": "#9aa7b5"}),
        ),
    )
    head = (
        Element("title", {}, title),
        Element("defs", {}, (lost,)),
        Element("rect", {"width": wide, "height": high, "fill": "#ffffff"}),
    )
    attributes: dict[str, Attribute] = {
        "xmlns": "http://www.w3.org/2000/svg", "width": wide, "height": high,
        "viewBox": f"0 0 {wide} {high}", "role": "img", "font-family": _FAMILY,
    }  # fmt: skip
    return Element("svg", attributes, (*head, *children))
