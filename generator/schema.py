"""JSON Schema (draft-07) of the spec for editors, made from the models; nothing in it is written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, NoDefault
from pydantic_core import core_schema

from generator.quantity import Quantity
from generator.spec import Center

Node = dict[str, Any]

_NAMES = ("properties", "definitions")
_HEADER = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "center.yaml"}
_REFERENCE = "#/definitions/"
_ALWAYS = ("apiVersion", "kind")


def schema() -> Node:
    """The schema of center.yaml, in the form that editors understand best.

    What must be there is only asked of a file that stands alone: one with an include may leave it to the others.
    """
    made = _without_needs(schema_of(Center))
    about = "Files beside this one whose subjects continue these."
    made["properties"]["include"] = {"type": "array", "items": {"type": "string"}, "description": about}
    return {**made, **_HEADER, "required": list(_ALWAYS), "if": {"required": ["include"]}, "else": needs()}


def part() -> Node:
    """The schema of a file that a center.yaml includes: the same subjects, none of which must be there."""
    return {**_without_needs(schema_of(Center)), **_HEADER, "title": "a file that center.yaml includes"}


def needs() -> Node:
    """What a center.yaml that stands alone must say: which subjects, and what directly in them."""
    made = schema_of(Center)
    subjects = {name: {"required": model["required"]} for name, model in _subject_models(made) if "required" in model}
    return {"required": made["required"], "properties": subjects}


def _without_needs(made: Node) -> Node:
    """Without the keys that must be there, of the whole and of its subjects; the things in these stay as they are."""
    for model in (made, *(model for _, model in _subject_models(made))):
        model.pop("required", None)
    return made


def _subject_models(made: Node) -> list[tuple[str, Node]]:
    """The subjects that are one mapping each, such as power and site."""
    return [
        (name, _model(part, made["definitions"]))
        for name, subject in made["properties"].items()
        for part in subject.get("allOf", ())
        if "$ref" in part
    ]


def schema_of(model: type[BaseModel]) -> Node:
    """The schema of any mapping of the language."""
    raw = model.model_json_schema(ref_template=_REFERENCE + "{model}", schema_generator=_WithMadeDefaults)
    raw["definitions"] = raw.pop("$defs", {})
    converted = _convert(raw)
    assert isinstance(converted, dict)
    for node in _nodes(converted):
        _explain(node, converted["definitions"])
    return converted


class _WithMadeDefaults(GenerateJsonSchema):
    """Defaults that a function makes are defaults too; what is empty goes without saying."""

    def get_default_value(self, schema: core_schema.WithDefaultSchema) -> Any:
        make = schema.get("default_factory")
        value = make() if make else super().get_default_value(schema)  # type: ignore[call-arg]
        if isinstance(value, Quantity):
            return str(value)
        return NoDefault if value in (None, [], {}) or isinstance(value, BaseModel) else value


def _convert(node: Any) -> Any:
    """Draft 2020-12 as pydantic writes it becomes draft-07 as editors like it."""
    if isinstance(node, list):
        return [_convert(item) for item in node]
    if not isinstance(node, dict):
        return node
    kinds = node.get("discriminator")
    node = {
        # Below "properties" and "definitions" the keys are names, not words of the schema.
        key: {name: _convert(part) for name, part in value.items()} if key in _NAMES else _convert(value)
        for key, value in node.items()
        if key not in ("title", "discriminator")
    }
    _set_beside(node)
    if "patternProperties" in node:
        node["additionalProperties"] = False
    if kinds:
        node = _by_kind(node, kinds["propertyName"], kinds["mapping"])
    if "anyOf" in node:
        node = _optional(node)
    return node


def _by_kind(node: Node, key: str, models: dict[str, str]) -> Node:
    """A union by kind as conditions, so that an editor speaks of the kind that was written and of no other."""
    del node["oneOf"]
    conditions = [
        {"if": {"properties": {key: {"const": kind}}, "required": [key]}, "then": {"$ref": models[kind]}}
        for kind in sorted(models)
    ]
    choice = {"enum": sorted(models), "description": f"One of {', '.join(sorted(models))}."}
    return {**node, "type": "object", "properties": {key: choice}, "required": [key], "allOf": conditions}


def _optional(node: Node) -> Node:
    """`X or nothing`: an editor offers X; saying nothing is leaving the key out."""
    members = [member for member in node["anyOf"] if member != {"type": "null"}]
    if len(members) != 1:
        return node
    del node["anyOf"]
    member = members[0]
    return {**node, "allOf": [member]} if "$ref" in member else {**member, **node}


def _nodes(node: Any) -> Iterator[Node]:
    if isinstance(node, dict):
        yield node
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _nodes(part)


def _explain(node: Node, models: dict[str, Node]) -> None:
    """What an editor shows beside a key, a kind and a value of the wrong form."""
    for part in node["properties"].values() if _is_mapping(node) else ():
        about = part.get("description") or _about(part, models)
        unit = part.get("$comment", "")
        part["description"] = about if unit in about else f"{about} ({unit})"
        _set_beside(part)
        if "allOf" in part and "type" not in part:
            # An editor that completes the key wants to know at once that a mapping follows.
            part["type"] = "object"
    for condition in node.get("allOf", ()):
        if "then" in condition:
            [key] = condition["if"]["properties"]
            about = _model(condition["then"], models).get("description", "")
            node["properties"][key].setdefault("enumDescriptions", []).append(about)
    if "pattern" in node and node.get("examples"):
        needed = node.get("$comment", "a value").partition(";")[0]
        node["patternErrorMessage"] = f'needs {needed} such as "{node["examples"][0]}"'


def _is_mapping(node: Node) -> bool:
    return node.get("type") == "object" and "properties" in node


def _about(node: Node, models: dict[str, Node]) -> str:
    """A key without words of its own is about what it holds."""
    found = [_model(part, models).get("description", "") for part in _nodes(node) if "$ref" in part]
    words = " ".join(dict.fromkeys(found))
    return f"By name: {words[:1].lower()}{words[1:]}" if node.get("type") == "object" and words else words


def _model(reference: Node, models: dict[str, Node]) -> Node:
    return models[str(reference["$ref"]).removeprefix(_REFERENCE)]


def _set_beside(node: Node) -> None:
    """Draft-07 ignores what stands beside a reference, so the reference moves into a list of its own."""
    if "$ref" in node and len(node) > 1:
        node["allOf"] = [{"$ref": node.pop("$ref")}]
