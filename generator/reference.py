"""The reference pages: every field of a spec and of the catalogue from its schema, every finding from its lesson."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, TypeAdapter

from generator import explain
from generator.catalog import BUILT_IN, KINDS, Entry
from generator.catalog.models import GRADES, STATUSES, Fact, SourcePointer
from generator.schema import needs, schema, schema_of
from generator.spec.common import Name

Node = dict[str, Any]

_MADE_BY = "This page is made by `center docs {}`; `make golden` writes it anew."
_HEADER = ("| field | takes | default | what it is | example |", "|---|---|---|---|---|")
_NAME = TypeAdapter(Name).json_schema()["pattern"]
_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
    "object": "mapping",
    "array": "list",
}
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minItems": "at least {} of them",
    "maxItems": "at most {} of them",
    "minProperties": "at least {} of them",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
}


def spec() -> str:
    """Every field of center.yaml as a page of Markdown, one section a subject."""
    whole, required = schema(), needs()
    lines = [
        "# Every field of center.yaml",
        "",
        _MADE_BY.format("spec"),
        "`NAME` stands for a name of your own: lower-case letters, digits and single dashes, at most 40 characters.",
        "`[]` stands for each thing of a list. Numbers with units are written as text: `40 kW`.",
        "",
        "| subject | | what it is |",
        "|---|---|---|",
    ]
    subjects = whole["properties"]
    for name, node in sorted(subjects.items()):
        told = any(_places(node, name))
        shown, words = (f"[{name}](#{name.lower()})", "") if told else (f"`{name}`", f"{_takes(node)}: ")
        lines.append(_row(shown, "required" if name in required["required"] else "", words + node["description"]))
    for name, node in sorted(subjects.items()):
        if any(_places(node, name)):
            lines += ["", f"## {name}", "", node["description"]]
            must = {name: required["properties"].get(name, {}).get("required", [])}
            lines += _mapping_lines(node, name, whole["definitions"], must)
    return "\n".join(lines) + "\n"


def rules() -> str:
    """Every finding as a page of Markdown, with its reason and its examples."""
    lines = [
        "# Every finding",
        "",
        _MADE_BY.format("rules"),
        "An error fails `center validate`; a warning only with `--strict`, and the spec can accept it by name:",
        "`accepted: {RULE: {why: ...}}`. The names are stable. The examples are the ones that the tests use.",
        "",
        "| subject | findings |",
        "|---|---|",
    ]
    topics = [(topic, list(names)) for topic, names in groupby(explain.lessons(), lambda rule: rule.partition(".")[0])]
    for topic, names in topics:
        links = ", ".join(f"[{rule.partition('.')[2]}](#{rule.replace('.', '')})" for rule in names)
        lines.append(_row(f"[{topic}](#{topic})", links))
    for topic, names in topics:
        lines += ["", f"## {topic}"]
        for rule in names:
            lines += ["", f"### {rule}", "", f"*{explain.lesson(rule).severity}*", "", explain.markdown(rule)]
    return "\n".join(lines) + "\n"


def catalog() -> str:
    """Every field of every kind of catalogue file as a page of Markdown, with a whole file for each."""
    lines = [
        "# Every field of a catalogue file",
        "",
        _MADE_BY.format("catalog"),
        "A file describes one thing that centres are built of. It stands in `catalog/FOLDER/NAME.yaml` beside a",
        "`center.yaml`, or in the built-in catalogue, of which one beside the spec takes the place of one of its name.",
        "`center new KIND NAME` writes a file to fill in, `center catalog KIND NAME` shows what one says.",
        "",
        "| kind | folder | what it is |",
        "|---|---|---|",
    ]
    for folder, kind in sorted(KINDS.items()):
        lines.append(_row(f"[{_kind_word(kind)}](#{_kind_word(kind)})", f"`catalog/{folder}/`", _about(kind)))
    lines += ["", "## every file", "", _about(Entry), "", *_HEADER, *_field_rows("", _without_facts(schema_of(Entry)))]
    lines += [*_fact_lines(), *_source_lines()]
    for folder, kind in sorted(KINDS.items()):
        lines += ["", f"## {_kind_word(kind)}", "", _about(kind), *_kind_lines(kind)]
        file = _example_of(folder)
        lines += ["", f"A whole file, `catalog/{folder}/{file.name}`:", *_fenced(file.read_text("utf-8").rstrip())]
    return "\n".join(lines) + "\n"


PAGES: dict[str, Callable[[], str]] = {"spec": spec, "rules": rules, "catalog": catalog}


def _kind_word(kind: type[Entry]) -> str:
    return str(get_args(kind.model_fields["kind"].annotation)[0])


def _about(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _fact_lines() -> Iterator[str]:
    yield from (
        "",
        "## fact",
        "",
        f"{_about(Fact)} A field that takes a fact takes this mapping, never the bare value:",
    )
    yield from _fenced("mass: {value: 52 kg, status: V, sources: [sheet]}\npower: {value: null, status: N}")
    yield from ("", *_HEADER, *_field_rows("", schema_of(Fact)), "", *_words("status", STATUSES), "")
    yield "A value with the status V, I or S names at least one source, and the file lists every name that is cited."


def _source_lines() -> Iterator[str]:
    yield from ("", "## sources", "", f"{_about(SourcePointer)} `sources` of a file lists them by name:")
    yield from _fenced('sources: {sheet: {grade: A, locator: "data sheet of the vendor, page 3"}}')
    yield from ("", *_HEADER, *_field_rows("sources.NAME.", schema_of(SourcePointer)), "", *_words("grade", GRADES))


def _fenced(text: str) -> tuple[str, ...]:
    return ("", "```yaml", text, "```")


def _kind_lines(kind: type[Entry]) -> Iterator[str]:
    """A table for the file itself, without what every file has, and one for each mapping in it."""
    made = _without_facts(schema_of(kind))
    own = {key: field for key, field in made["properties"].items() if key == "kind" or key not in Entry.model_fields}
    yield from ("", *_HEADER, *_field_rows("", {**made, "properties": own}))
    for key, field in own.items():
        yield from _mapping_lines(field, key, made["definitions"], {}, ("",))


def _field_rows(before: str, made: Node) -> Iterator[str]:
    for key, field in made["properties"].items():
        yield _field(before + key, field, key in made.get("required", ()))


def _words(what: str, words: dict[str, str]) -> list[str]:
    return [f"| {what} | in words |", "|---|---|", *(_row(f"`{letter}`", told) for letter, told in words.items())]


def _without_facts(made: Node) -> Node:
    """The same schema in which a fact is a word of its own, because its mapping is told once for all."""
    facts = {f"#/definitions/{name}": model for name, model in made.get("definitions", {}).items() if _is_fact(model)}

    def told(node: Any) -> Any:
        if isinstance(node, list):
            return [told(part) for part in node]
        if not isinstance(node, dict):
            return node
        references = [node.get("$ref"), *(part.get("$ref") for part in node.get("allOf", ()))]
        for model in (facts[reference] for reference in references if reference in facts):
            about = {"description": node["description"]} if "description" in node else {}
            return {**about, "fact": model["properties"]["value"]}
        return {key: told(part) for key, part in node.items()}

    found = told(made)
    assert isinstance(found, dict)
    return found


def _is_fact(model: Node) -> bool:
    return set(model["properties"]) == set(Fact.model_fields)


def _example_of(folder: str) -> Path:
    """A short file of the catalogue; if there is one, of a thing that this catalogue has assumed itself."""
    files = sorted((BUILT_IN / folder).glob("*.yaml"))
    return min(files, key=lambda file: ("grade: own" not in file.read_text("utf-8"), file.stat().st_size))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a mapping stands, under which kind, and what it may hold."""

    path: str
    kinds: tuple[str, ...]
    node: Node


