"""The catalogue on show: which kinds of things there are, what each entry says, how sure it is and who says so."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from generator.catalog import BUILT_IN, KINDS, Catalog
from generator.catalog.models import GRADES, STATUSES, Entry, Fact
from generator.problems import Problem, Refused, did_you_mean
from generator.spec.common import Strict, kebab
from generator.text import table, visible

_COLUMNS = 6  # figures of an entry beside its name, so that a line fits on a screen
_APART = ("kind", "name", "title", "deprecated", "sources")


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that an entry says, or that nobody knows; without a status it is a decision and no fact."""

    path: str
    value: str | None
    status: str | None = None
    sources: tuple[str, ...] = ()
    note: str | None = None
    candidate: str | None = None
    about: str | None = None

    @property
    def is_known(self) -> bool:
        """A source may also say that there is no such thing: then the value is nothing, and that is known."""
        return self.value is not None or self.status not in ("U", "N")


# Kinds


def words_of(kind: type[Entry]) -> list[str]:
    """What a person may call a kind; the first is the one that we use: ``accelerator``, ``class``, ``price``."""
    tag = typing.get_args(kind.model_fields["kind"].annotation)[0]
    [short] = [part for part in tag.split("-") if kind.folder.startswith(part)]
    return list(dict.fromkeys((short, kind.folder, tag)))


def kind_of(word: str, others: tuple[str, ...] = ()) -> type[Entry]:
    """The kind that a word means: that of its folder, or of one thing in it; others are words to hint at."""
    known = {name: kind for kind in KINDS.values() for name in words_of(kind)}
    if word not in known:
        words = (*(words_of(kind)[0] for kind in KINDS.values()), *others)
        hint = did_you_mean(word, (*known, *others)) or f"kinds: {', '.join(sorted(words))}"
        raise Refused([Problem("usage.unknown-kind", f'the catalogue has no kind "{word}"', hint=hint)])
    return known[word]


def entry_of(catalog: Catalog, kind: type[Entry], name: str) -> Entry:
    found = catalog.get(kind, name)
    if found is None:
        word = words_of(kind)[0]
        hint = did_you_mean(name, catalog.names(kind)) or f'"center catalog {kind.folder}" lists what there is'
        raise Refused([Problem("usage.unknown-name", f'the catalogue has no {word} "{name}"', hint=hint)])
    return found


def origin(catalog: Catalog, kind: type[Entry], name: str) -> str:
    """Whether an entry came with the program or stands in the centre's own catalogue."""
    file = catalog.file(kind, name)
    if file is None or BUILT_IN in file.parents:
        return "built in"
    replaces = Catalog().file(kind, name)
    return "the centre's own, in place of the built-in one" if replaces else "the centre's own"


# What an entry says


def lines(entry: Entry) -> list[Line]:
    """Everything that an entry says, in the order of its model."""
    return [line for name in type(entry).model_fields if name not in _APART for line in _field(entry, name, "", None)]


def _field(owner: Strict, name: str, before: str, claim: Strict | None) -> Iterator[Line]:
    field = type(owner).model_fields[name]
    path = f"{before}{field.alias or kebab(name)}"
    yield from _said(getattr(owner, name), path, claim, field.description, any_=_is_free(field.annotation))


def _said(value: Any, path: str, claim: Strict | None, about: str | None, any_: bool = False) -> Iterator[Line]:
    match value:
        case Fact(value=Strict()):
            # Each of its lines says how sure it is; the note stands once, at the first.
            for number, line in enumerate(_said(value.value, path, value, about)):
                yield line if number else replace(line, note=value.note)
        case Fact():
            yield Line(
                path, _shown(value.value), value.status, tuple(value.sources), value.note, value.candidate, about
            )
        case dict() | list() if any_:
            yield Line(path, f"{len(value)} entries, see the file")
        case Strict():
            # A part with a status of its own says how sure all of it is.
            inner = value if "status" in type(value).model_fields else claim
            for name in type(value).model_fields:
                if name in value.model_fields_set - {"status", "sources"} and getattr(value, name) is not None:
                    yield from _field(value, name, f"{path}.", inner)
        case dict():
            for key, item in value.items():
                yield from _said(item, f"{path}.{key}", claim, about)
        case [Strict(), *_]:
            for number, item in enumerate(value, 1):
                yield from _said(item, f"{path}.{number}", claim, about)
        case None:
            return
        case _:
            status, sources = (getattr(claim, "status", None), tuple(getattr(claim, "sources", ())))
            yield Line(path, _shown(value), status, sources, about=about)


def _is_free(annotation: Any) -> bool:
    """Whether a field takes what the catalogue does not describe, such as the register map of a device."""
    return annotation is Any or any(_is_free(part) for part in typing.get_args(annotation))


def _shown(value: Any) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(str, value))
        case dict():
            return ", ".join(f"{key}: {_shown(item)}" for key, item in value.items())
        case _:
            return str(value)


# Pages


def overview(catalog: Catalog) -> list[dict[str, Any]]:
    """Every kind, with the number of its entries and of those that are the centre's own."""
    return [
        {
            "kind": words_of(kind)[0],
            "folder": folder,
            "entries": len(names := catalog.names(kind)),
            "own": sum(origin(catalog, kind, name) != "built in" for name in names),
            "what": (kind.__doc__ or "").split("\n")[0].rstrip("."),
        }
        for folder, kind in sorted(KINDS.items())
    ]


