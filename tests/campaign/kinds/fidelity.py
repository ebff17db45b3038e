"""A preview names exactly what the run then does: hosts, files, packages and units, told by the hosts themselves.

Each unit begins with the centre as applied and makes ten random edits, one after the other; after each, the preview,
the run and what the hosts say must agree, every host is as the tree says, and the next preview is empty.
"""

from __future__ import annotations

import atexit
import copy
import re
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from tests.campaign import edits, witness
from tests.campaign.base import Outcome
from tests.campaign.witness import Told
from tests.quad import Quad, booted, spec
from tests.rig.base import obstacle as rig_obstacle

SUBJECT = (
    "generator/apply/*.py",
    "generator/apply/hosts/*.py",
    "generator/outputs/**/*.py",
    "generator/world_verbs.py",
    "templates/hosts/**/*",
    "playbooks/**/*",
    "tests/quad.py",
    "tests/campaign/edits.py",
    "tests/campaign/witness.py",
    "tests/campaign/kinds/fidelity.py",
)
UNITS, EDITS, BRIEF_EDITS = 30, 10, 1
LEAVING = re.compile(r"(?P<node>\S+): (?P<what>remove|stop) (?P<detail>\S+)")


def obstacle() -> str | None:
    """Why this proof cannot be done here, or None."""
    return rig_obstacle()


def units() -> list[str]:
    return [f"seed-{seed}" for seed in range(1, UNITS + 1)]


def prove(unit: str, *, brief: bool = False) -> Outcome:
    if reason := obstacle():
        raise RuntimeError(reason)
    return walk(site(), int(unit.removeprefix("seed-")), BRIEF_EDITS if brief else EDITS)


def summary(counts: Counter[str]) -> list[str]:
    return [
        f"{counts['edits']} edits: {counts['previews']} previews that named {counts['files']:,} files and "
        f"{counts['units']:,} starts of units on {counts['hosts']:,} hosts, compared with what really changed; "
        f"{counts['refused']} were refused by validation and taken back."
    ]


@cache
def site() -> Quad:
    """The hosts of all units of this process."""
    stack = ExitStack()
    atexit.register(stack.close)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="center-fidelity-")))
    return stack.enter_context(booted(folder))


def walk(quad: Quad, seed: int, count: int) -> Outcome:
    """Edits one after the other, from the centre as it was in the beginning."""
    chance = Random(seed)
    counts: Counter[str] = Counter(edits=0, previews=0, hosts=0, files=0, units=0, refused=0)
    faults: list[str] = []
    begin(quad)
    while counts["edits"] < count:
        kept, secrets = copy.deepcopy(quad.spec), kept_files(quad)
        what = edits.edit(quad, chance)
        before = quad.everywhere(lambda name: witness.look(quad, name))
        if quad.render().returncode != 0:
            counts["refused"] += 1
            quad.spec = kept
            restore(quad, secrets)
            continue
        counts["edits"] += 1
        faults += [f"edit {counts['edits']} ({what}): {fault}" for fault in judge(quad, before, counts)]
        if faults and seed:
            begin(quad)
    return Outcome(dict(counts), tuple(f"seed-{seed}: {fault}" for fault in faults[:20]))


def kept_files(quad: Quad) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in (*quad.folder.glob("*.p*"), *quad.desk.iterdir())}


def restore(quad: Quad, files: dict[Path, bytes]) -> None:
    for file, content in files.items():
        file.write_bytes(content)


def begin(quad: Quad) -> None:
    """The centre as it was in the beginning, applied; AssertionError when that does not succeed in three runs."""
    user = quad.spec["access"]["ssh"].get("user")
    quad.spec = spec(quad.workers)
    shutil.rmtree(quad.tree, ignore_errors=True)
    assert quad.render().returncode == 0
    for _ in range(3):
        done = quad.center("apply", "--hosts")
        if done.returncode == 0:
            return
    raise AssertionError(f"after {user}: {done.stdout[-2000:]}{done.stderr[-500:]}")


def judge(quad: Quad, before: dict[str, Any], counts: Counter[str]) -> Iterator[str]:
    """Preview, run, preview: what disagrees."""
    code, preview = quad.asks("diff")
    foretold = {name: Told.of(host) for name, host in preview["hosts"].items()}
    leavers = leaving(preview["notes"])
    counts["previews"] += 1
    counts["hosts"] += sum(told.changes for told in foretold.values())
    counts["files"] += sum(len(told.files) for told in foretold.values())
    counts["units"] += sum(len(told.begun) for told in foretold.values())
    expected = 2 if preview["notes"] or any(told.changes for told in foretold.values()) else 0
    if code != expected:
        yield f"diff ended with {code}, not {expected}: {preview['faults']} {reasons(preview)}"
    done_code, done = quad.asks("apply")
    if done_code != 0:
        yield f"apply ended with {done_code}: {done['faults']} {reasons(done)}"
    after = quad.everywhere(lambda name: witness.look(quad, name))
    for name in quad.hosts.addresses:
        told = foretold.get(name) or leavers.get(name, Told.nothing())
        yield from (f"{name}: {fault}" for fault in witness.differences(name, told, before[name], after[name]))
    yield from reported(foretold, done)
    groups = witness.groups_of(quad.tree)
    secrets = {"munge": secret(quad, "clusters.hpc.munge"), "ldap-bind": secret(quad, "access.identity.ldap.bind")}
    for name in foretold:
        yield from (f"{name}: {fault}" for fault in witness.as_rendered(quad, name, after[name], groups[name], secrets))
    code, left = quad.asks("diff")
    if code != 0:
        rest = [Told.of(host) for host in left["hosts"].values()]
        yield f"after the run, diff ends with {code}: {rest} {left['notes']}"


def reported(foretold: dict[str, Told], done: dict[str, Any]) -> Iterator[str]:
    """Where the report of the run is another one than the preview."""
    for name, told in foretold.items():
        said = Told.of(done["hosts"][name])
        if said.changes != told.changes:
            yield f"{name}: the preview says {told.changes}, the report of the run {said.changes}"
        if said.files.keys() != told.files.keys():
            yield f"{name}: preview and report name different files: {sorted(said.files.keys() ^ told.files.keys())}"
        if said.begun != told.begun:
            yield f"{name}: preview and report name different units: {sorted(said.begun ^ told.begun)}"


def leaving(notes: list[str]) -> dict[str, Told]:
    """What a preview says of nodes that leave."""
    removed: dict[str, dict[str, str]] = {}
    stopped: dict[str, frozenset[str]] = defaultdict(frozenset)
    for note in notes:
        if found := LEAVING.match(note):
            removed.setdefault(found["node"], {})
            if found["what"] == "remove":
                removed[found["node"]][found["detail"]] = "remove"
            else:
                stopped[found["node"]] |= {found["detail"]}
    return {
        node: replace(Told.nothing(), files=files, enabled=stopped[node], ended=stopped[node], changes=True)
        for node, files in removed.items()
    }


def secret(quad: Quad, dotted: str) -> str:
    reference = edits.get(quad, dotted)
    return (quad.desk / reference.removeprefix("file:")).read_text() if reference else ""


def reasons(report: dict[str, Any]) -> dict[str, str]:
    return {name: f"{host['state']}: {host['reason']}" for name, host in report["hosts"].items() if host["reason"]}
