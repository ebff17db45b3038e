"""Runs the tests of a module against mutants of it, each in a forked process that has imported everything else.

``python -m tests.campaign.executioner generator/quantity.py 1 25`` prints, as JSON, which of these mutants survived.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import json
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType

from tests.campaign.base import ROOT
from tests.campaign.mutants import mutants

# Of a module, the tests that speak of it. Processes that a test starts would not have the fault: they are left out.
TESTS = {
    "generator/quantity.py": ["tests/test_quantity.py"],
    "generator/source.py": ["tests/test_source.py", "tests/test_scalars.py", "tests/test_source_limits.py"],
    "generator/emit.py": ["tests/test_emit.py"],
}
LEFT_OUT = "not hostile_files"
SECONDS = 30


def is_killed(module: str, code: CodeType) -> bool:
    """Whether the tests notice, in a process of their own; one that runs on or dies is noticed as well."""
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        survived = False
        try:
            survived = (_lessons_pass if module.startswith("generator/rules/") else _tests_pass)(module, code)
        finally:
            os._exit(0 if survived else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def _tests_pass(module: str, code: CodeType) -> bool:
    import pytest
    from hypothesis import Phase, settings

    # The same examples for each mutant, from nowhere but the test.
    phases = (Phase.explicit, Phase.generate)
    settings.register_profile("mutants", derandomize=True, database=None, phases=phases, deadline=None)
    settings.load_profile("mutants")
    for name in [name for name in sys.modules if name.startswith(("generator", "tests.test_"))]:
        del sys.modules[name]  # which may have taken something from the module without a fault
    sys.meta_path.insert(0, _Faulty(_dotted(module), code))
    files = [file for file in TESTS[module] if (ROOT / file).exists()]
    options = ["-x", "-n0", "-p", "no:cacheprovider", f"--timeout={SECONDS}", "-k", LEFT_OUT]
    return pytest.main([*options, *files]) == 0


def _lessons_pass(module: str, code: CodeType) -> bool:
    """The lessons of the rules in a module, by the tests that everybody runs."""
    from generator import rules
    from tests import test_bad

    signal.alarm(SECONDS)
    own = [name for name, rule in rules.rules().items() if rule.check.__module__ == _dotted(module)]
    for name in own:
        del rules._RULES[name]
    faulty = ModuleType(_dotted(module))
    sys.modules[_dotted(module)] = faulty
    exec(code, faulty.__dict__)
    for name in own:
        for test in (test_bad.test_the_good_side_passes, test_bad.test_the_bad_side_fails_by_this_rule_alone):
            with tempfile.TemporaryDirectory() as folder:
                test(name, Path(folder))
    return True


class _Faulty(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives the mutant to whoever imports the module."""

    def __init__(self, name: str, code: CodeType) -> None:
        self.name, self.code = name, code

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        return importlib.util.spec_from_loader(name, self) if name == self.name else None

    def exec_module(self, module: ModuleType) -> None:
        exec(self.code, module.__dict__)


def _dotted(module: str) -> str:
    return module.removesuffix(".py").replace("/", ".")


def _prepare(module: str) -> None:
    """Import once what no mutant changes."""
    names = ["pytest", "hypothesis", "xdist", "yaml", "ruamel.yaml", "pydantic", "jinja2", "click"]
    if module.startswith("generator/rules/"):
        names += ["tests.test_bad"]
    for name in names:
        importlib.import_module(name)


def main() -> None:
    module, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    _prepare(module)
    survivors, count = [], 0
    for mutant in mutants((ROOT / module).read_text("utf-8"), first, last):
        count += 1
        if not is_killed(module, compile(mutant.tree, str(ROOT / module), "exec")):
            survivors.append(mutant.what)
    print(json.dumps({"mutants": count, "survivors": survivors}))


if __name__ == "__main__":
    main()
