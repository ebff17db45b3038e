"""What differs between two states of one Kubernetes object, without what the server keeps in it for itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from generator.apply.kube import MANAGER, Json
from generator.apply.text import visible

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


def _own(body: Json) -> Json:
    """The object without status, server's fields and what its path already says."""
    kept = {name: value for name, value in body.items() if name not in ("apiVersion", "kind", "status")}
    kept["metadata"] = {name: value for name, value in body["metadata"].items() if name not in _SERVERS_OWN}
    return kept


def _walk(old: object, new: object, path: str) -> Iterator[tuple[str, object, object]]:
    if old == new and type(old) is type(new):
        return
    before, after = _children(old), _children(new)
    if before is None or after is None or isinstance(old, dict) != isinstance(new, dict):
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
