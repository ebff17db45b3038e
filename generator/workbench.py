"""Verbs for whoever adds to the product: look at the catalogue."""

from __future__ import annotations

import click

from generator import catalog as catalogues
from generator import folders, shelf


@click.command()
@click.argument("kind", required=False)
@click.argument("name", required=False)
@click.option("--center", metavar="CENTER", help="Show what this centre sees: its own catalogue on top of ours.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def catalog(kind: str | None, name: str | None, center: str | None, form: str) -> None:
    """Show what the catalogue knows: its kinds, the entries of a KIND, or all that the entry NAME says."""
    seen = catalogues.of(folders.spec_file(center).parent if center else None)
    if kind is None:
        kinds = shelf.overview(seen)
        click.echo(shelf.as_json(kinds) if form == "json" else shelf.overview_text(kinds))
    elif name is None:
        entries = shelf.listing(seen, shelf.kind_of(kind))
        click.echo(shelf.as_json(entries) if form == "json" else shelf.listing_text(entries))
    else:
        page = shelf.page(seen, shelf.kind_of(kind), name)
        click.echo(shelf.as_json(page) if form == "json" else shelf.page_text(page))
