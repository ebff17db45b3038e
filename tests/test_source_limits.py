"""The limits of the reader: what is exactly at a limit is read, what is one beyond is refused, in these words."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from generator.problems import Problem, Refused
from generator.source import Source, load, loads

SPEC_BYTES = 2_097_152
PUBLIC_BYTES = 262_144


def findings(text: str) -> list[Problem]:
    with pytest.raises(Refused) as refused:
        loads(text)
    return refused.value.problems


def message(text: str) -> str:
    [problem] = findings(text)
    return problem.message


def centre(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder / "center.yaml"


def refusals(file: Path) -> list[Problem]:
    with pytest.raises(Refused) as refused:
        load(file)
    return refused.value.problems


def test_texts_have_at_most_20000_characters() -> None:
    assert loads(f"a: {'x' * 20_000}\n").data == {"a": "x" * 20_000}
    assert message(f"a: {'x' * 20_001}\n") == "is longer than 20000 characters"


def test_keys_have_at_most_200_characters_and_a_longer_one_ends_the_reading() -> None:
    assert loads(f"{'x' * 200}: 1\n").data == {"x" * 200: 1}
    assert message(f"{'x' * 201}: 1\na: 1\na: 2\n") == "a key is longer than 200 characters"


def test_a_spec_is_nested_40_levels_deep_at_most() -> None:
    assert loads("a: " + "[" * 39 + "]" * 39).data
    assert message("a: " + "[" * 40 + "]" * 40) == "is nested deeper than 40 levels"


def test_a_spec_says_at_most_50000_things() -> None:
    assert len(loads("a: [" + "1," * 49_999 + "]\n").data["a"]) == 49_999
    assert message("a: [" + "1," * 50_000 + "]\n") == "the spec says more than 50000 things"


def test_at_most_100_findings_are_made() -> None:
    assert len(findings("a: 1\n" * 101)) == 100
    assert len(findings("a: 1\n" * 150)) == 100


def test_a_spec_has_at_most_2048_kib(tmp_path: Path) -> None:
    start = "include: [b.yaml]\n#"
    file = centre(tmp_path, b="b: 1\n", center=start + "x" * (SPEC_BYTES - len(start) - 5))
    assert load(file).data == {"b": 1}
    (tmp_path / "b.yaml").write_text("b: 1\n\n")
    [problem] = refusals(file)
    assert (problem.rule, problem.message) == ("source.size", "the spec is larger than 2048 KiB")


def test_a_spec_includes_at_most_200_files(tmp_path: Path) -> None:
    names = [f"b{number}" for number in range(201)]
    for name in names:
        (tmp_path / f"{name}.yaml").write_text(f"{name}: 1\n")
    included = [f"{name}.yaml" for name in names]
    assert len(load(centre(tmp_path, center=f"include: [{', '.join(included[:200])}]\n")).data) == 200
    [problem] = refusals(centre(tmp_path, center=f"include: [{', '.join(included)}]\n"))
    assert problem.message == "includes more than 200 files"


def test_a_public_file_has_at_most_256_kib_and_one_line_end(tmp_path: Path) -> None:
    file, source = tmp_path / "a.pub", Source(root=tmp_path)
    file.write_text("x" * PUBLIC_BYTES)
    assert source.public_file("a.pub") == "x" * PUBLIC_BYTES + "\n"
    file.write_text("x" * (PUBLIC_BYTES + 1))
    with pytest.raises(ValueError, match=r'^"a.pub" is larger than 256 KiB$'):
        source.public_file("a.pub")
    file.write_bytes(b"\n ssh-ed25519 AAAA\r\nssh-ed25519 BBBB\r\n\n")
    assert source.public_file("a.pub") == "ssh-ed25519 AAAA\r\nssh-ed25519 BBBB\n"


def test_names_of_files_have_at_most_255_characters(tmp_path: Path) -> None:
    deep = tmp_path / "/".join(["x" * 49] * 5)
    deep.mkdir(parents=True)
    for name in ("b.pub", "bb.pub"):
        (deep / name).write_text("ssh-ed25519 AAAA\n")
    source, folder = Source(root=tmp_path), str(deep.relative_to(tmp_path))
    assert source.public_file(f"{folder}/b.pub") == "ssh-ed25519 AAAA\n"
    with pytest.raises(ValueError, match="is not a plain file"):
        source.public_file(f"{folder}/bb.pub")


@pytest.mark.parametrize("content", ["AAAA\0", "AAAA \x1b[2J", "AAAA\rBBBB", "AAAA\x7f"])
def test_a_public_file_has_nothing_that_a_terminal_obeys(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.pub").write_bytes(content.encode())
    with pytest.raises(ValueError, match=r'^"a.pub" is not a text file of public keys$'):
        Source(root=tmp_path).public_file("a.pub")


@pytest.mark.parametrize("name", ["missing.yaml", "x" * 300])
def test_a_spec_that_cannot_be_read_is_a_finding_at_its_beginning(name: str, tmp_path: Path) -> None:
    [problem] = refusals(tmp_path / name)
    assert problem.message == f'"{name}" is not a plain file below the folder of the spec'
    position = problem.position
    assert position and (position.file, position.line, position.column, position.length) == (name, 1, 1, 1)


# Characters


def test_every_character_that_is_not_forbidden_is_read_and_no_other() -> None:
    planes = range(1, 15)
    forbidden = {
        *range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F),
        *range(0x2066, 0x206A), *range(0xE000, 0xF900), *range(0xFDD0, 0xFDF0), 0xFEFF, 0xFFFE, 0xFFFF,
        *(plane * 0x10000 + last for plane in planes for last in (0xFFFE, 0xFFFF)), *range(0xF0000, 0x110000),
    }  # fmt: skip
    others = set(range(sys.maxunicode + 1)) - forbidden - set(range(0xD800, 0xE000))
    allowed = "".join(chr(code) for code in sorted(others) if chr(code) not in '\t\n\r"\\ ')
    for start in range(0, len(allowed), 20_000):
        piece = allowed[start : start + 20_000]
        assert loads(f'a: "{piece}"\n').data == {"a": piece}
    # Of the private characters, which are many, the first and the last.
    for code in {code for code in forbidden if not {code - 1, code + 1} <= forbidden or code < 0xA0}:
        [problem] = findings(f"a: {chr(code)}\n")
        assert problem.message == f"contains the character U+{code:04X}, which no name or text may have"


# Places and words


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [("a: [", 1, 5), ('a: 1\nb: "c', 2, 6), ("a: [1, 2\nK", 2, 2)],
)
def test_what_is_missing_behind_the_last_line_is_missing_at_its_end(text: str, line: int, column: int) -> None:
    [problem] = [problem for problem in findings(text) if problem.rule == "source.syntax"]
    assert problem.position and (problem.position.line, problem.position.column) == (line, column)


def test_a_key_without_a_value_at_the_end_has_a_place_in_the_file() -> None:
    for text in ("? ", "a:", "a: 1\n? b"):
        source = loads(text)
        position = source.locate(tuple(source.data)[-1:])
        assert position and position.line <= text.count("\n") + 1 and position.column <= len(text) + 1


def test_a_value_of_several_lines_is_marked_at_its_beginning() -> None:
    source = loads('a: "x\n    long long line"\nb: {c: 1}\n')
    for path, place in ((("a",), (1, 4, 1)), (("a", "inside"), (1, 1, 1)), (("b", "c", "inside"), (3, 5, 1))):
        position = source.locate(path)
        assert position and (position.line, position.column, position.length) == place


def test_what_is_said_twice_is_shown_where_it_was_said_first(tmp_path: Path) -> None:
    assert message("a: 1\nb: {a: 1}\na: 2\n") == '"a" is said twice, first at line 1'
    [problem] = refusals(centre(tmp_path, center="include: [b.yaml]\na: 1\n", b="a: 2\n"))
    assert problem.message == '"a" is said twice, first at center.yaml:2'


def test_errors_are_said_in_the_words_of_the_yaml_reader() -> None:
    assert re.fullmatch("is not YAML: mapping values are not allowed in this context", message("a: b: c\n"))
