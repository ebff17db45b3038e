"""YAML text from strangers: read as it looks, or refused with line and column, in bounded time and memory."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from generator.problems import Problem, Refused
from generator.source import MAX_BYTES, Source, load, loads
from tests.lessons import ROOT

SECONDS, BYTES = 2, 200 * 1024 * 1024  # of processor time, start of the interpreter included
ONE = b"a: 1\n"


def refusals(text: str) -> list[Problem]:
    with pytest.raises(Refused) as refused:
        loads(text)
    return refused.value.problems


def places(problems: list[Problem]) -> list[tuple[str, int, int]]:
    assert all(problem.position for problem in problems)
    return [(p.rule, p.position.line, p.position.column) for p in problems if p.position]


# What scalars are

READ: list[tuple[str, Any]] = [
    ("no", "no"), ("yes", "yes"), ("on", "on"), ("off", "off"), ("No", "No"), ("n", "n"), ("y", "y"),
    ("true", True), ("false", False), ("True", "True"), ("TRUE", "TRUE"),
    ("null", None), ("~", None), ("", None), ("Null", "Null"), ("NULL", "NULL"),
    ("0", 0), ("7", 7), ("-7", -7), ("+7", "+7"), ("010", "010"), ("0o10", "0o10"), ("0x1F", "0x1F"), ("0b1", "0b1"),
    ("1_000", "1_000"), ("1,000", "1,000"), ("123456789012345678", 123456789012345678),
    ("9" * 19, "9" * 19), ("9" * 5000, "9" * 5000),
    ("1.5", 1.5), ("-0.5", -0.5), ("1.", "1."), (".5", ".5"), ("01.5", "01.5"), ("1e3", "1e3"), ("1.5e3", "1.5e3"),
    (".inf", ".inf"), ("-.inf", "-.inf"), (".nan", ".nan"), ("0.1", 0.1),
    ("22:30", "22:30"), ("1:30:00", "1:30:00"), ("190:20:30.15", "190:20:30.15"),
    ("00:11:22:33:44:55", "00:11:22:33:44:55"), ("52:54:00:12:34:56", "52:54:00:12:34:56"),
    ("2026-11-22", "2026-11-22"), ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z"),
    ("1.2.3", "1.2.3"), ("10.16.0.0/14", "10.16.0.0/14"), ("fe80::1", "fe80::1"), ("=", "="), ("<<", "<<"),
    ("40 kW", "40 kW"), ("80 %", "80 %"), ("36 °C", "36 °C"), ("示例智算中心", "示例智算中心"), ("🔥", "🔥"),
    ('"7"', "7"), ("'no'", "no"), ('"~"', "~"), ('"a\\tb"', "a\tb"), ('"\\x41"', "A"), ('"true"', "true"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "value"), READ, ids=lambda value: str(value)[:20])
def test_scalars_are_what_they_look_like(written: str, value: Any) -> None:
    found = loads(f"key: {written}\n").data["key"]
    assert (type(found), found) == (type(value), value)


def test_keys_are_always_text() -> None:
    assert list(loads("no: 1\n7: 2\n~: 3\n1.5: 4\ntrue: 5\n2026-01-01: 6\n").data) == [
        "no", "7", "~", "1.5", "true", "2026-01-01",
    ]  # fmt: skip


def test_the_written_form_of_a_number_is_kept() -> None:
    source = loads('version: 1.10\nquoted: "1.10"\n')
    assert source.data == {"version": 1.1, "quoted": "1.10"}
    assert source.written(("version",)) == "1.10"


def test_comments_block_texts_and_line_ends_of_all_kinds() -> None:
    text = "# first\r\na: |\r\n  one\r\n  two\r\nb: >-\r  folded\r  text\rc: [1, # why\n  2]\n"
    assert loads(text).data == {"a": "one\ntwo\n", "b": "folded text", "c": [1, 2]}


# Where things are

SPEC = """\
\ufeffmetadata: {name: 中心, title: "a b"}
pools:
  train:   {server: x}
  list:
    - one
    - {two: 2}
  text: |
    lines
