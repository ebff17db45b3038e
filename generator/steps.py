"""What several verbs do before they differ: judge a spec, render it, hold the tree against it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from generator import folders, validate
from generator.console import FAILED, Done, show_found
from generator.diff import compare_tree
from generator.model import Center
from generator.problems import Problem, Refused
from generator.write import File


def judged(where: str | None) -> tuple[Path, Center]:
    """A centre without errors; its findings are shown, errors end the verb."""
    file = folders.spec_file(where)
    found = validate.validate(file)
    show_found(found, err=True)
    if found.errors or found.center is None:
        raise Done(FAILED)
    return file, found.center


def files(center: Center) -> Iterator[File]:
    """Every file of the tree, rendered."""
    # Here and not above: validating, the most frequent verb, needs no templates.
    from generator import outputs, render

    for artifact in outputs.artifacts(center):
        yield artifact.path, render.render(artifact), artifact.because


def true_tree(where: str | None, out: Path | None) -> tuple[Path, Path, Center]:
    """The spec's file, its tree and the centre; Refused when the tree is not exactly what the spec renders to."""
    file, center = judged(where)
    tree = out or file.parent / folders.GENERATED
    if compare_tree(tree, files(center)):
        message = f'"{tree}" is not what the spec renders to'
        raise Refused([Problem("tree.stale", message, hint='run "center render" and look at what has changed')])
    return file, tree, center
