"""Slips that people make when they write their first centre: the finding says what to write instead."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from generator import beside
from generator.problems import Problem
from generator.validate import validate
from tests.lessons import STARTER

SPEC = (STARTER / "center.yaml").read_text("utf-8")
PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"


def found(folder: Path, old: str, new: str, **files: str) -> list[Problem]:
    """What is said of the starter with one text replaced, and with further files beside it."""
    assert SPEC.count(old) == 1, old
    (folder / "center.yaml").write_text(SPEC.replace(old, new), "utf-8")
    (folder / "ssh_ca.pub").write_text((STARTER / "ssh_ca.pub").read_text())
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, "utf-8")
    return validate(folder / "center.yaml").problems


def hints(problems: list[Problem]) -> list[tuple[str, str | None]]:
    return [(problem.message, problem.hint) for problem in problems]


SITE = "site: {timezone: Europe/Zurich}"


@pytest.mark.parametrize(
    ("new", "line"),
    [
        ("site:\n\ttimezone: Europe/Zurich", 7),
        ("site:\n  region: x\n\ttimezone: Europe/Zurich", 8),
        ("site:\n \t- x", 7),
    ],
)
def test_a_tab_may_not_indent(new: str, line: int, tmp_path: Path) -> None:
    [problem] = found(tmp_path, SITE, new)
    assert problem.position and problem.position.line == line
    assert (problem.rule, problem.hint) == ("source.syntax", "tabs may not indent; use spaces")


def test_other_faults_of_syntax_say_nothing_of_tabs(tmp_path: Path) -> None:
    [problem] = found(tmp_path, SITE, "site: {timezone: [}\t")
    assert (problem.rule, problem.hint) == ("source.syntax", None)


INCLUDE = "kind: Center\ninclude: [{}]\n"


def test_an_included_file_includes_no_others(tmp_path: Path) -> None:
    more = "targets: {pue: 1.2}\ninclude: [other.yaml]\n"
    [problem] = found(tmp_path, "kind: Center\n", INCLUDE.format("more.yaml"), more__yaml=more, other__yaml="x: 1\n")
    assert hints([problem]) == [
        ("an included file may not include others", 'name the files in "include" of center.yaml')
    ]
    assert problem.rule == "source.include" and problem.position
    assert (problem.position.file, problem.position.line) == ("more.yaml", 2)


def test_include_said_twice_in_one_file_is_still_said_twice(tmp_path: Path) -> None:
    twice = INCLUDE.format("more.yaml") + "include: [more.yaml]\n"
    [problem] = found(tmp_path, "kind: Center\n", twice, more__yaml="targets: {pue: 1.2}\n")
    assert problem.rule == "source.duplicate"


def test_a_misspelt_include_is_known(tmp_path: Path) -> None:
    [problem] = found(tmp_path, "kind: Center\n", INCLUDE.format("plan.yaml"), plant__yaml="targets: {pue: 1.2}\n")
    assert (problem.rule, problem.hint) == ("source.unreadable", 'did you mean "plant.yaml"?')
    (tmp_path / "plant.yaml").unlink()
    # The spec itself is read already and no answer.
    [problem] = found(tmp_path, "kind: Center\n", INCLUDE.format("centre.yaml"))
    assert problem.hint is None


def test_a_misspelt_file_is_known(tmp_path: Path) -> None:
    [problem] = found(tmp_path, "path:ssh_ca.pub", "path:ssh-ca.pub")
    assert (problem.rule, problem.hint) == ("reference.file", 'did you mean "ssh_ca.pub"?')
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/assets.csv").write_text("node,serial\n")
    [problem] = found(tmp_path, "\npools:\n", '\nassets: "path:tables/asset.csv"\npools:\n')
    assert (problem.rule, problem.hint) == ("reference.file", 'did you mean "tables/assets.csv"?')


def test_a_private_key_is_called_one(tmp_path: Path) -> None:
    [problem] = found(tmp_path, "path:ssh_ca.pub", "path:ssh_ca", ssh_ca=PRIVATE)
    assert hints([problem]) == [('"ssh_ca" is a private key; hosts get only public keys', 'did you mean "ssh_ca.pub"?')]
    [problem] = found(tmp_path, "path:ssh_ca.pub", "path:other", other=PRIVATE)
    assert hints([problem]) == [('"other" is a private key; hosts get only public keys', None)]


@pytest.mark.parametrize(
    "name", ["../ssh_ca.pu", "/etc/passw", "link/ssh_ca.pu", "no/ssh_ca.pu", "x" * 300, "a\0b", ""]
)
def test_nothing_is_told_of_other_folders(name: str, tmp_path: Path) -> None:
    root = tmp_path / "spec"
    root.mkdir()
    for folder in (tmp_path, root):
        (folder / "ssh_ca.pub").write_text("x")
    (root / "link").symlink_to(tmp_path)
    assert beside.meant(root, name) is None


def test_only_plain_files_with_printable_names_are_offered(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "plant1.yaml")
    (tmp_path / "plant2.yaml").mkdir()
    (tmp_path / "plant3.yaml").symlink_to("nowhere")
    (tmp_path / "plant\x1b.yaml").write_text("x")
    assert beside.meant(tmp_path, "plant.yaml") is None
    (tmp_path / "plants.yaml").write_text("x")
    assert beside.meant(tmp_path, "plant.yaml") == 'did you mean "plants.yaml"?'
    assert beside.meant(tmp_path, "plant.yaml", but={"plants.yaml"}) is None


def test_a_folder_with_very_many_files_is_not_searched(tmp_path: Path) -> None:
    for number in range(beside.MAX_NEIGHBOURS + 1):
        (tmp_path / f"plant{number}.yaml").touch()
    assert beside.meant(tmp_path, "plant.yaml") is None


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ("rise: 10 K", "rise: 10,5 K", "write a decimal point: 10.5 K"),
        ("capacity: 60 kW, rack", "capacity: 60,5 kW, rack", "write a decimal point: 60.5 kW"),
        ("capacity: 60 kW, rack", "capacity: 1,200 kW, rack", "write a decimal point: 1.200 kW or no comma: 1200 kW"),
        ("supply: 36 °C", "supply: 36,0 °C", "write a decimal point: 36.0 °C"),
    ],
)
def test_a_decimal_comma_is_known(old: str, new: str, hint: str, tmp_path: Path) -> None:
    assert hint in [problem.hint for problem in found(tmp_path, old, new)]


def test_a_key_that_is_a_number_by_itself_is_no_half_of_one(tmp_path: Path) -> None:
    problems = found(tmp_path, "capacity: 60 kW, rack", "capacity: 60 kW, 5 kW, rack")
    [problem] = [problem for problem in problems if problem.path[-1:] == ("5 kW",)]
    assert "decimal" not in (problem.hint or "")
