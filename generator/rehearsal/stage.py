"""The rehearsal of one cluster: start what it needs, apply what is rendered, let tenants ask, see what became of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from control_plane.cluster import ControlPlane
from control_plane.tools import MODULES, BuildError, Tools, build_tools
from generator.apply.clusters.kubeconfig import Access
from generator.apply.clusters.manifests import labels_of, manifests_of
from generator.apply.clusters.parts import parts_of
from generator.apply.clusters.runs import Target, apply_cluster, diff_cluster
from generator.model import Center
from generator.problems import Problem, Refused
from generator.rehearsal.asks import Ask, Trial, of_services, trials, waves
from generator.rehearsal.drivers import devices_of
from generator.rehearsal.services import first_jobs, nodes_needed, work_of
from generator.rehearsal.stands import Stand, stands
from generator.rehearsal.witness import Seen, Witness
from generator.text import counted, visible

PATIENCE_SECONDS = 60.0
"""How long nothing may change before what is undecided stays so."""
PAUSE_SECONDS = 0.3
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Result:
    """What a rehearsal has shown."""

    centre: str
    cluster: str
    versions: dict[str, str]
    stands: tuple[Stand, ...]
    applied: int
    left_out: tuple[str, ...]
    seen: tuple[Seen, ...]
    server: str
    kubeconfig: Path

    @property
    def kept(self) -> bool:
        """Whether every job did what the spec promises."""
        return all(each.kept for each in self.seen)


@contextlib.contextmanager
def rehearsed(
    center: Center, cluster: str, tree: Path, folder: Path, most: int, keep: bool, tell: Tell
) -> Iterator[Result]:
    """Rehearse a cluster in a folder of its own; what was started ends with the block."""
    with _findings():
        rehearsal = _Rehearsal(center, cluster, tree, tell)
        tools = build_tools(tell)
        tell("starting etcd, API server, controller manager, scheduler, KWOK and Kueue")
        plane = ControlPlane(tools, folder / "cluster", kueue_config=_configuration(tree, cluster))
    with contextlib.ExitStack() as ending:
        with _findings():
            ending.enter_context(plane)
        with _findings(plane):
            result = rehearsal.play(plane, tools, most, keep)
        yield result


@contextlib.contextmanager
def _findings(plane: ControlPlane | None = None) -> Iterator[None]:
    """What goes wrong with the programs is a finding, with what the one that ended has said."""
    import httpx

    try:
        yield
    except BuildError as error:
        hint = "the first rehearsal needs Go, or pip to bring it, and a proxy for Go modules"
        raise Refused([Problem("rehearse.build", _sentence(error), hint=hint)]) from error
    except (RuntimeError, OSError, httpx.HTTPError) as error:
        said = "; ".join((plane.ended() if plane else []) or [_sentence(error)])
        raise Refused([Problem("rehearse.broken", f"the rehearsal cannot go on: {visible(said, 600)}")]) from error


def _sentence(error: Exception) -> str:
    """What has happened, and the last that a program said of it: its whole log is for nobody's eyes."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[0] if len(lines) == 1 else f"{lines[0]}: {visible(lines[-1])}"


def _configuration(tree: Path, cluster: str) -> dict[str, Any]:
    """Kueue's own configuration as it is rendered."""
    rendered = yaml.safe_load((tree / "clusters" / cluster / "kueue.yaml").read_text("utf-8"))
    read: dict[str, Any] = yaml.safe_load(rendered["data"]["controller_manager_config.yaml"])
    return read


def versions() -> dict[str, str]:
    """Which releases run in a rehearsal."""
    return {module.name: module.version() for module in MODULES}


