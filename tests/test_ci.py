"""What docs/ci.md shows works: its workflows are workflows, its commands do what it says, its hooks hook."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import reports
from tests.lessons import ROOT

PAGE = (ROOT / "docs/ci.md").read_text("utf-8")
# Each example that is a file of the user's repository begins with its path.
FILES = dict(re.findall(r"```yaml\n# (\.[a-z./-]+\.yaml|\.[a-z-]+\.yml)\n(.*?)```", PAGE, re.S))
WORKFLOW, PIPELINE, HOOKS = ".github/workflows/centre.yaml", ".gitlab-ci.yml", ".pre-commit-config.yaml"
CENTRE = Path("inventories/my-centre")
BIN = Path(sys.executable).parent


def test_the_page_shows_these_files() -> None:
    assert set(FILES) == {WORKFLOW, PIPELINE, HOOKS}


@pytest.mark.parametrize(
    ("name", "schema"),
    [(WORKFLOW, "vendor.github-workflows"), (PIPELINE, "vendor.gitlab-ci")],
    ids=["github", "gitlab"],
)
def test_a_workflow_is_one_by_its_makers_schema(name: str, schema: str, tmp_path: Path) -> None:
    def check(text: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "file.yaml").write_text(text, "utf-8")
        return run(tmp_path, str(BIN / "check-jsonschema"), "--builtin-schema", schema, "file.yaml")

    assert check(FILES[name]).returncode == 0, check(FILES[name]).stdout
    broken = re.sub(r"\n( +)(runs-on|script):", r"\n\1no-such-key:", FILES[name])
    assert check(broken).returncode == 1


def commands(value: Any) -> Iterator[str]:
    """The shell lines of a workflow that run the program."""
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(part, str) and part.startswith("center "):
            yield part
        yield from commands(part)


COMMANDS = [line for name in (WORKFLOW, PIPELINE) for line in commands(yaml.safe_load(FILES[name]))]


def test_the_page_shows_every_format_and_both_checks() -> None:
    assert set(re.findall(r"--format (\w+)", " ".join(COMMANDS))) == {"github", "sarif", "junit", "json"}
    assert {line.split()[1] for line in COMMANDS} == {"validate", "render"}


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "PRE_COMMIT_HOME": str(folder.parent / "hooks")}
    environment |= {f"GIT_{who}_{what}": "x@y.example" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {name: value for name, value in environment.items() if name not in ("GIT_DIR", "GIT_INDEX_FILE")}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter with its tree beside it."""
    folder = tmp_path_factory.mktemp("starter") / "centre"
    shutil.copytree(ROOT / "inventories/starter", folder, ignore=shutil.ignore_patterns("generated"))
    assert run(folder, "center", "render").returncode == 0
    return folder


@pytest.fixture
def repository(rendered: Path, tmp_path: Path) -> Path:
    """A user's repository: the starter as my-centre, its tree committed."""
    folder = tmp_path / "repository"
    shutil.copytree(rendered, folder / CENTRE)
    return folder


