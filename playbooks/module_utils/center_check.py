# Copyright the center authors. SPDX-License-Identifier: Apache-2.0
# Runs on the node from memory (Python 3.8 or newer).
"""Acceptance checks on a node: commands with a limit of time, numbers in what they print, and the mark of success."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from contextlib import suppress
from typing import Any

from ansible.module_utils import center_facts
from ansible.module_utils.center_accepted import give_mark, read_mark, take_mark
from ansible.module_utils.center_disk import RefusedError

READ_BYTES = 64 * 2**10
SAID = 300
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C"}


def main(given: dict[str, Any]) -> dict[str, Any]:
    """Do what `given` asks for: gather facts, run checks one after the other, give or take the mark."""
    answer: dict[str, Any] = {}
    root = given.get("root", "/")
    if given.get("facts") is not None:
        answer["facts"] = center_facts.main(given["facts"])
    answer["checks"] = {check["name"]: run(check) for check in given.get("checks", [])}
    try:
        if given.get("accept"):
            answer["date"] = give_mark(given["accept"], root)
        if given.get("revoke"):
            answer["had"] = take_mark(root)
    except RefusedError as refused:
        answer["refused"] = str(refused)
    answer["mark"] = read_mark(root)
    return answer


def run(check: dict[str, Any]) -> str:
    """Empty when a check passes, else what is wrong, in words that are the same for the same fault."""
    argv, seconds = check["argv"], check["seconds"]
    # In memory, since the disk is one of the things that are checked.
    with os.fdopen(os.memfd_create("output"), "r+b") as output:
        try:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True, cwd="/", env=ENVIRONMENT,
            )  # fmt: skip
        except OSError as fault:
            return f"{argv[0]} cannot be run: {fault.strerror}"
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            return f"{argv[0]} took longer than {seconds} s"
        finally:
            # Whatever it started and left behind ends with it.
            end(process)
        output.seek(0)
        said = output.read(READ_BYTES).decode("utf-8", "replace")
    if status != check["exit"]:
        last = (said.strip().splitlines() or [""])[-1][:SAID]
        return f"{argv[0]} ended with status {status}" + (f": {last}" if last else "")
    return judged(check["number"], said) if check.get("number") else ""


def end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def judged(number: dict[str, Any], said: str) -> str:
    """Whether the number that a command has printed lies within its limits."""
    found = re.search(number["pattern"], said, re.M)
    try:
        value = float(found.group(1)) if found else None
    except (TypeError, ValueError):
        value = None
    unit = f" {number['unit']}" if number.get("unit") else ""
    if value is None:
        first = (said.strip().splitlines() or ["nothing"])[0][:SAID]
        return f"it does not say the number that counts, it says: {first}"
    if "least" in number and value < number["least"]:
        return f"is {value:g}{unit}, less than {number['least']:g}{unit}"
    if "most" in number and value > number["most"]:
        return f"is {value:g}{unit}, more than {number['most']:g}{unit}"
    return ""
