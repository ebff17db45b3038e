"""What is left at each step, as a picture: a ladder of temperatures, and bars of kW and L/min."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from generator.drawing.pen import FAINT, FILL, INK, REFUSED, SHADE, box, colour, line, words
from generator.heatway.parts import Budget, Heatway, Step
from generator.markup import Element
from generator.text import measured

RUNG, BAR = 17, 33
_TITLE, _VALUE, _AXIS, _SPARE = 178, 232, 242, 390
"""Where columns end or begin, from the left edge of the margins."""
WIDE = 462


@dataclass(frozen=True, slots=True)
class Scale:
    """The axis of temperatures that all ladders of a page share, in °C."""

    low: float
    high: float

    def at(self, celsius: float) -> float:
        """How far right of the left edge a temperature lies."""
        return _AXIS + (celsius - self.low) / (self.high - self.low) * (_SPARE - _AXIS)


def scale(way: Heatway) -> Scale:
    """An axis in tens of degrees that has room for every temperature of the page."""
    steps = [step for water in way.waters for part in water.parts for step in part.chain]
    known = [value for step in steps for value in (step.start, step.end) if value is not None]
    return Scale(math.floor(min(known) / 10) * 10, math.floor(max(known) / 10) * 10 + 10)


def ladder(x: float, y: float, steps: Sequence[Step], axis: Scale) -> Iterator[Element]:
    """A rung for each step: its title, its temperature, its place on the axis and what is left."""
    bottom = y + len(steps) * RUNG
    for ten in range(int(axis.low), int(axis.high) + 1, 10):
        place = x + axis.at(ten)
        yield line([(place, y), (place, bottom)], "#e3e8ee")
        yield words(place, y - 3, f"{ten}", 9, fill=FAINT, middle=True)
    yield from _guide(x, y, steps, axis)
    for number, step in enumerate(steps):
        top, ink = y + number * RUNG, REFUSED if step.refused else INK
        yield words(x, top + 12, step.title, room=_TITLE, fill=ink)
        yield words(x + _VALUE, top + 12, measured(step.end, "°C"), fill=ink, end=True)
        if number and not step.side and step.end is not None and step.start == steps[number - 1].end:
            joint = x + axis.at(step.start or 0.0)
            yield line([(joint, top - 5), (joint, top + 5)], FAINT)
        yield from _rung(x, top, step, axis)
        if step.spare is not None:
            yield _spare(x + WIDE, top + 12, measured(step.spare, "K"), refused=step.refused)


def _guide(x: float, y: float, steps: Sequence[Step], axis: Scale) -> Iterator[Element]:
    """From the temperature that the limits are about down to the last of them."""
    for number, step in enumerate(steps):
        if step.is_judged and step.end is not None and steps[-1].side:
            place = x + axis.at(step.end)
            yield line([(place, y + number * RUNG + 8), (place, y + len(steps) * RUNG - 1)], colour(step.end), 1.5)


def _rung(x: float, top: float, step: Step, axis: Scale) -> Iterator[Element]:
    if step.start is None or step.end is None:
        return
    place = x + axis.at(step.end)
    if step.side:
        wall = x + axis.at(axis.low if step.side == "cold" else axis.high)
        left, right = sorted((place, wall))
        yield box(left, top + 4, right - left, 9, fill="url(#lost)", stroke="none", round_=0)
        yield line([(place, top + 2), (place, top + 15)], REFUSED if step.refused else INK, 2)
    elif step.start == step.end:
        yield Element("circle", {"cx": place, "cy": top + 8.0, "r": 4, "fill": colour(step.end)})
    else:
        left, right = sorted((x + axis.at(step.start), place))
        yield box(left, top + 4, right - left, 8, fill=colour(step.end), stroke="none", round_=0)


def bar(x: float, y: float, wide: float, budget: Budget) -> Iterator[Element]:
    """What is needed within what is given, hatched what is there but lost in the worst case."""
    ink = REFUSED if budget.refused else INK
    yield words(x, y + 11, f"{budget.title} {_of(budget)}{budget.when}", room=wide - 130, fill=ink)
    yield _spare(x + wide, y + 11, measured(budget.spare, budget.unit), refused=budget.refused)
    end = max(budget.needed or 0.0, budget.installed or 0.0)
    if budget.needed is None or budget.given is None or budget.installed is None or not end:
        yield box(x, y + 16, wide, 9, fill="#ffffff", round_=0)
        return
    share = wide / end
    yield box(x, y + 16, budget.installed * share, 9, fill="url(#lost)", round_=0)
    yield box(x, y + 16, budget.given * share, 9, fill=SHADE, stroke="none", round_=0)
    within = min(budget.needed, budget.given) * share
    yield box(x, y + 18, within, 5, fill=FILL, stroke="none", round_=0)
    if budget.refused:
        yield box(x + within, y + 16, budget.needed * share - within, 9, fill=REFUSED, stroke="none", round_=0)
    yield line([(x + budget.given * share, y + 14), (x + budget.given * share, y + 27)], INK, 1.5)


def _of(budget: Budget) -> str:
    """``2945.3 of 3500.0 kW``; what is unknown is said."""
    if budget.given is None:
        return f"{measured(budget.needed, budget.unit)} of unknown"
    needed = "unknown" if budget.needed is None else f"{budget.needed:.1f}"
    return f"{needed} of {measured(budget.given, budget.unit)}"


def _spare(x: float, y: float, text: str, *, refused: bool) -> Element:
    if refused:
        return words(x, y, f"✕ {text}", fill=REFUSED, bold=True, end=True)
    told = "spare unknown" if text == "unknown" else text if text.startswith("-") else f"{text} spare"
    return words(x, y, told, fill=FAINT if text == "unknown" else INK, end=True)
