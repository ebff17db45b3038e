"""What hosts get besides accelerators, one subject a file: each says its files, packages and units as one part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from generator.artifact import Artifact, TextTemplate
from generator.outputs.groups import HostFile, Secret, Unit, group_files

UNITS = "/etc/systemd/system"


@dataclass(frozen=True, slots=True)
class Part:
    """What one subject asks of the members of a group."""

    files: tuple[HostFile, ...] = ()
    packages: tuple[str, ...] = ()
    units: tuple[str | Unit, ...] = ()
    directories: tuple[dict[str, Any], ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)


NOTHING = Part()


def together(name: str, parts: Iterable[Part], because: tuple[str, ...]) -> Iterator[Artifact]:
    """The manifest and the files of a group, out of what each subject asks."""
    parts = list(parts)
    yield from group_files(
        name,
        [file for part in parts for file in part.files],
        because,
        [package for part in parts for package in part.packages],
        [unit for part in parts for unit in part.units],
        [directory for part in parts for directory in part.directories],
        {path: target for part in parts for path, target in part.links.items()},
        {key: secret for part in parts for key, secret in part.secrets.items()},
    )


def command_file(
    unit: str, description: str, command: list[str], because: tuple[str, ...], after: str = ""
) -> HostFile:
    """A unit that runs a program of the system once, whenever what it depends on has changed; also after another."""
    context = {"description": description, "command": command, "after": after}
    return unit_file(unit, "command.service", context, because)


def unit_file(unit: str, template: str, context: Mapping[str, object], because: tuple[str, ...]) -> HostFile:
    """The file of a unit of ours; a change of it is a change of what the unit is started with."""
    body = TextTemplate(f"hosts/{template}", context, "systemd")
    return HostFile(f"{UNITS}/{unit}", body, (unit,), because=because)
