"""Run the campaign: ``python -m tests.campaign --minutes 30 --kind fuzz-source --shard 2/4``."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections import Counter
from datetime import date
from pathlib import Path

from tests.campaign.base import ROOT, Kind, fingerprint, kinds
from tests.campaign.state import State


def shard(text: str) -> tuple[int, int]:
    part, _, parts = text.partition("/")
    if not (part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError('needs a part such as "2/4"')
    return int(part), int(parts)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--kind", action="append", choices=sorted(kinds()), help="only this kind; may be repeated")
    parser.add_argument("--shard", type=shard, default=(1, 1), metavar="I/N", help="every N-th unit, beginning with I")
    parser.add_argument("--minutes", type=float, default=30.0, help="begin no unit after this time")
    parser.add_argument("--brief", action="store_true", help="only a little of each unit, to try this out")
    parser.add_argument("--results", type=Path, default=ROOT / "docs/campaigns", help="where state and page are kept")
    return parser.parse_args()


def run(chosen: dict[str, Kind], told: argparse.Namespace) -> dict[str, State]:
    """A unit of each kind in turn, until all are done or the time is over."""
    end = time.monotonic() + told.minutes * 60
    states = {name: state(name, kind, told) for name, kind in chosen.items()}
    own = slice(told.shard[0] - 1, None, told.shard[1])
    waiting = {
        name: [unit for unit in kind.units()[own] if unit not in states[name].done] for name, kind in chosen.items()
    }
    while any(waiting.values()):
        for name in [name for name, units in waiting.items() if units]:
            if time.monotonic() >= end:
                return states
            unit = waiting[name].pop(0)
            outcome = chosen[name].prove(unit, brief=told.brief)
            states[name].add(unit, outcome)
            print(f"{name} {unit}: {outcome.counts}", *outcome.failures, sep="\n  ", flush=True)
    return states


def state(name: str, kind: Kind, told: argparse.Namespace) -> State:
    return State(told.results / "state", name, fingerprint(kind), told.shard)


def result(chosen: dict[str, Kind], states: dict[str, State]) -> str:
    """The page that is kept: what was tried, on what, and what was found."""
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    lines = [f"# Campaign of {date.today().isoformat()}", "", f"Machine: {machine}.", ""]
    for name, kind in chosen.items():
        done, units = states[name].done, kind.units()
        outcomes = [done[unit] for unit in units if unit in done]
        counts = sum((Counter(outcome.counts) for outcome in outcomes), Counter[str]())
        failures = [failure for outcome in outcomes for failure in outcome.failures]
        remarks = [remark for outcome in outcomes for remark in outcome.remarks]
        lines += [f"## {name}", "", f"Files as of `{states[name].mark}`; {len(outcomes)} of {len(units)} units done."]
        lines += [*kind.summary(counts), f"Failures: {len(failures)}.", ""]
        lines += [f"- `{text}`" for text in [*failures, *remarks]]
        lines += [""] if failures or remarks else []
    return "\n".join(lines)


def main() -> None:
    told = arguments()
    found = kinds()
    chosen = {name: found[name] for name in told.kind or found}
    states = run(chosen, told)
    page = told.results / f"{date.today().isoformat()}.md"
    # All kinds are on the page, also those that this run has left out.
    every = {name: states.get(name) or state(name, kind, told) for name, kind in found.items()}
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(result(found, every), "utf-8")
    shown = Path(os.path.relpath(page))
    failures = sum(len(outcome.failures) for state in every.values() for outcome in state.done.values())
    print(f"{shown}: {failures} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
