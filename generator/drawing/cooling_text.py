"""The way of the heat as tables for a terminal: the numbers of the picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from generator.heatway.parts import AirWay, Budget, Coolers, Heatway, LoopWay, Step, WaterWay
from generator.plant import CoolingUnit
from generator.text import counted, measured, table, visible


def text(way: Heatway) -> str:
    """The page, water by water."""
    center, climate = way.center, way.center.spec.site.climate
    day = f"{climate.dry_bulb} dry bulb, {climate.wet_bulb} wet bulb" if climate else "unknown"
    lines = [f"design day: {day}; heat at {center.simultaneity * 100:g} % of the maximum of all racks"]
    lines += [f"REFUSED: {message}" for message in way.refusals]
    for water in way.waters:
        lines += ["", *_water(water)]
        for loop in water.loops:
            lines += ["", *_loop(loop)]
        for air in water.airs:
            lines += ["", *_air(air)]
    return "\n".join(visible(line, None) for line in lines)


def _water(part: WaterWay) -> Iterator[str]:
    water = part.water
    supply, back = water.spec.supply.magnitude, water.spec.return_.magnitude
    flow = f"{measured(part.flow, 'L/min', 0)} of plain water"
    yield f"facility water {water.name}: {supply:g} °C to {back:g} °C, {flow}, redundancy {water.spec.redundancy}"
    yield from _refused(part.refusals)
    rows = [["rejection", "count", "device", "kW each", "approach K", "ends at °C", "counts"]]
    for each in part.rejections:
        rejecter, bound = each.rejecter, each.rejecter.is_bound_by_weather
        rows.append(
            [
                rejecter.name,
                str(rejecter.spec.count),
                rejecter.device.name,
                _kw(rejecter.capacity),
                _plain(rejecter.approach) if bound else "",
                _plain(each.coldest) if bound else "any weather",
                "yes" if each.counts else "no",
            ]
        )
    yield from _table(rows)
    yield from _margins(part.chain, [part.heat])


def _loop(part: LoopWay) -> Iterator[str]:
    loop, spec = part.loop, part.loop.spec
    who = ", ".join(spec.protection) or "unknown"
    yield f"loop {loop.name}: {spec.kind}, {loop.coolant.name}, redundancy {spec.redundancy}, protection {who}"
    yield from _refused(part.refusals)
    yield from _table(
        [["cooled by", "count", "device", "kW each", "approach K", "L/min", "feeds"], *map(_cooler, part.coolers)]
    )
    rows = [["racks", "count", "kind", "kW", "L/min"]]
    for each in part.heated:
        litres = "boils" if part.boils else _plain(each.flow)
        rows.append([each.racks.span, str(each.racks.count), each.racks.kind, _plain(each.heat), litres])
    yield from _table(rows)
    owned = [each.own for each in part.heated if each.own]
    yield from _margins(part.chain, [part.heat, *([part.flow] if part.flow else []), *owned])


def _air(part: AirWay) -> Iterator[str]:
    spec = part.air.spec
    air = f"{spec.supply} at {spec.humidity}, redundancy {spec.redundancy}"
    yield f"air of hall {part.air.hall}: {air}, {counted(part.racks, 'rack')}"
    yield from _refused(part.refusals)
    yield from _table(
        [["cooled by", "count", "device", "kW each", "approach K", "L/min", "feeds"], *map(_cooler, part.coolers)]
    )
    yield from _margins(part.chain, [part.heat])


def _cooler(group: Coolers) -> list[str]:
    each = group.first
    approach, flow = (_plain(each.approach), _plain(each.flow)) if isinstance(each, CoolingUnit) else ("", "")
    return [
        group.names,
        str(len(group.members)),
        each.device.name,
        _kw(each.capacity),
        approach,
        flow,
        ", ".join(each.feeds),
    ]


def _margins(chain: Sequence[Step], budgets: Sequence[Budget]) -> Iterator[str]:
    """Temperatures, then what is needed against what is there, each with what is left."""
    rows = [["margin", "value", "of", "spare"]]
    rows += [[step.title, measured(step.end, "°C"), "", _spare(step, "K")] for step in chain]
    rows += [
        [
            f"{each.title}{each.when}",
            measured(each.needed, each.unit),
            measured(each.given, each.unit),
            _spare(each, each.unit),
        ]
        for each in budgets
    ]
    yield from _table(rows)


def _spare(each: Step | Budget, unit: str) -> str:
    if each.spare is None:
        return "unknown" if isinstance(each, Budget) else ""
    return f"{measured(each.spare, unit)}{' REFUSED' if each.refused else ''}"


def _refused(messages: Sequence[str]) -> Iterator[str]:
    yield from (f"  REFUSED: {message}" for message in messages)


def _table(rows: list[list[str]]) -> Iterator[str]:
    """An indented table; without rows, nothing."""
    if len(rows) > 1:
        yield from (f"  {row}" for row in table(rows).split("\n"))


def _kw(watts: float | None) -> str:
    return _plain(None if watts is None else watts / 1000)


def _plain(value: float | None) -> str:
    return measured(value, "").rstrip()
