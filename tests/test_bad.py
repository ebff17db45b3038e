"""Every rule has an example that passes at its limit and one that fails one step beyond, by that rule alone."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from generator import explain, rules
from tests.lessons import ROOT, findings, repeated, spelt_out

FILES = {file.stem: yaml.safe_load(file.read_text("utf-8")) for file in sorted((ROOT / "tests/bad").glob("*.yaml"))}
JUDGED = sorted(rules.rules())
each_rule = pytest.mark.parametrize("rule", FILES)


def ids_in_code() -> set[str]:
    """Whatever is written like the name of a finding about one of the subjects that rules speak of."""
    found = set()
    for file in sorted((ROOT / "generator").rglob("*.py")):
        if file.relative_to(ROOT / "generator").parts[0] not in ("apply", "outputs"):
            constants = (node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant))
            found |= {text for text in constants if isinstance(text, str) and re.fullmatch(r"[a-z]+\.[a-z-]+", text)}
    # One function makes the findings of the spec and of the catalogue, with a prefix each.
    kinds = re.findall(r'f"\{prefix\}\.([a-z-]+)"', (ROOT / "generator/spec/__init__.py").read_text())
    found |= {f"{prefix}.{kind}" for prefix in ("spec", "catalog") for kind in kinds}
    subjects = {name.partition(".")[0] for name in (*FILES, *JUDGED)}
    return {name for name in found if name.partition(".")[0] in subjects}


def test_every_rule_has_an_example_and_every_example_a_rule() -> None:
    assert set(JUDGED) <= ids_in_code()
    assert ids_in_code() == set(FILES)


@each_rule
def test_the_good_side_passes(rule: str, tmp_path: Path) -> None:
    found = findings(tmp_path, rule, "good")
    assert [problem for problem in found if problem.is_error or problem.rule == rule] == []


@each_rule
def test_the_bad_side_fails_by_this_rule_alone(rule: str, tmp_path: Path) -> None:
    wanted = FILES[rule]
    found = findings(tmp_path, rule, "bad")
    [problem] = [problem for problem in found if problem.is_error or problem.rule == rule]
    assert (problem.rule, problem.severity) == (rule, wanted.get("severity", "error"))
    assert problem.message == wanted["shows"]
    assert repeated(wanted["at"]) in marked(tmp_path, rule, found.index(problem))


def marked(folder: Path, rule: str, index: int) -> str:
    """The line of a finding with > and < around the characters that its position means."""
    position = findings(folder, rule, "bad")[index].position
    assert position is not None
    line = (folder / position.file).read_text("utf-8", errors="surrogateescape").split("\n")[position.line - 1]
    start, end = position.column - 1, position.column - 1 + position.length
    return f"{line[:start]}>{line[start:end]}<{line[end:]}"


@pytest.mark.parametrize("rule", JUDGED)
def test_without_the_rule_nobody_minds(rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    emptied = {**rules.rules(), rule: replace(rules.rules()[rule], check=lambda center: iter(()))}
    monkeypatch.setattr(rules, "rules", lambda: emptied)
    found = findings(tmp_path, rule, "bad")
    assert [problem for problem in found if problem.is_error or problem.rule == rule] == []


@each_rule
def test_reasons_are_for_people(rule: str) -> None:
    why = FILES[rule]["why"]
    assert len(why) > 80 and why.rstrip().endswith(".")
    page = explain.page(rule)
    assert all(part in page for part in (f"[{rule}]", "\nThe finding", FILES[rule]["shows"]))
    assert all(line.isprintable() for line in page.split("\n"))


@each_rule
def test_sides_differ_in_one_step(rule: str) -> None:
    """At most one edit tells the sides apart, so that the example shows the limit and nothing else."""
    lesson = explain.lesson(rule)
    assert len([edit for edit in lesson.edits if edit.good != edit.bad]) == 1
    assert spelt_out(lesson.texts("good")) != spelt_out(lesson.texts("bad"))


def center(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "generator", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_lists_and_explains() -> None:
    listed = center("explain")
    assert (listed.returncode, listed.stdout.split()) == (0, list(FILES))
    told = center("explain", "power.rack-feed")
    assert told.returncode == 0 and "155 A 225 V" in told.stdout
    unknown = center("explain", "power.rack-fed")
    assert unknown.returncode == 64 and 'did you mean "power.rack-feed"?' in unknown.stderr


@pytest.mark.parametrize("subject", sorted({name.partition(".")[0] for name in FILES}))
def test_a_subject_lists_its_rules_with_a_line_each(subject: str) -> None:
    lines = explain.listing(subject).split("\n")
    assert [line.split()[0] for line in lines] == [name for name in FILES if name.partition(".")[0] == subject]
    assert all(len(line) <= 155 and len(line.split()) > 3 and line.isprintable() for line in lines)
    for line in lines:
        name, _, told = line.partition(" ")
        assert " ".join(FILES[name]["why"].split()).startswith(told.strip().removesuffix("…"))


def test_the_command_explains_a_subject() -> None:
    told = center("explain", "power")
    assert told.returncode == 0 and "power.rack-feed  " in told.stdout and "rack.mass" not in told.stdout
    unknown = center("explain", "powr")
    assert (unknown.returncode, unknown.stdout) == (64, "") and 'did you mean "power"?' in unknown.stderr