def edit(repository: Path, old: str, new: str) -> None:
    file = repository / CENTRE / "center.yaml"
    text = file.read_text("utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), "utf-8")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_passes_a_good_change(command: str, repository: Path) -> None:
    done = run(repository, "bash", "-c", command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert found_by(command, done.stdout, repository) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_refuses_a_bad_change(command: str, repository: Path) -> None:
    """One finding, at the file and line that the repository knows, in a report that its reader accepts."""
    edit(repository, "slot: 2", "slot: 1")
    lines = (repository / CENTRE / "center.yaml").read_text("utf-8").split("\n")
    [wrong] = [number for number, line in enumerate(lines, 1) if "slot: 1" in line]
    done = run(repository, "bash", "-c", command)
    assert done.returncode == 1
    if "--format" in command:
        assert found_by(command, done.stdout, repository) == [f"inventories/my-centre/center.yaml:{wrong}"]


def test_a_command_refuses_a_tree_that_is_not_rendered(repository: Path) -> None:
    edit(repository, "title: My first centre", "title: Another title")
    [command] = {line for line in COMMANDS if "render" in line}
    assert run(repository, "bash", "-c", command).returncode == 2


def found_by(command: str, printed: str, repository: Path) -> list[str]:
    """The places of findings in what a command has printed or written, once its schema has accepted that."""
    form, _, file = re.fullmatch(r".*?(?:--format (\w+))?(?: (>) (\S+))?", command).groups()  # type: ignore[union-attr]
    report = (repository / file).read_text("utf-8") if file else printed
    match form:
        case "github":
            return [f"{name}:{line}" for name, line in re.findall(r"^::error file=(.*?),line=(\d+),", report, re.M)]
        case "sarif":
            log = json.loads(report)
            reports.SARIF.validate(log)
            places = [result["locations"][0]["physicalLocation"] for result in log["runs"][0]["results"]]
            return [f"{place['artifactLocation']['uri']}:{place['region']['startLine']}" for place in places]
        case "junit":
            reports.JUNIT.validate(report)
            return re.findall(r'name="(inventories/[^":]*:\d+):\d+"', report)
        case "json":
            reports.JSON.validate(json.loads(report))
            return [f"{found['file']}:{found['line']}" for found in json.loads(report)["problems"]]
        case _:
            return []


# Hooks


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A repository that has our hooks file, and a tag.

    Installing this program with its dependencies for each test would take minutes and a network, so the hooks run the
    program that is installed already; all else is what a user has.
    """
    folder = tmp_path / "program"
    folder.mkdir()
    manifest = (ROOT / ".pre-commit-hooks.yaml").read_text("utf-8")
    assert manifest.count("language: python") == manifest.count("- id:")
    (folder / ".pre-commit-hooks.yaml").write_text(manifest.replace("language: python", "language: system"), "utf-8")
    begin(folder)
    assert run(folder, "git", "tag", "v0.1.0").returncode == 0
    return folder


@pytest.fixture
def hooked(repository: Path, program: Path) -> Path:
    """The repository with the hooks of the page."""
    text = FILES[HOOKS].replace("https://git.example/center", program.as_uri())
    (repository / HOOKS).write_text(text, "utf-8")
    begin(repository)
    return repository


def begin(folder: Path) -> None:
    assert run(folder, "git", "init", "--quiet").returncode == 0
    commit(folder)


def commit(folder: Path) -> None:
    for command in (["add", "--all", "--force"], ["commit", "--quiet", "--no-verify", "--message", "all"]):
        done = run(folder, "git", *command)
        assert done.returncode == 0, done.stderr


def hooks_of(folder: Path) -> dict[str, str]:
    """What each hook says of the change that stands in the folder, as `git commit` would ask it."""
    assert run(folder, "git", "add", "--all", "--force").returncode == 0
    done = run(folder, str(BIN / "pre-commit"), "run", "--color", "never")
    found = re.findall(r"^(.*?)\.{3,}(?:\(no files to check\))?(Passed|Failed|Skipped)$", done.stdout, re.M)
    assert found, done.stdout + done.stderr
    return dict(found)


VALIDATE, COMPARE = "validate a centre", "compare the rendered tree of a centre"


def test_the_hooks_file_is_one_and_its_commands_are_ours() -> None:
    assert run(ROOT, str(BIN / "pre-commit"), "validate-manifest", ".pre-commit-hooks.yaml").returncode == 0
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    assert [hook["id"] for hook in hooks] == ["center-validate", "center-render-check"]
    assert {hook["entry"].split()[0] for hook in hooks} <= scripts.keys()


def test_a_good_change_passes_the_hooks(hooked: Path) -> None:
    edit(hooked, "title: My first centre", "title: Another title")
    assert run(hooked, "center", "render", str(CENTRE)).returncode == 0
    assert hooks_of(hooked) == {VALIDATE: "Passed", COMPARE: "Passed"}


def test_a_finding_stops_the_commit(hooked: Path) -> None:
    edit(hooked, "slot: 2", "slot: 1")
    assert hooks_of(hooked) == {VALIDATE: "Failed", COMPARE: "Failed"}


def test_a_tree_that_is_not_rendered_stops_the_commit(hooked: Path) -> None:
    edit(hooked, "title: My first centre", "title: Another title")
    assert hooks_of(hooked) == {VALIDATE: "Passed", COMPARE: "Failed"}


def test_a_file_of_the_tree_edited_by_hand_stops_the_commit(hooked: Path) -> None:
    file = hooked / CENTRE / "generated/summary.md"
    file.write_text(file.read_text("utf-8") + "by hand\n", "utf-8")
    assert hooks_of(hooked) == {VALIDATE: "Passed", COMPARE: "Failed"}


def test_what_a_centre_includes_is_the_centre_too(hooked: Path) -> None:
    (hooked / CENTRE / "more.yaml").write_text("targets: {pue: 0.5}\n", "utf-8")
    edit(hooked, "site: {", "include: [more.yaml]\nsite: {")
    commit(hooked)
    (hooked / CENTRE / "more.yaml").write_text("targets: {pue: 0.6}\n", "utf-8")
    assert hooks_of(hooked)[VALIDATE] == "Failed"


def test_other_files_are_no_business_of_the_hooks(hooked: Path) -> None:
    (hooked / "other.yaml").write_text("a: 1\n", "utf-8")
    assert hooks_of(hooked) == {VALIDATE: "Skipped", COMPARE: "Skipped"}


def test_without_arguments_the_centre_is_at_the_root(program: Path, rendered: Path, tmp_path: Path) -> None:
    """And our own choice of files holds: YAML, keys and tables for the one hook, every file for the other."""
    folder = tmp_path / "one-centre"
    shutil.copytree(rendered, folder)
    hooks = [{"id": "center-validate"}, {"id": "center-render-check"}]
    config = {"repos": [{"repo": program.as_uri(), "rev": "v0.1.0", "hooks": hooks}]}
    (folder / HOOKS).write_text(yaml.safe_dump(config), "utf-8")
    begin(folder)
    (folder / "notes.md").write_text("nothing\n", "utf-8")
    assert hooks_of(folder) == {VALIDATE: "Skipped", COMPARE: "Passed"}
    (folder / "assets.csv").write_text("node,serial\n", "utf-8")
    assert hooks_of(folder) == {VALIDATE: "Passed", COMPARE: "Passed"}
    (folder / "ssh_ca.pub").write_text(
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGFub3RoZXIgYXV0aG9yaXR5Li4uLi4uLi4uLi4uLi4u\n", "utf-8"
    )
    assert hooks_of(folder) == {VALIDATE: "Passed", COMPARE: "Failed"}


# Codes


def test_the_codes_are_those_of_the_program() -> None:
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.M)}
    helped = run(ROOT, "center", "--help").stdout
    assert told == {int(code) for code in re.findall(r"^ +(?:Exit codes: +)?(\d+) [a-z]", helped, re.M)}