"""


@pytest.mark.parametrize(
    ("path", "at_key", "place"),
    [
        ((), False, (1, 1, 1)),
        (("metadata",), False, (1, 1, 8)),
        (("metadata", "name"), False, (1, 18, 2)),
        (("metadata", "name"), True, (1, 12, 4)),
        (("metadata", "title"), False, (1, 29, 5)),
        (("pools", "train"), False, (3, 3, 5)),
        (("pools", "train", "server"), False, (3, 21, 1)),
        (("pools", "train", "no-such", "thing"), False, (3, 3, 5)),
        (("pools", "list", 0), False, (5, 7, 3)),
        (("pools", "list", 1), False, (6, 7, 1)),
        (("pools", "list", 1, "two"), True, (6, 8, 3)),
        (("pools", "list", 9), False, (4, 3, 4)),
        (("pools", "text"), False, (7, 9, 1)),
        (("no-such",), False, (1, 1, 1)),
    ],
)
def test_positions(path: tuple[str | int, ...], at_key: bool, place: tuple[int, int, int]) -> None:
    found = loads(SPEC).locate(path, at_key=at_key)
    assert found is not None and (found.line, found.column, found.length) == place


# What is refused, and where

REFUSED = {
    "duplicate": ("a: 1\nb: {c: 1, d: 2, c: 3}\n", [("source.duplicate", 2, 17)]),
    "duplicate, all of them": ("a: 1\na: 2\na: 3\n", [("source.duplicate", 2, 1), ("source.duplicate", 3, 1)]),
    "duplicate mapping, its inside once": ("a: {x: 1}\na: {x: 1, y: 1}\n", [("source.duplicate", 2, 1)]),
    "duplicate in disguise": ('name: 1\n"name": 2\n', [("source.duplicate", 2, 1)]),
    "anchor": ("a: &x 1\n", [("source.alias", 1, 4)]),
    "alias": ("a: *x\n", [("source.alias", 1, 4)]),
    "merge": ("a: {<<: {b: 1}}\n", [("source.alias", 1, 5)]),
    "alias bomb": (
        "a: &a [lol, lol]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: [*b, *b, *b, *b, *b, *b, *b, *b]\n",
        [("source.alias", 1, 4)],
    ),
    "anchor of a key": ("&x a: 1\n", [("source.alias", 1, 1)]),
    "tag": ("a: !!python/object/apply:os.system [id]\n", [("source.tag", 1, 4)]),
    "own tag": ("a: !vault |\n  $ANSIBLE_VAULT\n", [("source.tag", 1, 4)]),
    "tag by directive": ("%TAG !! tag:evil,2000:\n---\na: !!x 1\n", [("source.tag", 3, 4)]),
    "other version": ("%YAML 7.0\n---\na: 1\n", [("source.syntax", 1, 1)]),
    "two documents": ("a: 1\n---\nb: 2\n", [("source.documents", 2, 1)]),
    "two documents by dots": ("a: 1\n...\n--- {b: 2}\n", [("source.documents", 3, 1)]),
    "text behind the end": ("a: 1\n...\nb: 2\n", [("source.syntax", 3, 1)]),
    "deep list": ("a: " + "[" * 100_000, [("source.depth", 1, 43)]),
    "deep mapping": ("{a: " * 100_000, [("source.depth", 1, 161)]),
    "deep block": ("".join(f"{' ' * n}k{n}:\n" for n in range(300)), [("source.depth", 41, 41)]),
    "list as document": ("- a\n", [("source.form", 1, 1)]),
    "text as document": ("hello\n", [("source.form", 1, 1)]),
    "nothing": ("", [("source.empty", 1, 1)]),
    "only comments": ("# a\n\n# b\n", [("source.empty", 1, 1)]),
    "only a marker": ("---\n", [("source.form", 2, 1)]),
    "key is a list": ("a: {[b]: 1}\n", [("source.key", 1, 5)]),
    "key is a mapping": ("? {b: 1}\n: 1\n", [("source.key", 1, 3)]),
    "long key": ("x" * 201 + ": 1\n", [("source.key", 1, 1)]),
    "long text": ("a: " + "x" * 20_001 + "\n", [("source.length", 1, 4)]),
    "NUL": ("a: b\0c\n", [("source.character", 1, 5)]),
    "escape": ("a: 1\nb: \x1b[2J\n", [("source.character", 2, 4)]),
    "delete": ("a: \x7f\n", [("source.character", 1, 4)]),
    "C1 control": ("a: \x9b\n", [("source.character", 1, 4)]),
    "next line": ("a: 1\x85b: 2\n", [("source.character", 1, 5)]),
    "line separator": ("a: 1\u2028b: 2\n", [("source.character", 1, 5)]),
    "right to left": ("a: \u202eevil\n", [("source.character", 1, 4)]),
    "private use": ("a: \ue000\n", [("source.character", 1, 4)]),
    "private use, far": ("a: \U0010fffd\n", [("source.character", 1, 4)]),
    "no character": ("a: \uffff\n", [("source.character", 1, 4)]),
    "second byte order mark": ("a: 1\nb: \ufeff1\n", [("source.character", 2, 4)]),
    "lone surrogate": ("a: \ud800\n", [("source.encoding", 1, 4)]),
    "escaped NUL": ('a: "\\0"\n', [("source.character", 1, 4)]),
    "escaped control": ('a: "x\\x1b[2J"\n', [("source.character", 1, 4)]),
    "escaped surrogate": ('a: "\\ud800"\n', [("source.syntax", 1, 7)]),
    "escaped carriage return": ('a: "x\\ry"\n', [("source.character", 1, 4)]),
    "escaped private use": ('a: "\\ue000"\n', [("source.character", 1, 4)]),
    "escaped key": ('"\\ue000": 1\n', [("source.character", 1, 1)]),
    "tab as indentation": ("a:\n\tb: 1\n", [("source.syntax", 2, 1)]),
    "unclosed": ("a: [1, 2\nb: 3\n", [("source.syntax", 2, 2)]),
    "unclosed quote": ('a: "b\n', [("source.syntax", 2, 1)]),
    "percent": ("a: %\n", [("source.syntax", 1, 4)]),
    "at": ("a: @{node.name}\n", [("source.syntax", 1, 4)]),
    "colon in text": ("a: b: c\n", [("source.syntax", 1, 5)]),
    "many": ("a: [" + "1," * 60_000 + "]\n", [("source.size", 1, 100_003)]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_line_and_column(case: str) -> None:
    text, wanted = REFUSED[case]
    assert places(refusals(text)) == wanted


def test_the_line_beside_a_finding_is_there_for_every_kind_of_line_end() -> None:
    for end in ("\n", "\r\n", "\r"):
        with pytest.raises(Refused) as refused:
            loads(f"a: 1{end}b: 2{end}b: 3{end}")
        assert places(refused.value.problems) == [("source.duplicate", 3, 1)]


ENCODED = {
    "UTF-16 with its mark": ("a: 1\n".encode("utf-16"), ("source.encoding", 1, 1)),
    "UTF-16 without": ("a: 1\n".encode("utf-16-le"), ("source.character", 1, 2)),
    "UTF-32": ("a: 1\n".encode("utf-32-be"), ("source.character", 1, 1)),
    "Latin-1": ("a: 1\nb: 36 °C\n".encode("latin-1"), ("source.encoding", 2, 7)),
    "GBK": ("a: 示例\n".encode("gbk"), ("source.encoding", 1, 5)),
    "columns are characters": ("a: 中心 ".encode() + b"\xff\n", ("source.encoding", 1, 7)),
    "overlong": (b"a: \xc0\x80\n", ("source.encoding", 1, 4)),
    "surrogate": (b"a: \xed\xa0\x80\n", ("source.encoding", 1, 4)),
    "cut": ("a: 中".encode()[:-1], ("source.encoding", 1, 4)),
    "binary": (bytes(range(256)), ("source.encoding", 3, 115)),
}


@pytest.mark.parametrize("case", ENCODED)
def test_other_encodings_are_refused(case: str, tmp_path: Path) -> None:
    raw, wanted = ENCODED[case]
    assert places(refusals_of(tmp_path, {"center.yaml": raw})) == [wanted]


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "center.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert load(tmp_path / "center.yaml").data == {"a": 1}


# Includes


def refusals_of(folder: Path, files: dict[str, bytes]) -> list[Problem]:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    with pytest.raises(Refused) as refused:
        load(folder / "center.yaml")
    return refused.value.problems


def test_an_included_file_continues_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more/pools.yaml").write_text("pools:\n  b: {server: y}\nservices: {}\n")
    (tmp_path / "center.yaml").write_text("include: [more/pools.yaml]\npools: {a: {server: x}}\n")
    source = load(tmp_path / "center.yaml")
    assert source.data == {"pools": {"a": {"server": "x"}, "b": {"server": "y"}}, "services": {}}
    position = source.locate(("pools", "b", "server"))
    assert position is not None and (position.file, position.line, position.column) == ("more/pools.yaml", 2, 15)
    assert source.line(position) == "  b: {server: y}"


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        ("x: {a: 1}", "x: {a: 2}", ("source.duplicate", 1, 5)),
        ("x: {a: 1}", "x: 2", ("source.duplicate", 1, 1)),
        ("x: {a: 1}", "x: [2]", ("source.duplicate", 1, 1)),
        ("x: [1]", "x: [2]", ("source.duplicate", 1, 1)),
        ("x: 1", "x: {a: 2}", ("source.duplicate", 1, 1)),
        ("x: ~", "x: {a: 2}", ("source.duplicate", 1, 1)),
        ("x: {a: 1}", "x: {b: 1}\nx: {c: 1}", ("source.duplicate", 2, 1)),
        ("x: {a: 1}", "include: [center.yaml]", ("source.include", 1, 1)),
    ],
)
def test_an_included_file_replaces_nothing(first: str, second: str, wanted: Any, tmp_path: Path) -> None:
    found = refusals_of(tmp_path, {"center.yaml": f"include: [b.yaml]\n{first}\n".encode(), "b.yaml": second.encode()})
    assert places(found) == [wanted]
    assert found[0].position is not None and found[0].position.file == "b.yaml"


def outside(folder: Path) -> None:
    (folder.parent / "secret.yaml").write_text("password: hunter2\n")


def linked(folder: Path) -> None:
    outside(folder)
    (folder / "link.yaml").symlink_to("../secret.yaml")


def linked_folder(folder: Path) -> None:
    outside(folder)
    (folder / "sub").symlink_to("..")


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe.yaml")


def subfolder(folder: Path) -> None:
    (folder / "sub").mkdir()


def nothing(folder: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("include", "prepare", "rule", "column"),
    [
        ("[../secret.yaml]", outside, "source.unreadable", 11),
        ("[sub/../../secret.yaml]", outside, "source.unreadable", 11),
        ("[/etc/hostname]", nothing, "source.unreadable", 11),
        ("[link.yaml]", linked, "source.unreadable", 11),
        ("[sub/secret.yaml]", linked_folder, "source.unreadable", 11),
        ("[pipe.yaml]", pipe, "source.unreadable", 11),
        ("[/dev/stdin]", nothing, "source.unreadable", 11),
        ("[sub]", subfolder, "source.unreadable", 11),
        ("[.]", nothing, "source.unreadable", 11),
        ('[""]', nothing, "source.unreadable", 11),
        ("[missing.yaml]", nothing, "source.unreadable", 11),
        (f"[{'x' * 300}.yaml]", nothing, "source.unreadable", 11),
        ("[center.yaml]", nothing, "source.include", 11),
        ("[./center.yaml]", nothing, "source.include", 11),
        ("center.yaml", nothing, "source.include", 10),
        ("[1]", nothing, "source.include", 1),
        ("{a: b}", nothing, "source.include", 1),
        (f"[{', '.join(['a.yaml'] * 201)}]", nothing, "source.include", 1),
    ],
)
def test_includes_stay_below_the_folder(
    include: str, prepare: Callable[[Path], None], rule: str, column: int, tmp_path: Path
) -> None:
    folder = tmp_path / "center"
    folder.mkdir()
    prepare(folder)
    found = refusals_of(folder, {"center.yaml": f"include: {include}\na: 1\n".encode()})
    assert places(found) == [(rule, 1, column)]
    assert "hunter2" not in str(found)


def test_the_same_file_is_included_once(tmp_path: Path) -> None:
    found = refusals_of(tmp_path, {"center.yaml": b"include: [b.yaml, b.yaml]\na: 1\n", "b.yaml": b"b: 1\n"})
    assert places(found) == [("source.include", 1, 19)]


def test_a_spec_that_is_a_link_or_a_pipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_bytes(ONE)
    (tmp_path / "center.yaml").symlink_to("real.yaml")
    os.mkfifo(tmp_path / "pipe.yaml")
    for name in ("center.yaml", "pipe.yaml", ".", "missing.yaml"):
        with pytest.raises(Refused) as refused:
            load(tmp_path / name)
        assert [problem.rule for problem in refused.value.problems] == ["source.unreadable"]


def test_the_size_is_that_of_all_files(tmp_path: Path) -> None:
    half = b"# " + b"x" * (MAX_BYTES // 2) + b"\nb: 1\n"
    found = refusals_of(tmp_path, {"center.yaml": b"include: [b.yaml]\n" + half, "b.yaml": half})
    assert places(found) == [("source.size", 1, 11)]


# Public files beside the spec


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("../x.pub", b"ssh-ed25519 AAAA", "is not a plain file below"),
        ("missing.pub", None, "is not a plain file below"),
        ("a.pub", b"", "is not a file of public keys"),
        ("a.pub", b"-----BEGIN OPENSSH PRIVATE KEY-----\n", "is a private key; hosts get only public keys"),
        ("a.pub", b"\xff\xfe", "is not a text file of public keys"),
        ("a.pub", b"x" * 300_000, "is larger than 256 KiB"),
    ],
)
def test_public_files_are_small_and_public(name: str, content: bytes | None, sentence: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name.rpartition("/")[2]).write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        Source(root=tmp_path).public_file(name)


# Time and memory, in a process that has no more of them

HOSTILE = {
    "3 MB of comment": b"# " + b"x" * 3_000_000,
    "3 MB of one text": b"a: " + b"x" * 3_000_000,
    "2 MB of lists": b"a: [" + b"[]," * 690_000 + b"]",
    "2 MB of keys": b"".join(b"k%d: 1\n" % n for n in range(190_000)),
    "2 MB of duplicates": b"k: 1\n" * 400_000,
    "2 MB deep": b"[" * 2_000_000,
    "2 MB deep in keys": b"? " * 1_000_000,
    "2 MB of dashes": b"- " * 1_000_000,
    "2 MB of quotes": b'a: "' + b"\\x41" * 500_000 + b'"',
    "2 MB of anchors": b"".join(b"- &a%d x\n" % n for n in range(170_000)),
    "long plain lines": b"a:\n" + b"  x\n" * 500_000,
    "control character at the end": b"a: " + b"x" * 2_000_000 + b"\x1b",
    "bad byte at the end": "中".encode() * 600_000 + b"\xff",
    "alias bomb": b"a: &a [x, x]\n" + b"".join(b"%c: &%c [*%c, *%c]\n" % (c + 1, c + 1, c, c) for c in range(97, 121)),
    "unknown keys": b"apiVersion: center/v1\n" + b"".join(b"k%d: 1\n" % n for n in range(40_000)),
    "racks and holes without end": (ROOT / "inventories/starter/center.yaml")
    .read_bytes()
    .replace(b"{a01: gpu}", b"{a1..999999: gpu}")
    .replace(b"control: 1, train: 3", b"control: 199, train: 200")
    .replace(b"slot: 2}", b"slot: 2, absent: [" + b", ".join(b"train-a%d-1..200" % n for n in range(1000)) + b"]}")
    .replace(b"units: {cdu-1:", b"units: {cdu-1..999999:"),
    "long numbers": b"apiVersion: " + b"9" * 5_000 + b"\n",
}
CHILD = """
import resource, sys
from pathlib import Path
from generator.validate import validate
found = validate(Path(sys.argv[1])).problems
assert found and all(p.position and p.position.line and p.position.column for p in found), found
print(len(found), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_refused_in_little_time_and_memory(case: str, tmp_path: Path) -> None:
    file = tmp_path / "center.yaml"
    file.write_bytes(HOSTILE[case])
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(file)],
        preexec_fn=limited,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert child.returncode == 0, child.stderr[-2000:]


