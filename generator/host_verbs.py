"""The verbs that look at nodes before they are put to use: whom to trust, what is there, what may go into service."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace as changed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from generator.console import Done, progress, say
from generator.problems import Problem, Refused
from generator.steps import judged, true_tree
from generator.world_verbs import center_argument, key_option, limit_option, out_option

if TYPE_CHECKING:
    from generator.apply.hosts.findings import Report
    from generator.apply.hosts.ssh import SshAccess
    from generator.apply.hosts.trust import Outcome

format_option = click.option(
    "--format", "form", type=click.Choice(["text", "json", "junit"]), default="text", show_default=True
)
pool_option = click.option("--pool", multiple=True, metavar="POOL", help="Only these pools; may be repeated.")
_COLOURS = {"error": "red", "warning": "yellow", "note": "bright_black"}


@click.command()
@center_argument
@limit_option
@click.option("--record", is_flag=True, help="Record the keys of new nodes without asking.")
@click.option("--replace", multiple=True, metavar="NODE", help="Record the changed key of this node; may be repeated.")
@format_option
def trust(center: str | None, limit: tuple[str, ...], record: bool, replace: tuple[str, ...], form: str) -> None:
    """Show by what each node proves who it is; record the host keys of new nodes.

    With an SSH authority, nodes need a certificate of it for their own name. With a file of known hosts, keys are shown
    at first contact and recorded after a yes; a key that has changed is only recorded for a node that --replace names.
    """
    from generator.apply.hosts import trust as trusting

    file, found = judged(center)
    ssh, replaced = found.spec.access.ssh, frozenset(replace)
    pools = {node.name: nodes.pool.name for block in found.blocks.values() for node, nodes in block.nodes()}
    _check_names((*limit, *replace), pools)
    if (record or replace) and not ssh.known_hosts:
        raise click.UsageError('the spec names no file for host keys: say "known-hosts" in access.ssh')
    targets = [
        trusting.Target(node.name, pools[node.name], node.address)
        for block in found.blocks.values()
        for node, _ in block.nodes()
        if not (limit or replace) or node.name in (*limit, *replace)
    ]
    fingerprints = frozenset(map(trusting.fingerprint_of, found.ssh_authorities))
    known = trusting.Known(fingerprints, found.known_hosts, records=ssh.known_hosts is not None)
    outcome = trusting.look(targets, known, progress)
    unasked = {key.name for key in outcome.new} - replaced
    agreed = record or (bool(unasked) and _agrees(outcome, form, len(unasked)))
    if keys := trusting.recordable(outcome, replaced, new=agreed):
        place = file.parent / str(ssh.known_hosts).removeprefix("path:")
        trusting.record(place, pools, keys, replaced)
        trusting.take_in(outcome, keys)
        say(f"{place}: recorded; look at it, keep it with the spec, and run: center render")
    _tell(outcome.report, form)
    raise Done(outcome.report.exit_code)


def _agrees(outcome: Outcome, form: str, nodes: int) -> bool:
    """Whether a person at a terminal has read the fingerprints and says yes."""
    if not sys.stdin.isatty() or form != "text":
        return False
    _tell(outcome.report, form)
    return click.confirm(f"Record the keys of {nodes} new node{'' if nodes == 1 else 's'}?", err=True)


@click.command()
@center_argument
@out_option
@limit_option
@key_option
@format_option
def preflight(center: str | None, out: Path | None, limit: tuple[str, ...], ssh_key: Path | None, form: str) -> None:
    """Compare nodes with what the spec says they are, before anything is installed. Changes nothing."""
    from generator.apply.hosts.preflight import preflight as look

    _run(center, out, ssh_key, form, lambda tree, access: look(tree, frozenset(limit) or None, access, progress))


@click.command()
@center_argument
@out_option
@pool_option
@limit_option
@key_option
@format_option
@click.option("--revoke", is_flag=True, help="Take nodes out of acceptance again, unchecked.")
def accept(
    center: str | None,
    out: Path | None,
    pool: tuple[str, ...],
    limit: tuple[str, ...],
    ssh_key: Path | None,
    form: str,
    revoke: bool,
) -> None:
    """Make the acceptance checks of each pool on its nodes; those that pass may go into service.

    A node that fails a check is out of acceptance, whatever it was before.
    """
    from generator.apply.hosts import accept as accepting

    work = accepting.revoke if revoke else accepting.accept
    pools, nodes = frozenset(pool) or None, frozenset(limit) or None
    _run(center, out, ssh_key, form, lambda tree, access: work(tree, pools, nodes, access, progress))


def _run(
    center: str | None, out: Path | None, key: Path | None, form: str, work: Callable[[Path, SshAccess], Report]
) -> None:
    """Do something with the nodes of a tree that is exactly what the spec renders to."""
    from generator.apply.hosts.asked import access_of
    from generator.apply.hosts.interruption import interruptible

    _, tree, found = true_tree(center, out)
    with _usage(), interruptible():
        report = work(tree, access_of(found.spec.access.ssh.user, key))
    _tell(report, form)
    raise Done(report.exit_code)


def _check_names(names: tuple[str, ...], known: dict[str, Any]) -> None:
    from generator.apply.hosts.blocks import UnknownName

    with _usage():
        for name in names:
            if name not in known:
                raise UnknownName("node", name, known)


@contextmanager
def _usage() -> Iterator[None]:
    """A name that the centre does not have is wrong usage, not a failure."""
    from generator.apply.hosts.blocks import UnknownName

    try:
        yield
    except UnknownName as unknown:
        problems: list[Problem] = unknown.problems
        raise Refused([changed(problem, rule=f"usage.{problem.rule}") for problem in problems]) from None


def _tell(report: Report, form: str) -> None:
    if form == "json":
        click.echo(report.as_json())
    elif form == "junit":
        click.echo(report.as_junit())
    else:
        for severity, line in report.lines():
            click.echo(click.style(line, fg=_COLOURS.get(severity)) if severity else line)
