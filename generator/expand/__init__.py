"""Spec and catalogue become the centre: every name resolved, everything that stands somewhere put there."""

from __future__ import annotations

from collections.abc import Iterator

from generator import assets, beside, known_hosts, spec
from generator.assets import Asset
from generator.beside import Unreadable
from generator.catalog import Catalog
from generator.catalog.alarms import Alarms
from generator.catalog.check import Check
from generator.catalog.models import AirBaseline
from generator.expand import own, people, places, plant
from generator.expand.names import Names
from generator.known_hosts import HostKey
from generator.model import Center
from generator.problems import Path, Problem
from generator.source import Source


def expand(words: spec.Center, source: Source, catalog: Catalog) -> tuple[Center, list[Problem]]:
    """Everything that can be resolved, and a finding for each name that cannot."""
    names = Names(words, source, catalog)
    nets = dict(plant.nets(names))
    pools = dict(places.pools(names))
    racks = tuple(places.racks(names, pools, nets))
    tenants = dict(people.tenants(names, pools))
    people.check_offers(names)
    places.check_devices(names)
    own.judge(names)
    center = Center(
        spec=words,
        racks=racks,
        pools=pools,
        blocks=places.blocks(racks),
        nets=nets,
        supplies=dict(plant.supplies(names)),
        waters=dict(plant.waters(names)),
        airs=dict(plant.airs(names)),
        loops=dict(plant.loops(names, racks)),
        meters=tuple(plant.meters(names)),
        baseline=names.find(AirBaseline, words.targets.baseline, ("targets", "baseline")),
        tenants=tenants,
        guarantees=dict(people.guarantees(names, pools)),
        services=dict(people.services_of(names, pools, tenants)),
        releases=dict(places.releases(names)),
        networks=dict(places.networks(names)),
        sandboxes=dict(places.sandboxes(names)),
        queue_releases=dict(places.queue_releases(names)),
        prices=people.price_plan(names),
        assets=tuple(_assets(names)),
        public_files=dict(_public_files(names)),
        known_hosts=known_hosts.by_name(_known_hosts(names)),
        checks=tuple(_checks(names)),
        alarms=Alarms(catalog),
    )
    own.show(names)
    return center, names.problems


def _public_files(names: Names) -> Iterator[tuple[str, str]]:
    """The files that hosts get as they are, such as public keys."""
    ssh, mirror = names.words.access.ssh, names.words.network.mirror
    references: list[tuple[str | None, Path]] = [
        (ssh.authority, ("access", "ssh", "authority")),
        (ssh.keys, ("access", "ssh", "keys")),
        (mirror.key if mirror else None, ("network", "mirror", "key")),
        (names.words.network.trust, ("network", "trust")),
    ]
    for vendor, repository in names.words.network.repositories.items():
        references.append((repository.key, ("network", "repositories", vendor, "key")))
    for reference, path in references:
        if reference is None:
            continue
        try:
            yield reference, names.source.public_file(reference.removeprefix("path:"))
        except Unreadable as error:
            names.report("reference.file", str(error), path, error.hint)


def _known_hosts(names: Names) -> Iterator[HostKey]:
    """The recorded host keys; before the first are recorded there is no file, which is said by a rule."""
    reference = names.words.access.ssh.known_hosts
    name = (reference or "").removeprefix("path:")
    if reference is None or beside.is_free(names.source.root, name):
        return
    try:
        text = names.source.small_file(name, known_hosts.MOST_BYTES).decode("ascii")
    except (Unreadable, UnicodeDecodeError) as error:
        message = str(error) if isinstance(error, Unreadable) else f'"{name}" is not a text file of host keys'
        names.report("reference.file", message, ("access", "ssh", "known-hosts"))
        return
    keys, problems = known_hosts.read(text, name)
    names.source.remember(name, text.split("\n"))
    names.problems += problems
    yield from keys


def _checks(names: Names) -> Iterator[Check]:
    """Every acceptance check of the catalogue."""
    for name in names.catalog.names(Check):
        if check := names.optional(Check, name):
            yield check


def _assets(names: Names) -> Iterator[Asset]:
    """The table of machines beside the spec."""
    if names.words.assets is None:
        return
    name = names.words.assets.removeprefix("path:")
    try:
        raw = names.source.small_file(name, assets.MOST_BYTES)
    except Unreadable as error:
        names.report("reference.file", str(error), ("assets",), error.hint)
        return
    table = assets.read(raw, name)
    names.source.remember(name, table.lines)
    names.problems += table.problems
    yield from table.assets
