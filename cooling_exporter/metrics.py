"""Shows the stations as Prometheus metrics; the table in docs/cooling-exporter.md explains each one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from cooling_exporter.polling import Station
from cooling_exporter.quantities import QUANTITIES, STATES, Quantity, State
from cooling_exporter.readings import Sample

_DEVICE = ("device", "loop")


class Stations(Collector):
    """Collects from all stations at the moment of a scrape; never waits for a device."""

    def __init__(self, stations: Sequence[Station]) -> None:
        self._stations = stations

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        shown = [(station, station.fresh_samples()) for station in self._stations]
        yield from self._about_reading(shown)
        yield from self._events()
        families = {quantity: _family(quantity) for quantity in QUANTITIES.values()}
        valid = GaugeMetricFamily(
            "cooling_point_valid",
            "1 if the reading can be believed; 0 if it is missing, a sentinel or out of range, and so not shown.",
            labels=[*_DEVICE, "circuit", "point"],
        )
        for station, samples in shown:
            device = [station.device.name, station.device.loop]
            for sample in _complete(station, samples):
                key = sample.key
                labels = [*device, *([station.device.measures] if key.quantity.electrical else [])]
                labels += [key.circuit] if key.quantity.circuit else []
                labels += [key.part] if key.quantity.part else []
                family = families[key.quantity]
                if key.quantity.dimension is None:
                    for state in STATES:
                        family.add_metric([*labels, state], float(state == sample.value))
                elif isinstance(sample.value, float):
                    family.add_metric(labels, sample.value)
                if samples is not None:
                    valid.add_metric([*device, key.circuit, key.point], float(sample.valid))
        yield from (family for family in families.values() if family.samples)
        yield valid

    def _about_reading(self, shown: list[tuple[Station, tuple[Sample, ...] | None]]) -> Iterator[Metric]:
        info = GaugeMetricFamily(
            "cooling_device_info", "Always 1; what the device is.", labels=[*_DEVICE, "profile", "protocol", "measures"]
        )
        up = GaugeMetricFamily("cooling_device_up", "1 if the last reading of the device succeeded.", labels=_DEVICE)
        success = GaugeMetricFamily(
            "cooling_device_last_success_timestamp_seconds",
            "Time of the last good reading, 0 if there was none since the start.",
            labels=_DEVICE,
        )
        duration = GaugeMetricFamily(
            "cooling_read_duration_seconds", "Time that the last reading took, good or not.", labels=_DEVICE
        )
        errors = CounterMetricFamily("cooling_read_errors", "Readings that failed.", labels=[*_DEVICE, "reason"])
        for station, samples in shown:
            device = [station.device.name, station.device.loop]
            about = station.device
            info.add_metric([*device, about.profile, about.protocol, about.measures], 1)
            up.add_metric(device, float(samples is not None))
            success.add_metric(device, station.last_success)
            duration.add_metric(device, station.duration)
            for reason, count in station.errors.items():
                errors.add_metric([*device, reason], count)
        yield from (info, up, success, duration, errors)

    def _events(self) -> Iterator[Metric]:
        readable = GaugeMetricFamily(
            "cooling_events_readable", "1 if the last look into the logs succeeded.", labels=_DEVICE
        )
        counted = CounterMetricFamily(
            "cooling_events", "New entries in the logs of the device, by message.", labels=[*_DEVICE, "message"]
        )
        for station in self._stations:
            if station.events is not None:
                device = [station.device.name, station.device.loop]
                readable.add_metric(device, float(station.events.readable))
                for message, count in sorted(dict(station.events.counts).items()):
                    counted.add_metric([*device, message], count)
        yield from (family for family in (readable, counted) if family.samples)


def _complete(station: Station, samples: tuple[Sample, ...] | None) -> Iterator[Sample]:
    """The samples, and for every series known before that is missing now: its honest absence."""
    if samples is not None:
        yield from samples
    seen = {sample.key for sample in samples or ()}
    missing: State = "unavailable" if samples is None else "absent"
    for key in station.keys:
        if key not in seen:
            yield Sample(key, missing if key.quantity.dimension is None else None, valid=False)


def _family(quantity: Quantity) -> GaugeMetricFamily | CounterMetricFamily:
    labels = [*_DEVICE, *(["measures"] if quantity.electrical else [])]
    labels += ["circuit"] if quantity.circuit else []
    labels += [quantity.part] if quantity.part else []
    labels += ["state"] if quantity.dimension is None else []
    kind = CounterMetricFamily if quantity.counter else GaugeMetricFamily
    return kind(quantity.name, quantity.help, labels=labels)
