"""Command line: read the devices of a configuration file and serve their metrics until told to stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from prometheus_client import CollectorRegistry

from cooling_exporter.configuration import Configuration, Refused, address_and_port, load
from cooling_exporter.metrics import Stations
from cooling_exporter.page import Page
from cooling_exporter.polling import stations, watch
from cooling_exporter.readings import visible

WRONG_USAGE = 64
# Seconds after which the thread that writes a page lets the readings go on; at Python's own 5 ms they miss their time.
TURN = 0.0005
log = logging.getLogger("cooling_exporter")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(WRONG_USAGE, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the exporter; 0 after an orderly end, 1 with findings, 64 for wrong usage."""
    parser = _Parser(prog="cooling-exporter", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="configuration, JSON")
    parser.add_argument("--listen", type=_place, metavar="ADDR:PORT", help="serve here instead of where FILE says")
    parser.add_argument("--check", action="store_true", help="only check FILE; contact nobody")
    options = parser.parse_args(arguments)
    try:
        configuration = load(options.config)
        listen = options.listen or configuration.listen
        configuration.check_place(listen)
    except ValueError as error:
        parser.error(f"--listen {options.listen}: {error}")
    except Refused as refused:
        for finding in refused.findings:
            print(f"{options.config}: {visible(finding)}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{options.config}: {error.strerror}", file=sys.stderr)
        return 1
    if options.check:
        points = sum(len(device.points) for device in configuration.devices)
        print(f"{options.config}: {len(configuration.devices)} devices, {points} points")
        return 0
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # What a hostile device sends is counted as a failed reading; the library would print it in full each time.
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    return asyncio.run(_serve(configuration, listen))


async def _serve(configuration: Configuration, listen: str) -> int:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_note)
    sys.setswitchinterval(TURN)
    registry = CollectorRegistry()
    try:
        all_stations = stations(configuration)
        registry.register(Stations(all_stations))
        page = Page(configuration, registry)
        await page.open(listen)
    except OSError as error:
        log.error("cannot start: %s", error)
        return 1
    log.info("serving %d devices on %s", len(all_stations), listen)
    watching = asyncio.create_task(watch(all_stations))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, watching.cancel)
    try:
        await watching
    except asyncio.CancelledError:
        log.info("stopping")
    finally:
        page.close()
    return 0


def _note(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # A frame that cannot be decoded surfaces here, in the transport; the reading itself fails by its time limit.
    log.debug("%s: %s", context.get("message"), visible(str(context.get("exception"))))


def _place(listen: str) -> str:
    try:
        address_and_port(listen)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return listen


if __name__ == "__main__":
    sys.exit(main())
