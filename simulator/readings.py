"""What the sensors of a device show: every quantity that it could have, by metric, circuit and part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from simulator.physics import WATER_RISE, Device, Plant
from simulator.plan import WATER, Json

Key = tuple[str, str, str]
"""Metric, circuit, part; empty where there is none."""
Value = float | str | None
"""A number in base units, or a state; None: the device has no value."""
_DRY_VOLTS = 1.72


def parts(point: Json, device: Device) -> list[str]:
    """The parts that a point of the configuration stands for."""
    if point.get("bits"):
        return list(point["bits"])
    many = str(point.get("path", "")).endswith("/*") or str(point.get("oid", "")).endswith(".*")
    if not many:
        return [point.get("part", "")]
    if expected := point.get("expect"):
        return list(expected)
    metric = point["metric"]
    if "leak" in metric:
        return list(dict.fromkeys(["Moisture", "Overflow", *device.condition.detectors]))
    return list(device.condition.pumps) if "pump" in metric else ["1"]


def shown(plant: Plant, device: Device) -> dict[Key, Value]:
    """The readings of all points of a device now."""
    known = {**_of_everything(plant, device), **dict(_of_its_form(plant, device))}
    found: dict[Key, Value] = {}
    for point in device.plan.points:
        metric, circuit = point["metric"], point.get("circuit", "")
        for part in parts(point, device):
            value = _part(device, metric, part, known.get((metric, circuit), known.get((metric, ""))))
            overrides = device.condition.overrides
            for name in (metric, f"{metric}/{circuit}", f"{metric}/{part}"):
                value = overrides.get(name, value)
            found[metric, circuit, part] = value
    return found


def _part(device: Device, metric: str, part: str, value: Value) -> Value:
    """The same for a pump, a detector or an alarm of its own."""
    if metric.startswith("cooling_pump") and part:
        if metric == "cooling_pump_state":
            return "ok" if device.condition.pumps.get(part, False) else "critical"
        return value if part in device.turning else 0.0
    if metric == "cooling_leak_state":
        return device.condition.detectors.get(part, "ok")
    if metric == "cooling_leak_detector_volts":
        return 1.1 if device.condition.detectors.get(part) == "critical" else _DRY_VOLTS
    if metric == "cooling_alarm_active":
        raised = {
            "pump": not all(device.condition.pumps.values()),
            "loop-blocked": bool(device.target) and not device.flow,
        }
        return float(raised.get(part, False))
    return value


def _of_everything(plant: Plant, device: Device) -> Mapping[tuple[str, str], Value]:
    air, condition = plant.air, device.condition
    return {
        ("cooling_ambient_temperature_celsius", ""): air.temperature + plant.noise(f"{device.name} air", 0.1),
        ("cooling_ambient_humidity_ratio", ""): air.humidity + plant.noise(f"{device.name} humidity", 0.002),
        ("cooling_dew_point_celsius", ""): air.dew_point + plant.noise(f"{device.name} dew", 0.1),
        ("cooling_unit_enabled", ""): float(condition.enabled),
        ("cooling_reservoir_level_ratio", ""): device.level,
        ("cooling_reservoir_pressure_pascals", ""): 0.0,
        ("cooling_reservoir_state", ""): "ok" if device.level > 0.3 else "warning",
        ("cooling_coolant_state", ""): "ok",
        ("cooling_coolant_ph", ""): 9.0 + plant.noise(f"{device.name} ph", 0.02),
        ("cooling_coolant_conductivity_siemens_per_meter", ""): 0.3,
        ("cooling_coolant_turbidity_ntu", ""): 4.0,
        ("cooling_lid_open", ""): float(condition.lid_open),
        ("cooling_vapour_concentration_ratio", ""): condition.vapour,
        ("cooling_filter_service_seconds", ""): 5_000 * 3600.0 + plant.now,
        ("cooling_fan_speed_ratio", ""): 0.5,
        ("cooling_fan_speed_rpm", ""): 600.0,
        ("electrical_power_watts", ""): _metered(plant, device),
        ("electrical_current_amperes", ""): _metered(plant, device) / 400,
    }


def _metered(plant: Plant, device: Device) -> float:
    share = {"utility": 1.08, "it": 1.0, "cooling": 0.04, "other": 0.002}.get(device.plan.measures, 0.0)
    alike = sum(other.plan.measures == device.plan.measures for other in plant.devices.values())
    return plant.it_power() * share / max(1, alike) * (1 + plant.noise(f"{device.name} power", 0.002))


def _of_its_form(plant: Plant, device: Device) -> Iterator[tuple[tuple[str, str], Value]]:
    if device.loop is None or device.plan.form == "server":
        return
    yield from _primary(plant, device)
    if device.plan.form == "two-phase-tank":
        yield from _tank(plant, device)
    else:
        yield from _secondary(plant, device)


def _primary(plant: Plant, device: Device) -> Iterator[tuple[tuple[str, str], Value]]:
    assert device.loop is not None
    name, water = device.name, plant.water(device.loop)
    flow = device.heat / (WATER * WATER_RISE)
    yield ("cooling_supply_temperature_celsius", "primary"), water + plant.noise(f"{name} ps", 0.1)
    yield ("cooling_return_temperature_celsius", "primary"), water + WATER_RISE + plant.noise(f"{name} pr", 0.1)
    yield ("cooling_flow_cubic_meters_per_second", "primary"), flow * (1 + plant.noise(f"{name} pf", 0.005))
    yield ("cooling_heat_removed_watts", "primary"), device.heat * (1 + plant.noise(f"{name} ph", 0.01))
    yield ("cooling_supply_pressure_pascals", "primary"), 420_000.0
    yield ("cooling_return_pressure_pascals", "primary"), 320_000.0
    yield ("cooling_differential_pressure_pascals", "primary"), 100_000.0
    span = plant.set_point(device) - water
    opening = 0.4 if device.plan.form == "two-phase-tank" else min(1.0, 0.05 + 0.95 * device.approach / max(0.5, span))
    yield ("cooling_valve_position_ratio", "primary"), opening
    yield ("cooling_valve_position_target_ratio", "primary"), opening


def _secondary(plant: Plant, device: Device) -> Iterator[tuple[tuple[str, str], Value]]:
    assert device.loop is not None
    name, share = device.name, device.flow / device.target if device.target else 0.0
    low = min(1.0, device.level / 0.4)
    yield ("cooling_supply_temperature_celsius", "secondary"), device.supply + plant.noise(f"{name} ss", 0.1)
    yield ("cooling_return_temperature_celsius", "secondary"), device.back + plant.noise(f"{name} sr", 0.1)
    yield ("cooling_supply_temperature_target_celsius", "secondary"), plant.set_point(device)
    yield ("cooling_flow_cubic_meters_per_second", "secondary"), device.flow * (1 + plant.noise(f"{name} sf", 0.005))
    yield ("cooling_flow_target_cubic_meters_per_second", "secondary"), device.target
    told = device.flow * device.loop.carries * (device.back - device.supply)
    yield ("cooling_heat_removed_watts", "secondary"), told
    yield ("cooling_supply_pressure_pascals", "secondary"), 160_000 * low + 120_000 * share**2
    yield ("cooling_return_pressure_pascals", "secondary"), 160_000 * low
    yield ("cooling_differential_pressure_pascals", "secondary"), 120_000 * share**2
    yield ("cooling_differential_pressure_target_pascals", "secondary"), 120_000.0
    opening = min(1.0, 0.5 + 0.3 * share)
    yield ("cooling_valve_position_ratio", "secondary"), opening
    yield ("cooling_valve_position_target_ratio", "secondary"), opening
    electricity = device.loop.heat / 2 * device.speed**3 * device.condition.drag
    yield ("cooling_power_watts", ""), 0.006 * electricity
    yield ("cooling_assembly_power_watts", ""), 0.007 * electricity
    yield ("cooling_pump_speed_ratio", ""), device.speed + plant.noise(f"{name} speed", 0.003)
    yield ("cooling_pump_speed_rpm", ""), 3000 * device.speed
    drop = 12_500 * device.condition.clogging * share**2
    yield ("cooling_filter_differential_pressure_pascals", ""), drop * (1 + plant.noise(f"{name} filter", 0.02))
    yield ("cooling_tank_temperature_celsius", ""), (device.supply + device.back) / 2


def _tank(plant: Plant, device: Device) -> Iterator[tuple[tuple[str, str], Value]]:
    name = device.name
    boiling = plant.boiling(device)
    yield ("cooling_tank_temperature_celsius", ""), boiling + plant.noise(f"{name} fluid", 0.1)
    yield ("cooling_reservoir_pressure_pascals", ""), device.pressure + plant.noise(f"{name} vapour", 50)
    yield ("cooling_coil_vapour_temperature_celsius", ""), device.back + 1.0
    yield ("cooling_power_watts", ""), 35.0
    yield ("cooling_return_temperature_celsius", "primary"), device.back + plant.noise(f"{name} pr", 0.1)
    yield ("cooling_flow_cubic_meters_per_second", "primary"), device.flow * (1 + plant.noise(f"{name} pf", 0.005))
