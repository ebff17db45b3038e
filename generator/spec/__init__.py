"""The user's words, typed and strict: plain data in, a spec or findings out."""

from __future__ import annotations

import re
import types
import typing
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from generator.problems import Path, Problem, Refused, did_you_mean
from generator.source import MAX_FINDINGS, Source
from generator.spec.center import Center
from generator.spec.common import Strict

Model = TypeVar("Model", bound=BaseModel)


def read(source: Source) -> Center:
    """Check the data of a source against the language; raises Refused with every finding.

    Keys are put in order of their names: where somebody wrote a pool decides nothing.
    """
    return read_as(Center, replace(source, data=_ordered(source.data)))


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value)}
    return [_ordered(item) for item in value] if isinstance(value, list) else value


def read_as(model: type[Model], source: Source, rule: str = "spec") -> Model:
    """Check data against any model of ours, catalogue files too; raises Refused with every finding."""
    try:
        return model.model_validate(source.data)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=True)
        found = [_finding(model, source, detail, rule) for detail in details[:MAX_FINDINGS]]
        if len(details) > MAX_FINDINGS:
            found[-1] = replace(found[-1], hint=f"{len(details) - MAX_FINDINGS} more findings are not shown")
        raise Refused(found) from None


def _finding(model: type[BaseModel], source: Source, detail: Any, prefix: str) -> Problem:
    """One finding of pydantic as one of ours: path without union tags, our sentence, the right position."""
    path = _path(source.data, detail["loc"], missing=detail["type"] == "missing")
    kind, given, context = detail["type"], detail["input"], detail.get("ctx", {})
    rule, message, hint = f"{prefix}.value", str(detail["msg"]), None
    at_key = detail["loc"][-1:] == ("[key]",)
    name = str(path[-1]) if path else ""
    match kind:
        case "extra_forbidden":
            rule, message, at_key = f"{prefix}.unknown-key", f'the key "{name}" is not known here', True
            hint = (
                _split_number(model, source, path)
                or did_you_mean(name, known_keys(model, source.data, path[:-1]))
                or _list_keys(model, source, path)
            )
        case "missing":
            rule, message, at_key = f"{prefix}.missing-key", f'the key "{name}" is missing', True
            hint = _missing_hint(model, source.data, path)
        case "spec" | "quantity" | "secret":
            message = context["sentence"]
            text = source.written(path)
            hint = _decimal_point(given) if kind == "quantity" and isinstance(given, str) else None
            if text and given is not None and not isinstance(given, str):
                hint = _quoting_hint("string_type", text) if _reads(model, source, detail["loc"], path, text) else None
        case "value_error":
            error = context["error"]
            message, hint = getattr(error, "sentence", str(error)), getattr(error, "hint", None)
        case "union_tag_invalid" | "union_tag_not_found":
            tags = str(context.get("expected_tags", "")).replace("'", '"')
            message = f"needs the kind {tags.replace(', ', ' or ')}"
            path = (*path, "kind") if kind == "union_tag_invalid" else path
        case "literal_error" | "enum":
            message = f"must be {str(context['expected']).replace(chr(39), chr(34))}, got {_shown(given)}"
        case "string_pattern_mismatch":
            message = f"does not have the form of this value, got {_shown(given)}"
            hint = _example(model, source.data, path, at_key)
        case "model_type" | "model_attributes_type":
            message = f"needs a mapping, got {_shown(given, source.written(path))}"
            hint = _mapping_hint(model, source, path, given)
        case _:
            message = f"{_needs(kind, context)}, got {_shown(given, source.written(path))}"
            hint = _quoting_hint(kind, source.written(path)) if given is not None else None
    position = source.locate(path[:-1] if kind == "missing" else path, at_key=at_key)
    hidden = kind == "secret" or (kind == "extra_forbidden" and bool(_SECRET.search(name)))
    return Problem(rule, message, path, hint, position=position, hidden=hidden)


_SECRET = re.compile("(?i)pass(word|wd|phrase)|secret|token|credential|private")
"""Names of keys behind which somebody may have typed a secret, where the language knows no such key."""
_NEEDS = {
    "string_type": "needs text",
    "int_type": "needs a whole number",
    "int_from_float": "needs a whole number",
    "float_type": "needs a number",
    "bool_type": "needs true or false",
    "dict_type": "needs a mapping",
    "list_type": "needs a list",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "too_short": "needs at least {min_length} of them",
    "too_long": "may have at most {max_length} of them",
    "string_too_short": "needs at least {min_length} characters",
    "string_too_long": "may have at most {max_length} characters",
}


def _needs(kind: str, context: dict[str, Any]) -> str:
    return _NEEDS.get(kind, "has another form").format(**context)


def _shown(value: object, written: str | None = None) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {(written or str(value))[:40]}"
        case str():
            return f'"{value[:60]}"'
        case list():
            return f"a list of {len(value)}"
        case _:
            return "a mapping"


def _quoting_hint(kind: str, written: str | None) -> str | None:
    return f'write it in quotes: "{written[:60]}"' if kind == "string_type" and written else None


_COMMA = re.compile(r"(-?[0-9]{1,15}),([0-9]{1,9})(\D.{0,20})?")


def _decimal_point(text: str) -> str | None:
    """The fix for a number with a comma: what three digits behind it mean, only the writer knows."""
    if not (match := _COMMA.fullmatch(text)):
        return None
    whole, behind, unit = match[1], match[2], match[3] or ""
    without = f" or no comma: {whole}{behind}{unit}" if len(behind) == 3 else ""
    return f"write a decimal point: {whole}.{behind}{unit}{without}"


