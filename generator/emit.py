"""Text from data, byte for byte stable: JSON for strict readers, YAML in which every string is quoted.

Both carry dict (string keys), list, tuple, str, int, float, bool and None, and nothing else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from json.encoder import encode_basestring as _quote

# Allowed raw in JSON but damaged or refused by one YAML reader or another. Both syntaxes know \uXXXX, and outside
# of strings our text is ASCII, so one pass over the finished text is enough. Characters beyond U+FFFF stay as they
# are: JSON could only spell them as surrogate pairs, which YAML readers break.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufdd0-\ufdef\ufeff\ufffe\uffff]")

# YAML readers give up on a `key:` of more than 1,024 characters; an escaped one grows up to six times.
_LONG_KEY = 160

_SEQUENCE = (list, tuple)  # `list | tuple` would build a union for each value

_Put = Callable[[str], None]


class EmitError(ValueError):
    """The data holds something that neither JSON nor YAML can say."""


def emit_json(value: object, expand: int = 1) -> bytes:
    """JSON with sorted keys; the outer `expand` levels take a line for each entry, the rest shares that line."""

    def write(put: _Put) -> None:
        _put_json(value, expand, "\n", put)
        put("\n")

    return _collect(write)


def emit_yaml(documents: Iterable[object]) -> bytes:
    """YAML documents in block style with sorted keys; each begins with `---`."""

    def write(put: _Put) -> None:
        for document in documents:
            put("---")
            _put_yaml(document, "\n", "\n", put)
            put("\n")

    return _collect(write)


def _collect(write: Callable[[_Put], None]) -> bytes:
    pieces: list[str] = []
    try:
        write(pieces.append)
        text = "".join(pieces)
        if not text.isascii() or "\x7f" in text:
            text = _ESCAPED.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
        return text.encode()
    except EmitError:
        raise
    except (TypeError, ValueError, RecursionError) as error:  # a key that is no text, a lone surrogate, a cycle
        raise EmitError(f"cannot be written: {error}") from error


def _put_json(value: object, expand: int, indent: str, put: _Put) -> None:
    before = deeper = indent + "  "
    if expand and isinstance(value, dict) and value:
        put("{")
        for key in sorted(value):
            put(f"{before}{_quote(key)}: ")
            _put_json(value[key], expand - 1, deeper, put)
            before = "," + deeper
        put(indent + "}")
    elif expand and isinstance(value, _SEQUENCE) and value:
        put("[")
        for item in value:
            put(before)
            _put_json(item, expand - 1, deeper, put)
            before = "," + deeper
        put(indent + "]")
    else:
        put(_line(value))


def _put_yaml(value: object, first: str, indent: str, put: _Put) -> None:
    """`first` stands before the first entry, which may share the line of a dash; `indent` before all others."""
    if type(value) is str:
        put(" " + _quote(value))
    elif isinstance(value, dict) and value:
        deeper = indent + "  "
        for key in sorted(value):
            name = _quote(key)
            put(f"{first}{name}:" if len(name) < _LONG_KEY else f"{first}? {name}{indent}:")
            _put_yaml(value[key], deeper, deeper, put)
            first = indent
    elif isinstance(value, _SEQUENCE) and value:
        deeper = indent + "  "
        for item in value:
            put(f"{first}-")
            _put_yaml(item, " ", deeper, put)
            first = indent
    else:
        put(f" {_line(value)}")


def _line(value: object) -> str:
    if type(value) is str:
        return _quote(value)
    if isinstance(value, dict):
        return "{" + ", ".join([f"{_quote(key)}: {_line(value[key])}" for key in sorted(value)]) + "}"
    if isinstance(value, _SEQUENCE):
        return "[" + ", ".join([_line(item) for item in value]) + "]"
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if type(value) is int:
        return str(value)
    if type(value) is float and math.isfinite(value):
        text = repr(value)
        return text if "." in text else text.replace("e", ".0e")  # YAML 1.1 reads 1e+16 as text
    raise EmitError(f"is no data that a file can hold: {type(value).__name__} {value!r:.80}")
