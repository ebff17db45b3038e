"""Faults of hosts, of their disks and of the controller, one function each, and what a run must make of them.

Every fault begins with hosts that are as rendered and an edit that concerns all of them. It ends with one run that
brings them there, whatever happened before. The names of faults are found in `FAULTS`.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Self

from control_plane.processes import wait_until
from tests.host_site import CONTROL, Done, Site
from tests.rig.packages import PackageRepository

NODES = {CONTROL: "10.16.0.1", "train-1": "10.16.1.1", "train-2": "10.16.1.2", "train-3": "10.16.1.3"}
TRAIN = [name for name in NODES if name != CONTROL]
GROUPS = {"role_control": [CONTROL], "pool_train": TRAIN}
# Of the pool, the share that changes at a time: the control node comes first and alone, then 1 and 2, then 3; or all of
# them, which is quicker. One of three may be silent.
CAREFUL, QUICK, SILENT = 0.67, 1.0, 0.34
DAEMON = """[Service]
Type=exec
ExecStartPre=/bin/sh -c 'test ! -e /run/broken && sha256sum /etc/demo.conf >/run/demo.says'
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
"""
# Ansible's calls of Python have no options; looks have.
ANSIBLE, LOOK = "[ $# = 0 ]", "[ $# != 0 ]"
FOLDER = "/etc/demo.d"
LARGE = f"{FOLDER}/large"


class Centre:
    """Booted hosts and the tree that they get, which is edited again and again."""

    def __init__(self) -> None:
        self.site = Site(NODES, GROUPS, {}, ("demo.service",), {"/run/demo.says": ("/etc/demo.conf",)})
        self.text = ""
        self.edits = 0

    def __enter__(self) -> Self:
        self.site.__enter__()
        self.tree = self.site.tree("faults", {"train": (QUICK, SILENT)})
        self.tree.gives("/etc/systemd/system/demo.service", DAEMON, units=["demo.service"])
        self.tree.gives(LARGE, "small\n")
        self.tree.wants("units", {"name": "demo.service", "class": "restart"})
        self.edit()
        self.recovered()
        return self

    def __exit__(self, *_: object) -> None:
        self.site.__exit__(None, None, None)

    def edit(self) -> None:
        """Change what every host gets and its daemon reads."""
        self.edits += 1
        self.text = f"edit {self.edits}\n"
        self.tree.gives("/etc/demo.conf", self.text, units=["demo.service"])

    def pace(self, share: float) -> None:
        """How many of the pool change at a time from now on."""
        file = self.tree.folder / "hosts/operations.json"
        known = json.loads(file.read_text())
        known["pools"]["train"]["batch"] = share
        file.write_text(json.dumps(known))

    def apply(self, *names: str) -> Done:
        return self.site.run(self.tree, "apply", *names)

    def having(self) -> set[str]:
        """Hosts with the last edit."""
        return {name for name in NODES if self.has(name)}

    def has(self, name: str) -> bool:
        return self.site.read(name, "/etc/demo.conf") == self.text

    def recovered(self) -> Done:
        """One run, after which every host is as rendered, its daemon included, and nothing is left behind."""
        self.pace(QUICK)
        done = self.apply()
        assert done.code == 0, f"{done.words} {done.states} {done.told}"
        for name, state in self.site.look().items():
            assert self.has(name), f"{name} has not the last edit"
            assert not state.idle_daemons(), f"on {name} the daemon runs with something else: {state.daemons}"
            assert state.units["demo.service"]["ActiveState"] == "active", name
            assert not state.new, f"left on {name}: {state.new}"
        assert not self.site.locks()
        return done

    def dies(self, host: str, chance: Random) -> None:
        """Mostly connections break with it, as when the network answers for it; else nobody says a word any more."""
        if chance.random() < 0.8:
            self.site.sh(host, "pkill -KILL sshd || :")
        self.site.hosts.kill(host)

    @contextmanager
    def held_up(self, host: str) -> Iterator[Running]:
        """A run that waits in Ansible on a host until the block ends; then the host's Python is its own again."""
        with self.site.gate(host, ANSIBLE) as reached:
            running = Running(self)
            reached()
            yield running


class Running:
    """A run that goes on beside the test."""

    def __init__(self, centre: Centre) -> None:
        self.centre = centre
        self.process = centre.site.start(centre.tree, "apply")

    def done(self) -> Done:
        return self.centre.site.wait(self.process)


Fault = Callable[[Centre, Random], None]
FAULTS: dict[str, Fault] = {}


def fault(function: Fault) -> Fault:
    FAULTS[function.__name__.replace("_", "-")] = function
    return function


