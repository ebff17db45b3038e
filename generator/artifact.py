"""What one rendered file is: where it goes, what it holds, and which lines of the spec cause it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from generator.markup import Element


@dataclass(frozen=True, slots=True)
class Json:
    """Data as JSON; the outer `expand` levels take a line for each entry, what is deeper stays on that line."""

    value: object
    expand: int = 1


@dataclass(frozen=True, slots=True)
class Yaml:
    """Data as YAML documents; every string is quoted, keys are sorted."""

    documents: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class YamlTemplate:
    """A YAML template that is filled as a tree: values never meet YAML syntax."""

    template: str
    context: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class TextTemplate:
    """A template in a text format; `syntax` names the format whose quoting each value gets."""

    template: str
    context: Mapping[str, object]
    syntax: str


@dataclass(frozen=True, slots=True)
class Xml:
    """A tree of elements, such as a picture."""

    root: Element


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes as they are, such as a public key that the spec points at."""

    content: bytes


Body = Json | Yaml | YamlTemplate | TextTemplate | Xml | Raw


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of the rendered tree: `path` is POSIX and relative, `because` holds dotted spec paths."""

    path: str
    body: Body
    because: tuple[str, ...]
