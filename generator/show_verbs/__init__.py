"""`center show`: pages about the centre for people; one file a page, found by scanning this folder."""

from __future__ import annotations

import importlib
import pkgutil

import click


class _Pages(click.Group):
    """The pages of this folder; each is imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(module.name for module in pkgutil.iter_modules(__path__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        found = importlib.import_module(f"{__name__}.{cmd_name}").page
        assert isinstance(found, click.Command)
        return found


@click.group(cls=_Pages)
def show() -> None:
    """Show a page about the centre: on the terminal, or as a picture.

    A page is drawn from the spec alone, also of one that validation refuses; what it refuses is marked.
    """
