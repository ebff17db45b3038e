"""The cooling exporter as a supervised process, its metrics read as Prometheus reads them."""

from __future__ import annotations

import json
import ssl
import sys
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

from control_plane.processes import Process, free_port, wait_until
from tests.rig.devices.physics import Json
from tests.rig.prometheus import fetch

PATIENCE = 60.0


class Scrape:
    """One scrape; every series by its name and labels, empty labels left out as Prometheus does."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.series: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                key = sample.name, frozenset((name, value) for name, value in sample.labels.items() if value)
                if key in self.series:
                    raise AssertionError(f"served twice: {sample.name} {sample.labels}")
                self.series[key] = sample.value

    def matching(self, name: str, **labels: str) -> dict[frozenset[tuple[str, str]], float]:
        """The series of a metric that carry at least these labels."""
        return {key: value for (metric, key), value in self.series.items() if metric == name and key >= labels.items()}

    def value(self, name: str, **labels: str) -> float | None:
        """The only such value, or None when there is none."""
        found = list(self.matching(name, **labels).values())
        if len(found) > 1:
            raise AssertionError(f"{name}{labels}: {len(found)} series, not one")
        return found[0] if found else None

    def state(self, name: str, **labels: str) -> str:
        """The state that is 1; AssertionError unless all five are served and exactly one of them is 1."""
        found = self.matching(name, **labels)
        states = {dict(key)["state"]: value for key, value in found.items()}
        if len(found) != 5 or sorted(states.values()) != [0, 0, 0, 0, 1]:
            raise AssertionError(f"{name}{labels} is no exact state set: {states}")
        return next(state for state, value in states.items() if value)


class Exporter:
    """Runs the exporter with a configuration; as a context manager it ends with the block."""

    def __init__(
        self,
        configuration: Json,
        folder: Path,
        *,
        env: Mapping[str, str] | None = None,
        netns: str | None = None,
        authority: Path | None = None,
        authorization: str | None = None,
    ) -> None:
        """Write the configuration (its `listen` is replaced by a free port), start and wait for the first scrape.

        `authority`: PEM file that signs the page, which is then asked over HTTPS; `authorization`: header of a scrape.
        """
        self.port = free_port()
        self._netns = netns
        self._authority = authority
        self._authorization = authorization
        file = folder / "exporter.json"
        file.write_text(json.dumps({**configuration, "listen": f"127.0.0.1:{self.port}"}))
        self.process = Process(
            [sys.executable, "-m", "cooling_exporter", "--config", file],
            log=folder / "exporter.log",
            name="cooling-exporter",
            env=env,
            cwd=Path(__file__).parents[3],
            netns=netns,
        )
        try:
            self.process.wait_ready(self.scrape)
        except BaseException:
            self.process.end()
            raise

    def scrape(self) -> Scrape:
        return Scrape(self._page().decode())

    def _page(self) -> bytes:
        if self._authority is None and self._authorization is None:
            return fetch(f"http://127.0.0.1:{self.port}/metrics", self._netns)
        scheme = "http" if self._authority is None else "https"
        request = urllib.request.Request(f"{scheme}://127.0.0.1:{self.port}/metrics")
        if self._authorization is not None:
            request.add_header("Authorization", self._authorization)
        # A proxy of the environment has no business with loopback.
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if self._authority is not None:
            handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=self._authority)))
        with urllib.request.build_opener(*handlers).open(request, timeout=30) as answer:
            return bytes(answer.read())

    def wait(self, condition: Callable[[Scrape], object], what: str) -> Scrape:
        """Scrape until the condition is true (an AssertionError counts as not yet) and return that scrape."""

        def fulfilled() -> Scrape | None:
            now = self.scrape()
            return now if condition(now) else None

        found = wait_until(fulfilled, PATIENCE, what, ignoring=(OSError, AssertionError))
        assert found is not None
        return found

    def wait_up(self, *devices: str) -> Scrape:
        """Wait until these devices answer."""
        return self.wait(lambda s: all(s.value("cooling_device_up", device=d) == 1 for d in devices), f"{devices} up")

    def wait_down(self, *devices: str) -> Scrape:
        """Wait until these devices are shown as silent."""
        return self.wait(lambda s: all(s.value("cooling_device_up", device=d) == 0 for d in devices), f"{devices} down")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.end()
