"""A controller that is killed anywhere and run once more leaves what a clean run leaves, and nothing else.

Two hosts go from one tree to another and back. Each time the run is killed: before or after its n-th call of ssh (which
are its looks, its notes and each task of Ansible), at a random moment, or so that what it had started lives on. Then a
person unlocks and runs again. The hosts are asked themselves: every file of /etc, units, what daemons were started
with, and whether a secret lies where it must not.
"""

from __future__ import annotations

import atexit
import subprocess
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any

from control_plane.processes import wait_until
from tests.campaign.base import Outcome
from tests.host_site import CONTROL, Done, Site, State, end_tree
from tests.rig.base import obstacle as rig_obstacle
from tests.trees import HostTree

SUBJECT = (
    "generator/apply/hosts/*.py", "generator/apply/secrets.py",
    "playbooks/**/*.py", "playbooks/**/*.yml", "playbooks/ansible.cfg",
    "tests/host_site.py", "tests/trees.py", "tests/campaign/kinds/kills.py",
)  # fmt: skip
NEEDS_HOSTS = True
NODES = {CONTROL: "10.16.0.1", "train-1": "10.16.1.1"}
GROUPS = {"role_control": [CONTROL], "pool_train": ["train-1"]}
SECRETS = {"DEMO_A": "canary-amber-2f7c91d3e8b604", "DEMO_B": "canary-birch-91b5e6a70c3d28"}
OTHER = {"a": "b", "b": "a"}
# A clean run calls ssh 28 times: each is a point twice, before and after it. The rest is left to chance.
CALLS, MOMENTS, ALONE = 28, 104, 40
UNITS = ("demo.service", "once.service", "old.service", "new.service")
DAEMON = """[Service]
Type=exec
ExecStartPre=/bin/sh -c 'sha256sum {files} >/run/{name}.says'
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
"""
ONCE = """[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'sha256sum /etc/once.conf >/run/once.says'
[Install]
WantedBy=multi-user.target
"""
READS = {
    "/run/demo.says": ("/etc/demo.conf", "/etc/demo.secret"),
    "/run/once.says": ("/etc/once.conf",),
}


def obstacle() -> str | None:
    """Why this proof cannot be done here, or None."""
    return rig_obstacle()


def units() -> list[str]:
    """Points in an order in which the first of them are of all kinds."""
    calls = [f"{when}-{number}" for number in range(1, CALLS + 1) for when in ("before", "after")]
    chance = [*(f"moment-{seed}" for seed in range(1, MOMENTS + 1)), *(f"alone-{seed}" for seed in range(1, ALONE + 1))]
    return sorted([*calls, *chance], key=lambda unit: Random(unit).random())


def prove(unit: str, *, brief: bool = False) -> Outcome:
    """One kill; all of one process are made on the same hosts."""
    if reason := obstacle():
        raise RuntimeError(reason)
    killed = ground().kill(unit)
    if killed.faults:  # the next one begins on hosts of its own
        ground().close()
        ground.cache_clear()
    counts = {"kills": int(not killed.ended), "too late": int(killed.ended), "locks removed": int(killed.unlocked)}
    return Outcome(counts, tuple(f"{unit}: {fault}"[:600] for fault in killed.faults))


def summary(counts: Counter[str]) -> list[str]:
    return [
        f"{counts['kills']:,} kills of a controller; {counts['locks removed']:,} left a lock, which was removed by "
        f"its id. {counts['too late']:,} runs ended before their point was reached."
    ]


@dataclass
class Killed:
    """What one kill has shown."""

    ended: bool = False
    """The run ended by itself, before it came to the point."""
    unlocked: bool = False
    noted: bool = False
    """The centre's record had the dead run."""
    faults: list[str] = field(default_factory=list)

    def expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.faults.append(otherwise)


