"""Reads every device in a task of its own: a slow, silent or hostile one costs nobody else anything."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, get_args

from cooling_exporter.configuration import AnyDevice, Configuration, ModbusDevice, RedfishDevice, SnmpDevice
from cooling_exporter.events import Events
from cooling_exporter.modbus import ModbusReader
from cooling_exporter.readings import MAX_PARTS, Key, Reader, ReadFailed, Reason, Sample, expected_keys
from cooling_exporter.redfish import RedfishReader
from cooling_exporter.snmp import SnmpReader

log = logging.getLogger("cooling_exporter")

# In intervals, by the number of failures in a row: a device that stays silent is asked less often.
BACKOFF: Final = (1, 1, 2, 4, 8)
FAREWELL_SECONDS: Final = 2.0
GOLDEN: Final = 0.6180339887498949
MAX_KEYS: Final = 4 * MAX_PARTS


@dataclass(frozen=True, slots=True)
class Reading:
    """What a device said last, complete: it is replaced as a whole, so a scrape never sees half of one."""

    samples: tuple[Sample, ...]
    good_until: float


@dataclass(slots=True)
class Station:
    """One device: how it is read and what is known of it. Written by the reading task, read by scrapes."""

    device: AnyDevice
    interval: float
    timeout: float
    reader: Reader
    reading: Reading | None = None
    last_success: float = 0.0
    duration: float = 0.0
    errors: Counter[Reason] = field(default_factory=lambda: Counter(dict.fromkeys(get_args(Reason), 0)))
    keys: dict[Key, None] = field(default_factory=dict)
    failures: int = 0
    events: Events | None = None

    def fresh_samples(self) -> tuple[Sample, ...] | None:
        """The last reading, or None when the device is silent: old values are withdrawn, never shown as new ones."""
        reading = self.reading
        return reading.samples if reading is not None and time.monotonic() <= reading.good_until else None

    @property
    def pause(self) -> float:
        """Seconds from the start of one reading to the start of the next."""
        return self.interval * BACKOFF[min(self.failures, len(BACKOFF) - 1)]


def stations(configuration: Configuration) -> list[Station]:
    """Make a station for each device; nothing is contacted yet. OSError if a certificate file cannot be read."""
    made = []
    for device in configuration.devices:
        interval = device.interval or configuration.interval
        timeout = device.timeout or configuration.timeout
        keys = dict.fromkeys(expected_keys(device.points))
        reader = _reader(device, timeout)
        events = reader.events if isinstance(reader, RedfishReader) else None
        made.append(Station(device, interval, timeout, reader, keys=keys, events=events))
    return made


def _reader(device: AnyDevice, timeout: float) -> Reader:
    match device:
        case ModbusDevice():
            return ModbusReader(device, timeout)
        case RedfishDevice():
            return RedfishReader(device)
        case SnmpDevice():
            return SnmpReader(device, timeout)


async def watch(all_stations: Sequence[Station]) -> None:
    """Read every device at its interval until cancelled, then leave no session behind."""
    try:
        async with asyncio.TaskGroup() as group:
            for number, station in enumerate(all_stations):
                # Spread over the interval, or all devices of a centre would be asked in the same moment, for ever.
                # Steps of the golden ratio keep neighbours in the file apart too: they are often of the same slow kind.
                delay = station.interval * (number * GOLDEN % 1)
                group.create_task(_watch(station, delay), name=station.device.name)
            await asyncio.Event().wait()
    finally:
        await asyncio.gather(*(_part(station) for station in all_stations), return_exceptions=True)


async def _watch(station: Station, delay: float) -> None:
    await asyncio.sleep(delay)
    while True:
        started = time.monotonic()
        await _read(station)
        station.duration = time.monotonic() - started
        if station.events is not None and not station.failures:
            await _look(station, station.events)
        await asyncio.sleep(max(0.0, station.pause - (time.monotonic() - started)))


async def _read(station: Station) -> None:
    try:
        async with asyncio.timeout(station.timeout):
            samples = await station.reader.read()
        _remember(station, samples)
    except ReadFailed as error:
        await _fail(station, error.reason, str(error))
    except TimeoutError:
        await _fail(station, "timeout", f"timeout: no complete reading within {station.timeout:g} s")
    except Exception as error:  # A defect in reading one device must not end the reading of the others.
        log.exception("%s: defect of the exporter", station.device.name)
        await _fail(station, "internal", f"internal: {type(error).__name__}")
    else:
        if station.failures or not station.last_success:
            log.info("%s: answers", station.device.name)
        station.failures = 0
        station.last_success = time.time()
        # The next reading may itself take its whole time before it fails.
        good_until = time.monotonic() + station.interval + 2 * station.timeout
        station.reading = Reading(tuple({sample.key: sample for sample in samples}.values()), good_until)


async def _look(station: Station, events: Events) -> None:
    """Look for new events; a log that is broken or slow must not cost the readings."""
    was_readable = events.readable
    try:
        async with asyncio.timeout(station.timeout):
            await events.look()
    except (ReadFailed, TimeoutError) as error:
        if was_readable:
            log.warning("%s: its events cannot be read: %s", station.device.name, error)
    except Exception:
        log.exception("%s: defect of the exporter", station.device.name)


def _remember(station: Station, samples: list[Sample]) -> None:
    # Bounded: a device that invents new names at each reading must not fill the memory.
    known = station.keys | dict.fromkeys(sample.key for sample in samples)
    if len(known) > MAX_KEYS:
        raise ReadFailed("oversize", f"more than {MAX_KEYS} different readings")
    station.keys = known


async def _fail(station: Station, reason: Reason, detail: str) -> None:
    if not station.failures:
        log.warning("%s: %s", station.device.name, detail)
    station.failures += 1
    station.errors[reason] += 1
    station.reading = None
    await station.reader.drop()


async def _part(station: Station) -> None:
    async with asyncio.timeout(FAREWELL_SECONDS):
        await station.reader.close()