def _split_number(model: type[BaseModel], source: Source, path: Path) -> str | None:
    """The same in braces, where the comma ended the value, so that ``5,5 kW`` is a 5 and a key ``5 kW``."""
    here, name = source.locate(path, at_key=True), str(path[-1])
    if here is None or not name[:1].isdecimal():
        return None
    for key in known_keys(model, source.data, path[:-1]):
        number, place = source.written((*path[:-1], key)), source.locate((*path[:-1], key))
        if number and place and replace(place, column=place.column + place.length + 1, length=here.length) == here:
            return _decimal_point(f"{number},{name}")
    return None


def _path(data: Any, location: tuple[Any, ...], *, missing: bool) -> Path:
    """The model's location as a path in the data: union tags and key markers are not part of it."""
    path: list[str | int] = []
    for index, part in enumerate(location):
        last = index == len(location) - 1
        in_list = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if in_list or (isinstance(data, dict) and part in data):
            path.append(part)
            data = data[part]
        elif last and missing:
            path.append(part)
    return tuple(path)


def model_at(model: Any, data: Any, path: Path) -> type[BaseModel] | None:
    """The model that describes the mapping at a path of the data, through optionals, mappings and kinds."""
    meant = _meant(model, data, path)
    return meant if isinstance(meant, type) and issubclass(meant, BaseModel) else None


def _meant(model: Any, data: Any, path: Path) -> Any:
    """The annotation that stands behind a path of the data."""
    annotation: Any = model
    for part in path:
        annotation = _step(_resolve(annotation, data), part)
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            data = None
    return _resolve(annotation, data)


def _resolve(annotation: Any, data: Any) -> Any:
    """Strip Annotated and Optional; of a union by kind take the member that the data names."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _resolve(typing.get_args(annotation)[0], data)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = [part for part in typing.get_args(annotation) if part is not type(None)]
        kind = data.get("kind") if isinstance(data, dict) else None
        for member in members:
            fields = getattr(member, "model_fields", {})
            if len(members) > 1 and "kind" in fields and kind in typing.get_args(fields["kind"].annotation):
                return member
        return _resolve(members[0], data)
    return annotation


def _step(annotation: Any, part: str | int) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for field in annotation.model_fields.values():
            if field.alias == part:
                return field.annotation
        return None
    arguments = typing.get_args(annotation)
    return arguments[-1] if arguments else None


def known_keys(model: type[BaseModel], data: Any, path: Path) -> list[str]:
    """The keys that the mapping at a path may have."""
    found = model_at(model, data, path)
    return [field.alias or name for name, field in found.model_fields.items()] if found else []


def _list_keys(model: type[BaseModel], source: Source, path: Path) -> str | None:
    keys = known_keys(model, source.data, path[:-1])
    return f"known keys: {', '.join(keys)}" if 0 < len(keys) <= 24 else None


def _missing_hint(model: type[BaseModel], data: Any, path: Path) -> str | None:
    """What may stand there, where a mapping or its field can tell in a few words."""
    parent = model_at(model, data, path[:-1])
    if parent is None or not issubclass(parent, Strict):
        return None
    fields = [field for name, field in parent.model_fields.items() if (field.alias or name) == path[-1]]
    words = [word for field in fields for word in _words(field.annotation)]
    return parent.hints.get(str(path[-1])) or (f"one of {', '.join(map(str, words))}" if len(words) > 1 else None)


def _words(annotation: Any) -> tuple[Any, ...]:
    """The words that a field takes, if it takes only some."""
    return typing.get_args(annotation) if typing.get_origin(annotation) is typing.Literal else ()


def _mapping_hint(model: type[BaseModel], source: Source, path: Path, given: object) -> str | None:
    """The mapping around a value that stands alone, if its model knows that slip."""
    meant = model_at(model, source.data, path)
    if meant is None or not issubclass(meant, Strict) or not isinstance(given, str | int | float):
        return None
    around = meant.around(source.written(path) or str(given))
    return f"write {around}" if around else None


def _reads(model: type[BaseModel], source: Source, location: tuple[Any, ...], path: Path, text: str) -> bool:
    """Whether a value would be right as the text that was written: then quotes are the fix."""
    try:
        model.model_validate(_put(source.data, path, text))
    except ValidationError as error:
        return all(detail["loc"] != location for detail in error.errors(include_url=False, include_context=False))
    return True


def _put(data: Any, path: Path, value: Any) -> Any:
    """The same data with another value at a path; nothing else is copied."""
    if not path:
        return value
    changed: Any = dict(data) if isinstance(data, dict) else list(data)
    changed[path[0]] = _put(data[path[0]], path[1:], value)
    return changed


def _example(model: type[BaseModel], data: Any, path: Path, at_key: bool) -> str | None:
    """What a value, or a key of a mapping, may look like."""
    above = _meant(model, data, path[:-1])
    if isinstance(above, type) and issubclass(above, BaseModel):
        fields = [field for name, field in above.model_fields.items() if (field.alias or name) == path[-1]]
        examples = next((field.examples or _examples(field.annotation) for field in fields), [])
    else:
        arguments = typing.get_args(above)
        examples = _examples(arguments[0 if at_key else -1]) if arguments else []
    return f'for example "{examples[0]}"' if examples else None


def _examples(annotation: Any) -> list[Any]:
    """The examples that stand in an annotation itself."""
    for said in getattr(annotation, "__metadata__", ()):
        if found := getattr(said, "examples", None):
            return list(found)
    inner = typing.get_args(annotation)
    parts = inner[:1] if typing.get_origin(annotation) is typing.Annotated else inner
    return next((found for part in parts if (found := _examples(part))), [])


__all__ = ["Center", "known_keys", "model_at", "read", "read_as"]
