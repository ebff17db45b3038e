"""Debian's real Prometheus and promtool: started with a folder of configuration, asked over HTTP.

The programs are taken from the path or, when Debian's package is not installed, unpacked into the user's cache folder:
installing the package would start a service.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from control_plane.processes import Process, free_port

PACKAGES = {"prometheus": "prometheus", "promtool": "prometheus"} | dict.fromkeys(
    ("prometheus-alertmanager", "amtool"), "prometheus-alertmanager"
)
CACHE = Path.home() / ".cache" / "center-rig" / "debian"
# A proxy of the environment has no business with loopback.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# Prints a URL from inside a network namespace; a refused query still has a body that says why.
_FETCH = """
import sys, urllib.error, urllib.request
try:
    answer = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=30)
except urllib.error.HTTPError as error:
    answer = error
sys.stdout.buffer.write(answer.read())
"""


class ProgramMissing(RuntimeError):
    """A program of Debian cannot be had; the message names the package."""


class QueryRefused(RuntimeError):
    """Prometheus did not accept an expression."""


def fetch(url: str, netns: str | None = None) -> bytes:
    """GET from this or another network namespace, also the body of an error; OSError while nobody answers."""
    if netns is None:
        try:
            with _DIRECT.open(url, timeout=30) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            return error.read()
    words = ["nsenter", f"--net=/run/netns/{netns}", "--", sys.executable, "-c", _FETCH, url]
    done = subprocess.run(words, capture_output=True, timeout=60, check=False)
    if done.returncode:
        raise OSError(done.stderr.decode(errors="replace").strip().rpartition("\n")[2])
    return done.stdout


def program(name: Literal["prometheus", "promtool", "prometheus-alertmanager", "amtool"]) -> Path:
    """Find the program, unpacking Debian's package into the cache folder if need be."""
    if installed := shutil.which(name):
        return Path(installed)
    package = PACKAGES[name]
    unpacked = CACHE / package
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{package}.lock").open("w") as lock:
        # Several test runs may want it at once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not unpacked.exists():
            _unpack(package, unpacked)
    return unpacked / "usr" / "bin" / name


def _unpack(package: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as place:
        for words in (["apt-get", "download", package], ["sh", "-c", "exec dpkg-deb --extract *.deb tree"]):
            try:
                subprocess.run(words, cwd=place, check=True, capture_output=True, timeout=300)
            except (OSError, subprocess.SubprocessError) as error:
                detail = getattr(error, "stderr", None) or b""
                raise ProgramMissing(
                    f"needs the Debian package {package} (apt-get update, then install or download it): "
                    f"{detail.decode(errors='replace').strip() or error}"
                ) from error
        (Path(place) / "tree").rename(folder)


def check_rules(*files: Path) -> None:
    """Let promtool judge files of rules; raises with its words when it finds a fault."""
    _promtool("check", "rules", *map(str, files))


def check_configuration(file: Path) -> None:
    """Let promtool judge a configuration with the files it names; raises with its words when it finds a fault."""
    _promtool("check", "config", str(file))


def check_metrics(exposition: str) -> None:
    """Let promtool judge what an exporter serves: syntax, and the conventions for names and help texts."""
    _promtool("check", "metrics", text=exposition)


def run_rule_tests(*files: Path) -> None:
    """Run promtool's unit tests of rules; raises with its words when one fails."""
    _promtool("test", "rules", *map(str, files))


def _promtool(*arguments: str, text: str | None = None) -> None:
    done = subprocess.run(
        [program("promtool"), *arguments], input=text, capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode:
        raise AssertionError(f"promtool {' '.join(arguments)}:\n{done.stdout}{done.stderr}")


class Prometheus:
    """A running Prometheus; as a context manager it ends with the block and forgets its data."""

    def __init__(
        self,
        folder: Path,
        log: Path,
        *,
        configuration: str = "prometheus.yml",
        port: int | None = None,
        netns: str | None = None,
    ) -> None:
        """Start it with the configuration in `folder`, on loopback of the network namespace, and wait until ready."""
        self.port = port or free_port()
        self._netns = netns
        self._data = tempfile.TemporaryDirectory(prefix="center-prometheus-")
        self.process = Process(
            [
                program("prometheus"),
                f"--config.file={folder / configuration}",
                f"--storage.tsdb.path={self._data.name}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--web.enable-lifecycle",
            ],
            log=log,
            cwd=folder,
            netns=netns,
        )
        try:
            self.process.wait_ready(lambda: b"Ready" in self._get("/-/ready"))
        except BaseException:
            self.end()
            raise

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Evaluate now: a list of {"metric": labels, "value": [time, text]}; QueryRefused for a wrong expression."""
        answer = json.loads(self._get("/api/v1/query?" + urllib.parse.urlencode({"query": expression})))
        if answer["status"] != "success":
            raise QueryRefused(answer["error"])
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def value(self, expression: str) -> float | None:
        """The only value that the expression gives now, or None when it gives none."""
        found = self.query(expression)
        if len(found) > 1:
            raise QueryRefused(f"{expression} gives {len(found)} values, not one")
        return float(found[0]["value"][1]) if found else None

    def alerts(self, state: Literal["pending", "firing"] | None = None) -> list[dict[str, Any]]:
        """The active alerts: labels, annotations, state."""
        found = json.loads(self._get("/api/v1/alerts"))["data"]["alerts"]
        return [alert for alert in found if state in (None, alert["state"])]

    def targets(self) -> list[dict[str, Any]]:
        """The active targets: labels, health, lastError."""
        found: list[dict[str, Any]] = json.loads(self._get("/api/v1/targets?state=active"))["data"]["activeTargets"]
        return found

    def end(self) -> None:
        self.process.end()
        self._data.cleanup()

    def _get(self, path: str) -> bytes:
        return fetch(f"http://127.0.0.1:{self.port}{path}", self._netns)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