# Anything at all


def pieces() -> Iterator[bytes]:
    yield from (
        b"a: 1\n",
        b"b:\n",
        b"  c: [1, 2]\n",
        b"- ",
        b"? ",
        b": ",
        b"{",
        b"}",
        b"[",
        b"]",
        b"&x ",
        b"*x",
        b"!!t ",
    )
    yield from (
        b"---\n",
        b"...\n",
        b"%YAML 1.1\n",
        b"|\n",
        b">-\n",
        b'"',
        b"'",
        b"\\",
        b"\t",
        b"\r",
        b"\n",
        b" ",
        b"#",
        b",",
    )
    yield from (
        b"\x00",
        b"\xff",
        b"\xef\xbb\xbf",
        "中".encode(),
        "\ue000".encode(),
        b"include: [b.yaml]\n",
        b"<<: ",
        b"@{",
    )


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(list(pieces())), max_size=40).map(b"".join)))
@example(b"? ")
@example(b"a: |\n\xc2\xa0")
def test_any_bytes_are_read_or_refused(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "center.yaml"
    file.write_bytes(raw)
    try:
        source = load(file)
    except Refused as refused:
        assert refused.problems
        for problem in refused.problems:
            assert problem.position and problem.position.line > 0 and problem.position.column > 0
    else:
        assert isinstance(source.data, dict) and source.locate(()) is not None
