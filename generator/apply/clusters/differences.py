"""What differs between two states of one Kubernetes object, without what the server keeps in it for itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from generator.apply.clusters.kube import MANAGER, Json
from generator.text import visible

_SERVERS_OWN = frozenset({"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"})
_ABSENT = object()
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SECRET_FIELDS = (".data", ".stringData")


@dataclass(frozen=True, slots=True)
class Field:
    """One field that changes; old and new are JSON, safe to print, None where the field is absent."""

    path: str
    old: str | None
    new: str | None


def changed_fields(old: Json, new: Json) -> tuple[Field, ...]:
    """The fields that differ. Values of a Secret are never shown."""
    hidden = _SECRET_FIELDS if new.get("kind") == "Secret" else ()
    return tuple(
        Field(visible(path), _shown(before, path, hidden), _shown(after, path, hidden))
        for path, before, after in _walk(_own(old), _own(new), "")
    )


def owned_fields(body: Json) -> list[Json]:
    """The fields that we have applied to an object, as its server remembers them."""
    return [
        {"version": entry.get("apiVersion"), "fields": entry.get("fieldsV1")}
        for entry in body["metadata"].get("managedFields") or []
        if entry.get("manager") == MANAGER and entry.get("operation") == "Apply" and not entry.get("subresource")
    ]


def is_applied(wanted: Json, living: Json) -> bool:
    """Say, without asking the server, that applying `wanted` again would change nothing.

    True only if the fields that the server remembers as applied by us are exactly those of `wanted`, with its values.
    False also where only the server can tell (defaults inside of lists, other spellings of a quantity).
    """
    owned = owned_fields(living)
    if len(owned) != 1 or owned[0]["version"] != wanted["apiVersion"] or living["metadata"].get("deletionTimestamp"):
        return False
    named = {name: value for name, value in wanted["metadata"].items() if name not in ("name", "namespace")}
    rest = {name: value for name, value in wanted.items() if name not in ("apiVersion", "kind")}
    return _holds(owned[0]["fields"], {**rest, "metadata": named}, living)


def _holds(fields: Json, wanted: object, living: object) -> bool:
    """Compare along the server's notation of owned fields: f: a key of a map, k: and v: an element of a list."""
    parts = {name: inner for name, inner in fields.items() if name != "."}
    if not parts:
        return json.dumps(wanted, sort_keys=True) == json.dumps(living, sort_keys=True)
    if isinstance(wanted, dict) and isinstance(living, dict):
        return parts.keys() == {f"f:{name}" for name in wanted} and all(
            name in living and _holds(parts[f"f:{name}"], value, living[name]) for name, value in wanted.items()
        )
    if not (isinstance(wanted, list) and isinstance(living, list) and len(parts) == len(wanted)):
        return False
    places = []
    for name, inner in parts.items():
        there, here = _position(name, wanted, lenient=True), _position(name, living, lenient=False)
        if there is None or here is None or (name[0] == "k" and not _holds(inner, wanted[there], living[here])):
            return False
        places.append((there, here))
    # In the same order, too: a list that names its elements is still read from the front.
    return [here for _, here in sorted(places)] == sorted(here for _, here in places)


def _position(name: str, elements: list[object], *, lenient: bool) -> int | None:
    """Where the element that the server calls `name` is; a key that the user left to its default may be missing."""
    value = json.loads(name[2:])
    if name.startswith("v:"):
        found = [index for index, element in enumerate(elements) if element == value]
    elif name.startswith("k:"):
        found = [
            index
            for index, element in enumerate(elements)
            if isinstance(element, dict)
            and all(element.get(key, part if lenient else None) == part for key, part in value.items())
        ]
    else:
        return None
    return found[0] if len(found) == 1 else None


def _own(body: Json) -> Json:
    """The object without status, server's fields and what its path already says."""
    kept = {name: value for name, value in body.items() if name not in ("apiVersion", "kind", "status")}
    kept["metadata"] = {name: value for name, value in body["metadata"].items() if name not in _SERVERS_OWN}
    return kept


def _walk(old: object, new: object, path: str) -> Iterator[tuple[str, object, object]]:
    before, after = _children(old), _children(new)
    if before is None or after is None or isinstance(old, dict) != isinstance(new, dict):
        if old != new or type(old) is not type(new):  # in Python, 1 is True
            yield path, old, new
        return
    for name in [*before, *(name for name in after if name not in before)]:
        yield from _walk(before.get(name, _ABSENT), after.get(name, _ABSENT), path + name)


def _children(value: object) -> dict[str, object] | None:
    """The parts of a map or a list by how a reader names them; None for a scalar or an absent value."""
    if isinstance(value, dict):
        return {f".{name}" if _PLAIN_KEY.fullmatch(name) else f"[{name}]": part for name, part in value.items()}
    if isinstance(value, list):
        names = [part.get("name") if isinstance(part, dict) else None for part in value]
        if all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
            return {f"[name={name}]": part for name, part in zip(names, value, strict=True)}
        return {f"[{index}]": part for index, part in enumerate(value)}
    return None


def _shown(value: object, path: str, hidden: tuple[str, ...]) -> str | None:
    if value is _ABSENT:
        return None
    if hidden and path.startswith(hidden):
        return "(hidden)"
    return visible(json.dumps(value, ensure_ascii=False, sort_keys=True))
