"""The verbs that look at or change living hosts and clusters."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from generator.console import FAILED, Done, progress, show
from generator.source import Source
from generator.steps import true_tree

center_argument = click.argument("center", required=False)
out_option = click.option(
    "--out", type=click.Path(path_type=Path), help="The rendered tree; default: generated/ beside the spec."
)
limit_option = click.option("--limit", multiple=True, metavar="NODE", help="Only these nodes; may be repeated.")
cluster_option = click.option("--cluster", multiple=True, metavar="NAME", help="Only these clusters.")
hosts_option = click.option("--hosts", "only_hosts", is_flag=True, help="Only hosts, no clusters.")
_file = click.Path(path_type=Path, dir_okay=False)
kubeconfig_option = click.option("--kubeconfig", type=_file, envvar="KUBECONFIG", help="How to reach the cluster.")
key_option = click.option("--ssh-key", type=_file, help="Key to log in with.")


def target_options(verb: Callable[..., None]) -> Callable[..., None]:
    for option in (key_option, kubeconfig_option, cluster_option, hosts_option, limit_option, out_option):
        verb = option(verb)
    return center_argument(verb)


@click.command("diff")
@target_options
def diff_(**where: Any) -> None:
    """Show what apply would do: the tree against the living hosts and clusters. Changes nothing."""
    raise Done(_everywhere("diff", **where))


@click.command("apply")
@target_options
@click.option("--confirm", multiple=True, metavar="NAME", help="Allow the deletion of this namespace or volume.")
@click.option("--yes", is_flag=True, help="Do not ask, also on a terminal.")
def apply_(confirm: tuple[str, ...], yes: bool, **where: Any) -> None:
    """Bring hosts and clusters to the rendered tree. May be killed anywhere and run again."""
    if sys.stdin.isatty() and not yes and not click.confirm("Apply to the living hosts and clusters?", err=True):
        raise Done(FAILED)
    raise Done(_everywhere("apply", confirm=frozenset(confirm), **where))


@click.command()
@target_options
def status(**where: Any) -> None:
    """Show how the living hosts and clusters differ from the tree, and what is not healthy. Reads only."""
    raise Done(_everywhere("status", **where))


@click.command()
@click.argument("lock")
@target_options
def unlock(lock: str, **where: Any) -> None:
    """Take the lock of a run that is dead; LOCK is the id that a refused run has shown."""
    raise Done(_everywhere("unlock", lock=lock, **where))


def _everywhere(
    verb: str,
    center: str | None,
    out: Path | None,
    limit: tuple[str, ...],
    cluster: tuple[str, ...],
    only_hosts: bool,
    kubeconfig: Path | None,
    ssh_key: Path | None,
    confirm: frozenset[str] = frozenset(),
    lock: str = "",
) -> int:
    """Hosts, then clusters; the tree must be exactly what the spec renders to."""
    from generator.apply import world

    _, tree, judged = true_tree(center, out)
    asked = world.Request(
        tree=tree,
        centre=judged.name,
        user=judged.spec.access.ssh.user,
        limit=frozenset(limit),
        clusters=cluster,
        only_hosts=only_hosts,
        kubeconfig=kubeconfig,
        key=ssh_key,
        confirm=confirm,
        lock=lock,
    )
    outcome = world.deliver(verb, asked, progress)
    for line in outcome.lines:
        click.echo(line)
    if outcome.problems:
        show(list(outcome.problems), Source(), err=True)
    return outcome.code
