# Copyright the center authors. SPDX-License-Identifier: Apache-2.0
# Runs on the node from memory (Python 3.8 or newer); reads, and changes nothing.
"""What a machine is: system, processors, memory, disks, PCI devices, network ports, and whose it says it is.

Everything is read below a root, so that tests can look at machines that are not there. What cannot be read is left out.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible.module_utils.center_accepted import first_line, machine

READ_BYTES = 2**20
LISTED = 4096
SECONDS = 20
MIRROR_SECONDS = 8
# The classes of PCI that accelerators and network cards have: display, co-processor, processing accelerator; network.
CLASSES = ("03", "0b40", "12", "02")


def main(given: dict[str, Any]) -> dict[str, Any]:
    """Everything at once; `given` may name a mirror, folders whose disks count, device files and units to look at."""
    root = given.get("root", "/")
    facts = {
        # First of all: what follows takes time, and whoever asks knows only when the whole began and ended.
        "time": time.time(),
        "name": os.uname().nodename,
        "system": system(root),
        "machine": {**machine(root), **board(root)},
        "memory": memory(root),
        "cores": cores(root),
        "disks": {path: disk(root, path) for path in given.get("disks", [])},
        "pci": pci(root),
        "rdma": rdma(root),
        "mounts": mounts(root),
        "devices": {stem: devices(root, stem) for stem in given.get("devices", [])},
    }
    if given.get("mirror"):
        facts["mirror"] = reach(given["mirror"])
    if given.get("units") is not None:
        facts["units"], facts["failed-units"] = units(given["units"]), failed_units()
    return facts


def text(root: str, path: str) -> str:
    try:
        with Path(root, path.lstrip("/")).open("rb") as file:
            return file.read(READ_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def entries(root: str, path: str) -> list[str]:
    try:
        return sorted(os.listdir(Path(root, path.lstrip("/"))))[:LISTED]  # noqa: PTH208 - names are all that is wanted
    except OSError:
        return []


def system(root: str) -> dict[str, str]:
    """What the system calls itself, in its own words and in two for programs."""
    said = text(root, "/etc/os-release") or text(root, "/usr/lib/os-release")
    words = dict(re.findall(r"^([A-Z_]+)=[\"']?(.*?)[\"']?$", said, re.M))
    name = " ".join(filter(None, (words.get("ID"), words.get("VERSION_ID"))))
    return {"name": name.lower(), "title": words.get("PRETTY_NAME", name)}


def board(root: str) -> dict[str, str]:
    """Maker, model and firmware of the machine, and whether it is a virtual one."""
    said = {
        name: first_line(root, f"/sys/class/dmi/id/{file}")
        for name, file in (("maker", "sys_vendor"), ("model", "product_name"), ("firmware", "bios_version"))
    }
    virtual = bool(re.search(r"^flags\s*:.*\bhypervisor\b", text(root, "/proc/cpuinfo"), re.M))
    return {**said, "virtual": "yes" if virtual else ""}


def memory(root: str) -> int:
    """Bytes that the kernel has found."""
    found = re.search(r"^MemTotal:\s+([0-9]+) kB$", text(root, "/proc/meminfo"), re.M)
    return int(found.group(1)) * 1024 if found else 0


def cores(root: str) -> dict[str, int]:
    """Cores, and the threads that run on them; a core is what its threads share."""
    shared, threads = set(), 0
    for name in entries(root, "/sys/devices/system/cpu"):
        if re.fullmatch(r"cpu[0-9]+", name):
            folder = f"/sys/devices/system/cpu/{name}/topology"
            lists = [first_line(root, f"{folder}/{file}") for file in ("core_cpus_list", "thread_siblings_list")]
            together = lists[0] or lists[1]  # older kernels know only the second
            if together:
                threads += 1
                shared.add(together)
    return {"cores": len(shared), "threads": threads}


def disk(root: str, path: str) -> dict[str, int]:
    """Bytes of the file system that a folder is on, and those that are free."""
    try:
        state = os.statvfs(Path(root, path.lstrip("/")))
    except OSError:
        return {"size": 0, "free": 0}
    return {"size": state.f_blocks * state.f_frsize, "free": state.f_bavail * state.f_frsize}


def pci(root: str) -> dict[str, int]:
    """How many devices there are of each vendor, device and class; virtual functions are parts of a device."""
    counts: dict[str, int] = {}
    for slot in entries(root, "/sys/bus/pci/devices"):
        folder = f"/sys/bus/pci/devices/{slot}"
        if os.path.lexists(Path(root, folder.lstrip("/"), "physfn")):
            continue
        words = [first_line(root, f"{folder}/{name}")[2:].lower() for name in ("vendor", "device", "class")]
        if words[2].startswith(CLASSES) and all(re.fullmatch("[0-9a-f]{4,6}", word) for word in words):
            key = ":".join(words)
            counts[key] = counts.get(key, 0) + 1
    return counts


def rdma(root: str) -> list[dict[str, str]]:
    """Every port for remote direct memory access with its state, such as "ACTIVE"."""
    return [
        {"port": f"{device}/{port}", "state": first_line(root, f"{folder}/{port}/state").rpartition(" ")[2]}
        for device in entries(root, "/sys/class/infiniband")
        for folder in [f"/sys/class/infiniband/{device}/ports"]
        for port in entries(root, folder)
    ]


def mounts(root: str) -> list[str]:
    """Where something is mounted, as far as the kernel says it is no part of the system itself."""
    lines = [line.split(" ") for line in text(root, "/proc/self/mounts").splitlines()]
    return [words[1] for words in lines if len(words) > 2 and words[1].startswith("/")][:LISTED]


def devices(root: str, stem: str) -> int:
    """How many device files there are whose names are a stem and a number."""
    folder, _, name = stem.rpartition("/")
    return sum(bool(re.fullmatch(re.escape(name) + "[0-9]+", entry)) for entry in entries(root, folder))


def reach(url: str) -> str:
    """Empty when a small file can be had from here, else why not. No proxy: a mirror stands in the centre."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, method="HEAD"), timeout=MIRROR_SECONDS):
            return ""
    except urllib.error.HTTPError as error:
        return f"status {error.code}"
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", None) or error)


def units(names: list[str]) -> dict[str, str]:
    """The state of each unit; one-shot units that have done their work count as active."""
    said = systemctl("show", "--property=Id,ActiveState,Type,Result", "--", *names) if names else ""
    states = {}
    for name, part in zip(names, said.strip("\n").split("\n\n")):  # noqa: B905 - `strict` is newer than Python 3.8
        words = dict(line.split("=", 1) for line in part.splitlines() if "=" in line)
        done = words.get("Type") == "oneshot" and words.get("Result") == "success"
        states[name] = "active" if done and words.get("ActiveState") == "inactive" else words.get("ActiveState", "")
    return states


def failed_units() -> list[str]:
    said = systemctl("list-units", "--state=failed", "--all", "--plain", "--no-legend", "--full")
    return [line.split()[0] for line in said.splitlines() if line.strip()][:LISTED]


def systemctl(*arguments: str) -> str:
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            ("systemctl", *arguments),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False,
            env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
        return done.stdout
    return ""