@fault
def dead_before_its_turn(centre: Centre, chance: Random) -> None:
    victim = chance.choice(TRAIN)
    centre.site.hosts.kill(victim)
    done = centre.apply()
    centre.site.hosts.start(victim)
    assert done.code == 1
    assert done.states == {name: "pending" if name == victim else "changed" for name in NODES}
    assert done.reason(victim)
    assert centre.having() == {*NODES} - {victim}
    assert centre.recovered().states == {name: "changed" if name == victim else "unchanged" for name in NODES}


@fault
def dead_in_its_turn(centre: Centre, chance: Random) -> None:
    victim = chance.choice(["train-1", "train-2"])
    with centre.held_up(victim) as running:
        centre.site.sh(victim, "ln -sf python3.11 /usr/bin/python3")
        centre.dies(victim, chance)
        done = running.done()
        centre.site.hosts.start(victim)
    assert done.code == 1
    assert done.states[victim] in ("pending", "failed") and done.reason(victim), done.answer
    assert {done.states[name] for name in ("control-1", "train-1", "train-2") if name != victim} == {"changed"}
    assert not centre.has(victim)
    centre.recovered()


@fault
def dead_after_its_turn(centre: Centre, chance: Random) -> None:
    centre.pace(CAREFUL)
    victim = chance.choice(["train-1", "train-2"])
    with centre.held_up("train-3") as running:
        centre.site.hosts.kill(victim)
    done = running.done()
    assert (done.code, {*done.states.values()}) == (0, {"changed"}), done.states
    status = centre.site.run(centre.tree, "status")
    assert (status.code, status.states[victim]) == (1, "pending")
    centre.site.hosts.start(victim)
    assert {*centre.recovered().states.values()} == {"unchanged"}


@fault
def keeper_of_the_record_dies(centre: Centre, chance: Random) -> None:
    centre.pace(CAREFUL)
    with centre.held_up(chance.choice(["train-1", "train-2"])) as running:
        centre.dies(CONTROL, chance)
    done = running.done()
    assert done.code == 1
    assert done.states["train-3"] == "skipped" and not centre.has("train-3"), done.states
    assert "journal" in done.words and "lock" in done.words, done.words
    centre.site.hosts.start(CONTROL)
    refused = centre.apply()
    assert refused.lock and refused.lock in done.words, f"{done.words} {refused.words}"
    assert centre.site.run(centre.tree, "unlock", refused.lock).code == 0
    centre.recovered()


@fault
def boots_in_the_middle(centre: Centre, chance: Random) -> None:
    victim = chance.choice(["train-1", "train-2"])
    with centre.held_up(victim) as running:
        centre.site.sh(victim, "ln -sf python3.11 /usr/bin/python3")
        centre.dies(victim, chance)
        centre.site.hosts.start(victim)
    done = running.done()
    # Either the connection was made again, or the host waits for the next run; never half of it and a word of success.
    assert (done.code == 0) == (done.states[victim] == "changed" and centre.has(victim)), done.answer
    assert {done.states[name] for name in NODES if name != victim} <= {"changed", "skipped"}
    centre.recovered()


@fault
def some_fail(centre: Centre, chance: Random) -> None:
    centre.pace(CAREFUL)
    victims = chance.sample(["train-1", "train-2"], chance.choice([1, 2]))
    for victim in victims:
        centre.site.sh(victim, "touch /run/broken")
    done = centre.apply()
    assert (done.code, done.states) == (1, {
        CONTROL: "changed", "train-3": "skipped",
        **{name: "failed" if name in victims else "changed" for name in ("train-1", "train-2")},
    })  # fmt: skip
    assert centre.having() == {*NODES} - {"train-3"}
    for victim in victims:
        assert "demo.service" in done.reason(victim), done.reason(victim)
        centre.site.sh(victim, "rm /run/broken; systemctl reset-failed demo.service")
    centre.recovered()


@fault
def known_to_fail(centre: Centre, chance: Random) -> None:
    victim = chance.choice(TRAIN)
    centre.tree.gives("/etc/blocked", "a file\n")
    centre.site.sh(victim, "mkdir /etc/blocked")
    done = centre.apply()
    assert (done.code, done.states) == (1, {name: "failed" if name == victim else "changed" for name in NODES})
    assert "/etc/blocked: a directory is there" in done.reason(victim)
    assert centre.having() == {*NODES} - {victim}
    centre.site.sh(victim, "rmdir /etc/blocked")
    centre.recovered()
    centre.tree.takes_back("/etc/blocked")
    centre.recovered()


@fault
def first_fails(centre: Centre, chance: Random) -> None:
    centre.site.sh(CONTROL, "touch /run/broken")
    done = centre.apply()
    assert (done.code, done.states) == (1, {CONTROL: "failed", **dict.fromkeys(TRAIN, "skipped")})
    assert not centre.having() & {*TRAIN}
    centre.site.sh(CONTROL, "rm /run/broken; systemctl reset-failed demo.service")
    centre.recovered()


