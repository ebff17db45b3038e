"""The verb that brings parts of others to the operator's machine, before anything looks at a cluster."""

from __future__ import annotations

from pathlib import Path

import click

from generator.console import FAILED, Done, show
from generator.source import Source
from generator.steps import true_tree
from generator.world_verbs import center_argument, cluster_option, out_option


@click.command()
@center_argument
@out_option
@cluster_option
@click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Take the files from this folder, by their digest, instead of from where the spec says they lie.",
)
def fetch(center: str | None, out: Path | None, cluster: tuple[str, ...], folder: Path | None) -> None:
    """Fetch the parts of clusters that others have made, by digest, into a cache of yours; diff and apply need them."""
    from generator.apply.clusters import parts
    from generator.apply.clusters.requests import chosen

    _, tree, _ = true_tree(center, out)
    problems = []
    for part in [part for name in chosen(tree, cluster) for part in parts.parts_of(tree, name)]:
        try:
            new = parts.fetch(part, folder)
            click.echo(f"{part.cluster}: {part} {'fetched' if new else 'was here'}")
        except parts.NotThere as why:
            problems.append(why.problem(part))
    if problems:
        show(problems, Source(), err=True)
    raise Done(FAILED if problems else 0)
