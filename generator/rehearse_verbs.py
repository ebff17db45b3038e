"""The verb that tries a cluster out on this machine before there is one."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import click

from generator.console import FAILED, FINE, Done, say
from generator.model import Center
from generator.problems import Problem, Refused, did_you_mean
from generator.steps import files, judged
from generator.world_verbs import center_argument
from generator.write import write_tree

NODES_OF_A_PROCESSOR = 250
RUN_BYTES = 10**9
"""What the database, the logs and the certificates of a run take at most."""


@click.command()
@center_argument
@click.option("--cluster", metavar="NAME", help="The cluster; may be left out where there is only one.")
@click.option(
    "--nodes",
    type=click.IntRange(1, 5000),
    metavar="N",
    help=f"Most fake nodes, shared among pools by size; default: {NODES_OF_A_PROCESSOR} for each processor here.",
)
@click.option("--keep", is_flag=True, help="Afterwards leave the cluster up until this is interrupted (Ctrl-C).")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def rehearse(center: str | None, cluster: str | None, nodes: int | None, keep: bool, form: str) -> None:
    """Try a cluster out on this machine: does its spec give tenants what it promises?

    Starts a Kubernetes control plane and Kueue on loopback, simulates the nodes of the cluster's pools, applies what
    is rendered for it, and lets every tenant ask its queues for its quota, for more, and past them. Nothing that runs
    elsewhere is touched, and nothing stays. The first time, programs are compiled for minutes.
    """
    _, found = judged(center)
    name = _chosen(found, cluster)
    _check_machine()
    from control_plane.runs import private_folder
    from generator.apply.hosts.interruption import interruptible
    from generator.rehearsal import account, stage

    most = nodes or NODES_OF_A_PROCESSOR * (os.cpu_count() or 1)
    with interruptible(), private_folder() as folder:
        write_tree(folder / "tree", files(found))
        with stage.rehearsed(found, name, folder / "tree", folder, most, keep, say) as result:
            code = FINE if result.kept else FAILED
            for line in [account.as_json(result, code)] if form == "json" else account.lines(result):
                click.echo(line)
            if keep:
                _keep(result.kubeconfig)
    raise Done(code)


def _chosen(center: Center, name: str | None) -> str:
    """The Kubernetes cluster that is meant; Refused for any other word."""
    able = [each for each, words in center.clusters.items() if words.kind == "kubernetes"]
    told = f"clusters of Kubernetes: {', '.join(able)}" if able else None

    def refused(rule: str, message: str, hint: str | None = told) -> Refused:
        return Refused([Problem(f"usage.{rule}", message, hint=hint)])

    if not able:
        raise refused("no-cluster", f'centre "{center.name}" has no cluster of Kubernetes to rehearse')
    if name is None:
        if len(able) > 1:
            raise refused("no-cluster", f'centre "{center.name}" has {len(able)} clusters of Kubernetes, name one')
        return able[0]
    if name in center.clusters and name not in able:
        raise refused("slurm-cluster", f'cluster "{name}" is one of Slurm; only those of Kubernetes can be rehearsed')
    if name not in able:
        hint = did_you_mean(name, able) or told
        raise refused("unknown-cluster", f'centre "{center.name}" has no cluster "{name[:60]}"', hint)
    return name


def _check_machine() -> None:
    """Refused when what a rehearsal needs is not here."""
    import importlib.util

    missing = [module for module in ("kubernetes", "httpx", "cryptography") if not importlib.util.find_spec(module)]
    if missing:
        hint = 'pip install "center-generator[rehearse]"'
        raise Refused([Problem("rehearse.missing", f"{' and '.join(missing)} not installed", hint=hint)])
    if not sys.platform.startswith("linux") or shutil.which("unshare") is None:
        raise Refused([Problem("rehearse.machine", "a rehearsal needs Linux with the command unshare")])
    place = Path(tempfile.gettempdir())
    free = shutil.disk_usage(place).free
    if free < RUN_BYTES:
        message = f'a rehearsal needs {RUN_BYTES / 1e9:.1f} GB, the disk of "{place}" has {free / 1e9:.1f} GB'
        raise Refused([Problem("rehearse.disk", message, hint="make room, or name another folder in TMPDIR")])


def _keep(kubeconfig: Path) -> None:
    say(f"the cluster stays up until Ctrl-C; KUBECONFIG={kubeconfig}")
    try:
        while True:
            signal.pause()
    except KeyboardInterrupt:
        say("ending")
