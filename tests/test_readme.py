"""What the READMEs show is what the program says."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from control_plane.tools import BUILD_BYTES
from generator.cli import cli
from generator.rehearse_verbs import NODES_OF_A_PROCESSOR

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.zh-CN.md")
DUO = ROOT / "inventories" / "duo"


@pytest.mark.parametrize("name", READMES)
def test_the_finding_shown_is_real(name: str, tmp_path: Path) -> None:
    """Weak feeds in the duo centre give the finding that the page shows, to the letter."""
    (shown,) = re.findall(r"```\n(center\.yaml:.*?)```", (ROOT / name).read_text("utf-8"), re.S)
    text = (DUO / "center.yaml").read_text("utf-8")
    weak = text.replace("rack: 2x 63 A 400 V 3-phase", "rack: 16 A 400 V 3-phase")
    assert weak != text
    (tmp_path / "center.yaml").write_text(weak, "utf-8")
    (tmp_path / "ssh_ca.pub").write_bytes((DUO / "ssh_ca.pub").read_bytes())
    command = [sys.executable, "-m", "generator", "validate", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert shown in done.stdout


@pytest.mark.parametrize("name", READMES)
def test_the_commands_shown_exist(name: str) -> None:
    """Each `center` line parses as far as its options go, and every `make` verb is in the Makefile."""
    blocks = "\n".join(re.findall(r"```\n(.*?)```", (ROOT / name).read_text("utf-8"), re.S))
    lines = [line.split("#")[0].split(">")[0] for line in blocks.splitlines() if line.startswith("center ")]
    assert len(lines) >= 6
    for line in lines:
        verb, *words = shlex.split(line)[1:]
        options = [word for word in words if word.startswith("--")]
        answer = CliRunner().invoke(cli, [verb, "--help"])
        assert answer.exit_code == 0, line
        assert all(option in answer.output for option in options), line
    verbs = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text("utf-8"), re.M))
    assert set(re.findall(r"^make ([a-z]+)", blocks, re.M)) <= verbs


def test_the_page_on_rehearsals_shows_commands_and_figures_of_the_program() -> None:
    page = (ROOT / "docs/rehearse.md").read_text("utf-8")
    lines = [line.partition("#")[0] for line in page.splitlines() if line.startswith("center ")]
    assert len(lines) >= 4
    for line in lines:
        verb, *arguments = shlex.split(line)[1:]
        # Read as the command itself reads them; nothing runs.
        cli.commands[verb].make_context(verb, arguments, parent=click.Context(cli))
    options = {option for parameter in cli.commands["rehearse"].params for option in parameter.opts if "--" in option}
    assert all(option in page for option in options)
    assert f"{BUILD_BYTES / 1e9:g} GB of disk" in page
    assert f"{NODES_OF_A_PROCESSOR} for each processor" in page
