"""The designer's guide shows only what stands in a sample, so that it cannot grow old."""

from __future__ import annotations

import re
from pathlib import Path

import click

from generator.assets import COLUMNS, STATES
from generator.catalog import Catalog
from generator.catalog.models import TenantClass
from generator.cli import cli

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "docs/designing.md").read_text("utf-8")


def test_every_block_of_the_guide_stands_in_a_sample() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    samples = [file.read_text("utf-8") for file in sorted((ROOT / "inventories").glob("*/*.yaml"))]
    assert len(blocks) > 6
    assert [block for block in blocks if not any(block in sample for sample in samples)] == []


def cells(first: str) -> dict[str, list[str]]:
    """The words in the second column of a table that begins so, by what stands in the first."""
    [table] = re.findall(rf"^\| {first} \|.*\n\|[-|]+\n((?:\|.*\n)+)", GUIDE, re.M)
    rows = [row.split("|") for row in table.strip().split("\n")]
    return {row[1].strip().strip("`"): re.findall("`(.*?)`", row[2]) for row in rows}


def test_the_table_of_machines_has_these_headings_and_states() -> None:
    assert cells("column") == {column: list(headings) for column, headings in COLUMNS.items()}
    assert cells("state") == {
        state: [word for word, meant in STATES.items() if meant == state] for state in dict.fromkeys(STATES.values())
    }


def test_every_command_of_the_guide_is_one() -> None:
    commands = set(re.findall(r"`center ([a-z][^`]*)`", GUIDE))
    assert "catalog classes research" in commands and "research" in Catalog().names(TenantClass)
    for command in commands:
        verb, *arguments = command.split()
        assert verb in cli.commands, command
        # Arguments and options are read as the command itself reads them; nothing runs.
        cli.commands[verb].make_context(verb, arguments, parent=click.Context(cli))


def test_the_guide_says_what_a_newcomer_asks() -> None:
    for word in ("slot", "FWS", "unit number", "*Rails*", "*Leaves*", "mounts and accounts"):
        assert word in " ".join(GUIDE.split()), word
