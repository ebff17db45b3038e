"""Verbs for whoever adds to the product: look at the catalogue, begin a new file of it, a rule or a service."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from generator import blanks, explain, folders, resources, service_page, shelf
from generator import catalog as catalogues
from generator.console import FAILED, Done, show
from generator.problems import Problem, Refused
from generator.source import Source


@click.command()
@click.argument("kind", required=False)
@click.argument("name", required=False)
@click.option("--center", metavar="CENTER", help="Show what this centre sees: its own catalogue on top of ours.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def catalog(kind: str | None, name: str | None, center: str | None, form: str) -> None:
    """Show what the catalogue knows: its kinds, the entries of a KIND, or all that the entry NAME says.

    Services are a kind too: each with the inputs that it takes.
    """
    seen = catalogues.of(folders.spec_file(center).parent if center else None)
    try:
        shown, told = _shelf(seen, kind, name)
    except Refused as refused:
        if not any(problem.position for problem in refused.problems):
            raise
        show(refused.problems, _lines(seen, refused.problems), err=True)
        raise Done(FAILED) from None
    click.echo(shelf.as_json(shown) if form == "json" else told(shown))


def _lines(seen: catalogues.Catalog, problems: list[Problem]) -> Source:
    """What was read of the centre's own catalogue, to show lines of it beside findings."""
    read = Source()
    for file, lines in seen.texts():
        read.remember(file, lines)
    read.hide_secrets(problems)
    return read


def _shelf(seen: catalogues.Catalog, kind: str | None, name: str | None) -> tuple[Any, Callable[[Any], str]]:
    """What is shown of the catalogue, and how it is told as text."""
    shown: Any
    told: Callable[[Any], str]
    if kind is None:
        shown, told = [*shelf.overview(seen), service_page.line()], shelf.overview_text
    elif kind in service_page.WORDS and name is None:
        shown, told = service_page.listing(), service_page.listing_text
    elif kind in service_page.WORDS and name is not None:
        shown, told = service_page.page(name), service_page.page_text
    elif name is None:
        shown, told = shelf.listing(seen, _kind_of(kind)), shelf.listing_text
    else:
        shown, told = shelf.page(seen, _kind_of(kind), name), shelf.page_text
    return shown, told


def _kind_of(word: str) -> type[catalogues.Entry]:
    return shelf.kind_of(word, others=service_page.WORDS[:1])


@click.command()
@click.argument("kind")
@click.argument("name")
@click.option("--like", metavar="NAME", help="Begin with a copy of this entry instead of an empty one.")
@click.option("--in", "center", metavar="CENTER", help="Write into this centre's own catalogue.")
def new(kind: str, name: str, like: str | None, center: str | None) -> None:
    """Begin a file to fill in.

    KIND is a kind of the catalogue such as accelerator, server or class, or a rule or a service of this program.
    Without --in a checkout takes the new file, and elsewhere the centre that one stands in.
    """
    if kind in ("rule", "service"):
        if like or center:
            raise click.UsageError("--like and --in are for entries of the catalogue")
        (_new_rule if kind == "rule" else _new_service)(name, _checkout(kind))
    else:
        _new_entry(kind, name, like, center)


def _new_entry(word: str, name: str, like: str | None, center: str | None) -> None:
    kind = shelf.kind_of(word, others=("rule", "service"))
    home = _home(center)
    checked_name(name)
    seen = catalogues.of(home)
    if like is not None:
        shelf.entry_of(seen, kind, like)
        file = seen.file(kind, like)
        assert file is not None
        text = blanks.copied(file.read_text("utf-8"), name)
    else:
        text = blanks.entry(kind, name)
    _write({(home / "catalog" if home else catalogues.BUILT_IN) / kind.folder / f"{name}.yaml": text})
    _say(f'Next: fill it in, then look at it with "center catalog {word} {name}{f" --center {home}" if home else ""}".')


def _home(center: str | None) -> Path | None:
    """The folder of the centre that takes a new entry; None for the built-in catalogue of a checkout."""
    if center is None and resources.checkout():
        return None
    return folders.spec_file(center).parent


def _new_rule(name: str, checkout: Path) -> None:
    if not re.fullmatch(r"[a-z]{2,20}\.[a-z0-9]+(-[a-z0-9]+)*", name):
        raise click.BadParameter('a rule is named by topic and fault, such as "rack.mass"', param_hint="NAME")
    if name in explain.lessons():
        raise Refused([Problem("usage.exists", f'there is a rule "{name}" already; nothing was changed')])
    topic = name.partition(".")[0]
    _write({checkout / "tests/bad" / f"{name}.yaml": blanks.lesson()})
    file = _file_of(topic) or checkout / "generator/rules" / f"{topic}.py"
    click.echo(f"add to {_seen(file)}:\n\n{blanks.function(name, with_head=not file.exists())}")
    _say(f'Next: fill both in, then run: python -m pytest tests/test_bad.py -k "{name}"')


def _file_of(topic: str) -> Path | None:
    """Where the other rules of a topic are."""
    import inspect

    from generator.rules import rules

    others = [rule for rule in rules().values() if rule.id.partition(".")[0] == topic]
    return Path(inspect.getfile(others[0].check)) if others else None


def _new_service(name: str, checkout: Path) -> None:
    checked_name(name)
    folder = checkout / "templates/services" / name
    _write({folder / f"{file}.yaml": text for file, text in blanks.service(name).items()})
    _say("Next: fill them in, then run: python -m pytest tests/test_services.py")


def _checkout(kind: str) -> Path:
    found = resources.checkout()
    if found is None:
        raise click.UsageError(f"a {kind} is part of the program: it needs a checkout of it, and this one is installed")
    return found


def checked_name(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9](-?[a-z0-9])*", name) or len(name) > 40:
        sentence = "a name has lower-case letters, digits and single dashes, at most 40 characters"
        raise click.BadParameter(sentence, param_hint="NAME")
    return name


def _write(texts: dict[Path, str]) -> None:
    folders.begin_files(texts)
    for file in texts:
        click.echo(f"wrote {_seen(file)}")


def _seen(file: Path) -> Path:
    """As one sees it from where one stands."""
    return file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file


def _say(text: str) -> None:
    context = click.get_current_context()
    if not context.find_root().params.get("quiet"):
        click.echo(text, err=True)
