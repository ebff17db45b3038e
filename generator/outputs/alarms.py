"""What tells people about cooling: limits as series, what is computed from readings, alerts, whom they reach."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from generator import limits
from generator.artifact import Artifact, TextTemplate, Yaml, YamlTemplate
from generator.catalog.alarm_models import BASE, LEVELS, Alert, Level, Limit
from generator.limits import Bound
from generator.model import Center
from generator.plant import CoolingLoop

_CAUSES = ("cooling", "halls", "power", "pools", "network.plans", "site.altitude", "metadata.name")


def artifacts(center: Center) -> Iterator[Artifact]:
    if not center.has_cooling_devices:
        return
    bounds = limits.of(center)
    yield Artifact("monitoring/rules/cooling-limits.yaml", Yaml((_limits(center, bounds),)), _CAUSES)
    yield Artifact("monitoring/rules/cooling-records.yaml", YamlTemplate("monitoring/records.yaml", {}), ("cooling",))
    alerts = list(alerts_of(center))
    groups = [{"name": "cooling-alerts", "rules": [rule for alert in alerts for rule in _rules(center, alert)]}]
    yield Artifact(
        "monitoring/rules/cooling-alerts.yaml", Yaml(({"groups": groups},)), ("cooling.loops", "halls", "metadata.name")
    )
    context = {"center": center, "alerts": alerts, "limits": {limit.name: limit for limit in center.alarms.limits}}
    shown = {**context, "bounds": _shown(bounds), "levels": LEVELS}
    yield Artifact("monitoring/runbooks.md", TextTemplate("monitoring/runbooks.md", shown, "markdown"), _CAUSES)


def alerts_of(center: Center) -> Iterator[Alert]:
    """The alerts that the kinds of loops of a centre call for, by name."""
    kinds = {loop.spec.kind for loop in center.loops.values()}
    yield from (alert for alert in center.alarms.alerts if not alert.kinds or kinds & set(alert.kinds))


# Limits


def _limits(center: Center, bounds: list[Bound]) -> dict[str, Any]:
    """Constants as series, so that alerts are the same everywhere and pictures can draw the limits."""
    rules = [*_design(center)]
    pue = limits.design_pue(center)
    rules += [_constant("cooling:design_pue", pue)] if pue is not None else []
    rules += [_bound(bound) for bound in bounds]
    return {"groups": [{"name": "cooling-limits", "rules": rules}]}


def _design(center: Center) -> Iterator[dict[str, Any]]:
    for device in center.devices():
        labels = {"device": device.name, "form": device.device.form}
        labels |= {"loop": device.loop} if device.loop else {}
        yield _constant("cooling:device", 1, **labels)
    for loop in center.loops.values():
        for unit in (*loop.units, *loop.tanks):
            rated = {
                "capacity_watts": unit.capacity,
                "rated_approach_kelvin": unit.approach,
                "rated_filter_resistance": unit.filter_resistance,
            }
            for name, value in rated.items():
                if value is not None:
                    yield _constant(f"cooling:{name}", value, device=unit.name, loop=loop.name)
        yield _constant("cooling:loop", 1, loop=loop.name, kind=loop.spec.kind)
        water = center.spec.cooling.facility.get(loop.spec.from_)
        design = {
            "supply_celsius": loop.spec.supply,
            "rise_kelvin": loop.spec.rise,
            "water_celsius": water.supply if water else None,
        }
        for name, known in design.items():
            if known is not None:
                yield _constant(f"cooling:design_{name}", known.magnitude, loop=loop.name)
        yield _constant("cooling:design_heat_watts", center.heat_of(loop), loop=loop.name)
        yield from _liquids(center, loop)
    if pressures := {loop.air for loop in center.loops.values()}:
        yield _constant("cooling:atmosphere_pascals", max(pressures) * 1000)
    for profile in sorted({loop.trays.name for loop in center.loops.values() if loop.trays}):
        yield _constant("cooling:tray_profile", 1, profile=profile)


def _liquids(center: Center, loop: CoolingLoop) -> Iterator[dict[str, Any]]:
    """What a cubic metre of each side carries for a kelvin; and how the fluid of a tank boils."""
    water = center.waters.get(loop.spec.from_)
    sides = {"primary": water.coolant if water else None, "secondary": loop.coolant}
    for circuit, liquid in sides.items():
        density = liquid.density.value if liquid else None
        capacity = liquid.heat_capacity.value if liquid else None
        if density and capacity and (circuit == "primary" or loop.spec.kind != "two-phase-immersion"):
            name = "cooling:heat_capacity_joules_per_cubic_meter_kelvin"
            yield _constant(name, density * capacity * 1000, loop=loop.name, circuit=circuit)
    curve = loop.coolant.saturation.value if loop.coolant.saturation else None
    if curve and loop.spec.kind == "two-phase-immersion":
        for letter, value in zip("abc", curve, strict=True):
            yield _constant(f"cooling:saturation_{letter}", value, loop=loop.name)


def _bound(bound: Bound) -> dict[str, Any]:
    labels: dict[str, str] = {"level": bound.level}
    labels |= {"loop": bound.loop} if bound.loop else {}
    labels |= {"device": bound.device} if bound.device else {}
    return _constant(bound.limit.series, bound.base, **labels)


def _constant(name: str, value: float, **labels: str) -> dict[str, Any]:
    return {"record": name, "expr": f"vector({value:.10g})", "labels": labels}


def _shown(bounds: list[Bound]) -> dict[str, list[str]]:
    """Each limit with its numbers, as the page of an alert shows them."""
    shown: dict[str, list[str]] = {}
    for bound in bounds:
        where = bound.device or bound.loop or "everywhere else"
        text = f"{where}: {bound.level} {bound.limit.side} {bound.value:.4g} {_unit(bound.limit)}".rstrip()
        shown.setdefault(bound.limit.name, []).append(text)
    return shown


# Alerts


def _rules(center: Center, alert: Alert) -> Iterator[dict[str, Any]]:
    for level, held in alert.levels.items():
        labels = {"severity": level, "family": alert.family, "center": center.name}
        rule: dict[str, Any] = {"alert": alert.alertname, "expr": alert.expression.replace("<level>", level)}
        if held.for_.magnitude:
            rule["for"] = f"{held.for_.magnitude:.0f}s"
        yield {**rule, "labels": labels, "annotations": dict(_annotations(center, alert, level))}


def _annotations(center: Center, alert: Alert, level: Level) -> Iterator[tuple[str, str]]:
    yield "summary", alert.summary
    limit = next((limit for limit in center.alarms.limits if limit.name == alert.limit), None)
    if limit:
        yield "limit", _limit_text(limit, level)
    for name, sentences in (("look", alert.look), ("do", alert.do), ("never", alert.never)):
        yield name, " ".join(sentences)
    yield "runbook", f"monitoring/runbooks.md, {alert.alertname}"


def _limit_text(limit: Limit, level: Level) -> str:
    """The limit that applies, looked up when the alert fires: ``above 40 °C``."""
    selectors = {"loop": "$labels.loop", "device": "$labels.device"}
    if limit.basis == "design-pue":
        selectors = {}
    elif limit.basis != "approach":
        selectors.pop("device")
    query = (
        f"{limit.series}{{{','.join(['level=%q', *(f'{name}=%q' for name in selectors)])}}} / {BASE[limit.unit]:.10g}"
    )
    words = " ".join(['"' + level + '"', *selectors.values()])
    told = f'{limit.side} {{{{ . | first | value | printf "%.4g" }}}} {_unit(limit)}'.rstrip()
    return f"{{{{ with printf `{query}` {words} | query }}}}{told}{{{{ end }}}}"


def _unit(limit: Limit) -> str:
    return "" if limit.unit in ("x", "pH") else limit.unit