class _Rehearsal:
    """One run, step by step."""

    def __init__(self, center: Center, cluster: str, tree: Path, tell: Tell) -> None:
        self._center, self._cluster, self._tree, self._tell = center, cluster, tree, tell
        self._manifests = manifests_of(tree, cluster)
        firsts = first_jobs(tree)
        devices = devices_of(self._manifests, firsts)
        self._devices = {pool: device for pool, device in devices.items() if device}
        self._unasked = devices.keys() - self._devices.keys()
        self._firsts = {queue: job for queue, job in firsts.items() if queue.rpartition(".")[2] not in self._unasked}
        self._works = [work for work in work_of(self._manifests) if work.pool not in self._unasked]

    def play(self, plane: ControlPlane, tools: Tools, most: int, keep: bool) -> Result:
        plane.define(tools.gateway_crds)
        standing = stands(self._center, self._cluster, most, nodes_needed(self._works), self._devices)
        count = sum(len(stand.nodes) for stand in standing)
        self._tell(f"registering {counted(count, 'fake node')}")
        plane.add_nodes([node for stand in standing for node in stand.manifests()])
        plane.publish([devices for stand in standing for devices in stand.devices()])
        applied = self._apply(plane)
        witness = Witness(plane)
        self._await_queues(witness)
        seen = list(self._ask(witness, standing, keep))
        return Result(
            self._center.name, self._cluster, versions(), tuple(standing), applied,
            tuple(self._left_out()), tuple(seen), plane.server, plane.kubeconfig,
        )  # fmt: skip

    def _apply(self, plane: ControlPlane) -> int:
        """Apply as `center apply` does, then look whether that was all."""
        self._tell(f"applying {len(self._manifests)} objects")
        target = Target(self._center.name, self._cluster, Access(plane.kubeconfig))
        labels = labels_of(self._tree, self._cluster)
        report = apply_cluster(target, self._manifests, labels=labels)
        if report.problems:
            raise Refused(report.problems)
        left = diff_cluster(target, self._manifests, labels=labels)
        if left.problems or left.steps:
            again = [Problem("rehearse.again", f"a second apply would {step.verb} {step.key}") for step in left.steps]
            raise Refused([*left.problems, *again])
        return len(report.done)

    def _await_queues(self, witness: Witness) -> None:
        closed = self._settled(witness.closed, lambda found: not found)
        if closed:
            raise Refused([Problem("rehearse.queue", f"queue {line}") for line in closed])

    def _ask(self, witness: Witness, standing: Sequence[Stand], keep: bool) -> Iterator[Seen]:
        """Services first, since they stand all the time; then each wave of jobs."""
        services = list(of_services(self._center, self._works))
        stays = [ask for ask in services if ask.manifest is None]
        if stays:
            self._tell(f"waiting for {counted(len(stays), 'service')}")
        yield from self._decided(witness, stays)
        room = {stand.pool.name: max(1, len(stand.nodes) - _pods(stays, stand)) for stand in standing}
        found = [*map(Trial, (ask for ask in services if ask.manifest)), *self._trials(witness, room)]
        made = waves(found, room)
        for number, wave in enumerate(made, 1):
            runs = [trial.runs for trial in wave if trial.runs]
            self._tell(f"wave {number} of {len(made)}: {counted(len(runs), 'job')} within quota")
            for ask in runs:
                witness.submit(ask)
            ran = [seen.ask for seen in self._decided(witness, runs) if seen.kept]
            others = [ask for trial in wave for ask in trial.beside(ran)]
            if others:
                self._tell(f"wave {number} of {len(made)}: {counted(len(others), 'job')} that must not run")
            for ask in others:
                witness.submit(ask, trying=ask.kind == "unqueued")
            yield from self._decided(witness, [*runs, *others])
            if not (keep and number == len(made)):
                self._clear(witness, [*runs, *others])

    def _trials(self, witness: Witness, room: dict[str, int]) -> list[Trial]:
        return list(trials(self._center, self._cluster, self._firsts, witness.held(), room))

    def _decided(self, witness: Witness, asks: list[Ask]) -> list[Seen]:
        """What became of these, as soon as all of them did what they shall, or nothing changes any more."""
        return self._settled(lambda: witness.see(asks), lambda seen: all(each.kept for each in seen))

    def _clear(self, witness: Witness, asks: list[Ask]) -> None:
        for ask in asks:
            witness.withdraw(ask)
        if not self._settled(lambda: [witness.gone(asks)], lambda gone: all(gone)) == [True]:
            raise Refused([Problem("rehearse.broken", "jobs that were deleted do not go")])

    def _settled(self, look: Callable[[], list[Any]], done: Callable[[list[Any]], bool]) -> list[Any]:
        """Look until it is done, or until nothing has changed for a while; what was seen last."""
        seen, since = look(), time.monotonic()
        while not done(seen) and time.monotonic() - since < PATIENCE_SECONDS:
            time.sleep(PAUSE_SECONDS)
            now = look()
            if now != seen:
                seen, since = now, time.monotonic()
        return seen

    def _left_out(self) -> Iterator[str]:
        """What of the cluster is not here, a sentence each."""
        others = [pool.name for pool in self._center.pools_of(self._cluster) if pool.role != "worker"]
        if others:
            yield f"nodes of {', '.join(others)}: no job of a tenant goes there"
        for pool in self._center.pools_of(self._cluster):
            if pool.name in self._unasked:
                yield f"queues of {pool.name}: its class of devices asks for more than fake devices have"
        for part in parts_of(self._tree, self._cluster):
            yield f"part {part}: its programs would need containers"
        words = self._center.clusters[self._cluster]
        if words.kind == "kubernetes":
            for what, asked, runs in (
                ("Kubernetes", words.version, versions()["kubernetes"]),
                ("Kueue", words.queues, versions()["kueue"]),
            ):
                if not runs.startswith(f"v{asked}."):
                    yield f"{what} {asked}: {runs} ran in its place"


def _pods(asks: list[Ask], stand: Stand) -> int:
    return sum(ask.pods for ask in asks if ask.pool == stand.pool.name)
