"""Services on show: which there are, and which inputs each takes, of which type, within which bounds."""

from __future__ import annotations

from typing import Any

from generator.problems import Problem, Refused, did_you_mean
from generator.services import ServiceKind, kinds
from generator.text import table, visible

WORDS = ("service", "services")


def line() -> dict[str, Any]:
    """Services among the kinds of the catalogue."""
    what = (ServiceKind.__doc__ or "").split("\n")[0].rstrip(".")
    return {"kind": WORDS[0], "folder": WORDS[1], "entries": len(kinds()), "own": 0, "what": what}


def listing() -> list[dict[str, Any]]:
    return [{"name": name, "inputs": list(kind.inputs), "title": kind.title} for name, kind in sorted(kinds().items())]


def listing_text(listed: list[dict[str, Any]]) -> str:
    rows = [[each["name"], ", ".join(each["inputs"]), visible(each["title"], 48)] for each in listed]
    return table([["NAME", "INPUTS", "TITLE"], *rows])


def page(name: str) -> dict[str, Any]:
    """Everything that a tenant may say to a service."""
    if name not in kinds():
        hint = did_you_mean(name, kinds()) or '"center catalog services" lists what there is'
        raise Refused([Problem("usage.unknown-name", f'there is no service "{name}"', hint=hint)])
    kind = kinds()[name]
    return {
        "kind": WORDS[0],
        "name": name,
        "title": kind.title,
        "description": kind.description,
        "needs": {"cluster": kind.needs.cluster, "accelerator": kind.needs.accelerator},
        "inputs": [
            {
                "name": word,
                "type": taken.type,
                "required": taken.required,
                "default": taken.default,
                "minimum": taken.minimum if taken.type == "integer" else None,
                "maximum": taken.maximum if taken.type == "integer" else None,
                "description": taken.description,
            }
            for word, taken in kind.inputs.items()
        ],
    }


def page_text(shown: dict[str, Any]) -> str:
    """One service as a person reads it."""
    needs = shown["needs"]
    on = f"a {needs['cluster']} cluster{' and a pool with accelerators' if needs['accelerator'] else ''}"
    text = [f"{shown['name']}: {shown['title']}", shown["description"].strip(), f"needs {on}", ""]
    rows = [[each["name"], _takes(each), _default(each), each["description"]] for each in shown["inputs"]]
    text += table([["INPUT", "TAKES", "DEFAULT", "WHAT"], *rows]).split("\n")
    return "\n".join(visible(each, None) for each in text)


def _takes(taken: dict[str, Any]) -> str:
    bounds = f", {taken['minimum']} to {taken['maximum']}" if taken["minimum"] is not None else ""
    return f"{_TYPES[taken['type']]}{bounds}"


def _default(taken: dict[str, Any]) -> str:
    match taken["default"]:
        case None:
            return "required" if taken["required"] else ""
        case list() as words:
            return f"[{', '.join(map(str, words))}]"
        case value:
            return str(value)


_TYPES = {
    "integer": "whole number",
    "text": "text",
    "image": "container image",
    "bounds": 'bounds such as "1-4"',
    "command": "list of words",
    "name": "DNS name",
}
