"""Parts of one file that belong together: what one part names, another part of it has."""

from __future__ import annotations

import re
from collections.abc import Iterator

from generator.catalog.entries import Entry
from generator.catalog.vendor_model import Vendor
from generator.problems import Path, Problem, did_you_mean
from generator.source import Source

_PCI_LABEL = re.compile(r"feature\.node\.kubernetes\.io/pci-(?:[0-9a-f]{4}_)?([0-9a-f]{4})(?:_[0-9a-f_]+)?\.present")
"""Labels that Node Feature Discovery gives by itself; the group is the number of the vendor of a card."""


def findings(entry: Entry, source: Source) -> Iterator[Problem]:
    """A finding at the line of each name that stands for nothing."""
    if isinstance(entry, Vendor):
        for path, message, hint in (*_programs(entry), *_module_options(entry), *_label(entry)):
            position = source.locate(path, at_key=True)
            yield Problem("catalog.value", message, path, hint, position=position, at_key=True)


def _programs(vendor: Vendor) -> Iterator[tuple[Path, str, str | None]]:
    known = list(dict.fromkeys(plugin.daemon or vendor.name for plugin in vendor.plugins.values()))
    for name in vendor.cluster.programs if vendor.cluster else ():
        if name not in known:
            message = f'no plugin of this vendor is offered by a program "{name}"'
            hint = f'call it {" or ".join(known)}, or say "daemon: {name}" in a plugin'
            yield ("cluster", "programs", name), message, hint


def _module_options(vendor: Vendor) -> Iterator[tuple[Path, str, str | None]]:
    options = vendor.host.module_options.value if vendor.host and vendor.host.module_options else None
    modules = (vendor.host.modules.value if vendor.host and vendor.host.modules else None) or []
    for name in options or ():
        if name not in modules:
            message = f'has options for the module "{name}", which "modules" does not list'
            yield ("host", "module-options", "value", name), message, did_you_mean(name, modules)


def _label(vendor: Vendor) -> Iterator[tuple[Path, str, str | None]]:
    label = vendor.cluster.feature.label if vendor.cluster else None
    number = vendor.pci_vendor.value
    found = _PCI_LABEL.fullmatch((label and label.value) or "")
    if found and number and found[1] != number:
        message = f'is the label of cards of PCI vendor "{found[1]}", and this vendor has the number "{number}"'
        yield ("cluster", "feature", "label", "value"), message, None