class Ground:
    """Hosts that go from one tree to the other, and what clean runs had left for each."""

    def __init__(self) -> None:
        self.site = Site(NODES, GROUPS, SECRETS, UNITS, READS)
        self.site.__enter__()
        try:
            self.trees = {name: furnished(self.site.tree(name), name) for name in OTHER}
            self.clean: dict[str, dict[str, Any]] = {}
            self.seconds = 0.0
            for name in ("a", "b", "a"):
                began = time.monotonic()
                done = self.site.run(self.trees[name], "apply")
                self.seconds = time.monotonic() - began
                if done.code != 0:
                    raise RuntimeError(f"a clean run to {name} has failed: {done.words} {done.answer} {done.told}")
                self.clean[name] = lasting(self.site.look())
            self.here = "a"
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.site.__exit__(None, None, None)

    def kill(self, point: str) -> Killed:
        """Go to the other tree, be killed at a point, recover, and compare."""
        killed = Killed()
        self.here = OTHER[self.here]
        tree = self.trees[self.here]
        before = {line["run"] for line in self.site.journal()}
        self.run_until(point, tree, killed)
        killed.expect(not self.site.secret_places(), f"secrets on the controller: {self.site.secret_places()}")
        dead = {line["run"] for line in self.site.journal() if line["event"] == "begin"} - before
        ended = {line["run"] for line in self.site.journal() if line["event"] == "end"}
        killed.noted = bool(dead - ended)
        self.judge(self.site.look(), killed, "after the kill", settled=False)
        self.recover(tree, killed, dead - ended)
        self.judge(self.site.look(), killed, "after the rerun", settled=True)
        killed.expect(not self.site.locks(), f"locks are left: {self.site.locks()}")
        return killed

    def run_until(self, point: str, tree: HostTree, killed: Killed) -> None:
        kind, _, number = point.partition("-")
        at_call = kind in ("before", "after")
        process = self.site.start(tree, "apply", point=f"{kind} {number}" if at_call else "never 0")
        if at_call:
            wait_until(lambda: self.site.reached() or process.poll() is not None, 300, point)
        else:
            with suppress(subprocess.TimeoutExpired):
                process.wait(Random(point).random() * self.seconds)
        killed.ended = process.poll() is not None
        if kind == "alone":
            process.kill()
        else:
            end_tree(process.pid)
        self.site.wait(process)
        if kind == "alone":
            wait_until(lambda: not self.site.alive(), 120, "the end of all that the killed run had started")

    def recover(self, tree: HostTree, killed: Killed, dead: set[str]) -> None:
        """What a person does: run again, unlock when told so, run again."""
        done = self.site.run(tree, "apply")
        if done.lock:
            killed.unlocked = True
            killed.expect(done.code == 1, f"a refused run ends with {done.code}")
            killed.expect(CONTROL in done.words and "last sign of life" in done.words, f"it says: {done.words}")
            killed.expect(killed.ended or {done.lock} == dead or not dead, f"lock {done.lock}, journal {dead}")
            unlocked = self.site.run(tree, "unlock", done.lock)
            killed.expect(unlocked.code == 0, f"unlock: {unlocked.words}")
            if dead:
                told = self.site.run(tree, "status")
                killed.expect(f"the run {done.lock} of" in told.words, f"status does not tell of it: {told.words}")
                killed.expect(told.code == 2, f"status ends with {told.code}: {told.words}")
            done = self.site.run(tree, "apply")
        killed.expect(done.code == 0, f"the rerun ends with {done.code}: {done.words} {reasons(done)} {done.told}")
        diff = self.site.run(tree, "status")
        killed.expect(diff.code == 0 and "never ended" not in diff.words, f"afterwards: {diff.words} {reasons(diff)}")

    def judge(self, found: dict[str, State], killed: Killed, when: str, settled: bool) -> None:
        for name, state in found.items():
            leaked = [place for place in state.found if place not in (["/etc/demo.secret", "0o600"],)]
            if not settled:  # half of the wanted file, as private as the whole
                leaked = [place for place in leaked if place != ["/etc/.demo.secret.center-new", "0o600"]]
            killed.expect(not leaked, f"{when}: secrets on {name}: {leaked}")
            if settled:
                killed.expect(not state.new, f"{when}: left on {name}: {state.new}")
                killed.expect(not state.idle_daemons(), f"{when}: on {name} not as on disk: {state.idle_daemons()}")
        if settled:
            differences = different(lasting(found), self.clean[self.here])
            killed.expect(not differences, f"{when}: not as after a clean run: {differences}")


@cache
def ground() -> Ground:
    made = Ground()
    atexit.register(made.close)
    return made


def furnished(tree: HostTree, name: str) -> HostTree:
    """What hosts get: files, a secret, a one-shot, a unit that leaves and one that comes; `name` is a or b."""
    for path, text in (
        ("/etc/demo.conf", f"{name} @{{node.name}}\n"),
        ("/etc/once.conf", f"{name}\n"),
        (f"/etc/only-{name}.conf", "of this tree alone\n"),
        ("/etc/plain.conf", "the same in both\n"),
        ("/etc/deep/below/large.conf", f"{name}\n" * 50_000),
    ):
        units = {"/etc/demo.conf": ["demo.service"], "/etc/once.conf": ["once.service"]}.get(path, [])
        tree.gives(path, text, units=units, holes=["name"] if "demo" in path else [])
    tree.gives("/etc/mode.conf", "its mode differs\n", mode={"a": "0644", "b": "0600"}[name])
    tree.manifests["all"]["secrets"] = {"demo": {"reference": f"env:DEMO_{name.upper()}", "use": "demo"}}
    tree.gives("/etc/demo.secret", "key = @{secret.demo}\n", mode="0600", units=["demo.service"], holes=["secret.demo"])
    extra = {"a": "old", "b": "new"}[name]
    bodies = {
        "demo": DAEMON.format(name="demo", files="/etc/demo.conf /etc/demo.secret"),
        "once": ONCE,
        extra: DAEMON.format(name=extra, files="/etc/plain.conf"),
    }
    for unit, body in bodies.items():
        tree.gives(f"/etc/systemd/system/{unit}.service", body, units=[f"{unit}.service"])
    tree.wants("links", {"path": "/etc/current", "target": f"/etc/only-{name}.conf"})
    tree.wants("units", *({"name": f"{unit}.service", "class": "restart"} for unit in bodies))
    return tree


def lasting(found: dict[str, State]) -> dict[str, Any]:
    return {name: state.lasting for name, state in found.items()}


def different(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Where two descriptions differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        keys = sorted({*ours, *theirs})
        return [text for key in keys for text in different(ours.get(key), theirs.get(key), f"{path}/{key}")]
    return [] if ours == theirs else [f"{path}: {ours} instead of {theirs}"]


def reasons(done: Done) -> dict[str, str]:
    return {name: f"{host['state']} {host['reason']}" for name, host in done.answer.get("hosts", {}).items()}
