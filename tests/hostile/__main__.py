"""Run ``python -m generator validate FOLDER`` for many folders: one interpreter is started, then forked for each.

Each run is a process of its own with an exit code, standard streams and limits of its own; only the imports are shared.
Answers with JSON: for each folder the exit code (negative: killed by that signal) and all that was printed.
"""

from __future__ import annotations

import json
import os
import resource
import runpy
import sys
import tempfile
from typing import NoReturn

from generator import cli, folders, validate

# Memory is the promise; time, files and processes are a fence that a sound run never comes near.
LIMITS = {
    resource.RLIMIT_AS: 200 * 1024 * 1024,
    resource.RLIMIT_CPU: 10,
    resource.RLIMIT_FSIZE: 4 * 1024 * 1024,
    resource.RLIMIT_NOFILE: 64,
}


def run(folder: str) -> tuple[int, str]:
    with tempfile.TemporaryFile() as printed:
        child = os.fork()
        if child == 0:
            _become_the_command(folder, printed.fileno())
        _, status = os.waitpid(child, 0)
        printed.seek(0)
        return os.waitstatus_to_exitcode(status), printed.read().decode("utf-8", "backslashreplace")


def _become_the_command(folder: str, printed: int) -> NoReturn:
    code: object = "ended without an exit code"
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        for limit, value in LIMITS.items():
            resource.setrlimit(limit, (value, value))
        sys.argv = ["center", "validate", folder]
        runpy.run_module("generator", run_name="__main__")
    except SystemExit as end:
        code = end.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 99)


def main() -> None:
    sample, *centres = sys.argv[1:]
    # The command is imported and its models are built once for all.
    assert cli.cli
    validate.validate(folders.spec_file(sample))
    print(json.dumps({folder: run(folder) for folder in centres}))


if __name__ == "__main__":
    main()
