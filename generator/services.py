"""Services as folders: what one needs, which inputs it takes, which templates it fills; found by scanning."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from generator import resources
from generator.problems import Path as SpecPath
from generator.problems import Problem, did_you_mean
from generator.source import loads
from generator.spec import read_as
from generator.spec.common import Name, Strict, Text

_IMAGE = re.compile(r"[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+(:[A-Za-z0-9._-]{1,128})?(@sha256:[0-9a-f]{64})?")
_BOUNDS = re.compile(r"([1-9][0-9]{0,3})-([1-9][0-9]{0,3})")


class Input(Strict):
    """One thing that a service may be told."""

    type: Literal["integer", "text", "image", "bounds", "command", "name"]
    description: Text
    default: Any = None
    required: bool = False
    minimum: int = 0
    maximum: int = 1_000_000


class Needs(Strict):
    """What a service needs of the place where it runs."""

    cluster: Literal["kubernetes"] = "kubernetes"
    accelerator: bool = False
    torch: bool = False
    """Whether it runs a PyTorch program, which the catalogue must know how to run on the pool's accelerators."""


class Example(Strict):
    """Inputs with which a test uses the service as a tenant would."""

    inputs: dict[Name, Any] = Field(default_factory=dict)


class ServiceKind(Strict):
    """A service: its folder holds this description and its templates."""

    kind: Literal["service"]
    name: Name
    title: Text
    description: Text
    needs: Needs = Field(default_factory=Needs)
    inputs: dict[Name, Input] = Field(default_factory=dict)
    templates: list[Annotated[str, Field(pattern=r"^[a-z0-9-]+\.yaml$")]] = Field(min_length=1)
    example: Example


@dataclass(frozen=True, slots=True)
class Bounds:
    """From and to, both included: ``1-4``."""

    least: int
    most: int


@cache
def kinds(folder: Path | None = None) -> dict[str, ServiceKind]:
    """Every service that has a folder below templates/services; a faulty one raises Refused."""
    root = folder or resources.folder("templates") / "services"
    found = {}
    for file in sorted(root.glob("*/service.yaml")):
        source = loads(file.read_text("utf-8"), f"templates/services/{file.parent.name}/service.yaml")
        found[file.parent.name] = read_as(ServiceKind, source, "catalog")
    return found


def read_inputs(kind: ServiceKind, given: dict[str, Any], path: SpecPath) -> tuple[dict[str, Any], list[Problem]]:
    """The inputs of a service with its defaults filled in, and a finding for each that does not fit."""
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    told = f'"center catalog services {kind.name}" shows its inputs'
    for name in given.keys() - kind.inputs.keys():
        hint = did_you_mean(name, kind.inputs) or f"{told}: {', '.join(kind.inputs)}"
        problems.append(Problem("service.input", f'service "{kind.name}" has no input "{name}"', (*path, name), hint))
    for name, declared in kind.inputs.items():
        if name not in given:
            if declared.required:
                message = f'service "{kind.name}" needs the input "{name}": {declared.description}'
                problems.append(Problem("service.input", message, path, told))
            values[name] = _read(declared, declared.default) if declared.default is not None else None
            continue
        try:
            values[name] = _read(declared, given[name])
        except ValueError as error:
            problems.append(Problem("service.input", f"{error}, got {_shown(given[name])}", (*path, name), told))
    return values, problems


def _read(declared: Input, value: Any) -> Any:
    """The value as the service's templates use it; raises ValueError with what it needs."""
    match declared.type:
        case "integer":
            if isinstance(value, int) and not isinstance(value, bool) and declared.minimum <= value <= declared.maximum:
                return value
            raise ValueError(f"needs a whole number from {declared.minimum} to {declared.maximum}")
        case "text":
            if isinstance(value, str) and len(value) <= 2000:
                return value
            raise ValueError("needs text of at most 2,000 characters")
        case "name":
            if isinstance(value, str) and re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", value):
                return value
            raise ValueError("needs a DNS name")
        case "image":
            if isinstance(value, str) and len(value) <= 500 and _IMAGE.fullmatch(value):
                return value
            raise ValueError('needs a container image such as "registry.example/team/image:1.0"')
        case "bounds":
            match = _BOUNDS.fullmatch(value) if isinstance(value, str) else None
            if match and int(match[1]) <= int(match[2]):
                return Bounds(int(match[1]), int(match[2]))
            raise ValueError('needs bounds such as "1-4"')
        case "command":
            if isinstance(value, list) and value and all(isinstance(word, str) and len(word) <= 2000 for word in value):
                return value
            raise ValueError("needs a list of words")


def _shown(value: Any) -> str:
    return f'"{value[:60]}"' if isinstance(value, str) else str(value)[:60]


def all_templates(kind: ServiceKind) -> Iterator[str]:
    return (f"services/{kind.name}/{template}" for template in kind.templates)