def _mapping_lines(
    node: Node, path: str, models: dict[str, Node], must: dict[str, list[str]], within: tuple[str, ...] = ()
) -> Iterator[str]:
    """A table for each mapping at or below a place, in the order in which a reader goes down.

    `must` has what the mapping of a subject needs, which its model leaves to others when there is an include.
    """
    for place in _places(node, path):
        reference = place.node["$ref"].rpartition("/")[2]
        if reference in within:
            continue  # a mapping that holds itself has been told
        model = models[reference]
        if place.path != path or place.kinds or within:
            kinds = f", kind {' or '.join(place.kinds)}" if place.kinds else ""
            yield from ("", f"### {place.path}{kinds}", "", model["description"])
        yield from ("", *_HEADER)
        required = must.get(place.path) or model.get("required", [])
        for key, field in model["properties"].items():
            yield _field(f"{place.path}.{key}", field, key in required)
        for key, field in model["properties"].items():
            yield from _mapping_lines(field, f"{place.path}.{key}", models, must, (*within, reference))


def _places(node: Node, path: str) -> Iterator[Place]:
    """The mappings with known keys that stand at a path, or in its named things, or in its list."""
    if "$ref" in node:
        yield Place(path, (), node)
    if "fact" in node:
        yield from _places(node["fact"], f"{path}.value")
    for below, inner in _below(node, path):
        yield from _places(inner, below)
    conditions = [part for part in node.get("allOf", ()) if "then" in part]
    by_model: dict[str, list[str]] = {}
    for part in conditions:
        [written] = part["if"]["properties"].values()
        by_model.setdefault(part["then"]["$ref"], []).append(written["const"])
    for reference, kinds in by_model.items():
        yield Place(path, tuple(kinds), {"$ref": reference})


