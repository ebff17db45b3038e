"""JSON Schema (draft-07) of the spec for editors, made from the models; nothing in it is written by hand."""

from __future__ import annotations

from typing import Any

from generator.spec import Center

_NAMES = ("properties", "definitions")
_HEADER = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "center.yaml"}


def schema() -> dict[str, Any]:
    """The schema, in the form that editors understand best."""
    raw = Center.model_json_schema(by_alias=True, ref_template="#/definitions/{model}")
    raw["definitions"] = raw.pop("$defs")
    raw["properties"]["include"] = {
        "type": "array",
        "items": {"type": "string"},
        "description": "Files beside this one whose subjects continue these.",
    }
    converted = _convert(raw)
    assert isinstance(converted, dict)
    return {**converted, **_HEADER}


def _convert(node: Any) -> Any:
    """Draft 2020-12 as pydantic writes it becomes draft-07 as editors like it."""
    if isinstance(node, list):
        return [_convert(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {
        # Below "properties" and "definitions" the keys are names, not words of the schema.
        key: {name: _convert(part) for name, part in value.items()} if key in _NAMES else _convert(value)
        for key, value in node.items()
        if key not in ("title", "discriminator")
    }
    if "$ref" in node and len(node) > 1:
        # Draft-07 ignores what stands beside a reference.
        node["allOf"] = [{"$ref": node.pop("$ref")}]
    if "patternProperties" in node:
        node["additionalProperties"] = False
    if "oneOf" in node:
        node = _by_kind(node)
    if "anyOf" in node:
        node = _optional(node)
    return node


def _by_kind(node: dict[str, Any]) -> dict[str, Any]:
    """A union by kind as conditions, so that an editor speaks of the kind that was written and of no other."""
    members = node.pop("oneOf")
    kinds = [member["$ref"].rsplit("/", 1)[1].lower() for member in members]
    conditions = [
        {"if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]}, "then": member}
        for kind, member in zip(kinds, members, strict=True)
    ]
    kind = {"kind": {"enum": kinds}}
    return {**node, "type": "object", "properties": kind, "required": ["kind"], "allOf": conditions}


def _optional(node: dict[str, Any]) -> dict[str, Any]:
    """`X or nothing`: an editor offers X; saying nothing is leaving the key out."""
    members = [member for member in node["anyOf"] if member != {"type": "null"}]
    if len(members) != 1:
        return node
    del node["anyOf"]
    node.pop("default", None)
    member = members[0]
    return {**node, "allOf": [member]} if "$ref" in member else {**member, **node}
