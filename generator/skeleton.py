"""The skeleton that a template writes: text in which placeholders stand for values, and the YAML tree made of it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml
from yaml.constructor import ConstructorError

# A placeholder is a number between two private-use characters.
OPEN, CLOSE = "\ue000", "\ue001"
HOLE = re.compile(f"{OPEN}([0-9]+){CLOSE}")

# `@{node.name}` and the like are filled while applying; no value may bring one.
LATER = "@{"


class Unfillable(ValueError):
    """A template and its values do not fit together."""


@dataclass(frozen=True, slots=True)
class _Hole:
    """A scalar of the skeleton in which values stand: literal text and numbers of values in turn."""

    parts: tuple[str | int, ...]
    typed: bool

    def value(self, values: list[object]) -> object:
        """A bare `{{ x }}` keeps its type, be it a list; in quotes, in a block or among other text it becomes text."""
        return values[int(self.parts[1])] if self.typed else self.text(values)

    def text(self, values: list[object]) -> str:
        return "".join(part if isinstance(part, str) else text_of(values[part], booleans=True) for part in self.parts)


def text_of(value: object, *, booleans: bool = False) -> str:
    """A string or a number as text; a boolean only where the format has one word for it."""
    if type(value) is str:
        return value
    if booleans and isinstance(value, bool):
        return "true" if value else "false"
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return repr(value)
    hint = "; say which word it is" if isinstance(value, bool) else ""
    raise Unfillable(f"text is needed, not {type(value).__name__} {value!r:.60}{hint}")


class _SkeletonLoader(yaml.CSafeLoader):
    """YAML as its 1.2 core schema reads it (no `yes`, octal, sexagesimal or dates), with holes, without surprises."""

    yaml_implicit_resolvers = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=deep)
            if not isinstance(key, str | _Hole) or key == "<<" or key in mapping:
                reason = f"{key!r:.60} as a key: twice, a merge or no text"
                raise ConstructorError(None, None, reason, key_node.start_mark)
            mapping[key] = self.construct_object(value_node, deep=deep)
        return mapping

    def construct_text(self, node: yaml.ScalarNode) -> object:
        pieces = HOLE.split(node.value)
        if len(pieces) == 1:
            return node.value
        parts = tuple(int(piece) if number % 2 else piece for number, piece in enumerate(pieces))
        return _Hole(parts, typed=not node.style and pieces[0] == pieces[-1] == "" and len(pieces) == 3)


_SkeletonLoader.add_constructor("tag:yaml.org,2002:str", _SkeletonLoader.construct_text)
for _kind, _pattern, _first in (
    ("null", r"(?:~|null|)$", ["~", "n", ""]),
    ("bool", r"(?:true|false)$", ["t", "f"]),
    ("int", r"(?:0|-?[1-9][0-9]*)$", list("-0123456789")),
    ("float", r"-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+]?[0-9]+)?$", list("-0123456789")),
):
    _SkeletonLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(_pattern), _first)


@lru_cache(maxsize=64)
def parse(skeleton: str) -> tuple[tuple[object, ...], int]:
    """The documents of a skeleton, and how many holes for later its own text has; kept for files of the same shape."""
    try:
        documents = tuple(document for document in yaml.load_all(skeleton, _SkeletonLoader) if document is not None)
    except Exception as error:  # a tag on a hole fails in its own way, such as `!!int`
        raise Unfillable(f"it writes no proper YAML: {' '.join(HOLE.sub('{{ }}', str(error)).split())}") from error
    return documents, _count_later(documents)


def _count_later(node: object) -> int:
    if isinstance(node, dict):
        return sum(_count_later(key) + _count_later(value) for key, value in node.items())
    if isinstance(node, list | tuple):
        return sum(map(_count_later, node))
    if isinstance(node, _Hole):
        return _count_later(node.parts)
    return node.count(LATER) if isinstance(node, str) else 0


def filled(node: object, values: list[object]) -> object:
    """The tree with the values in place of its holes; the skeleton stays as it is."""
    if isinstance(node, dict):
        mapping: dict[str, object] = {}
        for key, value in node.items():
            name = key.text(values) if isinstance(key, _Hole) else key
            if name in mapping:
                raise Unfillable(f'two entries of one mapping are called "{name}"')
            mapping[name] = filled(value, values)
        return mapping
    if isinstance(node, list):
        return [filled(item, values) for item in node]
    return node.value(values) if isinstance(node, _Hole) else node
