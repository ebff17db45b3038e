"""The operator's page: its commands are read by the real command line, its figures are those of the code."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from generator.apply.clusters import lease
from generator.apply.hosts import journal, leaving, lock, members, trust
from generator.apply.hosts.blocks import Policy
from generator.apply.report import CLASSES
from generator.cli import cli
from generator.console import DEFECT, DIFFERENT, FAILED, FINE, USAGE
from generator.explain import lessons, told_in
from tests.rig.hosts import make_ssh_key

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/operations.md").read_text("utf-8")
PAGE = " ".join(TEXT.split())
MODULES = ROOT / "playbooks/module_utils"
# What other programs on the page are for: the operator's own repository.
OTHERS = ("git revert HEAD",)


def commands() -> list[str]:
    """Whole lines of blocks, and commands in the running text."""
    blocks = re.findall(r"```\n(.*?)```", TEXT, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if not line.startswith(("error[", "  hint:"))]
    return [*lines, *re.findall(r"`(center [^`]*)`", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL))]


def test_every_command_of_the_page_is_one() -> None:
    found = [command for command in commands() if command not in OTHERS]
    assert len(found) > 25
    for command in found:
        program, verb, *arguments = command.split()
        assert program == "center" and verb in cli.commands, command
        # Arguments and options are read as the command itself reads them; nothing runs.
        cli.commands[verb].make_context(verb, arguments, parent=click.Context(cli))


def test_every_verb_for_the_world_and_each_of_its_options_is_told() -> None:
    for verb in ("diff", "apply", "status", "unlock", "trust", "preflight", "accept"):
        assert f"`{verb}`" in PAGE, verb
    told = {option for parameter in cli.commands["apply"].params for option in parameter.opts if option[:2] == "--"}
    assert [option for option in sorted(told - {"--out", "--ssh-key"}) if f"{option}" not in TEXT] == []


def test_its_tables_and_figures_are_those_of_the_code() -> None:
    assert [row for row in re.findall(r"^\| ([a-z]+) \|", TEXT, re.M) if row in CLASSES] == [*CLASSES]
    codes = (
        f"{FINE} nothing wrong; {FAILED} findings, or hosts failed or did not answer; {DIFFERENT} differences, or "
        f"something must wait; {USAGE} wrong usage; {DEFECT} a defect"
    )
    assert codes in PAGE
    assert f"every {lock.SIGN_OF_LIFE_SECONDS} s" in PAGE
    assert f"renews every {lease.SECONDS // 6} s and that runs out {lease.SECONDS} s after" in PAGE
    assert f"warns {trust.SOON_DAYS} days before" in PAGE
    assert (Policy().batch, "a fifth unless it says otherwise" in PAGE) == (0.2, True)
    assert (Policy().unreachable, "a tenth, but one may always be missing" in PAGE) == (0.1, True)
    assert (leaving.SHARE, "More than a tenth of all nodes" in PAGE) == (0.1, True)
    slurm = (ROOT / "templates/hosts/slurm/slurm.conf").read_text("utf-8")
    assert "SlurmdTimeout=300\n" in slurm and "after 300 s" in PAGE


def test_things_lie_where_it_says() -> None:
    told = set(re.findall(r"`(/(?:var|run)/[^`]+)`", TEXT))
    written = "".join(path.read_text("utf-8") for path in MODULES.glob("*.py"))
    [name] = re.findall(r'^NAME = "(.*)"$', (MODULES / f"{journal.MODULE}.py").read_text("utf-8"), re.M)
    named = {f"{lock.FOLDER}/locks/", f"{lock.FOLDER}/{name}", members.RECORD}
    assert [path for path in sorted(told - named) if f'"{path.rstrip("/")}"' not in written] == []
    assert named <= told


def test_two_authorities_stand_side_by_side_while_one_follows_the_other(tmp_path: Path) -> None:
    """OpenSSH itself finds both behind the name of any node."""
    centre = tmp_path / "starter"
    shutil.copytree(ROOT / "inventories/starter", centre, ignore=shutil.ignore_patterns("generated"))
    both = [make_ssh_key(tmp_path / name, name).with_name(f"{name}.pub").read_text("utf-8") for name in ("old", "new")]
    (centre / "ssh_ca.pub").write_text("# first of all\n" + "\n".join(both))
    with pytest.raises(SystemExit) as ended:
        cli.main(["render", str(centre)], standalone_mode=True)
    assert ended.value.code in (0, None)
    groups = centre / "generated/hosts/groups/system_debian_12/files"
    for file in (centre / "generated/hosts/hall-1/known_hosts", groups / "etc/ssh/ssh_known_hosts"):
        find = ["ssh-keygen", "-F", "train-a01-1", "-f", str(file)]
        found = subprocess.run(find, capture_output=True, text=True, check=True).stdout
        lines = [line for line in found.splitlines() if not line.startswith("#")]
        assert lines == [f"@cert-authority * {key.strip()}" for key in both]


@pytest.mark.parametrize(
    "words",
    [
        "Apply exactly this?",
        "contents not shown",
        "did not answer",
        "another run writes to the cluster: ",
        "wait; if that run is dead, its lock runs out within ",
        "it shows no life any more; make sure that it is dead, then: center unlock",
        "left unreached",
        "not touched, the run had stopped",
        "plan.stale",
        "stays off until",
    ],
)
def test_what_it_quotes_is_what_the_program_says(words: str) -> None:
    folders = (ROOT / "generator", ROOT / "playbooks")
    sources = [path.read_text("utf-8") for folder in folders for path in folder.rglob("*.py")]
    assert words in PAGE and any(words in source for source in sources)


def test_every_finding_of_a_living_centre_is_told_where_explain_says() -> None:
    """By the names that stand in the sources, beside the rules, which have lessons."""
    folder = ROOT / "generator/apply"
    sources = "".join(file.read_text("utf-8") for file in (*folder.rglob("*.py"), ROOT / "generator/steps.py"))
    named = set(re.findall(r'"((?:cluster|hosts|plan|tree)\.[a-z-]+)"', sources)) - set(lessons())
    assert len(named) > 30
    for name in sorted(named):
        page = told_in(name)
        assert page and f"`{name}`" in (ROOT / page).read_text("utf-8") + (ROOT / "docs/operator.md").read_text("utf-8")
        with pytest.raises(click.UsageError, match=f"is told in {page}"):
            cli.main(["explain", name], standalone_mode=False)