def listing(catalog: Catalog, kind: type[Entry]) -> list[dict[str, Any]]:
    """Every entry of a kind: its first figures, how much of it is known and how surely."""
    found = []
    for name in catalog.names(kind):
        entry = entry_of(catalog, kind, name)
        facts = [line for line in lines(entry) if line.status]
        known = [line for line in facts if line.is_known]
        found.append(
            {
                "name": name,
                **_figures(entry),
                "known": f"{len(known)}/{len(facts)}" if facts else "",
                "status": "".join(status for status in STATUSES if status in {line.status for line in known}),
                "title": entry.title,
                "origin": origin(catalog, kind, name),
            }
        )
    return found


def _figures(entry: Entry) -> dict[str, str]:
    """What every entry of its kind says in one word, if only by being silent, the first few."""
    fields = type(entry).model_fields
    single = [
        name
        for name, field in fields.items()
        if name not in _APART
        and (field.is_required() or _is_choice(field.annotation))
        and not isinstance(_value(entry, name), dict | list | Strict)
    ]
    return {kebab(name): _shown(_value(entry, name)) or "unknown" for name in single[:_COLUMNS]}


def _is_choice(annotation: Any) -> bool:
    """Whether a field takes one of a few words and therefore always has one."""
    return annotation is bool or typing.get_origin(annotation) is typing.Literal


def _value(entry: Entry, name: str) -> Any:
    value = getattr(entry, name)
    return value.value if isinstance(value, Fact) else value


def page(catalog: Catalog, kind: type[Entry], name: str) -> dict[str, Any]:
    """Everything about one entry, for programs."""
    entry = entry_of(catalog, kind, name)
    return {
        "kind": words_of(kind)[0],
        "name": name,
        "title": entry.title,
        "deprecated": entry.deprecated,
        "origin": origin(catalog, kind, name),
        "file": f"catalog/{kind.folder}/{name}.yaml",
        "values": [
            {
                "path": line.path,
                "value": line.value,
                "known": line.is_known,
                "about": line.about,
                "status": line.status,
                "status-text": STATUSES[line.status] if line.status else None,
                "sources": list(line.sources),
                "note": line.note,
                "candidate": line.candidate,
            }
            for line in lines(entry)
        ],
        "sources": {
            key: {"locator": source.locator, "grade": source.grade, "note": source.note}
            for key, source in entry.sources.items()
        },
    }


def as_json(shown: Any) -> str:
    return json.dumps(shown, ensure_ascii=False, indent=2)


def overview_text(kinds: list[dict[str, Any]]) -> str:
    own = any(kind["own"] for kind in kinds)
    head = ["KIND", "FOLDER", "ENTRIES", *(["OWN"] if own else []), "WHAT"]
    keys = ["kind", "folder", "entries", *(["own"] if own else []), "what"]
    return table([head, *([str(kind[key]) for key in keys] for kind in kinds)])


def listing_text(entries: list[dict[str, Any]]) -> str:
    """A table; the last line says what the letters mean."""
    own = any(entry["origin"] != "built in" for entry in entries)
    keys = [key for key in entries[0] if own or key != "origin"] if entries else []
    rows = [[visible(entry[key], 48 if key == "title" else 24) for key in keys] for entry in entries]
    letters = "; ".join(f"{letter} {word}" for letter, word in STATUSES.items())
    legend = ["", f"status: {letters}"] if any(entry["known"] for entry in entries) else []
    return "\n".join([table([[key.upper() for key in keys], *rows]), *legend])


def page_text(shown: dict[str, Any]) -> str:
    """One entry as a person reads it: value, how sure it is, and who says so."""
    values = shown["values"]
    first = max((len(value["path"]) for value in values), default=0)
    second = max((len(_with_unit(value)) for value in values), default=0)
    text = [f"{shown['name']}: {shown['title']}", f"{shown['kind']}, {shown['origin']}, {shown['file']}"]
    text += [f"deprecated: {shown['deprecated']}"] if shown["deprecated"] else []
    text.append("")
    for value in values:
        sources = f" ({', '.join(value['sources'])})" if value["sources"] else ""
        told = f"{value['status-text']}{sources}" if value["status"] else ""
        text.append(f"{value['path']:{first}}  {_with_unit(value):{min(second, 40)}}  {told}".rstrip())
        for key in ("candidate", "note"):
            if value[key]:
                text.append(f"{'':{first}}  {key}: {value[key]}")
    if shown["sources"]:
        text += ["", "sources:"]
    for key, source in shown["sources"].items():
        text.append(f"  {key}, {GRADES[source['grade']]}: {source['locator'].strip()}")
        text += [f"    note: {source['note']}"] if source["note"] else []
    return "\n".join(visible(line, None) for line in text)


def _with_unit(value: dict[str, Any]) -> str:
    """A bare number needs its description; a quantity carries its unit."""
    if value["value"] is None:
        return "none" if value["known"] else "unknown"
    bare = value["status"] and value["about"] and value["value"].replace(".", "", 1).isdecimal()
    return f"{value['value']} ({value['about'].rstrip('.')})" if bare else str(value["value"])