@fault
def too_many_silent(centre: Centre, chance: Random) -> None:
    victims = chance.sample(TRAIN, 2)
    centre.site.hosts.kill(*victims)
    done = centre.apply()
    centre.site.hosts.start(*victims)
    assert done.code == 1
    assert "2 of 3 hosts of train do not answer" in done.words and "nothing was changed" in done.words
    assert not centre.having()
    centre.recovered()


@contextmanager
def mounted(centre: Centre, host: str, *commands: str) -> Iterator[None]:
    """Something else is mounted over a folder of the host."""
    centre.site.sh(host, " && ".join(commands))
    try:
        yield
    finally:
        centre.site.sh(host, f"umount {FOLDER}")


@fault
def disk_full_read_only_or_another_host_key(centre: Centre, chance: Random) -> None:
    full, fixed, stranger = chance.sample(TRAIN, 3)
    keys = "/etc/ssh/ssh_host_ed25519_key"
    new = f"ssh-keygen -q -t ed25519 -N '' -f {keys}"
    small = f"cp {LARGE} /run/kept && mount -t tmpfs -o size=64k,mode=755 tmpfs {FOLDER} && cp /run/kept {LARGE}"
    read_only = [f"mount --bind {FOLDER} {FOLDER}", f"mount -o remount,ro,bind {FOLDER}"]
    centre.tree.gives(LARGE, "large\n" * 40_000)
    centre.site.sh(stranger, f"mkdir /run/keys; mv {keys}* /run/keys; {new}; systemctl restart ssh")
    with mounted(centre, full, small), mounted(centre, fixed, *read_only):
        done = centre.apply()
        assert centre.site.sh(full, f"ls -A {FOLDER}; cat {LARGE}") == "large\nsmall\n"
        assert centre.site.read(fixed, LARGE) == "small\n"
    centre.site.sh(stranger, f"rm {keys}*; mv /run/keys/* /etc/ssh/; rmdir /run/keys; systemctl restart ssh")
    assert done.code == 1
    assert done.states == {CONTROL: "changed", full: "failed", fixed: "failed", stranger: "pending"}
    assert f"{LARGE}: No space left on device; what was there is untouched" in done.reason(full)
    assert f"{LARGE}: Read-only file system" in done.reason(fixed)
    assert "key verification failed" in done.reason(stranger), done.reason(stranger)
    assert not centre.has(stranger)
    centre.tree.gives(LARGE, "small\n")
    centre.recovered()


@fault
def package_lock_held(centre: Centre, chance: Random) -> None:
    victim = chance.choice(TRAIN)
    hold = "import fcntl, time; f = open('/var/lib/dpkg/lock-frontend', 'w'); fcntl.lockf(f, fcntl.LOCK_EX)"
    with PackageRepository(centre.site.network) as repository:
        key = "/etc/apt/keyrings/test.asc"
        source = f"deb [signed-by={key}] {repository.url} {repository.suite} {repository.component}\n"
        centre.tree.gives("/etc/apt/sources.list.d/test.list", source, before_packages=True)
        centre.tree.gives(key, repository.signing_key.read_bytes(), before_packages=True)
        centre.tree.wants("packages", "munge")
        for name in NODES:  # an earlier fault of this kind has installed it
            centre.site.sh(name, "dpkg --purge munge")
        holder = f"systemd-run --quiet --unit=holder python3 -c \"{hold}; print('held', flush=True); time.sleep(900)\""
        centre.site.sh(victim, holder)
        wait_until(lambda: "held" in centre.site.sh(victim, "journalctl -q -o cat -u holder"), 60, "the lock of dpkg")
        running = Running(centre)
        lists = "ls /var/lib/apt/lists | grep -c Packages || :"
        wait_until(lambda: centre.site.sh(victim, lists).strip() != "0", 200, "the list of packages")
        assert running.process.poll() is None and not centre.site.sh(victim, "ls /usr/sbin/munged || :")
        centre.site.sh(victim, "systemctl stop holder")
        done = running.done()
        assert done.code == 0, f"{done.words} {done.states} {done.answer}"
        assert all(centre.site.sh(name, "ls /usr/sbin/munged") for name in NODES)
        centre.recovered()
        for path in ("/etc/apt/sources.list.d/test.list", key):
            centre.tree.takes_back(path)
        centre.tree.wants("packages")
    centre.recovered()


