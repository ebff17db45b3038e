"""Inputs that nobody has thought of, guided by the code that they reach where atheris is installed, blind elsewhere.

A target is a module of ``kinds/`` with a `check` that raises for a fault, `SEEDS` to begin with, `WORDS` to mix in, and
the number of `RUNS` of a unit.
An input that is found to be a fault is kept in ``found/KIND/`` and checked by the everyday tests from then on.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.campaign.base import ROOT, Outcome

FOUND = Path(__file__).parent / "found"
GUIDED = importlib.util.find_spec("atheris") is not None
LONGEST = 4096
BRIEF_RUNS = 400
UNITS = 40


def units() -> list[str]:
    return [f"seed-{seed}" for seed in range(1, UNITS + 1)]


def prove(target: str, unit: str, brief: bool) -> Outcome:
    """Many inputs from one seed: guided in a process of its own, for the libraries below us as well; else blind."""
    seed = int(unit.removeprefix("seed-"))
    if GUIDED and not brief:
        return _guided(target, seed)
    module = importlib.import_module(f"tests.campaign.kinds.{target}")
    return blind(target, module.check, module.SEEDS, module.WORDS, seed, BRIEF_RUNS if brief else module.RUNS)


def summary(counts: Counter[str]) -> list[str]:
    guided = counts["guided"]
    return [f"{counts['inputs']:,} inputs, {guided:,} of them guided by coverage."]


def blind(
    target: str, check: Callable[[bytes], None], seeds: list[bytes], words: list[bytes], seed: int, runs: int
) -> Outcome:
    """Inputs made from known ones by chance."""
    chance = Random(seed)
    known = list(seeds)
    failures = []
    for _ in range(runs):
        raw = mutated(chance, chance.choice(known), known, words)
        try:
            check(raw)
        except Exception as error:  # whatever it is, it is a fault: a refusal does not get this far
            failures.append(f"{_keep(target, raw)}: {type(error).__name__}: {error}"[:300])
        else:
            known[chance.randrange(len(seeds), len(known) + 1) :] = [raw]  # some are built upon
    return Outcome({"inputs": runs}, tuple(failures[:20]))


def mutated(chance: Random, raw: bytes, known: list[bytes], words: list[bytes]) -> bytes:
    for _ in range(chance.randint(1, 6)):
        start = chance.randint(0, len(raw))
        end = min(len(raw), start + chance.choice([0, 1, 1, 2, 5, 30]))
        again = raw[start:end] * chance.randint(2, 9)
        piece = chance.choice([chance.choice(words), b"", again, chance.randbytes(1), chance.choice(known)])
        raw = (raw[:start] + piece + raw[end:])[:LONGEST]
    return raw


def _keep(target: str, raw: bytes) -> str:
    """The name below which an input is found from now on."""
    folder = FOUND / target
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{hashlib.sha256(raw).hexdigest()[:16]}.bin"
    file.write_bytes(raw)
    return str(file.relative_to(ROOT))


def _guided(target: str, seed: int) -> Outcome:
    module = importlib.import_module(f"tests.campaign.kinds.{target}")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "corpus").mkdir()
        (work / "faults").mkdir()
        for number, raw in enumerate(module.SEEDS):
            (work / "corpus" / str(number)).write_bytes(raw)
        escaped = ["".join(f"\\x{byte:02x}" for byte in word) for word in module.WORDS]
        (work / "words").write_text("".join(f'"{word}"\n' for word in escaped if word))
        limits = [f"-runs={module.RUNS}", f"-seed={seed}", f"-max_len={LONGEST}", "-timeout=20", "-rss_limit_mb=1024"]
        command = [sys.executable, "-m", "tests.campaign.fuzzing", target, *limits, f"-dict={work}/words"]
        command += [f"-artifact_prefix={work}/faults/", "-verbosity=0", f"{work}/corpus"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
        kept = [_keep(target, file.read_bytes()) for file in sorted((work / "faults").iterdir())]
    if done.returncode == 0:
        return Outcome({"inputs": module.RUNS, "guided": module.RUNS})
    said = [line for line in (done.stdout + done.stderr).splitlines() if "Error" in line or "Exception" in line]
    return Outcome({"inputs": 0}, (f"{' '.join(kept)}: exit {done.returncode}: {' '.join(said)[:300]}",))


def main() -> None:
    """The guided process; never returns, for the fuzzer ends it."""
    import atheris

    with atheris.instrument_imports(include=["generator"]):
        module = importlib.import_module(f"tests.campaign.kinds.{sys.argv[1]}")
    atheris.Setup([sys.argv[0], *sys.argv[2:]], module.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
