"""The centre's own catalogue: all of it is judged, also what no spec names yet."""

from __future__ import annotations

from generator.catalog.models import Accelerator, Vendor
from generator.expand.names import Names
from generator.problems import Problem, did_you_mean, one_of


def judge(names: Names) -> None:
    """A finding for each file beside the spec that is wrong, and for what nobody reads."""
    for kind, name in names.catalog.own():
        entry = names.optional(kind, name)
        if isinstance(entry, Accelerator):
            _judge_offer(names, entry)
    for stranger in names.catalog.strangers():
        names.source.remember(stranger.position.file, stranger.lines)
        names.problems.append(Problem(stranger.rule, stranger.message, hint=stranger.hint, position=stranger.position))


def _judge_offer(names: Names, model: Accelerator) -> None:
    """An accelerator names a vendor that there is, and one of the plugins of that vendor."""
    vendor = names.optional(Vendor, model.vendor)
    known = names.catalog.names(Vendor)
    if model.vendor not in known:
        message = f'the catalogue has no vendor "{model.vendor}"'
        hint = did_you_mean(model.vendor, known) or '"center catalog vendors" lists all'
        _report(names, model, "vendor", message, hint)
    elif vendor and model.plugin and model.plugin not in vendor.plugins:
        message = f'vendor "{vendor.name}" has no plugin "{model.plugin}"'
        _report(names, model, "plugin", message, one_of(model.plugin, vendor.plugins))


def _report(names: Names, model: Accelerator, field: str, message: str, hint: str) -> None:
    position = names.catalog.where(Accelerator, model.name, (field,))
    names.problems.append(Problem("reference.catalog", message, (field,), hint, position=position))


def show(names: Names) -> None:
    """Keep the lines of those files, to show them beside findings."""
    for file, lines in names.catalog.texts():
        names.source.remember(file, lines)
