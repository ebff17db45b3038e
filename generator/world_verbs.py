"""The verbs that look at or change living hosts and clusters."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from generator.console import DIFFERENT, FAILED, FINE, Done, progress, show
from generator.problems import Refused
from generator.source import Source
from generator.steps import true_tree

if TYPE_CHECKING:
    from generator.apply.request import Outcome

center_argument = click.argument("center", required=False)
out_option = click.option(
    "--out", type=click.Path(path_type=Path), help="The rendered tree; default: generated/ beside the spec."
)


class Shard(click.ParamType[tuple[int, int]]):
    """A part of a whole, such as 2/8."""

    name = "i/n"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})", value)
        if not found or int(found[1]) > int(found[2]):
            self.fail(f'needs a part such as "2/8", got "{value}"', param, ctx)
        return int(found[1]), int(found[2])


class Duration(click.ParamType[float]):
    """Seconds, from words such as 90s, 30m or 2h."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"([0-9]{1,6})(s|m|h)", value)
        if not found:
            self.fail(f'needs a time such as "90s", "30m" or "2h", got "{value}"', param, ctx)
        return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


class Files(click.ParamType[str]):
    """Words that a variable of the environment separates as it does paths."""

    name = "file"
    envvar_list_splitter = os.pathsep


limit_option = click.option("--limit", multiple=True, metavar="NODE", help="Only these nodes; may be repeated.")
cluster_option = click.option("--cluster", multiple=True, metavar="NAME", help="Only these clusters.")
hosts_option = click.option("--hosts", "only_hosts", is_flag=True, help="Only hosts, no clusters.")
_file = click.Path(path_type=Path, dir_okay=False)
kubeconfig_option = click.option(
    "--kubeconfig",
    type=Files(),
    multiple=True,
    envvar="KUBECONFIG",
    metavar="[CLUSTER=]FILE",
    help="How to reach a cluster; the context with its name, else the current one. May be repeated.",
)
no_cluster_option = click.option(
    "--no-cluster", multiple=True, metavar="NAME", help="This cluster is not there: nobody drains nodes in it."
)
shard_option = click.option(
    "--shard", type=Shard(), default="1/1", help="Only every n-th block, beginning with the i-th, for many controllers."
)
format_option = click.option(
    "--format", "form", type=click.Choice(["text", "json", "junit"]), default="text", show_default=True
)
key_option = click.option("--ssh-key", type=_file, help="Key to log in with.")


def target_options(verb: Callable[..., None]) -> Callable[..., None]:
    for option in (key_option, no_cluster_option, kubeconfig_option, cluster_option, hosts_option):
        verb = option(verb)
    for option in (shard_option, limit_option, out_option):
        verb = option(verb)
    return center_argument(verb)


@click.command("diff")
@target_options
@format_option
@click.option("--save", type=_file, help="Write what was found to a plan; apply --plan does that and nothing else.")
def diff_(form: str, save: Path | None, **where: Any) -> None:
    """Show what apply would do: the tree against the living hosts and clusters. Changes nothing.

    Each change stands there once, with the hosts that it concerns and what it asks of them: nothing or a restart of its
    own unit; [drain]: the node must be empty; [reboot]: it must be empty and boot.
    """
    raise Done(_everywhere("diff", form=form, save=save, **where))


@click.command("apply")
@target_options
@format_option
@click.option("--plan", type=_file, help="Only what this plan of diff --save says; refused if anything moved since.")
@click.option(
    "--up-to",
    type=click.Choice(["live", "restart", "drain", "reboot"]),
    default="restart",
    show_default=True,
    help="The gravest class of change; what needs more is named and left.",
)
@click.option(
    "--wait",
    type=Duration(),
    default="0s",
    help="How long nodes may take to become empty, and objects of a cluster to do their work, such as 30m or 2h.",
)
@click.option("--end-jobs", type=click.IntRange(0), default=0, metavar="N", help="End up to N running jobs for that.")
@click.option(
    "--leaving", type=click.IntRange(0), default=0, metavar="N", help="Let N nodes leave that the spec lacks."
)
@click.option("--confirm", multiple=True, metavar="NAME", help="Allow the deletion of this namespace or volume.")
@click.option("--yes", is_flag=True, help="Do not ask, also on a terminal.")
def apply_(form: str, confirm: tuple[str, ...], yes: bool, **where: Any) -> None:
    """Bring hosts and clusters to the rendered tree. May be killed anywhere and run again.

    One host first, then a share of each pool at a time; the first failure stops after its batch.
    """
    seen = None
    if sys.stdin.isatty() and not yes:
        preview = _delivered("diff", confirm=frozenset(confirm), **where)
        _tell(preview, err=True)
        # With nothing to change there is nothing to ask; what a run that died has left is still put in order.
        if preview.code != FINE and not click.confirm("Apply exactly this?", err=True):
            raise Done(preview.code if preview.code != DIFFERENT else FAILED)
        seen = preview.plan
    raise Done(_everywhere("apply", form=form, confirm=frozenset(confirm), seen=seen, **where))


@click.command()
@target_options
@format_option
def status(form: str, **where: Any) -> None:
    """Show how the living hosts and clusters differ from the tree, and what is not healthy. Reads only."""
    raise Done(_everywhere("status", form=form, **where))


@click.command()
@click.argument("lock")
@target_options
def unlock(lock: str, **where: Any) -> None:
    """Take the lock of a run that is dead; LOCK is the id that a refused run has shown."""
    if _is_id(where["center"] or "") and not _is_id(lock):
        lock, where["center"] = where["center"], lock  # the other verbs take the centre first
    raise Done(_everywhere("unlock", lock=lock, **where))


def _everywhere(verb: str, **asked: Any) -> int:
    """Hosts, then clusters: what came of it is told, and the exit code returned."""
    outcome = _delivered(verb, **asked)
    _tell(outcome)
    return outcome.code


def _delivered(verb: str, center: str | None, out: Path | None, **asked: Any) -> Outcome:
    """Do what a verb does, with a tree that is exactly what the spec renders to."""
    from generator.apply import world
    from generator.apply.hosts.interruption import interruptible
    from generator.apply.hosts.ssh import disk_problem
    from generator.apply.request import Request

    _, tree, judged = true_tree(center, out)
    words = {_REQUEST.get(name, name): value for name, value in asked.items()}
    words["limit"], words["without"] = frozenset(words["limit"]), frozenset(words["without"])
    request = Request(tree=tree, centre=judged.name, user=judged.spec.access.ssh.user, **words)
    try:
        with interruptible():
            return world.deliver(verb, request, progress)
    except OSError as error:
        raise Refused([disk_problem(error)]) from error


def _is_id(word: str) -> bool:
    """Whether a word is the id of a run: of hosts, or of a cluster (who, where, which)."""
    return re.fullmatch(r"([^/ ]+@[^/ ]+/[0-9]+/)?[0-9a-f]{8}", word) is not None


def _tell(outcome: Outcome, err: bool = False) -> None:
    for line in outcome.lines:
        click.echo(line, err=err)
    if outcome.problems:
        show(list(outcome.problems), Source(), err=True)


# Options that are called otherwise in a request.
_REQUEST = {"cluster": "clusters", "ssh_key": "key", "kubeconfig": "kubeconfigs", "no_cluster": "without"}