@fault
def clocks_are_wrong(centre: Centre, chance: Random) -> None:
    # No clock is touched: times of files lie in the past or the future, and what tells the time on a host lies.
    years = {name: chance.choice([1971, 2037]) for name in NODES}
    for name, year in years.items():
        centre.site.sh(name, f"find /etc/demo* /var/lib/center /run/center -exec touch -h -d {year}-01-01 {{}} +")
        second = chance.choice([1, 4_000_000_000])
        centre.site.sh(
            name, f"printf '#!/bin/sh\\necho {second}\\n' >/usr/local/bin/date; chmod 755 /usr/local/bin/date"
        )
    done = centre.apply()
    assert (done.code, {*done.states.values()}) == (0, {"changed"}), f"{done.words} {done.states}"
    centre.edit()
    with centre.held_up(CONTROL) as running:
        refused = centre.apply()
        assert refused.code == 1 and refused.lock, refused.words
    assert running.done().code == 0
    for name in NODES:
        centre.site.sh(name, "rm /usr/local/bin/date")
    assert {*centre.recovered().states.values()} == {"unchanged"}


@fault
def two_controllers(centre: Centre, chance: Random) -> None:
    with centre.held_up(chance.choice([*NODES])) as running:
        refused = centre.apply()
        assert refused.code == 1 and not refused.states
        assert f'/{running.process.pid}\\"' in refused.words and "last sign of life" in refused.words, refused.words
        assert refused.lock and any(lock.startswith(refused.lock) for lock in centre.site.locks())
    assert running.done().code == 0
    assert {*centre.recovered().states.values()} == {"unchanged"}


@fault
def interrupted(centre: Centre, chance: Random) -> None:
    centre.pace(CAREFUL)
    endings = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    number = chance.choice([one for one in endings if signal.getsignal(one) is not signal.SIG_IGN])  # as nohup has it
    with centre.held_up(chance.choice(["train-1", "train-2"])) as running:
        running.process.send_signal(number)
        done = centre.site.wait(running.process, 90)
        assert not centre.site.alive(), "something that it had started goes on"
    assert done.code == 130, f"{number.name}: {done.code} {done.told}"
    assert not centre.site.locks()
    assert not centre.has("train-3")
    last = centre.site.journal()[-1]
    assert (last["event"], last["code"]) == ("end", 130)
    centre.recovered()


@fault
def lock_taken_away(centre: Centre, chance: Random) -> None:
    with centre.held_up(CONTROL) as running:
        [lock] = centre.site.locks()
        assert centre.site.run(centre.tree, "unlock", lock.partition(".")[0]).code == 0
    done = running.done()
    assert done.code == 1 and "the lock of this run was taken away" in done.words
    assert done.states == {CONTROL: "changed", **dict.fromkeys(TRAIN, "skipped")}
    assert centre.having() == {CONTROL}
    centre.recovered()


@fault
def journal_cannot_be_written(centre: Centre, chance: Random) -> None:
    journal = "/var/lib/center/journal.jsonl"
    centre.site.sh(CONTROL, f"mv {journal} /var/lib/center/kept; mkdir {journal}")
    done = centre.apply()
    centre.site.sh(CONTROL, f"rmdir {journal}; mv /var/lib/center/kept {journal}")
    assert done.code == 1 and "hosts.journal" in done.words, done.words
    assert not centre.having() and not centre.site.locks()
    centre.recovered()


LIES = {
    "garbage": r"head -c 3000 /dev/urandom; exit 0",
    "escapes": r"printf '\033[2J\033]0;owned\007{\r\n'; printf 'evil \033[31m\n' >&2; exit 7",
    "json": r"""printf 'center-answer:{"answer": {"changed": false, "changes": [{"path": {}}], "units": 3}}'; exit 0""",
    "endless": r"exec yes",
    "status": r"exit 255",
}


@fault
def host_lies_when_looked_at(centre: Centre, chance: Random) -> None:
    for lie in LIES if chance.random() < 0.9 else ["endless"]:
        _lied(centre, chance.choice(TRAIN), LOOK, LIES[lie])
    centre.recovered()


@fault
def host_lies_to_ansible(centre: Centre, chance: Random) -> None:
    _lied(centre, chance.choice(TRAIN), ANSIBLE, LIES[chance.choice(["garbage", "escapes", "json"])])
    centre.recovered()


def _lied(centre: Centre, victim: str, condition: str, lie: str) -> None:
    with centre.site.gate(victim, condition, lie):
        done = centre.apply(victim)
    assert done.code == 1, f"{lie}: {done.answer}"
    assert done.states.get(victim) in ("failed", "pending", "waiting"), f"{lie}: {done.answer} {done.told}"
    text = f"{done.answer}{done.told}"
    assert done.reason(victim) and "\033" not in text and "Traceback" not in text, f"{lie}: {text}"
    assert not centre.has(victim)
