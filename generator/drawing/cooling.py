"""The way of the heat as a picture: water from the top down, each loop from left to right, margins beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from generator.drawing.margins import BAR, RUNG, Scale, bar, ladder, scale
from generator.drawing.pen import (
    FAINT,
    FILL,
    INK,
    REFUSED,
    SHADE,
    box,
    colour,
    line,
    picture,
    pipe,
    width,
    words,
    wrapped,
)
from generator.heatway.parts import AirWay, Budget, Coolers, Heated, Heatway, LoopWay, Rejection, Step, WaterWay
from generator.markup import Element
from generator.plant import CoolingUnit, Handler
from generator.text import counted, measured

WIDE, EDGE = 1200, 24
_SUPPLY, _RETURN = 32, 52
"""Where the pipes of facility water run down."""
_LEFT, _UNITS, _RACKS, _END, _MARGINS = 80, 252, 288, 684, 714
_GAP = _END - _RACKS - _LEFT - _UNITS
_ROW, _GROUP = 15, 66
"""Heights of a line, and of what is told of machines alike."""


@dataclass
class _Sheet:
    """What is drawn so far, and how far down."""

    axis: Scale
    drawn: list[Element] = field(default_factory=list)
    y: float = 0.0

    def lines(self, x: float, y: float, texts: Sequence[str], room: float, fill: str = INK) -> None:
        """Lines of text below each other."""
        self.drawn += [words(x, y + number * _ROW, text, room=room, fill=fill) for number, text in enumerate(texts)]


def cooling(way: Heatway) -> Element:
    """The page."""
    center = way.center
    name = " ".join((center.spec.metadata.title or center.name).split())
    sheet = _Sheet(scale(way))
    _head(sheet, way, name)
    for water in way.waters:
        _water(sheet, way, water)
    told = (
        f"Made by center from the spec of {center.name}: rated values on the design day, sums as validation makes them."
    )
    sheet.drawn.append(words(EDGE, sheet.y + 18, told, 10, room=WIDE - 2 * EDGE, fill=FAINT))
    return picture(f"Cooling of {name}", WIDE, round(sheet.y + 18 + EDGE), sheet.drawn)


def _head(sheet: _Sheet, way: Heatway, name: str) -> None:
    center, climate = way.center, way.center.spec.site.climate
    sheet.drawn.append(words(EDGE, 44, f"Cooling of {name}", 22, room=WIDE - 2 * EDGE, bold=True))
    day = f"design day {climate.dry_bulb} dry bulb, {climate.wet_bulb} wet bulb" if climate else "design day unknown"
    share = f"heat of all racks at {center.simultaneity * 100:g} % of their maximum"
    told = f"{day}; {share}; power redundancy {center.spec.power.redundancy}"
    sheet.drawn.append(words(EDGE, 66, told, 12, room=WIDE - 2 * EDGE, fill=FAINT))
    sheet.drawn += _legend(80)
    sheet.y = 112
    if way.is_refused:
        told = "✕ Validation refuses this design; what and why is red."
        sheet.drawn.append(words(EDGE, 132, told, 14, fill=REFUSED, bold=True))
        sheet.y = 142
    _refusals(sheet, way.refusals, EDGE)


def _legend(y: float) -> Iterator[Element]:
    yield box(EDGE, y, WIDE - 2 * EDGE, 30)
    for two in range(0, 70, 2):
        yield box(EDGE + 12 + two * 2, y + 6, 4, 9, fill=colour(two + 1), stroke="none", round_=0)
    for ten in (0, 20, 40, 60):
        yield words(EDGE + 12 + ten * 2, y + 25, f"{ten}", 9, fill=FAINT, middle=True)
    yield words(EDGE + 158, y + 16, "°C")
    for x, celsius, back, told in ((EDGE + 200, 30, False, "supply"), (EDGE + 306, 45, True, "return")):
        yield from pipe([(x, y + 15), (x + 44, y + 15)], celsius, back=back)
        yield words(x + 51, y + 19, told)
    x = EDGE + 420
    yield box(x, y + 10, 80, 9, fill="url(#lost)", round_=0)
    yield box(x, y + 10, 54, 9, fill=SHADE, stroke="none", round_=0)
    yield box(x, y + 12, 36, 5, fill=FILL, stroke="none", round_=0)
    yield line([(x + 54, y + 8), (x + 54, y + 21)], INK, 1.5)
    told = "needed, spare; hatched: lost in the worst case that is designed for, or must not be"
    yield words(x + 88, y + 19, told)
    yield words(WIDE - EDGE - 12, y + 19, "✕ red: validation refuses", fill=REFUSED, end=True)


def _refusals(sheet: _Sheet, messages: tuple[str, ...], x: float) -> None:
    texts = [text for message in messages for text in wrapped(f"✕ {message}", 11, WIDE - EDGE - x)]
    for text in texts:
        sheet.drawn.append(words(x, sheet.y + 12, text, fill=REFUSED, bold=True))
        sheet.y += _ROW
    sheet.y += 6 if texts else 0


# Facility water

_AIR, _REJECTION, _WATER = (EDGE, 124), (178, 222), (460, 224)
"""Left edges and widths of the three cards."""


def _water(sheet: _Sheet, way: Heatway, part: WaterWay) -> None:
    water = part.water
    sheet.drawn.append(words(EDGE, sheet.y + 28, f"Facility water {water.name}", 15, bold=True))
    sheet.y += 38
    _refusals(sheet, part.refusals, EDGE)
    top = sheet.y
    supply, back = water.spec.supply.magnitude, water.spec.return_.magnitude
    cards = max(98, 8 + len(part.rejections) * 62)
    _outside(sheet, way, top, cards)
    _rejections(sheet, part, top, cards)
    _between(sheet, top, _REJECTION[0] + _REJECTION[1], _WATER[0], (supply, back), ("", ""))
    x, wide = _WATER
    sheet.drawn.append(box(x, top, wide, cards))
    sheet.drawn.append(
        words(x + 10, top + 18, f"{water.name}, redundancy {water.spec.redundancy}", room=wide - 20, bold=True)
    )
    spare = measured(part.heat.spare, "kW")
    lines = [
        f"supply {supply:g} °C, return {back:g} °C",
        f"{measured(part.heat.needed, 'kW')} of heat at once",
        f"{measured(part.flow, 'L/min', 0)} of plain water",
        f"rejection has {spare} to spare" if part.heat.spare is not None else "spare of rejection unknown",
    ]
    sheet.lines(x + 10, top + 34, lines, wide - 20)
    sheet.y = _margins(sheet, EDGE, top, cards, part.chain, [part.heat])
    _below(sheet, part, (supply, back), top + cards)


def _margins(
    sheet: _Sheet, x: float, top: float, cards: float, chain: Sequence[Step], budgets: Sequence[Budget]
) -> float:
    """Bars below the cards, the ladder beside them; where both have ended."""
    sheet.drawn += ladder(_MARGINS, top + 10, chain, sheet.axis)
    for number, budget in enumerate(budgets):
        y = top + cards + 4 + number * BAR
        sheet.drawn += bar(x, y, _END - x, budget)
    return top + max(cards + 4 + len(budgets) * BAR, 10 + len(chain) * RUNG)


def _between(
    sheet: _Sheet, top: float, left: float, right: float, celsius: tuple[float | None, float | None],
    told: tuple[str, str],
) -> None:  # fmt: skip
    """What flows from one card to the next and back."""
    for y, warm, what, back in ((top + 30, celsius[0], told[0], False), (top + 66, celsius[1], told[1], True)):
        sheet.drawn += pipe([(right, y), (left, y)] if back else [(left, y), (right, y)], warm, back=back)
        if warm is not None or not what:
            shown = "unknown" if warm is None else f"{warm:g} °C"
            sheet.drawn.append(words((left + right) / 2, y - 7, shown, bold=True, middle=True))
        if what:
            sheet.drawn.append(words((left + right) / 2, y + 14, what, 10, fill=FAINT, middle=True))


def _outside(sheet: _Sheet, way: Heatway, top: float, high: float) -> None:
    (x, wide), climate = _AIR, way.center.spec.site.climate
    sheet.drawn.append(box(x, top, wide, high, fill="#ffffff"))
    sheet.drawn.append(words(x + 10, top + 18, "Outside", bold=True))
    lines = ["design day", "unknown"]
    if climate:
        lines = [f"dry bulb {climate.dry_bulb.magnitude:g} °C", f"wet bulb {climate.wet_bulb.magnitude:g} °C"]
        lines += [f"water {climate.water.magnitude:g} °C"] if climate.water else []
    sheet.lines(x + 10, top + 34, lines, wide - 20)
    x, y = x + wide, top + 48
    arrow = ((2, 0), (12, -8), (12, -4), (26, -4), (26, 4), (12, 4), (12, 8))
    points = " ".join(f"{x + right:.0f},{y + down:.0f}" for right, down in arrow)
    sheet.drawn.append(Element("polygon", {"points": points, "fill": "#9aa7b5"}))
    sheet.drawn.append(words(x + 14, y - 13, "heat", 10, fill=FAINT, middle=True))


def _rejections(sheet: _Sheet, part: WaterWay, top: float, high: float) -> None:
    x, wide = _REJECTION
    sheet.drawn.append(box(x, top, wide, high))
    for number, rejection in enumerate(part.rejections):
        y, spec = top + 18 + number * 62, rejection.rejecter.spec
        sheet.drawn.append(words(x + 10, y, rejection.rejecter.name, room=wide - 20, bold=True))
        sheet.lines(x + 10, y + _ROW, list(_rejection(rejection, spec.count)), wide - 20)
    if not part.rejections:
        sheet.lines(x + 10, top + 18, ["what rejects the heat", "is not said"], wide - 20, FAINT)


def _rejection(rejection: Rejection, count: int) -> Iterator[str]:
    rejecter = rejection.rejecter
    yield f"{count} x {rejecter.device.name}"
    yield f"{measured(_kw(rejecter.capacity), 'kW')} each, {rejecter.device.form}"
    if not rejecter.is_bound_by_weather:
        yield "whatever the weather"
    elif rejection.counts:
        above = f"{rejection.sink_name or 'outside'} + {_approach(rejecter.approach)}"
        yield f"{above}: {measured(rejection.coldest, '°C')}"
    else:
        yield f"ends at {measured(rejection.coldest, '°C')}, does not count"


def _below(sheet: _Sheet, part: WaterWay, celsius: tuple[float, float], cards: float) -> None:
    """The loops and the air below a water, and the pipes that run down to them beneath all cards."""
    (supply, back), first = celsius, len(sheet.drawn)
    start = sheet.y + 8
    sheet.y += 34
    places = [_loop(sheet, loop) for loop in part.loops] + [_air(sheet, air) for air in part.airs]
    if not places:
        sheet.drawn.append(words(_LEFT, sheet.y, "nothing is cooled by it", fill=FAINT))
        sheet.y += 10
        return
    pipes: list[Element] = []
    for y in places[:-1]:
        pipes += pipe([(_SUPPLY, y), (_LEFT, y)], supply)
        pipes += pipe([(_LEFT, y + 36), (_RETURN, y + 36)], back, back=True, ends=False)
    right, last = _WATER[0] + _WATER[1], places[-1]
    lead = [(right, cards - 50), (right + 7, cards - 50), (right + 7, start), (_SUPPLY, start)]
    pipes += pipe([*lead, (_SUPPLY, last), (_LEFT, last)], supply)
    rising = [(right + 15, start + 12), (right + 15, cards - 30), (right, cards - 30)]
    pipes += pipe([(_LEFT, last + 36), (_RETURN, last + 36), (_RETURN, start + 12), *rising], back, back=True)
    sheet.drawn[first:first] = pipes


# What facility water cools


def _title(sheet: _Sheet, name: str, told: str, refusals: tuple[str, ...]) -> float:
    """The line above the cards; where they begin."""
    sheet.drawn.append(words(_LEFT, sheet.y + 12, name, 13, bold=True))
    after = _LEFT + width(name, 13, bold=True) + 14
    sheet.drawn.append(words(after, sheet.y + 12, told, room=WIDE - EDGE - after, fill=FAINT))
    sheet.y += 20
    _refusals(sheet, refusals, _LEFT)
    return sheet.y + 2


def _loop(sheet: _Sheet, part: LoopWay) -> float:
    """A loop; where facility water enters it."""
    loop, spec = part.loop, part.loop.spec
    who = ", ".join(spec.protection) or "nobody is named"
    told = f"{spec.kind}, {loop.coolant.name}, redundancy {spec.redundancy}; protection within seconds: {who}"
    top = _title(sheet, loop.name, told, part.refusals)
    cards = max(8 + len(part.coolers) * _GROUP, 26 + len(part.heated) * _ROW, 82)
    _coolers(sheet, part.coolers, "no cooling unit", top, cards)
    flows = ("liquid", "vapour") if part.boils else ("", "")
    _between(sheet, top, _LEFT + _UNITS, _LEFT + _UNITS + _GAP, (part.supply, part.back), flows)
    _racks(sheet, part, top, cards)
    budgets = [part.heat, *([part.flow] if part.flow else [])]
    sheet.y = _margins(sheet, _LEFT, top, cards, part.chain, budgets) + 20
    return top + 30


def _air(sheet: _Sheet, part: AirWay) -> float:
    """The air of a hall; where facility water enters its handlers."""
    spec = part.air.spec
    told = f"air, {spec.humidity} relative humidity, redundancy {spec.redundancy}"
    top = _title(sheet, f"hall {part.air.hall}", told, part.refusals)
    cards = max(8 + len(part.coolers) * _GROUP, 82)
    _coolers(sheet, part.coolers, "air handlers are not named", top, cards)
    _between(sheet, top, _LEFT + _UNITS, _LEFT + _UNITS + _GAP, (spec.supply.magnitude, None), ("air", "warm air"))
    x = _LEFT + _UNITS + _GAP
    sheet.drawn.append(box(x, top, _RACKS, cards))
    sheet.drawn.append(words(x + 10, top + 18, counted(part.racks, "rack"), bold=True))
    sheet.lines(x + 10, top + 34, [f"{measured(part.heat.needed, 'kW')} that no liquid takes"], _RACKS - 20)
    sheet.y = _margins(sheet, _LEFT, top, cards, part.chain, [part.heat]) + 20
    return top + 30


def _coolers(sheet: _Sheet, groups: Sequence[Coolers], none: str, top: float, high: float) -> None:
    """Units, tanks or air handlers; those alike in four lines."""
    sheet.drawn.append(box(_LEFT, top, _UNITS, high))
    for number, group in enumerate(groups):
        y, each = top + 18 + number * _GROUP, group.first
        sheet.drawn.append(words(_LEFT + 10, y, group.names, room=_UNITS - 20, bold=True))
        lines = [f"{len(group.members)} x {each.device.name}", ", ".join(_ratings(each))]
        sheet.lines(_LEFT + 10, y + _ROW, [*lines, f"feeds {', '.join(each.feeds)}"], _UNITS - 20)
    if not groups:
        sheet.lines(_LEFT + 10, top + 18, [none], _UNITS - 20, FAINT)


def _ratings(each: CoolingUnit | Handler) -> Iterator[str]:
    yield "capacity unknown" if each.capacity is None else f"{measured(_kw(each.capacity), 'kW')} each"
    if isinstance(each, CoolingUnit):
        yield "approach unknown" if each.approach is None else _approach(each.approach)
        if each.flow is not None:
            yield f"{each.flow:g} L/min"


def _racks(sheet: _Sheet, part: LoopWay, top: float, high: float) -> None:
    x, end = _LEFT + _UNITS + _GAP, _LEFT + _UNITS + _GAP + _RACKS - 10
    tanks = any(each.own for each in part.heated)
    sheet.drawn.append(box(x, top, _RACKS, high))
    count = counted(sum(each.racks.count for each in part.heated), "tank" if tanks else "rack")
    sheet.drawn.append(words(x + 10, top + 18, count, bold=True))
    sheet.drawn.append(words(end - (96 if tanks else 66), top + 18, "kW", fill=FAINT, end=True))
    sheet.drawn.append(words(end, top + 18, "kW of one" if tanks else "L/min", fill=FAINT, end=True))
    for number, each in enumerate(part.heated):
        _heated(sheet, each, x, top + 34 + number * _ROW, end, boils=part.boils)
    if not part.heated:
        sheet.lines(x + 10, top + 34, ["no rack is on it"], _RACKS - 20, FAINT)


def _heated(sheet: _Sheet, each: Heated, x: float, y: float, end: float, *, boils: bool) -> None:
    racks, own = each.racks, each.own
    ink = REFUSED if own and own.refused else INK
    sheet.drawn.append(words(x + 10, y, racks.span, room=74, fill=ink))
    sheet.drawn.append(words(x + 86, y, f"{racks.count} {racks.kind}", room=54 if own else 82, fill=FAINT))
    told = "boils" if boils else _plain(each.flow)
    if own:
        told = f"{_plain(own.needed)} of {_plain(own.given)}"
    sheet.drawn.append(words(end - (96 if own else 66), y, _plain(each.heat), fill=ink, end=True))
    sheet.drawn.append(words(end, y, told, fill=ink, end=True))


def _kw(watts: float | None) -> float | None:
    return None if watts is None else watts / 1000


def _approach(kelvin: float | None) -> str:
    return "unknown" if kelvin is None else f"{kelvin:g} K"


def _plain(value: float | None) -> str:
    return measured(value, "").rstrip()