def _below(node: Node, path: str) -> list[tuple[str, Node]]:
    """What stands directly in a thing: the referenced mapping itself, its named things, or the things of its list."""
    named = [*node.get("patternProperties", {}).values(), node.get("additionalProperties")]
    found = [(f"{path}.NAME", part) for part in named if isinstance(part, dict)]
    found += [(f"{path}[]", node["items"])] if "items" in node else []
    return found + [(path, part) for part in node.get("allOf", ()) if "$ref" in part]


def _field(path: str, field: Node, required: bool) -> str:
    default = f"`{_written(field['default'])}`" if "default" in field else "required" if required else ""
    about = field["description"].removesuffix(f" ({field.get('$comment')})")
    examples = field.get("examples") or field.get("items", {}).get("examples") or _fact_examples(field)
    return _row(f"`{path}`", _takes(field), default, about, f"`{_written(examples[0])}`" if examples else "")


def _fact_examples(field: Node) -> list[str]:
    return [Fact.around(example) for example in field.get("fact", {}).get("examples", ())]


def _takes(node: Node) -> str:
    """What may be written there, with its unit, its words and its bounds."""
    bounds = [words.format(f"{node[key]:,}") for key, words in _BOUNDS.items() if key in node]
    return ", ".join([_kind(node), *bounds])


def _kind(node: Node) -> str:
    if "fact" in node:
        return f"fact: {_takes(node['fact'])}"
    words = [node["const"]] if "const" in node else node.get("enum")
    below = [part for _, part in _below(node, "")]
    if words:
        return " or ".join(f"`{word}`" for word in words)
    if "$comment" in node:
        dimension, _, units = node["$comment"].partition("; ")
        return f"{dimension.partition(' ')[2]}; {units}"
    if node.get("type") == "array":
        return f"list of {_takes(below[0])}"
    if node.get("type") == "object" and below and "allOf" not in node:
        names = node.get("propertyNames", {}).get("enum")
        return f"{'by ' + ', '.join(f'`{name}`' for name in names) if names else 'by name'}: {_takes(below[0])}"
    if node.get("pattern") == _NAME:
        return "name"
    if "$ref" in node:
        return "mapping"
    form = f" of the form `{node['pattern']}`" if "pattern" in node and not node.get("examples") else ""
    return _TYPES.get(node.get("type", ""), "anything") + form


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
