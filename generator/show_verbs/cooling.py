"""The way of the heat, from racks to the air outside, with what is left at each step."""

from __future__ import annotations

from pathlib import Path

import click

from generator import folders, validate
from generator.console import FAILED, FINE, Done, say, show_found
from generator.problems import Problem, Refused
from generator.world_verbs import center_argument


@click.command("cooling")
@center_argument
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it there.")
@click.option(
    "--format", "form", type=click.Choice(["text", "svg"]), help="Default: svg for a FILE of that name, else text."
)
def page(center: str | None, out: Path | None, form: str | None) -> None:
    """Show the cooling: heat rejection, facility water, loops, racks, and the margins of each.

    The picture is that of cooling.svg in the rendered tree. A design that validation refuses is shown with what is
    wrong marked, and the exit code is 1.
    """
    from generator.drawing.cooling import cooling
    from generator.drawing.cooling_text import text
    from generator.heatway import heatway
    from generator.markup import emit_xml

    found = validate.validate(folders.spec_file(center))
    show_found(found, err=True)
    if found.center is None or (found.waiting and found.errors):
        raise Done(FAILED)
    if not found.center.waters:
        raise Refused([Problem("show.nothing", f'"{found.center.name}" has no facility water and no loop')])
    way = heatway(found.center, found.problems)
    drawn = (form or ("svg" if out and out.suffix == ".svg" else "text")) == "svg"
    content = emit_xml(cooling(way)) if drawn else f"{text(way)}\n".encode()
    if out:
        _write(out, content)
        say(f"wrote {out}")
    else:
        click.echo(content.decode(), nl=False)
    raise Done(FAILED if found.errors else FINE)


def _write(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        raise Refused([Problem("write.refused", f'"{file}": {error.strerror}')]) from error
