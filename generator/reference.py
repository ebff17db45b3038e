"""The reference pages: every field of the language from its schema, every finding from its lesson."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from pydantic import TypeAdapter

from generator import explain
from generator.schema import schema
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
    whole = schema()
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
        lines.append(_row(shown, "required" if name in whole["required"] else "", words + node["description"]))
    for name, node in sorted(subjects.items()):
        if any(_places(node, name)):
            lines += ["", f"## {name}", "", node["description"]]
            lines += _mapping_lines(node, name, whole["definitions"])
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


PAGES: dict[str, Callable[[], str]] = {"spec": spec, "rules": rules}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a mapping stands, under which kind, and what it may hold."""

    path: str
    kinds: tuple[str, ...]
    node: Node


def _mapping_lines(node: Node, path: str, models: dict[str, Node], within: tuple[str, ...] = ()) -> Iterator[str]:
    """A table for each mapping at or below a place, in the order in which a reader goes down."""
    for place in _places(node, path):
        reference = place.node["$ref"].rpartition("/")[2]
        if reference in within:
            continue  # a mapping that holds itself has been told
        model = models[reference]
        if place.path != path or place.kinds or within:
            kinds = f", kind {' or '.join(place.kinds)}" if place.kinds else ""
            yield from ("", f"### {place.path}{kinds}", "", model["description"])
        elif model["description"] != node["description"]:
            yield from ("", model["description"])
        yield from ("", *_HEADER)
        required = model.get("required", [])
        for key, field in model["properties"].items():
            yield _field(f"{place.path}.{key}", field, key in required)
        for key, field in model["properties"].items():
            yield from _mapping_lines(field, f"{place.path}.{key}", models, (*within, reference))


def _places(node: Node, path: str) -> Iterator[Place]:
    """The mappings with known keys that stand at a path, or in its named things, or in its list."""
    if "$ref" in node:
        yield Place(path, (), node)
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
    examples = field.get("examples") or field.get("items", {}).get("examples") or ()
    return _row(f"`{path}`", _takes(field), default, about, f"`{_written(examples[0])}`" if examples else "")


def _takes(node: Node) -> str:
    """What may be written there, with its unit, its words and its bounds."""
    bounds = [words.format(f"{node[key]:,}") for key, words in _BOUNDS.items() if key in node]
    return ", ".join([_kind(node), *bounds])


def _kind(node: Node) -> str:
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
        return f"by name: {_takes(below[0])}"
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
