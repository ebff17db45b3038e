"""XML from a tree of elements: values meet no syntax, since text and attributes are quoted when they are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from generator.syntax import carry

Attribute = str | int | float


@dataclass(frozen=True, slots=True)
class Element:
    """An element of XML; its children are elements, or one piece of text."""

    name: str
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    children: tuple[Element, ...] | str = ()


def emit_xml(root: Element) -> bytes:
    """A document, an element a line; raises CannotCarry for characters that no text file of ours carries."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', *_lines(root, "")]
    return ("\n".join(lines) + "\n").encode()


def _lines(element: Element, indent: str) -> Iterator[str]:
    head = "".join(f' {name}="{_quoted(value)}"' for name, value in element.attributes.items())
    head = f"{indent}<{element.name}{head}"
    if isinstance(element.children, str):
        yield f"{head}>{_quoted(element.children)}</{element.name}>"
    elif element.children:
        yield f"{head}>"
        for child in element.children:
            yield from _lines(child, indent + "  ")
        yield f"{indent}</{element.name}>"
    else:
        yield f"{head}/>"


def _quoted(value: Attribute) -> str:
    if isinstance(value, str):
        return _carried(value)
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


@lru_cache(maxsize=512)
def _carried(text: str) -> str:
    return carry("xml", text, "", "")
