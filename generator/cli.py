"""The command: arguments, colours and exit codes; each verb is a list of sentences."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click

from generator import explain as explanations
from generator import folders, report, validate, workbench
from generator.diff import compare_tree
from generator.model import Center
from generator.problems import Problem, Refused
from generator.source import Source
from generator.write import File, write_tree

FINE, FAILED, DIFFERENT, USAGE, DEFECT = 0, 1, 2, 64, 70
_COLOURS = {"error": "red", "warning": "yellow", "position": "bright_black", "hint": "cyan"}


def _coloured(kind: str, text: str) -> str:
    return click.style(text, fg=_COLOURS.get(kind), bold=kind == "error")


def _wants_colours(stream: Any) -> bool:
    """Whether a person with a terminal that can, and who has not said no, will read this stream."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _say(text: str) -> None:
    """For people beside a result, so never on the stream that programs read."""
    if not _settings().get("quiet"):
        click.echo(text, err=True, color=_wants_colours(sys.stderr))


def _progress(text: str) -> None:
    if sys.stderr.isatty() or _settings().get("verbose"):
        _say(click.style(text, fg="bright_black"))


def _settings() -> dict[str, Any]:
    context = click.get_current_context(silent=True)
    return context.find_root().params if context else {}


class _Done(Exception):
    """Ends a verb with an exit code."""

    def __init__(self, code: int) -> None:
        self.code = code


# What verbs have in common

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
    _say(f"\nNext: edit {made[0].parent / folders.SPEC}, then run: center validate {made[0].parent}")


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
            _show_found(found)
        elif text := report.FORMATS[form](
            found.problems, found.source, folders.seen_from_here(found.file.parent), course
        ):
            click.echo(text)
    raise _Done(FAILED if found.errors or (strict and found.problems) else FINE)


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
    file, judged = _judged(center)
    tree = out or file.parent / folders.GENERATED
    if check:
        _compare(tree, judged)
        return
    result = write_tree(tree, _files(judged))
    for path in (*result.created, *result.changed) if result.written <= 20 else ():
        _progress(f"wrote {path}")
    for path in result.kept:
        _say(f"kept {path}: it is rendered no more, but somebody has edited it")
    counts = f"{len(result.created)} new, {len(result.changed)} changed, {len(result.removed)} removed"
    _say(f"{tree}: {counts}, {result.unchanged} unchanged")


def _compare(tree: Path, judged: Center) -> None:
    difference = compare_tree(tree, _files(judged))
    if not difference:
        _say(f"{tree}: as rendered")
        raise _Done(FINE)
    click.echo(difference.text, nl=False)
    for word, paths in (("missing", difference.missing), ("changed", difference.changed), ("extra", difference.extra)):
        for path in paths:
            click.echo(f"{word}: {path}")
    raise _Done(DIFFERENT)


@cli.command("diff")
@target_options
def diff_(**where: Any) -> None:
    """Show what apply would do: the tree against the living hosts and clusters. Changes nothing."""
    raise _Done(_everywhere("diff", **where))


@cli.command("apply")
@target_options
@click.option("--confirm", multiple=True, metavar="NAME", help="Allow the deletion of this namespace or volume.")
@click.option("--yes", is_flag=True, help="Do not ask, also on a terminal.")
def apply_(confirm: tuple[str, ...], yes: bool, **where: Any) -> None:
    """Bring hosts and clusters to the rendered tree. May be killed anywhere and run again."""
    if sys.stdin.isatty() and not yes and not click.confirm("Apply to the living hosts and clusters?", err=True):
        raise _Done(FAILED)
    raise _Done(_everywhere("apply", confirm=frozenset(confirm), **where))


@cli.command()
@target_options
def status(**where: Any) -> None:
    """Show how the living hosts and clusters differ from the tree, and what is not healthy. Reads only."""
    raise _Done(_everywhere("status", **where))


@cli.command()
@click.argument("lock")
@target_options
def unlock(lock: str, **where: Any) -> None:
    """Take the lock of a run that is dead; LOCK is the id that a refused run has shown."""
    raise _Done(_everywhere("unlock", lock=lock, **where))


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

        hint = did_you_mean(rule, (*known, *explanations.subjects())) or "center explain lists all"
        raise click.UsageError(f'there is no rule "{rule}"; {hint}')


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


# Steps of verbs


def _judged(where: str | None) -> tuple[Path, Center]:
    """A centre without errors; its findings are shown, errors end the verb."""
    file = folders.spec_file(where)
    found = validate.validate(file)
    _show_found(found, err=True)
    if found.errors or found.center is None:
        raise _Done(FAILED)
    return file, found.center


def _files(center: Center) -> Iterator[File]:
    # Here and not above: validating, the most frequent verb, needs no templates.
    from generator import outputs, render

    for artifact in outputs.artifacts(center):
        yield artifact.path, render.render(artifact), artifact.because


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

    file, judged = _judged(center)
    tree = out or file.parent / folders.GENERATED
    if compare_tree(tree, _files(judged)):
        message = f'"{tree}" is not what the spec renders to'
        raise Refused([Problem("tree.stale", message, hint='run "center render" and look at what has changed')])
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
    outcome = world.deliver(verb, asked, _progress)
    for line in outcome.lines:
        click.echo(line)
    if outcome.problems:
        _show(list(outcome.problems), Source(), err=True)
    return outcome.code


def _show(problems: list[Problem], source: Source, err: bool = False) -> None:
    stream = sys.stderr if err else sys.stdout
    if problems:
        click.echo(report.as_text(problems, source, _coloured if _wants_colours(stream) else report.plain), err=err)
    errors = sum(problem.is_error for problem in problems)
    if not err or errors:
        _say(f"{_count(errors, 'error')}, {_count(len(problems) - errors, 'warning')}")


def _show_found(found: validate.Validation, err: bool = False) -> None:
    _show(found.problems, found.source, err)
    if found.waiting:
        _say(f"{found.waiting} checks wait until these are fixed")


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def main() -> NoReturn:
    """Run a verb; whatever happens, the exit code tells who has to act."""
    code = FINE
    try:
        cli.main(standalone_mode=False)
    except _Done as done:
        code = done.code
    except Refused as refused:
        usage = any(problem.rule.startswith("usage.") for problem in refused.problems)
        _show(refused.problems, Source(), err=True)
        code = USAGE if usage else FAILED
    except click.Abort:
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
