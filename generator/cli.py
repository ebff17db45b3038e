"""The command: arguments, colours and exit codes; each verb is a list of sentences."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click

from generator import (
    enforce_verbs,
    fetch_verbs,
    folders,
    host_verbs,
    rehearse_verbs,
    report,
    show_verbs,
    validate,
    workbench,
    world_verbs,
)
from generator import explain as explanations
from generator.console import DEFECT, DIFFERENT, FAILED, FINE, USAGE, Done, progress, say, show, show_found
from generator.diff import compare_tree
from generator.model import Center
from generator.problems import Refused
from generator.source import Source
from generator.steps import files, judged
from generator.world_verbs import center_argument, out_option
from generator.write import write_tree


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-q", "--quiet", is_flag=True, help="Say only what is wrong.")
@click.option("-v", "--verbose", is_flag=True, help="Say what is being done, also without a terminal.")
@click.version_option(package_name="center-generator")
def cli(quiet: bool, verbose: bool) -> None:
    """Describe a compute centre once; validate, render and apply its hosts, clusters and cooling monitors.

    CENTER is a folder with a center.yaml, that file, or a name below inventories/; without one, the current folder.

    \b
    Begin here:   center init my-centre
                  center validate my-centre
                  center render my-centre

    \b
    Exit codes:    0 nothing wrong or nothing to do
                   1 findings, or the run failed
                   2 differences found
                  64 wrong usage
                  70 a defect of this program
    """


@cli.command()
@click.argument("name")
@click.option("--in", "parent", type=click.Path(path_type=Path), help="Parent folder; default inventories/ if there.")
def init(name: str, parent: Path | None) -> None:
    """Begin a centre: a spec that fits on one screen, and an SSH authority of its own."""
    parent = parent or (Path("inventories") if Path("inventories").is_dir() else Path())
    made = folders.begin(workbench.checked_name(name), parent)
    for path in made:
        click.echo(f"wrote {path}")
    say(f"\nNext: edit {made[0].parent / folders.SPEC}, then run: center validate {made[0].parent}")


@cli.command("validate")
@center_argument
@click.option("--format", "form", type=click.Choice(["text", *report.FORMATS]), default="text", show_default=True)
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="Judge dates too, by this day; else none is judged.")
def validate_(center: str | None, form: str, strict: bool, as_of: Any) -> None:
    """Check a spec offline: every finding at once, each at its line."""
    with _reporting(form):
        found = validate.validate(folders.spec_file(center), as_of.date().isoformat() if as_of else None)
        course = report.Course(complete=not found.waiting, strict=strict)
        if form == "text":
            show_found(found)
        elif text := report.FORMATS[form](
            found.problems, found.source, folders.seen_from_here(found.file.parent), course
        ):
            click.echo(text)
    raise Done(FAILED if found.errors or (strict and found.problems) else FINE)


@contextmanager
def _reporting(form: str) -> Iterator[None]:
    """A report also of a run that ends early: whoever uploads it finds no empty file."""
    try:
        yield
    except (click.ClickException, click.Abort, BrokenPipeError):
        raise
    except Exception as error:
        if form != "text":
            refused = error.problems if isinstance(error, Refused) else []
            defect = None if isinstance(error, Refused) else _defect(error)
            course = report.Course(complete=False, defect=defect)
            click.echo(report.FORMATS[form](refused, Source(), Path(), course))
        raise


def _defect(error: Exception) -> str:
    return f"a defect of this program: {type(error).__name__}: {error}"


@cli.command("render")
@center_argument
@click.option("--check", is_flag=True, help="Write nothing; exit with 2 if the folder differs.")
@out_option
def render_(center: str | None, check: bool, out: Path | None) -> None:
    """Write every file that a host or a cluster will get."""
    file, found = judged(center)
    tree = out or file.parent / folders.GENERATED
    if check:
        _compare(tree, found)
        return
    result = write_tree(tree, files(found))
    for path in (*result.created, *result.changed) if result.written <= 20 else ():
        progress(f"wrote {path}")
    for path in result.kept:
        say(f"kept {path}: it is rendered no more, but somebody has edited it")
    counts = f"{len(result.created)} new, {len(result.changed)} changed, {len(result.removed)} removed"
    say(f"{tree}: {counts}, {result.unchanged} unchanged")


def _compare(tree: Path, found: Center) -> None:
    difference = compare_tree(tree, files(found))
    if not difference:
        say(f"{tree}: as rendered")
        raise Done(FINE)
    click.echo(difference.text, nl=False)
    for word, paths in (("missing", difference.missing), ("changed", difference.changed), ("extra", difference.extra)):
        for path in paths:
            click.echo(f"{word}: {path}")
    raise Done(DIFFERENT)


@cli.command()
@click.argument("rule", required=False)
def explain(rule: str | None) -> None:
    """Tell why a rule exists, with a bad and a good example.

    RULE is a rule such as power.ups, or a subject such as power, of which all rules are listed; without one, the names
    of all rules are.
    """
    known = explanations.lessons()
    if rule is None:
        click.echo("\n".join(known))
    elif rule in explanations.subjects():
        click.echo(explanations.listing(rule))
    elif rule in known:
        click.echo(explanations.page(rule))
    else:
        from generator.problems import did_you_mean

        page = explanations.told_in(rule)
        living = f"what verbs find in a living centre is told in {page}" if page else None
        near = did_you_mean(rule, (*known, *explanations.subjects()))
        hint = "; ".join(filter(None, (living, near))) or "center explain lists all"
        raise click.UsageError(f'there is no rule "{rule}" about a spec; {hint}')


@cli.command()
@click.option("--part", is_flag=True, help="Of the files that a center.yaml includes.")
def schema(part: bool) -> None:
    """Print the JSON Schema of center.yaml for editors."""
    import json

    from generator import schema as schemas

    click.echo(json.dumps(schemas.part() if part else schemas.schema(), ensure_ascii=False, indent=2))


@cli.command()
@click.argument("page", type=click.Choice(["spec", "rules", "catalog"]))
def docs(page: str) -> None:
    """Print a reference page: every field of center.yaml, every finding, or every field of a catalogue file."""
    from generator.reference import PAGES

    click.echo(PAGES[page](), nl=False)


for verb in (world_verbs.diff_, world_verbs.apply_, world_verbs.status, world_verbs.unlock):
    cli.add_command(verb)
cli.add_command(fetch_verbs.fetch)
cli.add_command(rehearse_verbs.rehearse)
for verb in (host_verbs.trust, host_verbs.preflight, host_verbs.accept):
    cli.add_command(verb)
cli.add_command(enforce_verbs.enforce)
cli.add_command(show_verbs.show)
cli.add_command(workbench.catalog)
cli.add_command(workbench.new)


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print shell completion, for example: source <(center completion bash)"""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(cli, {}, "center", "_CENTER_COMPLETE").source())


def main() -> NoReturn:
    """Run a verb; whatever happens, the exit code tells who has to act."""
    code = FINE
    try:
        cli.main(standalone_mode=False)
    except Done as done:
        code = done.code
    except Refused as refused:
        usage = any(problem.rule.startswith("usage.") for problem in refused.problems)
        show(refused.problems, Source(), err=True)
        code = USAGE if usage else FAILED
    except click.Abort:
        click.echo("center: interrupted", err=True)
        code = 130
    except click.ClickException as error:
        error.show()
        code = USAGE
    except BrokenPipeError:
        sys.stderr.close()
    except Exception as error:  # a defect of ours is said in one line; --verbose shows where
        if "--verbose" in sys.argv or "-v" in sys.argv:
            traceback.print_exc()
        click.echo(f"center: {_defect(error)} (run with -v to see where)", err=True)
        code = DEFECT
    sys.exit(code)
